/** The rooms that explain: a list of chapters, and the one that is open. */

import { chapters } from "../chapters/index.js";
import { el, problemLine } from "../dom.js";
import { state } from "../store.js";
import { words } from "../words.js";

const wordsOf = (chapter) => words.chapters[chapter.say];
const addressOf = (chapter) => `#chapter/${chapter.say}`;

/** Show the chapter that `rest` names, or the first one. */
export function openChapter(root, rest) {
  const at = rest ? chapters.findIndex(({ say }) => say === rest) : 0;
  const chapter = chapters[at];
  root.append(listOf(at));
  if (!chapter) {
    root.append(el("h1", { text: words.chapters.missing }));
    return undefined;
  }
  const body = el("div", { class: "chapter" });
  root.append(
    el("div", { class: "heading" },
      el("p", { class: "number", text: words.chapters.number(at + 1, chapters.length, words.chapters.parts[chapter.part]) }),
      el("h1", { text: wordsOf(chapter).title }),
      el("p", { class: "lead", text: wordsOf(chapter).about })),
    body);
  const next = chapters[at + 1];
  const onwards = next && el("a", {
    class: "next", href: addressOf(next), text: words.chapters.next(wordsOf(next).title),
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

/** All chapters, below the questions that they answer. */
function listOf(at) {
  const link = (chapter) => el("li", {}, el("a", {
    href: addressOf(chapter), text: wordsOf(chapter).title, "aria-current": chapter === chapters[at] ? "page" : null,
  }));
  const parts = [...new Set(chapters.map(({ part }) => part))].map((part) =>
    el("li", { class: "part" },
      el("span", { class: "question", text: words.chapters.parts[part] }),
      el("ol", {}, chapters.filter((chapter) => chapter.part === part).map(link))));
  return el("nav", { class: "contents", "aria-label": words.chapters.label }, el("ol", {}, parts));
}
