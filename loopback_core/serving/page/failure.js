/* What is shown instead of an answer: a sentence, when it is tried again, and the field for a key where one is needed. */

import { keepKey } from "./api.js";
import { count, element } from "./elements.js";

/** wait: seconds until the next try by itself, or null. again(): try now. more: a sentence to add, or "". */
export function failureNodes(error, wait, again, more = "") {
  const sentence = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`;
  const text = element("p", { dir: "auto" }, sentence);
  if (error.wantsKey) return [text, keyForm(again)];
  const next = wait === null ? "" : `It is asked again in ${count(Math.round(wait) || 1, "second")}.`;
  const hint = `${next} ${more}`.trim();
  const button = element("button", { type: "button", class: "button", onclick: again }, "Try again");
  return [text, hint && element("p", { class: "hint" }, hint), button].filter(Boolean);
}

function keyForm(again) {
  const field = element("input", { id: "api-key", type: "password", autocomplete: "off", required: true });
  const submit = (event) => {
    event.preventDefault();
    keepKey(field.value.trim());
    again();
  };
  requestAnimationFrame(() => field.scrollIntoView({ block: "center" })); // on a phone it lies below the fold
  return element(
    "form",
    { class: "key-form", onsubmit: submit },
    element("label", { for: "api-key" }, "API key"),
    field,
    element("button", { class: "button" }, "Use this key"),
  );
}
