/** Measures that people thought of: one, two, three of them, and how well they tell the kinds apart. */

import { button, el } from "../dom.js";
import { words } from "../words.js";
import { confused, heldOut, learn, score } from "./axes_machine.js";
import { makeSpace } from "./axes_space.js";
import { css } from "./axes_tokens.js";

const say = words.chapters.axes;
const MOST = 3;

export function makeMeasures() {
  const chips = el("div", { class: "row chips", role: "group", "aria-label": say.measures });
  const next = button("", () => press(suggested()), { class: "main" });
  const status = el("p", { class: "where", role: "status" });
  const explained = el("p", { class: "what" });
  const rows = el("ol", { class: "scores plain" });
  const pointed = el("p", { class: "hint pointed" });
  const space = makeSpace(say.space, say.spaceHint, (i) => (pointed.textContent = i < 0 ? "" : named(i)));
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.byHand }), el("p", { class: "what", text: say.byHandAbout }), chips,
    el("div", { class: "axes" }, el("div", {}, space.node, pointed),
      el("div", { class: "measured" }, status, rows, explained, next)));
  let [made, tokens, chosen, guesses, told] = [null, null, [], [], () => {}];

  /** Begin with pictures that were measured; `hear` is told every new score, as [names, score]. */
  function begin(measured, cut, hear) {
    [made, tokens, chosen, told] = [measured, cut, [measured.chosen[0]], hear];
    node.hidden = false;
    chips.replaceChildren(...made.measures.map((each) =>
      button(say.measure(each.name), () => press(each.name), { class: "chip", title: each.about, "data-measure": each.name })));
    show();
  }

  const suggested = () => made.chosen.find((name) => !chosen.includes(name));
  const rowsOf = (names) => {
    const columns = names.map((name) => made.measures.findIndex((each) => each.name === name));
    return made.pictures.map((each) => columns.map((column) => each.values[column]));
  };

  function press(name) {
    if (chosen.includes(name)) chosen = chosen.length > 1 ? chosen.filter((each) => each !== name) : chosen;
    else chosen = [...chosen.slice(0, MOST - 1), name];
    show();
  }

  function show() {
    const [values, labels] = [rowsOf(chosen), made.pictures.map((each) => each.kind)];
    for (const chip of chips.children) {
      const at = chosen.indexOf(chip.dataset.measure);
      chip.setAttribute("aria-pressed", String(at >= 0));
      chip.textContent = say.measure(chip.dataset.measure, at);
    }
    guesses = heldOut(values, made.pictures, made.kinds.length);
    space.show({ points: values, names: chosen.map((name) => say.measure(name)), guesses, tokens,
      pictures: made.pictures, colours: made.colours, areas: learn(values, labels, made.kinds.length) });
    tell();
  }

  function tell() {
    const steps = chosen.map((_, i) => chosen.slice(0, i + 1)).map((names) =>
      [names, score(heldOut(rowsOf(names), made.pictures, made.kinds.length), made.pictures)]);
    const [names, best] = steps.at(-1);
    rows.replaceChildren(
      scoreRow(say.blind, { share: made.chance }, true),
      ...steps.map(([own, each], i) => scoreRow(say.upTo(say.measure(own.at(-1)), i), each)));
    status.textContent = say.score(best);
    const wrong = confused(guesses, made.pictures);
    explained.textContent = [
      made.measures.find((each) => each.name === chosen.at(-1)).about.replace(/^/, `${say.measure(chosen.at(-1))}: `).concat("."),
      wrong ? say.mixed(made.kinds[wrong[0]], made.kinds[wrong[1]], wrong[2]) : say.unmixed,
      rank(names),
    ].filter(Boolean).join(" ");
    const more = chosen.length < MOST ? suggested() : null;
    next.hidden = !more;
    if (more) next.textContent = say.add(say.measure(more));
    told(names.map((name) => say.measure(name)), best);
  }

  /** How the chosen measures stand among all sets of so many. */
  function rank(names) {
    const alike = made.sets.filter((each) => each.measures.length === names.length);
    const own = alike.find((each) => each.measures.every((name) => names.includes(name)));
    return own ? say.rank(alike.filter((each) => each.right > own.right).length, alike.length, names.length) : "";
  }

  function named(i) {
    const { name, values } = made.pictures[i];
    const numbers = chosen.map((each) =>
      `${say.measure(each)} ${values[made.measures.findIndex((measure) => measure.name === each)].toFixed(2)}`);
    return say.pointed(name, numbers, made.kinds[guesses[i]]);
  }

  function clear() {
    node.hidden = true;
  }

  return { node, begin, clear, stop: space.stop };
}

/** One line of a list of scores: its name, a bar, and its range. */
export function scoreRow(name, { share, low, high, text = say.percent(share) }, quiet = false) {
  const bar = el("span", { class: quiet ? "sure quiet" : "sure" });
  bar.style.width = `${100 * share}%`;
  const range = el("span", { class: "range" });
  if (low !== undefined) Object.assign(range.style, { left: `${100 * low}%`, width: `${100 * (high - low)}%` });
  return el("li", {}, el("span", { text: name }), el("span", { class: "track" }, bar, low === undefined ? null : range),
    el("span", { class: "level", text }));
}

/** The kinds with their colours. */
export function legend({ kinds, colours }) {
  return el("ul", { class: "kinds plain" }, kinds.map((kind, k) => {
    const dot = el("span", { class: "dot" });
    dot.style.background = css(colours[k]);
    return el("li", {}, dot, el("span", { text: kind }));
  }));
}
