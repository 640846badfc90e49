/** What is known of one block, with the way into its inner blocks and back. */

import { button, el } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.machine;

/**
 * A panel that shows a block; `show(trail, chosen)` takes the blocks from the network down to it, and its button.
 *
 * @param {number} total weights of all networks
 * @param {object} watch knows what a block of the U-Net saw
 */
export function makePanel(total, watch) {
  const node = el("aside", { class: "sheet panel", "aria-label": say.details, "aria-live": "polite", hidden: true });
  let [pressed, shown] = [null, null];

  function show(trail, chosen = pressed) {
    shown = trail;
    pressed?.removeAttribute("aria-current");
    pressed = chosen;
    pressed?.setAttribute("aria-current", "true");
    node.hidden = false;
    const had = node.contains(document.activeElement);
    node.replaceChildren(...contents(trail, total, watch, (next) => show(next), close));
    if (had) node.querySelector(".up, .inner")?.focus();
  }

  function close() {
    node.hidden = true;
    pressed?.focus();
  }

  /** The same again, when more is known of it. */
  const refresh = () => shown && !node.hidden && show(shown);

  return { node, show, refresh };
}

function contents(trail, total, watch, show, close) {
  const block = trail.at(-1);
  const facts = {
    [say.path]: trail.length > 1 ? `${trail[0].name}.${block.path}` : block.name,
    [say.kind]: block.kind,
    [say.takes]: shapesOf(block.takes),
    [say.gives]: shapesOf(block.gives),
  };
  return [
    button(words.close, close, { class: "chip close" }),
    el("h2", { text: block.name }),
    trail[0].skips ? watch.sightOf(block.path) : watch.sightOf(null),
    block.about ? el("p", { text: block.about }) : null,
    el("p", { class: "weights", text: `${say.weights(block.weights)} · ${say.share(block.weights / total)}` }),
    el("dl", {}, Object.entries(facts).map(([name, value]) =>
      el("div", {}, el("dt", { text: name }), el("dd", { text: value })))),
    trail.length > 1 ? button(say.up, () => show(trail.slice(0, -1)), { class: "chip up" }) : null,
    block.blocks.length ? el("h3", { text: say.inside(block.blocks.length) }) : null,
    el("div", { class: "chips" }, block.blocks.map((inner) =>
      button(inner.name, () => show([...trail, inner]), { class: "chip inner", title: inner.kind }))),
  ].filter(Boolean);
}

const shapesOf = (shapes) => {
  const known = shapes.filter((shape) => shape.length);
  return known.length ? known.map((shape) => shape.join("×")).join(", ") : say.nothing;
};
