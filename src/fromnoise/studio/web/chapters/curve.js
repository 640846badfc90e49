/** A small line over the steps of a drawing, with a mark at the step that is looked at. */

import { el } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, EDGE] = [600, 120, 8];

/** @param {string} label what the line shows, for those who do not see it */
export function makeCurve(label) {
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  const top = el("span", { class: "hint" });
  const ends = el("div", { class: "curve-ends hint" });
  const node = el("div", { class: "curve" }, el("p", { class: "label", text: label }), top, plot, ends);

  /**
   * @param {(number | null)[]} values one for each step so far; null leaves a gap
   * @param {number} total steps in all
   * @param {number} at which is marked
   * @param {{top: (most: number) => string, ends: [string, string], said: string}} texts
   */
  function show(values, total, at, texts) {
    const most = Math.max(...values.filter((value) => value !== null), 1e-9);
    const x = (i) => EDGE + ((WIDTH - 2 * EDGE) * i) / Math.max(1, total - 1);
    const y = (value) => HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value / most);
    const points = values.map((value, i) => (value === null ? null : `${x(i)},${y(value)}`));
    plot.replaceChildren(
      svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1, class: "curve-floor" }),
      svg("line", { x1: x(at), x2: x(at), y1: 0, y2: HEIGHT, class: "curve-mark" }),
      ...pieces(points).map((piece) => svg("polyline", { points: piece.join(" "), class: "curve-line" })));
    plot.setAttribute("aria-label", `${label}: ${texts.said}`);
    top.textContent = values.some((value) => value !== null) ? texts.top(most) : "";
    ends.replaceChildren(...texts.ends.map((text) => el("span", { text })));
  }

  return { node, show };
}

/** Runs of points without a gap; a lone one is drawn as a short dash. */
function pieces(points) {
  const found = [[]];
  for (const point of points) {
    if (point === null) found.push([]);
    else found.at(-1).push(point);
  }
  return found.filter((piece) => piece.length).map((piece) => (piece.length > 1 ? piece : [piece[0], piece[0]]));
}

function svg(tag, props) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
}
