/* The recommended tracks, each with its reason and two actions. */

import { byId, element, nameElement, spoken } from "./elements.js";

/** items: of an answer of the service. more(item), not(item): the reader asks for it. */
export function drawItems(items, more, not) {
  const list = byId("items");
  const focused = document.activeElement?.closest?.("#items li");
  const place = focused ? [...list.children].indexOf(focused) : -1;
  const action = document.activeElement?.dataset?.action;
  list.replaceChildren(...items.map((item) => row(item, more, not)));
  if (place < 0) return;
  // the row that had the focus is another one now, or gone: the same action of the row in its place gets it
  const next = list.children[Math.min(place, list.children.length - 1)];
  (next?.querySelector(`[data-action=${action}]`) ?? byId("answer-heading")).focus({ preventScroll: true });
}

function row(item, more, not) {
  const names = spoken({ artist: item.artist_name, track: item.track_name });
  return element(
    "li",
    { class: "item" },
    element("span", { class: "rank", "aria-hidden": "true" }, String(item.rank)),
    element(
      "div",
      { class: "item-text" },
      element("p", { class: "track" }, nameElement(item.track_name)),
      element("p", { class: "artist" }, nameElement(item.artist_name)),
      item.reason ? element("p", { class: "reason", dir: "auto" }, item.reason) : null,
    ),
    element(
      "div",
      { class: "actions" },
      actionButton("more", "More like this", names, () => more(item)),
      actionButton("not", "Not this", names, () => not(item)),
    ),
  );
}

function actionButton(action, label, names, act) {
  return element(
    "button",
    { type: "button", class: "button quiet", "data-action": action, "aria-label": `${label}: ${names}`, onclick: act },
    label,
  );
}
