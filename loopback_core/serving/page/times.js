/* The times that exports write, as "2009-04-01T21:00:00Z". */

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)? ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?)?$/i;
const WORDS = /^(\d{1,2}) ([a-z]{3})[a-z]* (\d{4}),? (\d\d:\d\d)(:\d\d)?$/i; // 01 Jan 2021, 00:38
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const FIRST_MILLISECONDS = 1e11; // seconds reach it in the year 5138
const A_DAY = 86_400_000;

/** A number or a text as a time in UTC; null: it cannot be read, or is no moment in which somebody can have listened. */
export function utc(value) {
  const milliseconds = parse(String(value ?? "").trim());
  const plausible = milliseconds >= 0 && milliseconds <= Date.now() + A_DAY;
  return plausible ? new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z") : null;
}

function parse(text) {
  if (/^\d{1,15}(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return number < FIRST_MILLISECONDS ? number * 1000 : number;
  }
  let match = ISO.exec(text);
  if (match) {
    const [, date, clock = "00:00", seconds = ":00", zone = "Z"] = match;
    return Date.parse(`${date}T${clock}${seconds}${offset(zone)}`);
  }
  match = WORDS.exec(text);
  if (match) {
    const [, day, month, year, clock, seconds = ":00"] = match;
    const number = MONTHS.indexOf(month.toLowerCase()) + 1;
    return number ? Date.parse(`${year}-${two(number)}-${two(day)}T${clock}${seconds}Z`) : NaN;
  }
  return NaN;
}

function offset(zone) {
  if (!/^[+-]/.test(zone)) return "Z"; // no offset means UTC
  return zone.includes(":") ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
}

function two(number) {
  return String(number).padStart(2, "0");
}
