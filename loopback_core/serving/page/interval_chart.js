/* A difference with its interval, drawn to a scale on which 0 has its place. */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 44;
const LINE = 14; // from the top

/** The scale that all of `verdicts` fit on: from and to, 0 between them. */
export function scaleOf(verdicts) {
  const ends = verdicts.flatMap((verdict) => [verdict.low, verdict.high]).filter((end) => end !== null);
  const least = Math.min(0, ...ends);
  const most = Math.max(0, ...ends);
  const margin = (most - least || 1) * 0.08;
  return { from: least - margin, to: most + margin };
}

/** An SVG as wide as its place; it says nothing that the text beside it does not. */
export function intervalChart({ difference, low, high }, scale) {
  const place = (value) => `${(((value - scale.from) / (scale.to - scale.from)) * 100).toFixed(2)}%`;
  const svg = shape("svg", { class: "chart", height: HEIGHT, "aria-hidden": "true", focusable: "false" });
  svg.append(
    shape("line", { class: "chart-axis", x1: "0%", x2: "100%", y1: LINE, y2: LINE }),
    shape("line", { class: "chart-zero", x1: place(0), x2: place(0), y1: 2, y2: 2 * LINE - 2 }),
    shape("line", { class: "chart-interval", x1: place(low), x2: place(high), y1: LINE, y2: LINE }),
    shape("circle", { class: "chart-value", cx: place(difference), cy: LINE, r: 6 }),
  );
  const zero = shape("text", { class: "chart-label", x: place(0), y: HEIGHT - 2 });
  zero.textContent = "0";
  svg.append(zero);
  return svg;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
