/* Listens in a table: Last.fm's six columns, a personal Last.fm export, a scrobbler log, or columns with names. */

import { utc } from "./times.js";

const COLUMNS = {
  artist: ["artist_name", "artist", "artistname", "band", "performer"],
  track: ["track_name", "track", "trackname", "title", "song", "track_title", "song_name", "name"],
  time: ["uts", "timestamp", "time", "listened_at", "played_at", "ts", "utc_time", "endtime", "date", "datetime", "date_time"],
  user: ["user_id", "user", "userid", "user_name", "username"],
};
const LASTFM = { user: 0, time: 1, artist: 3, track: 5, width: 6 };
const PERSONAL = { artist: 0, track: 2, time: 3, width: 4 };
const SCROBBLER = { artist: 0, track: 2, rating: 5, time: 6, width: 7 };

/** The rows {artist, track, time, user} of a text. Throws an Error whose message is a sentence without a subject. */
export function readTable(text) {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  const scrobbler = lines[0]?.startsWith("#AUDIOSCROBBLER/");
  const rows = scrobbler ? lines.filter((line) => !line.startsWith("#")) : lines;
  const separator = separatorOf(rows[0] ?? "");
  const cells = rows.map((line) => split(line.replace(/^\uFEFF/, ""), separator)); // joined files have marks inside
  if (scrobbler) return readBy(SCROBBLER, cells).filter((row) => row.rating !== "S"); // S: skipped
  const named = columnsOf(cells[0] ?? []);
  if (named) return readBy(named, cells.slice(1));
  const layout = layoutOf(cells);
  if (layout) return readBy(layout, cells);
  throw new Error(
    "is not an export that this page can read. Give one of Last.fm, ListenBrainz or Spotify, or a table whose first line names the columns artist, track and time.",
  );
}

function separatorOf(line) {
  if (line.includes("\t")) return "\t";
  return line.split(";").length > line.split(",").length ? ";" : ",";
}

/* A quote that is not closed on its line is part of the title, as in Blue (7" Mix). Titles do not have line ends. */
function split(line, separator) {
  if (separator === "\t" || !line.includes('"')) return line.split(separator);
  const cells = [];
  for (let start = 0; start <= line.length; ) {
    const quoted = /^"((?:[^"]|"")*)"/.exec(line.slice(start));
    const after = quoted ? start + quoted[0].length : -1;
    if (quoted && (after === line.length || line[after] === separator)) {
      cells.push(quoted[1].replaceAll('""', '"'));
      start = after + 1;
    } else {
      const end = line.indexOf(separator, start);
      cells.push(line.slice(start, end < 0 ? line.length : end));
      start = (end < 0 ? line.length : end) + 1;
    }
  }
  return cells;
}

/** The place of each column that the first line names; null: it is not a header. */
function columnsOf(header) {
  const names = header.map((cell) => unquoted(cell).toLowerCase().replace(/[\s/-]+/g, "_"));
  const places = { width: 0 };
  for (const [column, spellings] of Object.entries(COLUMNS)) {
    const spelling = spellings.find((candidate) => names.includes(candidate));
    if (spelling === undefined) continue;
    places[column] = names.indexOf(spelling);
    if (names.indexOf(spelling, places[column] + 1) >= 0) {
      throw new Error(`has two columns named ${spelling}. Remove or rename one of them.`);
    }
    places.width = Math.max(places.width, places[column] + 1);
  }
  return places.artist === undefined || places.track === undefined ? null : places;
}

/** The known layout without a header that the first rows have. */
function layoutOf(cells) {
  const sample = cells.slice(0, 20);
  const fits = ({ width, time }) => sample.some((row) => row.length === width && utc(row[time]) !== null);
  return [LASTFM, PERSONAL].find(fits) ?? null;
}

function readBy(places, cells) {
  return cells.map((row) => {
    if (row.length < places.width) return {};
    const cell = (column) => (places[column] === undefined ? undefined : unquoted(row[places[column]]));
    return {
      artist: cell("artist"),
      track: cell("track"),
      time: cell("time"),
      user: cell("user"),
      rating: cell("rating"),
      untimed: places.time === undefined,
    };
  });
}

function unquoted(cell) {
  return (cell ?? "").trim();
}
