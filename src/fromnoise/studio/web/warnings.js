/** What the server warns of: words that the model does not know, with those that come nearest. */

import { el } from "./dom.js";

/** A place for warnings, empty at first; it is read out when some come. */
export const warningsLine = () => el("div", { class: "warnings", role: "status" });

/**
 * Show warnings, or none.
 *
 * @param {HTMLElement} node of `warningsLine`
 * @param {string[]} [list] sentences; where the server tells none, nothing is shown
 */
export function showWarnings(node, list) {
  const said = Array.isArray(list) ? [...new Set(list.filter((line) => typeof line === "string" && line))] : [];
  if (node.dataset.said === said.join("\n")) return; // the same again would be read out again
  node.dataset.said = said.join("\n");
  node.replaceChildren(...said.map((text) => el("p", { text })));
}
