/** The room where pictures are made: the form on one side, queue and wall on the other. */

import { el } from "../dom.js";
import { openNotices } from "../notices.js";
import { state } from "../store.js";
import { words } from "../words.js";
import { openForm } from "./form.js";
import { openQueue } from "./queue.js";
import { openWall } from "./wall.js";

export function openMake(root) {
  const { name, pixels } = state.facts.model;
  const notices = el("section", { class: "notices", "aria-label": words.notices.label });
  const form = el("section", { class: "sheet easel", "aria-label": words.make.title });
  const queue = el("section", { class: "queue" });
  const wall = el("section", { class: "wall" });
  root.append(
    el("div", { class: "heading in-line" },
      el("h1", { text: words.make.title }),
      el("p", { class: "hint", text: words.make.model(name, pixels) })),
    notices,
    el("div", { class: "workshop" }, form, el("div", { class: "hung" }, queue, wall)),
  );
  const ends = [openNotices(notices), openForm(form), openQueue(queue), openWall(wall)];
  return () => ends.forEach((end) => end());
}
