/** The rooms that explain: a list of chapters, and the one that is open. */

import { chapters } from "../chapters/index.js";
import { el, problemLine } from "../dom.js";
import { state } from "../store.js";
import { words } from "../words.js";

const wordsOf = (chapter) => words.chapters[chapter.say];
const addressOf = (chapter) => `#chapter/${chapter.say}`;

/**
 * Show the chapter that `rest` names, or the first one.
 *
 * @param {{say: string, part: string, load: () => Promise}[]} list the chapters
 * @param {import("../chapters/index.js").Context} context what they are opened with
 */
export function openChapter(root, rest, list = chapters, context = { facts: state.facts }) {
  const at = rest ? list.findIndex(({ say }) => say === rest) : 0;
  const chapter = list[at];
  root.append(listOf(list, chapter));
  if (!chapter) {
    root.append(el("h1", { text: words.chapters.missing }));
    return undefined;
  }
  const body = el("div", { class: "chapter" });
  root.append(
    el("div", { class: "heading" },
      el("p", { class: "number", text: numberOf(chapter, at + 1, list.length) }),
      el("h1", { text: wordsOf(chapter).title }),
      el("p", { class: "lead", text: wordsOf(chapter).about }),
      context.asked && !chapter.own && el("p", { class: "asked-for", text: words.chapters.asked(context.asked) })),
    body);
  const way = (to, label, name) => to && el("a", { class: name, href: addressOf(to), text: label(wordsOf(to).title) });
  root.append(el("div", { class: "ways" }, way(list[at - 1], words.chapters.back, "back"), way(list[at + 1], words.chapters.next, "next")));
  return play(chapter, body, context);
}

/** Which one of how many it is, and the question that it belongs to, where its title is not that question itself. */
function numberOf(chapter, at, of) {
  const question = words.chapters.parts[chapter.part];
  return words.chapters.number(at, of, question === wordsOf(chapter).title ? "" : question);
}

/** Load a chapter and begin it; the answer stops it, also while it is still on its way. */
function play(chapter, body, context) {
  let left = false;
  let stop = () => {};
  chapter.load().then((found) => {
    if (!left) stop = found.open(body, context) ?? stop;
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
function listOf(list, open) {
  const link = (chapter) => el("li", {}, el("a", {
    href: addressOf(chapter), text: wordsOf(chapter).title, "aria-current": chapter === open ? "page" : null,
  }));
  const parts = [...new Set(list.map(({ part }) => part))].map((part) =>
    el("li", { class: "part" },
      el("span", { class: "question", text: words.chapters.parts[part] }),
      el("ol", {}, list.filter((chapter) => chapter.part === part).map(link))));
  return el("nav", { class: "contents", "aria-label": words.chapters.label },
    el("details", {}, el("summary", { text: words.chapters.all }), el("ol", {}, parts)));
}
