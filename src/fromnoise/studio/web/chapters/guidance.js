/** how the words win: two guesses at every step, their difference exaggerated, and one noise at many scales. */

import { look } from "../api.js";
import { button, el, field, problemLine, staticUrl, toggle } from "../dom.js";
import { randomSeed } from "../store.js";
import { showWarnings, warningsLine } from "../warnings.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { makeCurve } from "./curve.js";
import { makeKnow } from "./know.js";

const say = words.chapters.guidance;
const SEED = 3; // of the example
const USUAL = 3; // guidance, for models that draw without any

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked: given }) {
  const first = { prompt: promptOf(facts, say.example), seed: SEED, ...given };
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off" });
  const go = el("button", { type: "submit", class: "main", text: words.chapters.draw });
  const [problem, warnings] = [problemLine(), warningsLine()];
  const stage = makeStage();
  const ladder = makeLadder((scale) => draw(asked.seed, scale, false), facts.defaults?.guidance);
  const know = makeKnow(say);
  let asked = {};
  let running = null;

  /** Look from now on at this and nothing else; true if it was not overtaken. */
  async function watch(view, part) {
    running?.stop();
    const mine = look(view, asked, (news) => {
      if (running !== mine) return;
      if (news.notes) showWarnings(warnings, news.notes);
      if (news.note) showWarnings(warnings, [news.note]);
      if (news.command) know.say(news.command);
      part.take(news);
    });
    running = mine;
    try {
      await mine.done;
      return running === mine;
    } catch (error) {
      if (running === mine) problem.textContent = error.message;
      return false;
    }
  }

  async function draw(seed, guidance, all = true) {
    asked = { ...(all ? { prompt: prompt.value, style: first.style ?? null } : asked), seed, guidance };
    problem.textContent = "";
    stage.clear();
    if (all) ladder.clear();
    if (!(await watch("guidance", stage)) || ladder.done()) return;
    ladder.clear();
    await watch("ladder", ladder);
  }

  const usual = facts.defaults?.guidance === 1 ? USUAL : undefined;
  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      draw(randomSeed(), usual);
    },
  }, field(words.chapters.prompt, prompt), go, problem, warnings);
  root.append(el("div", { class: "film" }, form, stage.node), ladder.node, know.node);
  draw(first.seed, usual); // a good example, before anything is pressed
  return () => running?.stop();
}

/** Two guesses, what the words change, and the guess that the drawing goes on with, at the step that is looked at. */
function makeStage() {
  const status = el("p", { class: "where", role: "status" });
  const explained = el("p", { class: "what" });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, oninput: () => show() });
  const cards = Object.fromEntries(["without", "with", "change", "guided"].map((name) => [name, makeCard(say.cards[name])]));
  const ways = ["apart", "adds"].map((name) => toggle(say.ways[name], name === "apart", () => setWay(name)));
  const curve = makeCurve(say.curve);
  let [frames, total, way, first] = [[], 1, "apart", null];

  function clear() {
    frames = [];
    slider.disabled = true;
    for (const card of Object.values(cards)) card.fill(staticUrl());
    status.textContent = say.drawing;
    explained.textContent = "";
  }

  function take(news) {
    if (news.type === "guidance") {
      [first, total] = [news, news.total];
      slider.max = total - 1;
    }
    if (news.type === "step") {
      frames.push(news);
      slider.value = frames.length - 1;
      show();
    }
    if (news.type === "end") {
      slider.disabled = false;
      slider.value = furthest(frames);
      show();
    }
  }

  function setWay(name) {
    way = name;
    ways.forEach((chip, i) => chip.setAttribute("aria-pressed", String(["apart", "adds"][i] === name)));
    show();
  }

  function show() {
    const at = Math.min(slider.valueAsNumber, frames.length - 1);
    const frame = frames[at];
    if (!frame) return;
    cards.without.fill(frame.without);
    cards.with.fill(frame.with);
    cards.change.fill(frame[way]);
    cards.change.name(say.changed[way]);
    cards.guided.fill(frame.guided);
    cards.guided.name(frame.differ === null ? say.cards.guided : say.guided(first.scale));
    const texts = { top: say.most, ends: [say.noise, say.picture], said: say.curveSaid(frames.map((one) => one.differ)) };
    curve.show(frames.map((one) => one.differ), total, at, texts);
    status.textContent = say.at(at + 1, total, frame.differ);
    slider.setAttribute("aria-valuetext", status.textContent);
    const most = frames[furthest(frames)].differ;
    explained.textContent = slider.disabled ? "" : explain(frame, at, most);
  }

  function explain(frame, at, most) {
    if (frame.differ === null) return at < total / 2 ? say.restsEarly : say.restsLate;
    if (frame.differ > 0.6 * most) return say.far(first.scale, first.rescale);
    return frame.differ > 0.15 * most ? say.nearing : say.near;
  }

  const node = el("div", { class: "stage" },
    el("div", { class: "sum" }, ...Object.values(cards).map((card) => card.node)),
    field(say.step, slider), status, explained,
    el("div", { class: "row", role: "group", "aria-label": say.cards.change }, ways), curve.node);
  return { node, clear, take };
}

