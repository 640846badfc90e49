/** What this page asked for, picture by picture, coming out of the static; before that, the newest of the gallery. */

import { api, pictureUrl } from "../api.js";
import { button, el, markCut, problemLine, staticUrl } from "../dom.js";
import { hangs, isOpen, onNews, progressOf, promptOf } from "../jobs.js";
import { formOf } from "../settings.js";
import { fillForm, state, subscribe } from "../store.js";
import { words } from "../words.js";
import { showWarnings, warningsLine } from "../warnings.js";
import { lookAt } from "./detail.js";
import { waitOf } from "./queue.js";
import { endsOf } from "./ways.js";

const say = words.wall;
const MOST = 20; // jobs on the wall; older ones are in the gallery
const NEWEST = 8; // pictures of the gallery on a wall without jobs

/** Show the wall in `root`; the function stops it. */
export function openWall(root) {
  const newest = makeNewest();
  const list = el("div", { class: "hangings" });
  const cards = new Map();
  root.append(el("h2", { text: say.title }), newest.node, list);

  function draw() {
    const all = [...state.jobs.values()].filter(hangs);
    const jobs = all.filter((job, i) => isOpen(job) || i >= all.length - MOST);
    newest.show(!jobs.length);
    for (const job of jobs) {
      if (!cards.has(job.id)) {
        cards.set(job.id, makeCard(job));
        list.prepend(cards.get(job.id).node);
      }
      cards.get(job.id).update(job);
    }
  }

  draw();
  const ends = [subscribe(["jobs"], draw), onNews(newest.hear)];
  return () => ends.forEach((end) => end());
}

/** The newest pictures of the gallery, or static where there are none: what hangs before this page asks for anything. */
function makeNewest() {
  const bare = el("div", { class: "empty bare" },
    el("div", { class: "frame", "aria-hidden": "true" }, el("img", { src: staticUrl(), alt: "", class: "rough" })),
    el("p", { text: say.empty }));
  const tiles = el("div", { class: "tiles small" });
  const some = el("div", { class: "newest" },
    el("p", { class: "hint", text: say.newest }), tiles, el("a", { class: "link", href: "#gallery", text: say.all }));
  const problem = problemLine();
  const node = el("div", {}, problem, bare, some);
  let shown = false;

  async function load() {
    try {
      const { pictures } = await api.pictures({ limit: NEWEST });
      bare.hidden = pictures.length > 0;
      some.hidden = !bare.hidden;
      tiles.replaceChildren(...pictures.map(tileOf));
      problem.textContent = "";
    } catch (error) {
      problem.textContent = say.noNewest(error.message); // what hangs there is unknown, which is not bare
    }
  }

  function show(now) {
    node.hidden = !now;
    if (now && !shown) {
      bare.hidden = some.hidden = true; // until it is known
      load();
    }
    shown = now;
  }

  function hear(news) {
    const again = news.type === "hello" && problem.textContent; // the server is back
    const changed = news.type === "gallery" || (news.type === "picture" && news.picture.id);
    if (shown && (again || changed)) load();
  }

  return { node, show, hear };
}

function tileOf(picture) {
  const prompt = picture.prompt || say.wordless;
  const tile = button("", () => lookAt("make", picture), { class: "frame", "aria-label": say.lookAt(prompt), title: prompt });
  const image = el("img", { src: pictureUrl(picture), alt: "", width: picture.width, height: picture.height });
  markCut(image, picture);
  tile.append(image);
  return el("figure", {}, tile);
}

