/* The dropped history: its listens stay in this tab, and are never part of the address. */

import { byId, count, element, nameElement, show } from "./elements.js";
import { BadExport, MOST_LISTENS, readExports } from "./exports.js";

const STORED = "loopback-history";
const MONTH = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });

let kept = restore(); // {name, listens, read, unreadable, from, to}, or null

/** The listens to send where the address says that `expected` of a file are part of it; null: that file is not here. */
export function listensOf(expected) {
  if (!expected) return [];
  return kept?.listens.length === expected ? kept.listens : null;
}

/** used(number of listens): called when files were read. removed(): when the reader takes the file away. */
export function watchFiles(used, removed) {
  const zone = byId("drop");
  const picker = byId("file");
  byId("choose-file").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    take([...picker.files]);
    picker.value = ""; // the same file can be chosen again
  });
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    zone.classList.add("dragged-over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("dragged-over");
  });
  addEventListener("drop", (event) => {
    zone.classList.remove("dragged-over");
    if (!holdsFiles(event)) return;
    event.preventDefault(); // or the browser leaves the page and opens the file
    take([...event.dataTransfer.files]);
  });
  byId("file-read").addEventListener("click", (event) => {
    if (event.target.closest(".remove")) removed();
  });

  async function take(files) {
    if (!files.length) return;
    say("");
    zone.setAttribute("aria-busy", "true");
    await new Promise((resolve) => setTimeout(resolve)); // the browser shows that it is busy before it reads
    try {
      const found = await readExports(files);
      kept = { name: files.length === 1 ? files[0].name : count(files.length, "file"), ...found };
      store();
      used(kept.listens.length);
    } catch (error) {
      say(error instanceof BadExport ? error.message : "This file cannot be read.");
    } finally {
      zone.removeAttribute("aria-busy");
    }
  }
}

/** expected: listens that the address says are part of it, 0 for none. */
export function drawFile(expected) {
  const here = expected > 0 && listensOf(expected) !== null;
  show(byId("drop-prompt"), expected === 0);
  show(byId("file-read"), expected > 0);
  show(byId("choose-file"), !here);
  byId("drop").classList.toggle("filled", here);
  if (expected) byId("file-read").replaceChildren(...(here ? summary() : missing(expected)));
  say("");
}

function summary() {
  const { name, listens, read, unreadable, from, to } = kept;
  const months = new Set([from, to].filter(Boolean).map((time) => MONTH.format(new Date(time))));
  const parts = [
    [count(read, "listen"), [...months].join(" to ")].filter(Boolean).join(", ") + ".",
    read > MOST_LISTENS ? `The last ${listens.length.toLocaleString("en")} are sent.` : null,
    unreadable ? `${count(unreadable, "row")} could not be read.` : null,
  ];
  return [
    element("p", {}, nameElement(name, "name file-name"), element("span", { class: "hint" }, parts.filter(Boolean).join(" "))),
    removeButton(`Remove ${name}`),
  ];
}

function missing(expected) {
  const text = `This list was made with a file of ${count(expected, "listen")}. A file is not part of an address: choose it again to see the same list.`;
  return [element("p", {}, text), removeButton("Go on without the file")];
}

function removeButton(label) {
  return element("button", { type: "button", class: "remove", "aria-label": label }, "×");
}

function say(sentence) {
  byId("file-problem").textContent = sentence;
  show(byId("file-problem"), sentence !== "");
}

/* A reload of the tab keeps the file; another tab, or the same address elsewhere, asks for it. */
function store() {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(kept));
  } catch {
    // it is too large, or the browser forbids storage: a reload asks for the file again
  }
}

function restore() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED));
  } catch {
    return null;
  }
}
