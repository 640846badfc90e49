/** All pictures that are kept. */

import { api, pictureUrl } from "../api.js";
import { button, check, el, markCut, problemLine, toggle } from "../dom.js";
import { onNews } from "../jobs.js";
import { set, state, subscribe } from "../store.js";
import { words } from "../words.js";
import { lookAt } from "./detail.js";
import { beginWay, whyNoWay, whyNotTogether } from "./ways.js";

const say = words.gallery;
const PAGE = 60;
const TYPING = 250; // milliseconds without a key before it is searched

const change = (patch) => set({ gallery: { ...state.gallery, ...patch } });
let asked = 0; // counts searches, so that a slow answer does not replace a newer one
let changed = 0; // counts news, so that an answer from before a deletion does not bring the picture back

async function load(more = false) {
  const { search, favourites, next, pictures } = state.gallery;
  const turn = ++asked, before = changed;
  const query = { search, favourites, limit: PAGE, ...(more && { before: next }) };
  const found = await api.pictures(query);
  if (turn !== asked) return;
  if (before !== changed) return load(more);
  const known = new Set(more ? pictures.map((picture) => picture.id) : []);
  const fresh = found.pictures.filter((picture) => !known.has(picture.id));
  change({ pictures: more ? [...pictures, ...fresh] : fresh, next: found.next, total: found.total, loaded: true });
}

export function openGallery(root) {
  const problem = problemLine();
  const tell = (text) => (problem.textContent = text);
  const retry = (more) => load(more).then(() => tell(""), (error) => tell(error.message));
  const total = el("p", { class: "hint" });
  const grid = el("div", { class: "grid" });
  const empty = el("div", { class: "empty" });
  const more = button(say.more, () => retry(true), { class: "main wide" });
  const choosing = makeChoosing(() => draw());
  const tiles = new Map();

  function draw() {
    const { pictures, next } = state.gallery;
    total.textContent = state.gallery.loaded ? say.total(state.gallery.total) : "";
    const there = new Set(pictures.map((picture) => picture.id));
    for (const [id, tile] of tiles) if (!there.has(id)) remove(tiles, id, tile);
    pictures.forEach((picture, i) => {
      if (!tiles.has(picture.id)) tiles.set(picture.id, makeTile(picture.id, choosing));
      const tile = tiles.get(picture.id);
      if (grid.children[i] !== tile.node) grid.insertBefore(tile.node, grid.children[i] ?? null);
      tile.update(picture);
    });
    more.hidden = !next;
    showEmpty(empty, () => retry(false));
    choosing.button.hidden = pictures.length < 2 && !choosing.on;
  }

  root.append(
    el("div", { class: "heading" }, el("h1", { text: say.title }), total),
    el("div", { class: "bar", role: "search" }, ...filters(() => retry(false)), choosing.button),
    choosing.panel, problem, grid, empty, more);
  const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && state.gallery.next && retry(true), {
    rootMargin: "600px",
  });
  watcher.observe(more);
  const ends = [subscribe(["gallery"], draw), onNews(hearNews), () => watcher.disconnect()];
  draw();
  retry(false);
  return () => ends.forEach((end) => end());
}

function remove(tiles, id, { node }) {
  if (node.contains(document.activeElement)) document.getElementById("room").focus();
  node.remove();
  tiles.delete(id);
}

function filters(again) {
  let timer = 0;
  const search = el("input", {
    type: "search", value: state.gallery.search, maxlength: 200, "aria-label": say.search, placeholder: say.search,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        change({ search: search.value });
        again();
      }, TYPING);
    },
  });
  const favourites = check(say.favourites, state.gallery.favourites, (checked) => {
    change({ favourites: checked });
    again();
  });
  return [search, favourites];
}

/** Others draw, mark and delete too; what was scrolled to stays where it is. */
function hearNews(news) {
  if (news.type === "picture" && news.picture.id) {
    change({ total: state.gallery.total + 1 });
    put(news.picture);
  } else if (news.type === "gallery") {
    put(news.picture);
    api.pictures({ limit: 1 }).then(({ total }) => change({ total }), () => {}); // news do not tell how many are left
  }
}

