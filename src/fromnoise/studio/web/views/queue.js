/** What is drawn and waits besides what hangs on the wall: other people's pictures, and those of a chapter. */

import { api } from "../api.js";
import { button, el } from "../dom.js";
import { hangs, isMine, openJobs, progressOf, promptOf } from "../jobs.js";
import { subscribe } from "../store.js";
import { words } from "../words.js";

const say = words.queue;

/** Show the queue in `root`; the function stops it. */
export function openQueue(root) {
  const list = el("ul", { class: "plain" });
  const lines = new Map();
  root.append(el("h2", { text: say.title }), list);

  function draw() {
    const jobs = openJobs().filter((job) => !hangs(job));
    root.hidden = !jobs.length;
    for (const [id, line] of lines) {
      if (jobs.some((job) => job.id === id)) continue;
      if (line.node.contains(document.activeElement)) document.getElementById("room").focus();
      line.node.remove();
      lines.delete(id);
    }
    for (const job of jobs) {
      if (!lines.has(job.id)) {
        lines.set(job.id, makeLine(job));
        list.append(lines.get(job.id).node);
      }
      lines.get(job.id).update(job);
    }
  }

  draw();
  return subscribe(["jobs"], draw);
}

function makeLine(job) {
  const place = el("span", { class: "hint" });
  const bar = el("progress", { "aria-label": words.wall.progress(promptOf(job)) });
  const whose = isMine(job) ? say.yours : say.others;
  const stop = button(words.cancel, () => api.cancel(job.id).catch((error) => (place.textContent = error.message)), {
    class: "chip", "aria-label": words.wall.cancelThis(promptOf(job)),
  });
  const node = el("li", {},
    el("div", { class: "grow" }, el("span", { class: "one-line", text: promptOf(job) }), place, bar), stop);

  function update(now) {
    const { made, of } = progressOf(now);
    Object.assign(bar, { max: Math.max(1, of), value: made });
    place.textContent = [whose, words.pictures(now.count), ...waitOf(now)].join(" · ");
  }

  return { node, update };
}

/** Where an open job stands: how many pictures are before it, and about how long it takes. */
export function waitOf(job) {
  const where = job.state === "running" || job.ahead === 0 ? say.now : say.ahead(job.ahead ?? 0);
  return [where, job.seconds === undefined ? "" : say.left(job.seconds)].filter(Boolean);
}
