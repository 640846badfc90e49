/** What the server warns of: words that the model does not know, and what would be refused. */

import { el } from "./dom.js";

/** A place for warnings, empty at first; it is read out when some come. */
export const warningsLine = () => el("div", { class: "warnings", role: "status" });

/**
 * Show warnings, or none.
 *
 * @param {HTMLElement} node of `warningsLine`
 * @param {string[]} list sentences
 */
export function showWarnings(node, list) {
  if (node.dataset.said === list.join("\n")) return; // the same again would be read out again
  node.dataset.said = list.join("\n");
  node.replaceChildren(...list.map((text) => el("p", { text })));
}
