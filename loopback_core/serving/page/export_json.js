/* Listens in JSON: Spotify (both of its exports), ListenBrainz (lines or an array), or any objects with an artist and a track. */

/** The rows {artist, track, time, user} of a text, or null when it is not JSON. Fields of what is no listen are undefined. */
export function readJson(text) {
  const objects = parseAll(text);
  return objects && objects.map(rowOf);
}

/** False: a podcast, a video or a failed play, which an export of Spotify lists too. */
export function isMusic(row) {
  return row.artist !== null || row.track !== null;
}

function parseAll(text) {
  try {
    return listOf(JSON.parse(text));
  } catch {
    return parseLines(text);
  }
}

function parseLines(text) {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  const objects = lines.map((line) => {
    try {
      return JSON.parse(line);
    } catch {
      return {}; // one bad line is one bad row
    }
  });
  return objects.some((object) => Object.keys(object ?? {}).length) ? objects : null;
}

function listOf(value) {
  if (Array.isArray(value)) return value;
  return value?.payload?.listens ?? value?.listens ?? [value];
}

function rowOf(object) {
  const data = object?.track_metadata ?? object ?? {};
  return {
    artist: first(data, "artist_name", "master_metadata_album_artist_name", "artistName", "artist"),
    track: first(data, "track_name", "master_metadata_track_name", "trackName", "track", "title"),
    time: first(object ?? {}, "listened_at", "ts", "endTime", "timestamp", "time", "date"),
    user: first(object ?? {}, "user_name", "user_id", "username"),
  };
}

function first(object, ...names) {
  const found = names.find((name) => object[name] !== undefined);
  return found === undefined ? undefined : object[found];
}
