/* What the page shows, as an object and as the fragment of the address. A fragment is never sent to a server or its logs.

#artist=Karvanfin&track=Silent+Parade&by=Karvanfin&task=next_listen&familiarity=0.3&k=20&hide=Polaris&by=Zero&id=12&file=4812
Names, not ids, say what is liked: they still hold after another model is served. */

export const TASKS = ["discovery", "next_listen"];
export const FIRST_K = 10;
export const MOST_K = 50;
const MOST_LIKED = 100;
const MOST_HIDDEN = 500;
const LONGEST_NAME = 500;

export const START = Object.freeze({
  view: "list",
  liked: [], // {artist, track}; track null: the artist
  hidden: [], // {artist, track, id}; id: of the track in the served model, null when it has none
  task: "discovery",
  familiarity: null, // 0 (new) to 1 (familiar); null: as the task does
  k: FIRST_K,
  file: 0, // listens of a dropped file that are part of the request; they are not in the address
});

export function read(fragment) {
  const text = fragment.replace(/^#/, "");
  if (text === "model") return { ...START, view: "model" };
  const state = { ...START, liked: [], hidden: [] };
  let last = null;
  for (const [key, value] of new URLSearchParams(text)) {
    const name = value.slice(0, LONGEST_NAME);
    if (key === "artist" && name) state.liked.push({ artist: name, track: null });
    else if (key === "track") state.liked.push((last = { artist: "", track: name }));
    else if (key === "hide") state.hidden.push((last = { artist: "", track: name, id: null }));
    else if (key === "by" && last) last.artist = name;
    else if (key === "id" && last) last.id = whole(value, 0, Number.MAX_SAFE_INTEGER);
    else if (key === "task" && TASKS.includes(value)) state.task = value;
    else if (key === "familiarity" && value !== "" && value >= 0 && value <= 1) state.familiarity = Number(value);
    else if (key === "k") state.k = whole(value, 1, MOST_K) ?? FIRST_K;
    else if (key === "file") state.file = whole(value, 1, 1e9) ?? 0;
  }
  const named = ({ artist, track }) => artist !== "" && track !== "";
  state.liked = different(state.liked.filter(named)).slice(0, MOST_LIKED);
  state.hidden = different(state.hidden.filter(named)).slice(0, MOST_HIDDEN);
  return state;
}

export function write(state) {
  if (state.view === "model") return "#model";
  const parts = new URLSearchParams();
  for (const { artist, track } of state.liked) {
    if (track === null) parts.append("artist", artist);
    else {
      parts.append("track", track);
      parts.append("by", artist);
    }
  }
  if (state.file) parts.append("file", state.file);
  if (state.task !== START.task) parts.append("task", state.task);
  if (state.familiarity !== null) parts.append("familiarity", state.familiarity);
  if (state.k !== FIRST_K) parts.append("k", state.k);
  for (const { artist, track, id } of state.hidden) {
    parts.append("hide", track);
    parts.append("by", artist);
    if (id !== null) parts.append("id", id);
  }
  const text = parts.toString();
  return text ? `#${text}` : "";
}

export function same(one, other) {
  return one.artist === other.artist && one.track === other.track;
}

function different(entries) {
  return entries.filter((entry, place) => entries.findIndex((other) => same(entry, other)) === place);
}

function whole(text, least, most) {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return number >= least && number <= most ? number : null;
}
