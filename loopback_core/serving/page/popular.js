/* A way to begin for those who know none of the names: artists that many people here listen to. */

import { post } from "./api.js";
import { byId, element, nameElement, show } from "./elements.js";

const ARTISTS = 8;
let known = null;

/** choose({artist, track}): the reader takes one. failed(error): the service is away, or asks for a key. */
export async function drawPopular(choose, failed) {
  try {
    known ??= await ask();
  } catch (error) {
    if (error.passing || error.wantsKey) failed(error); // a service that cannot say what is popular shows nothing
    return;
  }
  const button = (artist) =>
    element("button", { type: "button", class: "chip", onclick: () => choose({ artist, track: null }) }, nameElement(artist));
  byId("popular-artists").replaceChildren(...known.map((artist) => element("li", {}, button(artist))));
  show(byId("popular"), known.length > 0);
}

/* Without a history the service recommends what is popular. */
async function ask() {
  const answer = await post("v1/recommendations", { history: [], task: "next_listen", k: 40 });
  return [...new Set(answer.items.map((item) => item.artist_name))].slice(0, ARTISTS);
}
