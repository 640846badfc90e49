/** A chart: one or a few lines over the pictures seen, with what they mean, and their values at a moment. */

import { el } from "../dom.js";
import { words } from "../words.js";

const say = words.training;
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, EDGE] = [600, 160, 6];
const SMOOTH = 0.06; // of a line's points that are averaged into one of the strong line
const BEYOND = 0.02; // share of the highest values that may stick out: the first steps of a training are far off

/**
 * @param {{title: string, about: string, lines: Record<string, string>}} texts
 * @param {string[]} names of the curves, in the order of their colours
 */
export function makeChart(texts, names) {
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const [top, low] = [el("span", {}), el("span", {})];
  const ends = el("div", { class: "curve-ends hint" });
  const legend = el("ul", { class: "keys plain" });
  const node = el("figure", { class: "chart" },
    el("figcaption", {}, el("h3", { text: texts.title }), el("p", { class: "hint", text: texts.about })),
    legend,
    el("div", { class: "drawn" }, el("div", { class: "heights hint", "aria-hidden": "true" }, top, low), plot),
    ends);

  /** Show the curves, {name: [pictures, value][]}, and mark a moment, in pictures seen; null marks none. */
  function show(curves, moment) {
    const there = names.filter((name) => curves[name]?.length);
    node.hidden = !there.length;
    if (!there.length) return;
    const last = Math.max(...there.map((name) => curves[name].at(-1)[0]));
    const smooth = Object.fromEntries(there.map((name) => [name, smoothed(curves[name])]));
    const [least, most] = range(there.flatMap((name) => smooth[name].map(([, value]) => value)));
    const at = ([pictures, value]) => {
      const x = EDGE + ((WIDTH - 2 * EDGE) * pictures) / Math.max(1, last);
      const y = HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * (value - least)) / (most - least);
      return `${x.toFixed(1)},${Math.max(-EDGE, Math.min(HEIGHT, y)).toFixed(1)}`;
    };
    const mark = moment === null ? [] : [svg("line", { ...ofMark(at([Math.min(moment, last), least])), class: "curve-mark" })];
    plot.replaceChildren(
      svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1, class: "curve-floor" }), ...mark,
      ...there.flatMap((name) => [
        svg("polyline", { points: points(curves[name], at), class: `raw line-${names.indexOf(name)}` }),
        svg("polyline", { points: points(smooth[name], at), class: `strong line-${names.indexOf(name)}` })]));
    plot.setAttribute("aria-label", there.map((name) =>
      say.said(texts.lines[name], say.value(curves[name][0][1]), say.value(curves[name].at(-1)[1]))).join("; "));
    [top.textContent, low.textContent] = [say.rough(most), say.rough(least)];
    ends.replaceChildren(...say.ends(0, last).map((text) => el("span", { text })));
    legend.replaceChildren(...there.map((name) => el("li", {},
      el("span", { class: `swatch line-${names.indexOf(name)}`, "aria-hidden": "true" }),
      el("span", { text: texts.lines[name] }),
      el("strong", { text: say.value(valueAt(smooth[name], moment ?? last)) }))));
  }

  return { node, show };
}

const ofMark = (point) => {
  const [x] = point.split(",");
  return { x1: x, x2: x, y1: 0, y2: HEIGHT };
};

/** A lone point is drawn as a short dash. */
function points(curve, at) {
  const found = curve.map(at);
  return (found.length > 1 ? found : [found[0], found[0]]).join(" ");
}

/** Each point as the mean of its neighbours on both sides; as many on either, so that ends are not bent. */
function smoothed(curve) {
  const most = Math.floor((SMOOTH * curve.length) / 2);
  return curve.map(([pictures], i) => {
    const reach = Math.min(most, i, curve.length - 1 - i);
    const part = curve.slice(i - reach, i + reach + 1);
    return [pictures, part.reduce((sum, [, value]) => sum + value, 0) / part.length];
  });
}

/** From which value to which the chart goes. */
function range(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const [least, highest] = [sorted[0], sorted[Math.floor((sorted.length - 1) * (1 - BEYOND))]];
  const room = 0.05 * (highest - least) || 0.1 * Math.abs(highest) || 1;
  return [least >= 0 ? Math.max(0, least - room) : least - room, highest + room];
}

function valueAt(curve, moment) {
  return (curve.findLast(([pictures]) => pictures <= moment) ?? curve[0])[1];
}

function svg(tag, props) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
}
