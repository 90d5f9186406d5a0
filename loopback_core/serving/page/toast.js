/* One line at the foot of the page: what was just done, and its undoing. */

import { byId, element, show } from "./elements.js";

const SECONDS = 12;
let timer = null;

/** undo: a function, or null where nothing can be undone. Undoing stays possible elsewhere after the line has gone. */
export function toast(parts, undo = null) {
  const bar = byId("toast");
  const text = element("p", {}, ...parts);
  const button = undo && element("button", { type: "button", class: "link", onclick: () => act(undo) }, "Undo");
  bar.replaceChildren(text, ...(button ? [button] : []));
  show(bar, true);
  linger();
}

export function clearToast() {
  clearTimeout(timer);
  show(byId("toast"), false);
}

function act(undo) {
  clearToast();
  undo();
}

/* It stays for as long as somebody points at it or has the focus in it. */
function linger() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (byId("toast").matches(":hover, :focus-within")) linger();
    else clearToast();
  }, SECONDS * 1000);
}
