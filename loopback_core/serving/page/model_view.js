/* The second view: what is served, how old it is, and how well it did where it was measured. */

import { get } from "./api.js";
import { announce, byId, count, element, nameElement } from "./elements.js";
import { failureNodes } from "./failure.js";
import { intervalChart, scaleOf } from "./interval_chart.js";

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
let asking = null;

export async function drawModel() {
  const view = byId("model-view");
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (!view.firstChild) view.append(element("h1", { tabindex: "-1" }, "The served model"));
  try {
    const bundle = await get("v1/bundle", {}, signal);
    replaceBody(view, sections(bundle));
  } catch (error) {
    if (error.name === "AbortError") return;
    announce(error.message);
    const failure = element("div", { class: "failure" }, ...failureNodes(error, null, drawModel));
    replaceBody(view, [failure]);
  }
}

/* The heading stays: it may have the focus. */
function replaceBody(view, nodes) {
  while (view.children.length > 1) view.lastChild.remove();
  view.append(...nodes);
}

function sections(bundle) {
  return [lead(bundle), verdicts(bundle), facts(bundle)].filter(Boolean);
}

function lead(bundle) {
  const { source } = bundle;
  return element(
    "p",
    { class: "lead" },
    `Built ${age(bundle.age_days)} from ${count(source.events, "listen")} of ${count(source.users, "person", "people")}. `,
    `It knows ${count(bundle.tracks ?? source.tracks, "track")} by ${count(source.artists, "artist")}.`,
  );
}

function age(days) {
  if (days < 1 / 24) return "within the last hour";
  if (days < 1) return `${count(Math.round(days * 24) || 1, "hour")} ago`;
  return `${count(Math.floor(days), "day")} ago`;
}

function verdicts(bundle) {
  const { evaluated } = bundle;
  if (!evaluated?.verdicts?.length) {
    return element("section", {}, element("h2", {}, "How good it is"), element("p", {}, "This model was not compared with anything."));
  }
  const measured = evaluated.verdicts.filter(isMeasured);
  const scale = scaleOf(measured);
  return element(
    "section",
    { class: "verdicts" },
    element("h2", {}, "How good it is"),
    element(
      "p",
      { class: "hint" },
      "For each task, the model against the best simple method, on listens that neither had seen. ",
      "A dot right of 0: the model is better. The bar is the 95\u00a0% interval.",
    ),
    ...evaluated.verdicts.map((verdict) => verdictCard(verdict, scale)),
    bundle.report ? element("a", { class: "button primary", href: reportAddress(bundle.report) }, "Read the report") : null,
  );
}

function verdictCard(verdict, scale) {
  const title = verdict.task.replaceAll("_", " ");
  return element(
    "article",
    { class: "verdict" },
    element("h3", {}, title[0].toUpperCase() + title.slice(1)),
    element("p", { dir: "auto" }, verdict.sentence),
    ...(isMeasured(verdict) ? [intervalChart(verdict, scale), numbers(verdict)] : []),
  );
}

function isMeasured({ difference, low, high }) {
  return [difference, low, high].every(Number.isFinite);
}

function numbers({ rival, difference, low, high }) {
  return element(
    "p",
    { class: "numbers" },
    element("strong", {}, signed(difference)),
    ` nDCG@10, from ${signed(low)} to ${signed(high)}`,
    ...(rival ? [", against ", nameElement(rival)] : []),
  );
}

function signed(number) {
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(4)}`;
}

/* The server names a path; it is taken from where the page is served, also behind a proxy that adds a prefix. */
function reportAddress(path) {
  return new URL(String(path).replace(/^\//, ""), document.baseURI).pathname;
}

const FITTED = {
  all: "After it was measured, the model was fitted again on all listens.",
  none: "The model is exactly the one that was measured.",
};

function facts(bundle) {
  const rows = [
    ["Version", element("code", {}, bundle.version)],
    ["Built", day(bundle.created)],
    ["Last listen", day(bundle.last_listen)],
    ["Log", nameElement(bundle.source.name)],
    ["People", bundle.users?.toLocaleString("en")],
    ["Evaluation", bundle.evaluated ? element("code", {}, bundle.evaluated.evaluation) : null],
    ["Fit", FITTED[bundle.refit]],
  ];
  const list = element("dl", {});
  for (const [term, value] of rows) {
    if (value) list.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  }
  return element("section", {}, element("h2", {}, "What it is"), list);
}

function day(time) {
  const moment = new Date(time ?? NaN);
  return Number.isNaN(moment.getTime()) ? null : DAY.format(moment);
}
