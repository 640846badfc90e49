/** The rooms that explain: a list of chapters, and the one that is open. */

import { chapters } from "../chapters/index.js";
import { el, problemLine } from "../dom.js";
import { state } from "../store.js";
import { words } from "../words.js";

const wordsOf = (chapter) => words.chapters[chapter.say];

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
      el("h1", { text: wordsOf(chapter).title }),
      el("p", { class: "lead", text: wordsOf(chapter).about })),
    body);
  const next = chapters[at + 1];
  const onwards = next && el("a", {
    class: "next", href: `#chapter/${at + 2}`, text: words.chapters.next(wordsOf(next).title),
  });
  if (onwards) root.append(onwards);
  root.querySelector(".contents [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
  return play(chapter, body);
}

/** Load a chapter and begin it; the answer stops it, also while it is still on its way. */
function play(chapter, body) {
  let left = false;
  let stop = () => {};
  chapter.load().then((found) => {
    if (!left) stop = found.open(body, { facts: state.facts }) ?? stop;
  }, () => {
    const problem = problemLine();
    body.replaceChildren(problem);
    problem.textContent = words.unreachable;
  });
  return () => {
    left = true;
    stop();
  };
}

function listOf(at) {
  const links = chapters.map((chapter, i) =>
    el("li", {}, el("a", {
      href: `#chapter/${i + 1}`, text: `${i + 1}. ${wordsOf(chapter).title}`, "aria-current": i === at ? "page" : null,
    })));
  return el("nav", { class: "contents", "aria-label": words.chapters.label }, el("ol", {}, links));
}
