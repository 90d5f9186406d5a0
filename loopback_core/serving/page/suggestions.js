/* The field with suggestions: the combobox of ARIA 1.2, whose focus stays in the field while the arrows move in the list. */

import { get } from "./api.js";
import { announce, byId, count, element, isolated, nameElement, show } from "./elements.js";

const WAIT_MS = 150;
const ARTISTS = 4;
const TRACKS = 6;

/** Whether one of some tracks or artists has every word of a query, the last one perhaps unfinished. */
function holdsAll(query, items) {
  const wanted = words(query);
  return items.some((found) => {
    const held = words(`${found.artist_name} ${found.track_name ?? ""}`);
    return wanted.every((word) => held.some((other) => other.startsWith(word)));
  });
}

function words(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** choose({artist, track}): called with what was chosen. */
export function suggest(choose) {
  const field = byId("search");
  const list = byId("suggestions");
  const noMatch = byId("no-match");
  let timer = null;
  let asking = null; // AbortController of the request on its way
  let waiting = false; // Enter was pressed before the suggestions came
  let options = []; // {entry, node}
  let active = -1;

  field.addEventListener("input", () => {
    close();
    clearTimeout(timer);
    asking?.abort();
    waiting = false;
    if (field.value.trim()) timer = setTimeout(ask, WAIT_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // the keys belong to an input method
    const handler = KEYS[event.key];
    if (handler && handler()) event.preventDefault();
  });
  field.addEventListener("blur", close);
  field.addEventListener("focus", () => {
    if (field.value.trim() && !options.length) ask();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const node = event.target.closest("[role=option]");
    if (node) take(options.find((option) => option.node === node));
  });

  const KEYS = {
    ArrowDown: () => (options.length ? move(active + 1) : field.value.trim() && ask()),
    ArrowUp: () => options.length && move(active < 0 ? options.length - 1 : active - 1),
    Enter: () => {
      if (options.length) take(options[Math.max(active, 0)]);
      else waiting = field.value.trim() !== "";
      return true;
    },
    Escape: () => {
      if (!options.length && !field.value) return false;
      if (!options.length) field.value = "";
      clearTimeout(timer);
      asking?.abort();
      close();
      return true;
    },
  };

  async function ask() {
    clearTimeout(timer);
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const q = field.value.trim();
    try {
      const [artists, tracks] = await Promise.all([
        get("v1/artists", { q, limit: ARTISTS }, signal),
        get("v1/tracks", { q, limit: TRACKS }, signal),
      ]);
      if (signal.aborted) return;
      open(q, artists.items, tracks.items);
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
  }

  function open(q, artists, tracks) {
    close();
    options = [];
    const offered = [
      ["Artists", artists, (found) => ({ artist: found.artist_name, track: null })],
      ["Tracks", tracks, (found) => ({ artist: found.artist_name, track: found.track_name })],
    ];
    // The words of a title belong to a track, even where some artist has one of them.
    if (!holdsAll(q, artists) && holdsAll(q, tracks)) offered.reverse();
    const groups = offered.map(([title, items, entry]) =>
      group(title, items.map((found) => option(entry(found), found.listeners))),
    );
    if (waiting && options.length) {
      take(options[0]);
      return;
    }
    waiting = false;
    if (!options.length) {
      say(`Nothing here is called ${isolated(q)}.`);
      return;
    }
    list.replaceChildren(...groups.filter((node) => node !== null));
    list.scrollTop = 0;
    show(list, true);
    field.setAttribute("aria-expanded", "true");
    announce(`${count(options.length, "suggestion")}. Use the arrow keys.`);
  }

  function say(sentence) {
    waiting = false;
    noMatch.textContent = sentence;
    show(noMatch, true);
    announce(sentence);
  }

  function group(title, nodes) {
    if (!nodes.length) return null;
    const id = `suggested-${title.toLowerCase()}`;
    const heading = element("div", { id, class: "group-title", role: "presentation" }, title);
    return element("div", { role: "group", "aria-labelledby": id }, heading, ...nodes);
  }

  function option(entry, listeners) {
    const node = element(
      "div",
      { id: `suggestion-${options.length}`, role: "option", "aria-selected": "false" },
      element(
        "span",
        { class: "option-names" },
        nameElement(entry.track ?? entry.artist),
        entry.track ? element("span", { class: "option-artist" }, nameElement(entry.artist)) : null,
      ),
      listeners ? element("span", { class: "option-listeners" }, count(listeners, "listener")) : null,
    );
    options.push({ entry, node });
    return node;
  }

  function move(place) {
    options[active]?.node.setAttribute("aria-selected", "false");
    active = (place + options.length) % options.length;
    const { node } = options[active];
    node.setAttribute("aria-selected", "true");
    node.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", node.id);
    return true;
  }

  function take({ entry }) {
    close();
    waiting = false;
    field.value = "";
    choose(entry);
  }

  function close() {
    options = [];
    active = -1;
    list.replaceChildren();
    show(list, false);
    show(noMatch, false);
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }
}
