/* The page: one state, written in the address, drawn whole after each change. */

import { FIRST_K, MOST_K, START, read, same, write } from "./address.js";
import { drawAnswer, drawAsking, drawFailure, drawStart } from "./answer.js";
import { byId, isolated, show, spoken, written } from "./elements.js";
import { keepId, servedBy, withIds } from "./hidden_ids.js";
import { drawFile, listensOf, watchFiles } from "./history_file.js";
import { drawModel } from "./model_view.js";
import { drawPopular } from "./popular.js";
import { Recommending, requestOf } from "./recommending.js";
import { suggest } from "./suggestions.js";
import { drawTaste, watchTaste } from "./taste.js";
import { clearToast, toast } from "./toast.js";

let state = read(location.hash);
let said = ""; // what the next list is announced with
let sent = 0; // entries of the history in the last request

const recommending = new Recommending({
  asked: () => drawAsking(state),
  answered,
  failed: (error, wait) => drawFailure(error, wait, () => recommending.again()),
});

function change(next) {
  const before = state;
  state = next(state);
  if (write(state) === write(before)) {
    draw();
    return;
  }
  history.pushState(null, "", write(state) || location.pathname + location.search);
  draw();
}

function draw() {
  const isModel = state.view === "model";
  show(byId("list-view"), !isModel);
  show(byId("model-view"), isModel);
  current(byId("to-list"), !isModel);
  current(byId("to-model"), isModel);
  document.title = titleOf(state);
  if (isModel) {
    recommending.stop();
    drawModel();
    return;
  }
  byId("to-list").href = write(state) || "#";
  drawTaste(state);
  drawFile(state.file);
  const listens = listensOf(state.file) ?? [];
  if (state.liked.length + listens.length > 0) ask(listens);
  else {
    recommending.stop();
    drawStart();
    drawPopular(likePopular, (error) => drawFailure(error, null, draw));
  }
}

function current(link, here) {
  if (here) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

function titleOf({ view, liked, file }) {
  if (view === "model") return "The served model – loopback";
  const names = liked.map(({ artist, track }) => isolated(track ?? artist));
  if (!names.length) return file ? "Your history – loopback" : "loopback";
  return `Like ${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""} – loopback`;
}

function ask(listens) {
  return recommending.ask(async (signal) => {
    const hidden = await withIds(state.hidden, signal);
    if (!signal.aborted && hidden.some((entry, place) => entry.id !== state.hidden[place].id)) {
      state = { ...state, hidden };
      history.replaceState(null, "", write(state));
    }
    const body = requestOf(state, listens);
    sent = body.history.length;
    return body;
  });
}

function answered(answer) {
  if (servedBy(answer.bundle) && state.hidden.length) {
    draw(); // another model: its ids are others
    return;
  }
  drawAnswer(state, answer, sent, { more: likeItem, not: hideItem }, said);
  said = "";
}

/* What the reader does. */

function like(entry) {
  if (state.liked.some((other) => same(entry, other))) return;
  clearToast();
  said = `Added ${spoken(entry)}.`;
  change((now) => ({ ...now, liked: [...now.liked, entry] }));
}

function likePopular(entry) {
  like(entry);
  byId("answer-heading").focus({ preventScroll: true }); // its button is gone
}

function removeLiked(entry) {
  const before = state;
  said = `Removed ${spoken(entry)}.`;
  change((now) => ({ ...now, liked: now.liked.filter((other) => !same(entry, other)) }));
  toast(["Removed ", ...written(entry)], () => change(() => before));
}

function likeItem(item) {
  const before = state;
  const entry = { artist: item.artist_name, track: item.track_name };
  said = `Added ${spoken(entry)}.`;
  change((now) => ({ ...now, liked: [...now.liked.filter((other) => !same(entry, other)), entry] }));
  toast(["More like ", ...written(entry)], () => change(() => before));
}

function hideItem(item) {
  const before = state;
  const entry = { artist: item.artist_name, track: item.track_name, id: item.track };
  keepId(entry);
  said = `Hidden: ${spoken(entry)}.`;
  change((now) => ({ ...now, hidden: [...now.hidden, entry] }));
  toast(["Hidden: ", ...written(entry)], () => change(() => before));
}

function showAgain(entry) {
  clearToast();
  said = `${spoken(entry)} can be recommended again.`;
  change((now) => ({ ...now, hidden: now.hidden.filter((other) => !same(entry, other)) }));
}

async function copyLink() {
  await navigator.clipboard.writeText(location.href);
  toast([state.file ? "Link copied. Your file is not part of it." : "Link copied."]);
}

suggest(like);
watchTaste(change, removeLiked, showAgain);
watchFiles(
  (listens) => {
    said = "File read.";
    change((now) => ({ ...now, file: listens }));
  },
  () => {
    const before = state;
    change((now) => ({ ...now, file: 0 }));
    toast(["File removed"], () => change(() => before));
    byId("choose-file").focus();
  },
);
byId("more").addEventListener("click", () => change((now) => ({ ...now, k: Math.min(now.k + FIRST_K, MOST_K) })));
byId("copy-link").addEventListener("click", copyLink);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment of the address holds the state
  byId("main").focus();
});
byId("brand").addEventListener("click", (event) => {
  event.preventDefault();
  change(() => START);
});
addEventListener("popstate", () => {
  const view = state.view;
  state = read(location.hash);
  clearToast();
  draw();
  if (view !== state.view) {
    scrollTo(0, 0);
    document.querySelector(state.view === "model" ? "#model-view h1" : "#list-view h1").focus({ preventScroll: true });
  }
});

draw();
