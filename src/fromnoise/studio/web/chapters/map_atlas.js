/** The map on its canvas, with what moves it, and a search for captions. */

import { button, calm, el, field } from "../dom.js";
import { words } from "../words.js";
import { PointMap, captionsWith, dataOf, markOf } from "./point_map.js";

const say = words.chapters.map;
const FOUND = 8; // captions of a search
const NEAR = 6; // zoom at which a single point is looked at
const COLOURS = 6;
let atlases = 0;

/**
 * A map that is still empty; `open` gives it its points.
 *
 * @param {string} label what is on it
 */
export function makeAtlas(label) {
  const keys = el("p", { class: "hint", id: `atlas-keys-${++atlases}`, text: say.keys });
  const canvas = el("canvas", {
    class: "point-map", tabindex: 0, role: "application", "aria-label": label, "aria-describedby": keys.id,
  });
  const waiting = el("p", { class: "atlas-waiting hint", role: "status", text: say.reading });
  const legend = el("p", { class: "legend hint" });
  const said = el("p", { class: "unseen", role: "status" });
  const chosen = el("div", { class: "atlas-chosen" });
  const search = el("input", { type: "search", autocomplete: "off", oninput: () => find() });
  const found = el("div", { class: "atlas-found" });
  const bar = el("div", { class: "row" },
    button(say.closer, () => zoom(1.5), { class: "chip" }), button(say.farther, () => zoom(1 / 1.5), { class: "chip" }),
    button(say.whole, () => map?.goTo(0.5, 0.5, 1), { class: "chip" }));
  const node = el("div", { class: "atlas" },
    el("div", { class: "atlas-frame" }, canvas, waiting), bar, legend, keys, said, chosen);
  const finder = el("form", { class: "sheet", role: "search", onsubmit: (event) => event.preventDefault() },
    field(say.find, search), found);
  let [map, data] = [null, null];

  function open(news) {
    data = dataOf({ ...news, prompts: [] });
    const count = data.captions.length;
    const pictures = data.places.length / 2 - count;
    waiting.hidden = true;
    canvas.setAttribute("aria-label", say.counted(label, count, pictures));
    const sign = (kind, text, shown = "") => el("span", {}, el("span", { class: kind, "aria-hidden": "true", text: shown }), text);
    legend.replaceChildren(sign("point caption-point", say.captions(count)),
      ...(pictures ? [sign("point picture-point", say.pictures(pictures))] : []), sign("cross", say.prompts, "+"));
    map = new PointMap(canvas, data, { onPick: pick });
  }

  /** The first map did not come. */
  function fail() {
    if (!map) waiting.textContent = say.none;
  }

  const zoom = (factor) => map?.goTo(map.view.x, map.view.y, map.view.zoom * factor);
  const entry = (index) => el("li", {}, button(data.nameOf(index), () => show(index), { class: "link" }));

  function pick(index) {
    if (index < 0) {
      map.pick(-1);
      chosen.replaceChildren();
      return;
    }
    const near = map.around(index);
    map.pick(index, near);
    chosen.replaceChildren(el("h2", { text: data.nameOf(index) }), el("p", { class: "hint", text: say.nextTo }),
      el("ol", { class: "near" }, near.map(entry)));
    said.textContent = say.picked(data.nameOf(index), near.map((i) => data.nameOf(i)));
  }

  function show(index) {
    pick(index);
    map.goTo(data.places[2 * index], data.places[2 * index + 1], Math.max(NEAR, map.view.zoom));
    canvas.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  function find() {
    if (!data) return;
    const all = captionsWith(data.captions, search.value);
    found.replaceChildren(...(search.value.trim() ? [
      el("p", { class: "hint", role: "status", text: say.found(all.length) }),
      el("ol", { class: "near" }, all.slice(0, FOUND).map(entry)),
    ] : []));
  }

  /** Put a prompt on the map, in a colour that no other one has. */
  function land(news) {
    const taken = data.marks.map((mark) => mark.colour);
    const colour = [...Array(COLOURS).keys()].find((each) => !taken.includes(each)) ?? 0;
    const mark = markOf({ ...news, text: news.prompt, colour });
    data.marks.push(mark);
    map.draw();
    return mark;
  }

  function remove(mark) {
    data.marks.splice(data.marks.indexOf(mark), 1);
    map.draw();
  }

  /** Show the part of the map where ellipses are. */
  function fit(ellipses) {
    const edges = [0, 1].map((side) => ellipses.flatMap(({ centre, axes }) => [centre[side] - axes[0], centre[side] + axes[0]]));
    const [low, high] = [edges.map((each) => Math.min(...each)), edges.map((each) => Math.max(...each))];
    const wide = Math.max(0.1, 1.15 * (high[0] - low[0]), 1.15 * (high[1] - low[1]));
    map?.goTo((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, 1 / wide);
  }

  return {
    node, finder, open, fail, land, remove, show, fit, draw: () => map?.draw(), close: () => map?.close(),
    marks: () => data?.marks ?? [], goTo: (place) => map?.goTo(...place, Math.max(NEAR, map.view.zoom)),
  };
}
