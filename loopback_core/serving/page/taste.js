/* The form: what is liked, the task, the slider, what is hidden. It shows a state, and says what the reader changes. */

import { byId, count, element, show, spoken, written } from "./elements.js";

const WORDS = ["Only new", "Mostly new", "Half and half", "Mostly familiar", "Only familiar"];
const UNMOVED = { discovery: 0, next_listen: 0.5 }; // where the thumb rests before it is moved
const SLIDER_WAIT_MS = 250;

/** change(function from a state to the next). removeLiked(entry), showAgain(entry): the reader asks for it. */
export function watchTaste(change, removeLiked, showAgain) {
  const form = byId("taste");
  const slider = byId("newness");
  let timer = null;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    if (event.target.name === "task") change((state) => ({ ...state, task: event.target.value }));
  });
  slider.addEventListener("input", () => {
    const familiarity = Number((1 - slider.value / 10).toFixed(1)); // read now: an answer that comes meanwhile draws the slider again
    drawSlider(familiarity, null);
    clearTimeout(timer);
    timer = setTimeout(() => change((state) => ({ ...state, familiarity })), SLIDER_WAIT_MS);
  });
  byId("automatic").addEventListener("click", () => {
    clearTimeout(timer);
    change((state) => ({ ...state, familiarity: null }));
    slider.focus();
  });
  // A form taller than the window scrolls until its end is seen, then stays.
  const stick = () => (form.style.top = `${Math.min(32, innerHeight - form.offsetHeight - 16)}px`);
  new ResizeObserver(stick).observe(form);
  addEventListener("resize", stick);
  onEntry(byId("liked"), removeLiked);
  onEntry(byId("hidden-list"), showAgain);
}

export function drawTaste(state) {
  drawEntries(byId("liked"), state.liked, (entry) => chip(entry));
  for (const radio of byId("taste").elements.task) radio.checked = radio.value === state.task;
  const at = state.familiarity ?? UNMOVED[state.task];
  byId("newness").value = Math.round((1 - at) * 10);
  drawSlider(at, state.familiarity === null ? "Automatic" : null);
  show(byId("hidden-tracks"), state.hidden.length > 0);
  byId("hidden-count").textContent = `Hidden: ${count(state.hidden.length, "track")}`;
  drawEntries(byId("hidden-list"), state.hidden, (entry) => hiddenTrack(entry));
}

function drawSlider(familiarity, automatic) {
  const words = automatic ?? WORDS[Math.round(familiarity * 4)];
  byId("newness-words").textContent = words;
  byId("newness").setAttribute("aria-valuetext", words);
  byId("newness").classList.toggle("automatic", automatic !== null);
  show(byId("automatic"), automatic === null);
}

const entryOf = new WeakMap(); // button -> entry

function onEntry(list, act) {
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) act(entryOf.get(button));
  });
}

/* The focus goes to the next entry when the one that had it is gone. */
function drawEntries(list, entries, make) {
  const place = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  list.replaceChildren(...entries.map(make));
  show(list, entries.length > 0);
  if (place < 0) return;
  const buttons = list.querySelectorAll("button");
  (buttons[Math.min(place, buttons.length - 1)] ?? byId("search")).focus();
}

function chip(entry) {
  const [first, , second] = written(entry);
  const button = element("button", { type: "button", class: "remove", "aria-label": `Remove ${spoken(entry)}` }, "×");
  entryOf.set(button, entry);
  return element(
    "li",
    { class: "chip" },
    element("span", { class: "chip-names" }, first, second ? element("span", { class: "chip-artist" }, second) : null),
    button,
  );
}

function hiddenTrack(entry) {
  const label = `Show again ${spoken(entry)}`;
  const button = element("button", { type: "button", class: "link", "aria-label": label }, "Show again");
  entryOf.set(button, entry);
  return element("li", {}, element("span", {}, ...written(entry)), button);
}
