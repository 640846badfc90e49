/** every step from static to picture, to drag through. */

import { button, calm, check, el, field, problemLine, staticUrl } from "../dom.js";
import { drawAside } from "../jobs.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { generateLine, howWeKnow } from "./know.js";

const say = words.chapters.static;
const FIRST = { prompt: words.make.promptExample, seed: 7 };
const THOUSAND = { sampler: "ddpm", steps: 1000, every: 20 };
const FILM = 6000; // milliseconds for the whole film, at most

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked, recorded }) {
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), ...asked };
  const stage = makeStage(facts.model.levels);
  const problem = problemLine();
  let job = null;
  let thousand = false;
  let shown = { ...first };
  const prompt = el("input", {
    type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off",
  });
  const go = el("button", { type: "submit", class: "main", text: words.chapters.draw });
  const stop = button(words.cancel, () => job?.stop(), { class: "chip", hidden: true });

  async function draw(body) {
    job?.stop();
    const settings = thousand ? THOUSAND : { every: 1 };
    shown = thousand ? { ...body, sampler: THOUSAND.sampler, steps: THOUSAND.steps } : body;
    const now = drawAside({ ...body, show: "both", ...settings }, (news) => {
      if (job === now) stage.take(news);
    });
    job = now;
    stage.clear();
    problem.textContent = "";
    stop.hidden = false;
    await now.pictures.then((pictures) => {
      if (!pictures.length && job === now) problem.textContent = words.chapters.stopped;
    }, (error) => (problem.textContent = error.message));
    if (job !== now) return;
    stop.hidden = true;
    if (recorded) stage.rewind(); // who opens a recording should see where it begins
  }

  root.append(el("div", { class: "film" },
    el("form", {
      class: "sheet live",
      onsubmit: (event) => {
        event.preventDefault();
        draw({ prompt: prompt.value, seed: randomSeed() });
      },
    },
      field(words.chapters.prompt, prompt),
      check(say.thousand, false, (checked) => (thousand = checked)),
      el("p", { class: "hint", text: say.thousandHint }),
      el("div", { class: "row" }, go, stop),
      problem),
    stage.node),
  el("div", { class: "aside" }, [say.hidden, say.blots, say.known[facts.model.name]].filter(Boolean).map((text) => el("p", { text }))),
  howWeKnow(say, () => generateLine(facts, shown, { out: "picture.png", film: "film.gif" })));
  draw(first); // a good example, before anything is pressed
  return () => {
    job?.stop();
    stage.pause();
  };
}

/** Both pictures, the slider under them, and what is happening. */
function makeStage(levels) {
  let frames = [];
  let follows = true; // the newest frame, until somebody takes the slider
  let timer = 0;
  const noisy = el("img", { alt: say.noisy, src: staticUrl(), class: "pixelated", width: 64, height: 64 });
  const began = el("img", { alt: say.began, src: staticUrl(), class: "pixelated", width: 64, height: 64 });
  const clean = el("img", { alt: say.clean, src: staticUrl(), width: 64, height: 64 });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => grab(), disabled: true });
  const where = el("p", { class: "where", text: say.empty });
  const what = el("p", { class: "what" });
  const play = button(say.play, () => (timer ? pause() : start()), { class: "chip", disabled: true });

  function clear() {
    pause();
    frames = [];
    follows = true;
    slider.disabled = play.disabled = true;
  }

  function take(news) {
    if (news.type === "step" && news.clean) add({ ...news, noisy: news.noisy ?? news.clean });
    if (news.type === "picture") add({ done: true, clean: news.picture.data, noisy: news.picture.data });
  }

  function add(frame) {
    frames.push(frame);
    if (frames.length === 1) began.src = frame.noisy;
    slider.max = frames.length - 1;
    slider.disabled = play.disabled = frames.length < 2;
    if (follows) show(frames.length - 1);
  }

  function show(i) {
    const frame = frames[i];
    slider.value = i;
    noisy.src = frame.noisy;
    clean.src = frame.clean;
    where.textContent = frame.done ? say.done : say.at(frame.step + 1, frame.total, frame.t, levels);
    what.textContent = frame.done ? say.frames(frames.length - 1) : say.level(frame.t, levels);
    slider.setAttribute("aria-valuetext", `${where.textContent}. ${what.textContent}`);
  }

  function grab() {
    pause();
    follows = false;
    show(slider.valueAsNumber);
  }

  function start() {
    follows = false;
    play.textContent = say.pause;
    let i = slider.valueAsNumber >= frames.length - 1 ? 0 : slider.valueAsNumber;
    const pace = Math.max(calm() ? 500 : 60, FILM / frames.length);
    timer = setInterval(() => {
      show(i);
      if (i++ >= frames.length - 1) pause();
    }, Math.min(600, pace));
  }

  function pause() {
    timer = void clearInterval(timer);
    play.textContent = say.play;
  }

  const node = el("div", { class: "stage" },
    el("div", { class: "trip" },
      el("figure", {}, el("div", { class: "frame" }, began), el("figcaption", { text: say.began })),
      el("figure", {}, el("div", { class: "frame" }, noisy), el("figcaption", { text: say.noisy })),
      el("figure", {}, el("div", { class: "frame" }, clean), el("figcaption", { text: say.clean }))),
    el("div", { class: "row slide" }, play, field(say.slider, slider)),
    where, what);
  return { node, clear, take, pause, rewind: () => frames.length && show(0) };
}