function makeCard(job) {
  const status = el("span", { class: "status" });
  const wait = el("span");
  const warnings = warningsLine();
  const bar = el("progress", { "aria-label": say.progress(promptOf(job)) });
  const problem = el("p", { class: "problem" });
  const tiles = Array.from({ length: job.count }, (_, place) => makeTile(job, place));
  const stop = button(words.cancel, () => api.cancel(job.id).catch((error) => (problem.textContent = error.message)), {
    class: "chip", "aria-label": say.cancelThis(promptOf(job)),
  });
  const use = () => fillForm(formOf(job.request, { origin: { fast: job.fast }, start: job.start }));
  const again = button(say.again, use, { class: "chip" });
  const heading = el("h3", { text: promptOf(job), tabindex: -1 });
  const node = el("article", { class: "card", "aria-label": promptOf(job) },
    el("header", {},
      el("div", { class: "grow" }, heading, el("p", { class: "hint" }, captionOf(job), status, wait)), stop, again),
    bar,
    el("div", { class: job.request?.towards ? "tiles strip" : "tiles" }, tiles.map((tile) => tile.node)),
    warnings, problem);
  hangEnds(job, tiles.map((tile) => tile.node));
  let seen = null;

  function update(now) {
    if (seen === now) return;
    seen = now;
    const open = isOpen(now);
    const { made, of } = progressOf(now);
    Object.assign(bar, { max: Math.max(1, of), value: made, hidden: !open });
    status.textContent = statusOf(now);
    status.classList.toggle("wrong", now.state === "failed");
    const [where, ...left] = waitOf(now);
    wait.textContent = open ? ["", ...(now.state === "running" ? [] : [where]), ...left].join(" · ") : "";
    showWarnings(warnings, now.warnings);
    problem.textContent = now.state === "failed" ? (now.message ?? "") : "";
    if (!open && stop.contains(document.activeElement)) heading.focus();
    stop.hidden = !open;
    again.hidden = open;
    for (const tile of tiles) tile.update(now, open);
  }

  return { node, update };
}

/** A way's own two pictures, which are in the gallery already, on both sides of what is drawn between them. */
function hangEnds(job, nodes) {
  const [first, last] = endsOf(job);
  if (!first || !nodes.length) return;
  const hang = (id, put) => api.picture(id).then((picture) => put(tileOf(picture)), () => {}); // it may be deleted
  hang(first, (node) => nodes[0].before(node));
  hang(last, (node) => nodes.at(-1).after(node));
}

function captionOf({ request, fast }) {
  const parts = [request.style, say.seedOf(request.seed), say.stepsOf(request.steps), fast && words.detail.fast];
  return `${parts.filter(Boolean).join(" · ")} · `;
}

function statusOf(job) {
  const partly = job.count > 1 && job.state !== "finished" ? ` · ${say.partly(job.pictures.length, job.count)}` : "";
  return say.state[job.state] + partly;
}

/** One frame: static first, then what the model takes it for, then the picture. */
function makeTile(job, place) {
  const prompt = promptOf(job);
  const image = el("img", {
    src: staticUrl(), alt: say.drawing(place + 1, prompt), class: "rough", width: 64, height: 64,
  });
  const frame = button("", () => picture && lookAt("make", picture), { class: "frame", disabled: true });
  const caption = el("figcaption", { class: "hint" });
  const node = el("figure", {}, frame, caption);
  let picture; // undefined until it is drawn, as `find` says it
  frame.append(image);

  function update(now, open) {
    const found = now.pictures.find((other) => other.place === place);
    node.hidden = found ? Boolean(found.deleted) : !open;
    if (found === picture) return found ?? showPreview(now);
    picture = found;
    image.src = pictureUrl(found);
    image.alt = say.tile(place + 1, prompt);
    image.classList.remove("rough");
    markCut(image, found);
    frame.disabled = false;
    frame.setAttribute("aria-label", say.open(place + 1, prompt));
    const { towards } = found.origin?.request ?? {};
    caption.textContent = towards && job.request.towards.prompt !== null ? say.amount(towards.amount) : "";
    return undefined;
  }

  function showPreview(now) {
    const preview = now.previews[place];
    if (preview && image.src !== preview) image.src = preview;
  }

  return { node, update };
}
