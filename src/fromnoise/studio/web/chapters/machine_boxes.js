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

/** Boxes of what is in a block. */
export function boxesOf(network, most, panel) {
  return el("div", { class: "boxes" }, network.blocks.map((block) => boxOf([network, block], most, panel)));
}

/**
 * Trails to all that a picture passes between the ends of the skips, and what stands beside that. The ends are lone blocks
 * or containers; whatever container stands between two of those is passed too.
 */
function along(network) {
  const ends = new Set(network.skips.flat().map((path) => path.split(".")[0]));
  const lone = (block) => ends.has(block.name) && block.gives.length > 0;
  const holding = network.blocks.filter((block) => ends.has(block.name) && !lone(block));
  const [from, to] = [holding[0], holding.at(-1)].map((block) => network.blocks.indexOf(block));
  const between = (i) => i >= from && i <= to;
  return {
    passed: network.blocks.flatMap((part, i) => {
      if (lone(part)) return [[network, part]];
      return between(i) ? part.blocks.map((block) => [network, part, block]) : [];
    }),
    others: network.blocks.filter((block, i) => !lone(block) && !between(i)),
  };
}

/**
 * A network with skip connections as a U: down on the left, up on the right, and level with each part that leaves
 * something the part that takes it. In the page they stand in the order in which a picture passes them.
 *
 * @param {object} watch hangs what is seen into the boxes
 */
export function theU(network, most, panel, watch) {
  const { passed, others } = along(network);
  const path = (trail) => trail.at(-1).path;
  const taken = Object.fromEntries(network.skips.map(([from, to]) => [to, from]));
  const left = new Set(network.skips.map(([from]) => from));
  const firstUp = passed.findIndex((trail) => path(trail) in taken);
  const up = passed.slice(firstUp).reverse();
  const row = {}; // by path
  up.forEach((trail, i) => {
    row[path(trail)] = i + 1;
    if (taken[path(trail)]) row[taken[path(trail)]] = i + 1;
  });
  const bottom = passed.slice(0, firstUp).filter((trail) => !left.has(path(trail)));
  bottom.forEach((trail, i) => (row[path(trail)] = up.length + 1 + i));
  const sides = [...new Set(passed.map((trail) => sideOf(trail.at(-1))))].sort((a, b) => b - a);
  const cells = passed.map((trail, i) => {
    const column = bottom.includes(trail) ? "bottom" : i < firstUp ? "down" : "up";
    const cell = el("div", { class: `station ${column}` }, boxOf(trail, most, panel, watch));
    cell.style.gridRow = row[path(trail)];
    cell.style.setProperty("--level", sides.indexOf(sideOf(trail.at(-1))));
    return cell;
  });
  const skips = network.skips.map(([, to]) => {
    const line = el("span", { class: "across", "aria-hidden": "true" });
    line.style.gridRow = row[to];
    return line;
  });
  return el("div", {},
    el("div", { class: "u" }, cells, skips),
    el("p", { class: "hint", text: say.others }),
    el("div", { class: "boxes few" }, others.map((block) => boxOf([network, block], most, panel))));
}

const sideOf = (block) => measure(block.gives[0] ?? []).side;

/** A box as a button, with smaller boxes inside when it only holds others. */
function boxOf(trail, most, panel, watch = null) {
  const block = trail.at(-1);
  const weights = say.weights(block.weights);
  const choose = el("button", {
    type: "button", class: watch ? "box lit" : "box", onclick: (event) => panel.show(trail, event.currentTarget),
    "aria-label": say.box(block.path, block.kind, weights),
  });
  const name = el("span", { class: "name" }, breakable(block.name));
  if (watch) {
    const [canvas, time] = watch.register(block.path, choose);
    choose.append(canvas, el("span", { class: "told" }, name, time, shapeOf(block)));
    return choose;
  }
  choose.append(name, ...[barOf(block, most)].filter(Boolean));
  if (block.gives.length || !block.blocks.length) return choose;
  return el("div", { class: "group" }, choose,
    el("div", { class: "boxes" }, block.blocks.map((inner) => boxOf([...trail, inner], most, panel))));
}

/** A name that may be broken after its underscores. */
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

const shapeOf = (block) => el("span", { class: "shape", text: block.gives[0].join("×") });

/** As wide as the map is large, as thick as it has channels. */
function barOf(block, most) {
  if (!block.gives.length) return null;
  const { side, channels } = measure(block.gives[0]);
  const bar = el("span", { class: "bar-of" });
  bar.style.width = `${Math.max(LEAST_WIDTH, (100 * side) / most.side)}%`;
  bar.style.height = `${Math.min(THICKEST, Math.max(3, (THICKEST * channels) / most.channels))}px`;
  const track = el("span", { class: "track" }, bar);
  return el("span", { class: "bar-room" }, track, shapeOf(block));
}
