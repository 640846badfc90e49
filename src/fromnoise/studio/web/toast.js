/** Short messages at the edge, with something to do about them. */

import { button, el } from "./dom.js";

/**
 * @param {string} text
 * @param {{label: string, run: () => void}} [action]
 * @param {number} [seconds]
 */
export function toast(text, action, seconds = 6) {
  const opener = document.activeElement;
  const note = el("div", { class: "toast" }, el("span", { text }));
  const timer = setTimeout(away, seconds * 1000);

  function away() {
    clearTimeout(timer);
    const inside = note.contains(document.activeElement);
    note.remove();
    if (inside) (opener?.isConnected ? opener : document.getElementById("room")).focus();
  }

  if (action) {
    note.append(button(action.label, () => {
      away();
      action.run();
    }, { class: "chip" }));
  }
  document.getElementById("toasts").append(note);
  note.querySelector("button")?.focus(); // there is little time to find it
}
