/* The ids of hidden tracks in the served model. An address holds names and ids; another model may give the ids to others. */

import { get } from "./api.js";
import { same } from "./address.js";

const ids = new Map(); // name -> id in the model `servedBundle`, null where it does not know the track
let servedBundle = null;

/** The track is recommended by the model that is served now, so its id is right. */
export function keepId(entry) {
  ids.set(keyOf(entry), entry.id);
}

/** Entries with the right ids; asks the service for those that are not known yet. */
export async function withIds(entries, signal) {
  const settled = [];
  for (const entry of entries) {
    const key = keyOf(entry);
    if (!ids.has(key)) ids.set(key, await lookUp(entry, signal)); // in turn: a few, and each takes milliseconds
    settled.push({ ...entry, id: ids.get(key) });
  }
  return settled;
}

/** Tell which model has answered. True: it is another one than before, and its ids have to be asked for again. */
export function servedBy(bundle) {
  const changed = servedBundle !== null && servedBundle !== bundle;
  if (changed) ids.clear();
  servedBundle = bundle;
  return changed;
}

async function lookUp(entry, signal) {
  const isIt = (item) => same(entry, { artist: item.artist_name, track: item.track_name });
  if (entry.id !== null) {
    const item = await get(`v1/tracks/${entry.id}`, {}, signal).catch(nullWhereUnknown);
    if (item && isIt(item)) return entry.id;
  }
  const found = await get("v1/tracks", { q: `${entry.artist} ${entry.track}`, limit: 20 }, signal).catch(nullWhereUnknown);
  return found?.items.find(isIt)?.track ?? null;
}

function nullWhereUnknown(error) {
  if (error.status === 404 || error.status === 422) return null;
  throw error;
}

function keyOf({ artist, track }) {
  return `${artist}\n${track}`;
}
