/** The rooms that explain: a list of chapters, and the one that is open. */

import { chapters } from "../chapters/index.js";
import { el } from "../dom.js";
import { state } from "../store.js";
import { words } from "../words.js";

export function openChapter(root, rest) {
  const at = Number.parseInt(rest || "1", 10) - 1;
  const chapter = chapters[at];
  root.append(listOf(at));
  if (!chapter) {
    root.append(el("h1", { text: words.chapters.missing }));
    return undefined;
  }
  const body = el("div", { class: "chapter" });
  root.append(
    el("div", { class: "heading" },
      el("p", { class: "number", text: words.chapters.number(at + 1) }),
      el("h1", { text: chapter.title }),
      el("p", { class: "lead", text: chapter.about })),
    body);
  const end = chapter.open(body, { facts: state.facts });
  const next = chapters[at + 1];
  if (next) root.append(el("a", { class: "next", href: `#chapter/${at + 2}`, text: words.chapters.next(next.title) }));
  return end;
}

function listOf(at) {
  const links = chapters.map((chapter, i) =>
    el("li", {}, el("a", {
      href: `#chapter/${i + 1}`, text: `${i + 1}. ${chapter.title}`, "aria-current": i === at ? "page" : null,
    })));
  return el("nav", { class: "contents", "aria-label": words.chapters.label }, el("ol", {}, links));
}