function put(picture) {
  changed++;
  const { pictures, next } = state.gallery;
  const others = pictures.filter((other) => other.id !== picture.id);
  const beyond = next && others.length && picture.created < others.at(-1).created; // comes with the next page
  const shown = !picture.deleted && !beyond && fits(picture);
  change({ pictures: shown ? [...others, picture].sort((a, b) => b.created - a.created) : others });
}

/** Whether a picture is one that is looked for, as the server tells it. */
function fits({ prompt, style, favourite }) {
  const { search, favourites } = state.gallery;
  const text = `${prompt}\n${style ?? ""}`.toLowerCase();
  return (favourite || !favourites) && search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function showEmpty(empty, again) {
  const { pictures, loaded, search, favourites } = state.gallery;
  empty.hidden = !loaded || pictures.length > 0;
  if (empty.hidden) return;
  const filtered = search || favourites;
  const all = () => {
    change({ search: "", favourites: false });
    document.querySelector("[type=search]").value = "";
    document.querySelector(".bar [type=checkbox]").checked = false;
    again();
  };
  empty.replaceChildren(
    el("p", { text: filtered ? say.nothing : say.empty }),
    filtered
      ? button(say.all, all, { class: "main" })
      : el("a", { class: "main", href: "#make", text: say.emptyLink }));
}

function makeTile(id, choosing) {
  const image = el("img", { loading: "lazy", width: 64, height: 64 });
  const mark = el("span", { class: "mark", "aria-hidden": "true", text: "♥" });
  const node = button("", () => {
    const { pictures } = state.gallery;
    const at = pictures.findIndex((picture) => picture.id === id);
    if (choosing.on) choosing.take(pictures[at]);
    else lookAt("gallery", pictures[at]);
  }, { class: "frame" });
  node.append(image, mark);

  function update(picture) {
    const prompt = picture.prompt || words.wall.wordless;
    const url = pictureUrl(picture);
    if (image.getAttribute("src") !== url) image.src = url;
    image.alt = prompt;
    markCut(image, picture);
    mark.hidden = !picture.favourite;
    const label = choosing.on ? say.pick(prompt) : say.open(prompt);
    node.setAttribute("aria-label", picture.favourite ? `${label} (${say.favouriteMark})` : label);
    const why = choosing.on ? whyNoWay(picture) : "";
    node.setAttribute("aria-disabled", String(Boolean(why)));
    node.title = why || prompt;
    if (choosing.on) node.setAttribute("aria-pressed", String(choosing.has(id)));
    else node.removeAttribute("aria-pressed");
  }

  return { node, update };
}

/** Two pictures are chosen to draw the way between them. */
function makeChoosing(redraw) {
  let chosen = [];
  const text = el("p", { role: "status" });
  const problem = problemLine();
  const go = button(say.between, async () => {
    try {
      await beginWay(...chosen);
      location.hash = "#make";
    } catch (error) {
      problem.textContent = error.message;
    }
  }, { class: "main" });
  const panel = el("div", { class: "notice", hidden: true }, el("p", { text: say.chooseHint }), text, problem, go);
  const choosing = {
    on: false,
    panel,
    has: (id) => chosen.some((picture) => picture.id === id),
    take,
    button: toggle(say.choose, false, () => turn(!choosing.on)),
  };

  function turn(on) {
    choosing.on = on;
    chosen = [];
    choosing.button.textContent = on ? say.stop : say.choose;
    choosing.button.setAttribute("aria-pressed", String(on));
    panel.hidden = !on;
    tell("");
  }

  function take(picture) {
    const why = whyNoWay(picture);
    if (why) return tell(why);
    chosen = choosing.has(picture.id) ? chosen.filter(({ id }) => id !== picture.id) : [...chosen, picture].slice(-2);
    return tell(chosen.length === 2 ? whyNotTogether(...chosen) : "");
  }

  function tell(why) {
    problem.textContent = why;
    text.textContent = say.chosen(chosen.length);
    go.disabled = chosen.length < 2 || Boolean(why);
    redraw();
  }

  return choosing;
}