/** The step at which both guesses are furthest apart. */
function furthest(frames) {
  return frames.reduce((best, frame, i) => ((frame.differ ?? -1) > (frames[best].differ ?? -1) ? i : best), 0);
}

/** A picture with its name below; without one, an empty place that says why. */
function makeCard(text) {
  const image = el("img", { alt: text, width: 64, height: 64 });
  const empty = el("span", { class: "hint none", text: say.none, hidden: true });
  const caption = el("figcaption", { text });
  const node = el("figure", {}, el("div", { class: "frame" }, image, empty), caption);

  function fill(url) {
    image.classList.toggle("away", !url); // its room stays
    empty.hidden = Boolean(url);
    if (url) image.src = url;
  }

  function name(now) {
    caption.textContent = now;
    image.alt = now;
  }

  return { node, fill, name };
}

/** The same noise at many scales: a row that fills, and one of them large. */
function makeLadder(showSteps, usual) {
  const large = el("img", { alt: say.large, width: 64, height: 64, src: staticUrl() });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, oninput: () => show(true) });
  const row = el("div", { class: "rungs", role: "group", "aria-label": say.row });
  const status = el("p", { class: "where", role: "status" });
  const facts = el("p", { class: "what" });
  const steps = button("", () => showSteps(rungs[slider.valueAsNumber].scale), { class: "chip live", hidden: true });
  const node = el("section", { class: "sheet" }, el("h2", { text: say.ladder }), el("p", { class: "hint", text: say.ladderHint }),
    el("div", { class: "ladder" }, el("div", { class: "frame" }, large),
      el("div", { class: "stage" }, field(say.scale, slider), status, facts, steps)), row);
  let [rungs, chosen, done] = [[], false, false];

  function clear() {
    [rungs, chosen, done] = [[], false, false];
    slider.disabled = true;
    steps.hidden = true;
    large.src = staticUrl();
    status.textContent = say.waiting;
    facts.textContent = "";
    row.replaceChildren();
  }

  function take(news) {
    if (news.type === "ladder") {
      row.replaceChildren(...news.scales.map((scale) => el("div", { class: "rung" }, ...inside(scale, staticUrl(), usual))));
    }
    if (news.type === "rung") {
      const i = rungs.push(news) - 1;
      row.children[i].replaceWith(rung(news, i));
      slider.disabled = false;
      slider.max = i;
      if (!chosen) slider.value = i;
      show();
    }
    if (news.type === "end") done = true;
  }

  const rung = ({ scale, picture }, i) => el("button", {
    type: "button", class: "rung", "aria-label": say.rung(scale),
    onclick: () => {
      slider.value = i;
      show(true);
    },
  }, ...inside(scale, picture, usual));

  function show(byHand = false) {
    chosen ||= byHand;
    const at = slider.valueAsNumber;
    const now = rungs[at];
    large.src = now.picture;
    [...row.children].forEach((node, i) => {
      if (rungs[i]) node.setAttribute("aria-pressed", String(i === at));
    });
    status.textContent = say.rung(now.scale);
    slider.setAttribute("aria-valuetext", status.textContent);
    facts.textContent = say.rungFacts(now, rungs[0]);
    steps.hidden = now.scale === 1;
    steps.textContent = say.showSteps(now.scale);
  }

  return { node, clear, take, done: () => done };
}

const inside = (scale, picture, usual) => [
  el("span", { class: "frame" }, el("img", { src: picture, alt: "", width: 64, height: 64 })),
  el("span", { text: scale === usual ? `${scale} · ${say.usual}` : scale }),
];
