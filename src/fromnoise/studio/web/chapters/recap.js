/** What can be said in the end: the questions of the tour, and an answer to each, to open. */

import { el } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.recap;

/** Show the chapter in `root`. */
export function open(root) {
  root.append(el("section", { class: "recap" }, Object.entries(say.answers).map(([part, answer]) =>
    el("details", {}, el("summary", { text: words.chapters.parts[part] }), el("p", { text: answer })))));
}
