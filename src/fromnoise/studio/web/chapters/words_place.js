/** A place of the picture, under the pointer or moved with the arrow keys, and the words that count there most. */

import { el } from "../dom.js";
import { words } from "../words.js";
import { cellAt } from "./heat.js";

const say = words.chapters.words;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ABOVE = 1.2; // times its mean over the picture: from there on a word counts at a place
const NEAR = 0.6; // of the word that counts most

/**
 * @param {{node: HTMLElement, place: HTMLElement}} heat the picture with its map
 * @param {() => object | null} maps the maps that are looked at now
 * @param {() => {text: string, kind: string}[]} known the words
 * @param {(lit: boolean[] | null) => void} mark lets words light up
 * @returns {{spoken: HTMLElement, hint: HTMLElement, again: () => void, clear: () => void}} what is said of the place, and
 *   how it is used; `again` when the maps are others now
 */
export function makePlace(heat, maps, known, mark) {
  const { place } = heat;
  const glass = el("div", { class: "glass", hidden: true });
  const spoken = el("p", { class: "behind", role: "status" });
  const hint = el("p", { class: "hint", id: "place-hint", text: say.pointHint });
  for (const [name, value] of Object.entries({
    tabindex: 0, role: "application", "aria-label": say.place, "aria-describedby": hint.id,
  })) place.setAttribute(name, value);
  place.append(glass);
  let at = null; // where the keys are, [column, row] from 0 to 1
  let over = null; // where the pointer is, {clientX, clientY}
  let shown = null; // which cell is told

  /** Tell a cell's words; null tells nothing. */
  function tell(now, cell) {
    if (shown === cell && cell !== null) return;
    shown = cell;
    const lit = cell === null ? null : wordsAt(now, cell, known());
    const names = known().filter((_, i) => lit?.[i]).map((word) => word.text);
    spoken.textContent = cell === null ? "" : say.behind(names, (cell % now.width) + 1, Math.floor(cell / now.width) + 1);
    mark(lit);
  }

  /** Put the frame of the keys where they are, and tell that cell. */
  function tellKeys() {
    const now = maps();
    glass.hidden = !now;
    if (!now) return;
    at ??= [0.5, 0.5];
    const [column, row] = [Math.floor(at[0] * now.width), Math.floor(at[1] * now.height)];
    const [wide, high] = [100 / now.width, 100 / now.height];
    Object.assign(glass.style, { left: `${column * wide}%`, top: `${row * high}%`, width: `${wide}%`, height: `${high}%` });
    tell(now, row * now.width + column);
  }

  function follow({ clientX, clientY }) {
    over = { clientX, clientY };
    tellPointer();
  }

  function tellPointer() {
    const now = maps();
    if (now) tell(now, cellAt(over, place, now));
  }

  const keys = () => place.matches(":focus-visible");
  place.addEventListener("pointerdown", follow); // a finger does not hover
  place.addEventListener("pointermove", follow);
  place.addEventListener("pointerleave", (event) => {
    over = null;
    if (keys()) tellKeys();
    else if (event.pointerType !== "touch") tell(null, null);
  });
  place.addEventListener("focus", () => keys() && tellKeys());
  place.addEventListener("blur", () => {
    glass.hidden = true;
    tell(null, null);
  });
  place.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const now = maps();
    if (!step || !now) return;
    event.preventDefault();
    const sizes = [now.width, now.height];
    at = (at ?? [0.5, 0.5]).map((where, i) => {
      const cell = Math.floor(where * sizes[i]) + (glass.hidden ? 0 : step[i]);
      return (Math.max(0, Math.min(sizes[i] - 1, cell)) + 0.5) / sizes[i];
    });
    tellKeys();
  });

  function again() {
    shown = null;
    if (keys()) tellKeys();
    else if (over) tellPointer();
    else tell(null, null);
  }

  function clear() {
    at = null;
    glass.hidden = true;
    tell(null, null);
  }

  return { spoken, hint, again, clear };
}

/** Which words light up: those whose share at the cell is most above their share of the whole picture. */
function wordsAt(maps, cell, known) {
  const strengths = known.map((word, i) => {
    if (word.kind !== "word") return 0;
    const map = maps.at(i);
    const mean = map.reduce((sum, value) => sum + value, 0) / map.length;
    return mean > 0 ? map[cell] / mean : 0;
  });
  const most = Math.max(...strengths);
  return strengths.map((strength) => most > 1 && strength > Math.max(ABOVE, NEAR * most));
}
