/* The right side: the list with what is to be said of it, a failure, or how to begin. */

import { MOST_K } from "./address.js";
import { announce, byId, count, element, show, written } from "./elements.js";
import { failureNodes } from "./failure.js";
import { drawItems } from "./items.js";

const TITLES = { discovery: "To discover", next_listen: "To hear next" };
const SLOW_MS = 300; // the list is dimmed when an answer takes longer
let slow = null;

/** There is nothing to ask for yet. */
export function drawStart() {
  clearTimeout(slow);
  byId("answer-heading").textContent = "Your list";
  for (const id of ["meta", "copy-link", "failure", "remarks", "more"]) show(byId(id), false);
  byId("items").replaceChildren();
  byId("items").classList.remove("slow");
  show(byId("start"), true);
}

export function drawAsking(state) {
  byId("answer-heading").textContent = TITLES[state.task];
  show(byId("start"), false);
  clearTimeout(slow);
  slow = setTimeout(() => {
    byId("items").classList.add("slow");
    announce("Looking for tracks.");
  }, SLOW_MS);
  byId("items").setAttribute("aria-busy", "true");
}

/** actions: {more(item), not(item)}. said: what the reader hears first, or "". */
export function drawAnswer(state, answer, sent, actions, said) {
  settle();
  show(byId("failure"), false);
  drawItems(answer.items, actions.more, actions.not);
  drawMeta(answer);
  const remarks = remarksOf(answer, sent, state);
  byId("remarks").replaceChildren(...remarks);
  show(byId("remarks"), remarks.length > 0);
  show(byId("copy-link"), Boolean(navigator.clipboard));
  show(byId("more"), answer.items.length >= state.k && state.k < MOST_K);
  announce(`${said} ${count(answer.items.length, "track")}.`.trim());
}

export function drawFailure(error, wait, again) {
  settle();
  for (const id of ["meta", "remarks", "more"]) show(byId(id), false);
  if (byId("failure").hidden) announce(error.message); // not for each try
  const stale = byId("items").children.length ? "Until then you see the last list." : "";
  byId("failure").replaceChildren(...failureNodes(error, wait, again, stale));
  show(byId("failure"), true);
}

function settle() {
  clearTimeout(slow);
  byId("items").classList.remove("slow");
  byId("items").removeAttribute("aria-busy");
}

function drawMeta(answer) {
  const total = answer.milliseconds.total;
  const took = total < 10 ? total.toFixed(1) : Math.round(total).toLocaleString("en");
  const link = element("a", { href: "#model", title: answer.bundle }, `model ${answer.bundle.slice(0, 8)}`);
  byId("meta").replaceChildren(`${took} ms · `, link);
  show(byId("meta"), true);
}

function remarksOf(answer, sent, state) {
  const remarks = [];
  if (!answer.items.length) {
    const remedy = state.hidden.length ? "Show hidden tracks again" : "Move the slider";
    remarks.push(element("p", {}, `There is nothing to recommend. ${remedy}, or name something else.`));
  }
  const unknown = answer.unknown ?? [];
  if (answer.fallback === "popular") {
    const why = sent ? "Nothing that you named is in this catalog" : "You have named nothing yet";
    remarks.push(element("p", {}, `${why}: these tracks are popular here.`));
  } else if (unknown.length) {
    remarks.push(unknownSentence(unknown, sent));
  }
  return remarks;
}

function unknownSentence(unknown, sent) {
  const byArtist = unknown.filter((entry) => entry.counted_by_artist).length;
  if (unknown.length > 3) {
    const counted = byArtist ? ` ${byArtist.toLocaleString("en")} of them count by their artist.` : "";
    const share = `${unknown.length.toLocaleString("en")} of ${count(sent, "listen")}`;
    return element("p", {}, `${share} name tracks that are not in this catalog.${counted}`);
  }
  const named = unknown.flatMap((entry, place) => [place ? "; " : "", ...written({ ...entry, track: entry.track ?? null })]);
  const counted = byArtist === unknown.length ? ` ${byArtist > 1 ? "They count" : "It counts"} by the artist.` : "";
  return element("p", {}, "Not in this catalog: ", ...named, `.${counted}`);
}
