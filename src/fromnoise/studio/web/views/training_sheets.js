/** The sheets of a training: a slider through time, and the curves of the task that is looked at. */

import { button, el, field } from "../dom.js";
import { words } from "../words.js";
import { makeChart } from "./training_chart.js";

const say = words.training;
const MAIN = { loss: ["loss", "held_out_loss", "train_loss"], top1: ["held_out_top1"], psnr: ["held_out_psnr", "train_psnr"],
  detail: ["detail"], near: ["near_training"] };
const MORE = { gradient: ["gradient_norm"], rate: ["learning_rate"], speed: ["pictures_per_second"] };

/** One sheet at a time; `moved` is told the moment in pictures seen, null where there is no sheet. */
export function makeSheets(moved) {
  const image = el("img", { alt: "" });
  const frame = el("a", { class: "frame", target: "_blank", rel: "noopener" }, image);
  const slider = el("input", { type: "range", min: 0, oninput: () => go(slider.valueAsNumber) });
  const where = el("p", { class: "where" });
  const what = el("p", { class: "hint" });
  const newest = button(say.newest, () => go(listed.length - 1), { class: "chip" });
  const ways = el("div", { class: "row slide" }, field(say.slider, slider), newest);
  const empty = el("p", { class: "hint", text: say.noSheet });
  const node = el("section", { class: "drawn-sheets" }, el("h2", { text: say.sheets }), empty, what, frame, where, ways);
  let [task, listed, at, follows] = ["", [], -1, true];

  /** Show what there is of a task; who looks at the newest sheet goes on to newer ones. */
  function show(name, sheets) {
    if (name !== task) [task, at, follows] = [name, -1, true];
    const grown = sheets.length !== listed.length || sheets.at(-1) !== listed.at(-1);
    const kept = listed[at];
    listed = sheets;
    empty.hidden = sheets.length > 0;
    for (const part of [frame, where, what]) part.hidden = !sheets.length;
    ways.hidden = sheets.length < 2;
    slider.max = Math.max(0, sheets.length - 1);
    what.textContent = say.sheetOf[name];
    if (!sheets.length) moved(null);
    else if (at < 0 || grown) go(follows ? sheets.length - 1 : Math.max(0, sheets.indexOf(kept)));
  }

  function go(i) {
    at = i;
    follows = i === listed.length - 1;
    newest.disabled = follows;
    slider.value = i;
    const text = say.moment(listed[i]);
    slider.setAttribute("aria-valuetext", text);
    where.textContent = text;
    frame.href = image.src = `/api/training/sheets/${task}/${listed[i]}`;
    image.alt = say.sheetAlt(say.short[task], listed[i]);
    moved(listed[i]);
  }

  return { node, show };
}

/** The curves of a task. */
export function makeCurves() {
  const charts = (list) => Object.entries(list).map(([name, names]) => makeChart(say.charts[name], names));
  const [main, more] = [charts(MAIN), charts(MORE)];
  const empty = el("p", { class: "hint", text: say.noCurves });
  const hint = el("p", { class: "hint" });
  const fold = el("details", {}, el("summary", { text: say.more }), el("div", { class: "charts" }, more.map((chart) => chart.node)));
  const node = el("section", { class: "curves" }, el("h2", { text: say.curves }), empty, hint,
    el("div", { class: "charts" }, main.map((chart) => chart.node)), fold);
  let [curves, moment] = [{}, null];

  function draw() {
    const any = Object.keys(curves).length > 0;
    empty.hidden = any;
    hint.hidden = fold.hidden = !any;
    hint.textContent = moment === null ? say.curvesHintPlain : say.curvesHint;
    for (const chart of [...main, ...more]) chart.show(curves, moment);
  }

  draw();
  return {
    node,
    show: (found) => draw((curves = found)),
    mark: (pictures) => draw((moment = pictures)),
  };
}
