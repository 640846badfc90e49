/** What this page asked for, picture by picture, coming out of the static. */

import { api, pictureUrl } from "../api.js";
import { button, el, staticUrl } from "../dom.js";
import { isMine, isOpen, progressOf, promptOf } from "../jobs.js";
import { formOf } from "../settings.js";
import { fillForm, state, subscribe } from "../store.js";
import { words } from "../words.js";
import { openDetail } from "./detail.js";

const say = words.wall;
const MOST = 20; // jobs on the wall; older ones are in the gallery

/** Show the wall in `root`; the function stops it. */
export function openWall(root) {
  const bare = el("div", { class: "frame", "aria-hidden": "true" },
    el("img", { src: staticUrl(), alt: "", class: "rough" }));
  const empty = el("div", { class: "empty bare" }, bare, el("p", { text: say.empty }));
  const list = el("div", { class: "hangings" });
  const cards = new Map();
  root.append(el("h2", { text: say.title }), empty, list);

  function draw() {
    const jobs = [...state.jobs.values()].filter((job) => isMine(job) && job.keep).slice(-MOST);
    empty.hidden = jobs.length > 0;
    for (const job of jobs) {
      if (!cards.has(job.id)) {
        cards.set(job.id, makeCard(job));
        list.prepend(cards.get(job.id).node);
      }
      cards.get(job.id).update(job);
    }
  }

  draw();
  return subscribe(["jobs"], draw);
}

function makeCard(job) {
  const status = el("span", { class: "status" });
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
      el("div", { class: "grow" }, heading, el("p", { class: "hint" }, captionOf(job), status)), stop, again),
    bar,
    el("div", { class: job.request?.towards ? "tiles strip" : "tiles" }, tiles.map((tile) => tile.node)),
    problem);
  let seen = null;

  function update(now) {
    if (seen === now) return;
    seen = now;
    const open = isOpen(now);
    const { made, of } = progressOf(now);
    Object.assign(bar, { max: Math.max(1, of), value: made, hidden: !open });
    status.textContent = statusOf(now);
    problem.textContent = now.state === "failed" ? (now.message ?? "") : "";
    if (!open && stop.contains(document.activeElement)) heading.focus();
    stop.hidden = !open;
    again.hidden = open;
    for (const tile of tiles) tile.update(now, open);
  }

  return { node, update };
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
  const frame = button("", () => picture && openDetail(picture), { class: "frame", disabled: true });
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
