/* Exports of a listening history, read in the browser into the last listens {artist, track, time}. */

import { count, isolated } from "./elements.js";
import { isMusic, readJson } from "./export_json.js";
import { readTable } from "./export_table.js";
import { utc } from "./times.js";

export const MOST_LISTENS = 5000;
const MOST_BYTES = 64 * 2 ** 20;

/** What can be said of a file that cannot be used: a sentence. */
export class BadExport extends Error {}

/** Files of one person -> {listens, read, unreadable, from, to}: the last MOST_LISTENS listens, and what was in the files. */
export async function readExports(files) {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (bytes > MOST_BYTES) {
    throw new BadExport(`${titleOf(files)} is larger than ${MOST_BYTES / 2 ** 20} MB. Give the latest part of it.`);
  }
  const rows = (await Promise.all(files.map(rowsOf))).flat().filter(isMusic);
  const users = new Set(rows.map((row) => row.user).filter((user) => user !== undefined && user !== ""));
  if (users.size > 1) {
    throw new BadExport(`${titleOf(files)} holds the listens of ${count(users.size, "person", "people")}. Give those of one.`);
  }
  const listens = rows.map(listenOf).filter((listen) => listen !== null);
  if (!listens.length) {
    throw new BadExport(`${titleOf(files)} holds no listen that can be read: each needs an artist, a track and a time.`);
  }
  const timed = listens.filter((listen) => listen.time !== undefined).sort(byTime);
  return {
    listens: (timed.length ? timed : listens).slice(-MOST_LISTENS),
    read: listens.length,
    unreadable: rows.length - listens.length,
    from: timed[0]?.time ?? null,
    to: timed.at(-1)?.time ?? null,
  };
}

async function rowsOf(file) {
  let text;
  try {
    text = decode(new Uint8Array(await file.arrayBuffer()), file.name);
  } catch (error) {
    if (error instanceof BadExport) throw error;
    throw new BadExport(`${isolated(file.name)} cannot be read. If it is a folder, drop the files in it.`);
  }
  if (text.trim() === "") throw new BadExport(`${isolated(file.name)} is empty.`);
  const rows = /^\s*[[{]/.test(text) ? readJson(text) : null;
  try {
    return rows ?? readTable(text);
  } catch (error) {
    throw new BadExport(`${isolated(file.name)} ${error.message}`);
  }
}

function decode(bytes, name) {
  const begins = (...values) => values.every((value, place) => bytes[place] === value);
  if (begins(0x50, 0x4b, 3, 4) || begins(0x1f, 0x8b)) {
    throw new BadExport(`${isolated(name)} is an archive. Unpack it, and drop the file with the listens in it.`);
  }
  const encoding = begins(0xff, 0xfe) ? "utf-16le" : begins(0xfe, 0xff) ? "utf-16be" : "utf-8";
  const text = new TextDecoder(encoding).decode(bytes); // takes the byte order mark off
  if (text.includes("\0")) throw new BadExport(`${isolated(name)} is not a text file, so it is no export of listens.`);
  return text;
}

function listenOf(row) {
  const artist = nameOf(row.artist);
  const track = nameOf(row.track);
  const time = row.untimed ? undefined : utc(row.time);
  if (!artist || !track || time === null) return null;
  return time === undefined ? { artist, track } : { artist, track, time };
}

function byTime(one, other) {
  if (one.time === other.time) return 0;
  return one.time < other.time ? -1 : 1;
}

function nameOf(value) {
  return typeof value === "string" ? value.normalize("NFC").trim().slice(0, 500) : "";
}

function titleOf(files) {
  return files.length === 1 ? isolated(files[0].name) : `What you chose (${count(files.length, "file")})`;
}
