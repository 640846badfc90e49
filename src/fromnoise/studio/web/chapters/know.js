/** "How do we know?": the method of a chapter, its command, and the file that does it. */

import { el } from "../dom.js";
import { words } from "../words.js";

/**
 * @param {string[]} texts the method, paragraph by paragraph
 * @param {string} file the code's file, in the project
 * @param {() => string} command what makes the same in a terminal, as it is when the fold is opened
 */
export function howWeKnow(texts, file, command) {
  const code = el("code", { text: "" });
  const fold = el("details", { ontoggle: () => (code.textContent = command()) },
    el("summary", { text: words.chapters.know }), ...texts.map((text) => el("p", { text })),
    el("p", {}, `${words.chapters.code} `, el("code", { text: file })),
    el("p", { text: words.chapters.command }), el("pre", { tabindex: 0 }, code));
  return el("section", { class: "know" }, fold);
}
