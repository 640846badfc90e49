/** Boxes for blocks, nested as the modules are; what goes down and comes up again is laid out as a U. */

import { el } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.machine;
const LEAST_WIDTH = 8; // percent
const THICKEST = 26; // pixels

/** How large a shape's map is, and how many channels it has: [C, H, W], or [tokens, channels], or [channels]. */
function measure(shape) {
  if (shape.length === 3) return { side: shape[2], channels: shape[0] };
  return shape.length === 2 ? { side: shape[0], channels: shape[1] } : { side: 1, channels: shape[0] ?? 1 };
}

/** The largest side and the most channels in a network, which its bars are measured by. */
export function maps(network) {
  const shapes = [network, ...inside(network)].flatMap((block) => block.gives);
  const found = shapes.filter((shape) => shape.length > 1).map(measure); // a lone vector is no map
  return {
    side: Math.max(1, ...found.map(({ side }) => side)),
    channels: Math.max(1, ...found.map(({ channels }) => channels)),
  };
}

const inside = (block) => block.blocks.flatMap((inner) => [inner, ...inner.blocks]);

/** Boxes of what is in a block; a container of blocks that goes down, and one that comes up, make a U. */
export function boxesOf(network, most, panel) {
  const byName = Object.fromEntries(network.blocks.map((block) => [block.name, block]));
  const row = (blocks) => el("div", { class: "boxes" }, blocks.map((block) => boxOf([network, block], most, panel)));
  if (!byName.down || !byName.up) return row(network.blocks);
  const parts = ["down", "middle", "up"];
  const first = network.blocks.findIndex(({ name }) => name === "down");
  const before = network.blocks.slice(0, first);
  const after = network.blocks.slice(first).filter(({ name }) => !parts.includes(name));
  return el("div", {}, row(before), theU(network, byName, most, panel), row(after));
}

/** Down on the left, up on the right, the middle at the bottom; a row for each size of the map. */
function theU(network, { down, middle, up }, most, panel) {
  const sides = [...new Set([...down.blocks, ...up.blocks].map(sideOf))].sort((a, b) => b - a);
  const at = (part, side) => el("div", { class: "boxes" },
    part.blocks.filter((block) => sideOf(block) === side).map((block) => boxOf([network, part, block], most, panel)));
  const rows = sides.map((side) => el("div", { class: "u-row" },
    at(down, side), el("span", { class: "side", text: `${side}×${side}` }), at(up, side)));
  const bottom = middle && el("div", { class: "u-middle boxes" },
    middle.blocks.map((block) => boxOf([network, middle, block], most, panel)));
  return el("div", { class: "u" }, rows, bottom);
}

const sideOf = (block) => measure(block.takes[0] ?? []).side;

/** A box as a button, with smaller boxes inside when it only holds others. */
function boxOf(trail, most, panel) {
  const block = trail.at(-1);
  const weights = say.weights(block.weights);
  const choose = el("button", {
    type: "button", class: "box", onclick: (event) => panel.show(trail, event.currentTarget),
    "aria-label": say.box(block.path, block.kind, weights),
  }, el("span", { class: "name", text: block.name }), barOf(block, most));
  if (block.gives.length || !block.blocks.length) return choose;
  return el("div", { class: "group" }, choose,
    el("div", { class: "boxes" }, block.blocks.map((inner) => boxOf([...trail, inner], most, panel))));
}

/** As wide as the map is large, as thick as it has channels. */
function barOf(block, most) {
  if (!block.gives.length) return null;
  const { side, channels } = measure(block.gives[0]);
  const bar = el("span", { class: "bar-of" });
  bar.style.width = `${Math.max(LEAST_WIDTH, (100 * side) / most.side)}%`;
  bar.style.height = `${Math.min(THICKEST, Math.max(3, (THICKEST * channels) / most.channels))}px`;
  const track = el("span", { class: "track" }, bar);
  return el("span", { class: "bar-room" }, track, el("span", { class: "shape", text: block.gives[0].join("×") }));
}
