/** The page: loads what it needs, shows the room that the address names, and takes pictures that are dropped. */

import { api, listen } from "./api.js";
import { hangBand } from "./band.js";
import { el, fillWords } from "./dom.js";
import { hear, keepAsking, loadJobs, openJobs } from "./jobs.js";
import { loadInterrupted } from "./notices.js";
import { freshForm, set, state, subscribe } from "./store.js";
import { openChapter } from "./views/chapter.js";
import { showPicture } from "./views/detail.js";
import { openGallery } from "./views/gallery.js";
import { openMake } from "./views/make.js";
import { takeFile } from "./views/start.js";
import { words } from "./words.js";

const ROOMS = { make: openMake, gallery: openGallery, chapter: openChapter, training: openTraining };
const OF_PICTURES = ["make", "gallery"];
const room = document.getElementById("room");
let leave = () => {};
let place = "";

/** Show what the address names: "#gallery" is a room, "#gallery/ID" a picture before it, "#chapter/luck" a room too. */
function enter() {
  const [first, rest = ""] = location.hash.slice(1).split("/");
  const name = Object.hasOwn(ROOMS, first) ? first : "make";
  const isPicture = OF_PICTURES.includes(name);
  openRoom(name, isPicture ? "" : rest);
  showPicture(name, isPicture ? rest : "");
}

/** Show a room; each returns how to leave it. */
function openRoom(name, rest) {
  const now = `${name}/${rest}`;
  if (place === now) return;
  leave();
  room.replaceChildren();
  leave = ROOMS[name](room, rest) ?? (() => {});
  document.title = words.title(room.querySelector("h1")?.textContent ?? "");
  document.body.dataset.room = name;
  markNav(name);
  scrollTo(0, 0);
  if (place) room.focus({ preventScroll: true });
  place = now;
}

/** The room of a training, which few need, is loaded when somebody enters it. */
function openTraining(root, rest) {
  let left = false;
  let stop = () => {};
  root.append(el("h1", { text: words.training.title }));
  import("./views/training.js").then((found) => {
    if (!left) stop = found.openTraining(root, rest);
  }, () => root.append(el("p", { class: "problem", text: words.unreachable })));
  return () => {
    left = true;
    stop();
  };
}

function markNav(name) {
  for (const link of document.querySelectorAll("#nav a")) {
    const here = link.hash.slice(1).split("/")[0] === name;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function showQueueMark() {
  const count = openJobs().length;
  const mark = document.getElementById("queue-mark");
  mark.hidden = !count;
  mark.textContent = count ? words.queue.count(count) : "";
}

/** Pictures may be dropped or pasted anywhere. */
function takePictures() {
  const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!isFile(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file?.type.startsWith("image/")) take(file);
  });
}

function take(file) {
  if (!file) return;
  if (!document.getElementById("start")) location.hash = "#make";
  takeFile(file);
}

/** After the stream was lost the server may be a new one, which knows other things. */
function tellOnline(online) {
  const back = online && !state.online;
  set({ online });
  document.getElementById("offline").hidden = online;
  if (back) refresh().catch(() => {}); // the stream will be lost again, and refreshed after that
}

async function refresh() {
  set({ facts: await api.facts() });
  document.querySelector('#nav [href="#training"]').hidden = !state.facts.training;
  await Promise.all([loadJobs(), loadInterrupted()]);
}

async function begin() {
  fillWords(document);
  document.getElementById("nav").setAttribute("aria-label", words.nav.label);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names a room, not a place in it
    room.focus();
  });
  hangBand(document.getElementById("band"));
  try {
    await refresh();
  } catch (error) {
    const why = el("p", { class: "problem", text: words.noFacts(error.message) });
    room.replaceChildren(el("h1", { text: words.brand }), why);
    return;
  }
  set({ form: freshForm(state.facts) });
  listen(hear, tellOnline);
  keepAsking();
  takePictures();
  subscribe(["jobs"], showQueueMark);
  addEventListener("hashchange", enter);
  showQueueMark();
  enter();
}

begin();
