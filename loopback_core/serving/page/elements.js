/* Elements of the page. Texts become text nodes, never markup: names hold <, & and anything else. */

/** element("p", {class: "hint", onclick: f, "aria-label": "…"}, "text", child): null children and attributes are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A name of unknown script and direction, kept apart from the text around it. */
export function nameElement(text, className = "name") {
  return element("bdi", { class: className, dir: "auto" }, text);
}

/** A name inside a text that has no elements (labels, announcements): between the marks of a Unicode isolate. */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}

/** "Title by Artist", or the artist alone, for labels. */
export function spoken({ artist, track }) {
  return track ? `${isolated(track)} by ${isolated(artist)}` : isolated(artist);
}

/** The same as elements. */
export function written({ artist, track }) {
  return track ? [nameElement(track), " by ", nameElement(artist)] : [nameElement(artist)];
}

export function byId(id) {
  return document.getElementById(id);
}

export function show(node, visible) {
  node.hidden = !visible;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** Say a text to screen readers when they have finished what they say. */
export function announce(text) {
  const status = byId("status");
  status.textContent = "";
  setTimeout(() => {
    status.textContent = text;
  }, 60); // a text that does not change is not read again
}
