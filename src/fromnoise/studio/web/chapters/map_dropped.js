/** The prompts that were dropped on the map, each with what is nearest to it, as lists. */

import { announce, button, el } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.map;
const SHOWN = 5; // of each list; the map lights more

/** @param {{show: (index: number) => void, goTo: (place: number[]) => void, remove: (mark: object) => void}} does */
export function makeDropped({ show, goTo, remove: gone }) {
  const node = el("div", { class: "dropped" });
  const cards = new Map();

  const list = (title, near) => el("div", {}, el("h3", { text: title }),
    el("ol", { class: "near" }, near.slice(0, SHOWN).map(({ index, text, style, cosine }) => el("li", {},
      button(style ? say.inStyle(text, style) : text, () => show(index), { class: "link" }),
      el("span", { class: "hint", text: ` ${cosine.toFixed(2)}` })))));

  function add(mark, { prompt, captions, pictures, unknown }) {
    const card = el("section", { class: "sheet" },
      el("div", { class: "row" },
        el("h2", {}, el("span", { class: `cross prompt-${mark.colour}`, "aria-hidden": "true", text: "+" }),
          button(prompt, () => goTo(mark.place), { class: "link" })),
        button(say.away, () => gone(mark), { class: "link", "aria-label": say.remove(prompt) })),
      unknown.length > 0 && el("p", { text: say.unknown(unknown) }),
      el("div", { class: "nearest" }, list(say.nearCaptions, captions), pictures.length > 0 && list(say.nearPictures, pictures)));
    cards.set(mark, card);
    node.prepend(card);
    announce(say.landed(prompt, captions.slice(0, 3).map((near) => near.text)));
  }

  function remove(mark) {
    cards.get(mark)?.remove();
    cards.delete(mark);
  }

  return { node, add, remove };
}
