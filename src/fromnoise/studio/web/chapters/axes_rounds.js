/** A network that begins with nothing and learns, round by round, while one looks on. */

import { look } from "../api.js";
import { button, calm, el, field, problemLine } from "../dom.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { css, fitted } from "./axes_tokens.js";

const say = words.chapters.axes;
const PACE = 450; // milliseconds that a round is shown for when all are played again
const WALL = 34; // pixels of a picture on the wall

export function makeRounds() {
  const status = el("p", { class: "where", role: "status" });
  const bars = el("div", { class: "rounds", role: "img" });
  const chance = el("div", { class: "chance" });
  const slider = el("input", { type: "range", min: 0, max: 20, value: 0, disabled: true, oninput: () => pick() });
  const wall = el("canvas", { class: "wall-of", role: "img" });
  const guesses = el("div", { class: "guesses" });
  const again = button(say.fresh, () => train(randomSeed()), { class: "chip live", disabled: true });
  const play = button(words.chapters.static.play, () => replay(), { class: "chip", disabled: true });
  const problem = problemLine();
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.network }), el("p", { class: "what", text: say.networkAbout }),
    el("div", { class: "learning" },
      el("div", { class: "learnt" }, status, el("div", { class: "rounded" }, bars, chance), field(say.round, slider),
        el("div", { class: "row" }, play, again), problem),
      guesses),
    wall, el("p", { class: "hint", text: say.ring }));
  let [asked, made, tokens, told, running, timer, following] = [null, null, null, [], null, 0, true];
  let finish = () => {};
  const observer = new ResizeObserver(() => show());
  observer.observe(wall);
  const seen = new IntersectionObserver((changes) => {
    if (changes.some((change) => change.isIntersecting) && made && !told.length && !running) train(0);
  }, { threshold: 0.25 });

  /** Begin with pictures that were measured, as soon as somebody looks; `done` hears the last round. */
  function begin(body, measured, cut, done) {
    [asked, made, tokens, finish] = [body, measured, cut, done];
    node.hidden = again.disabled = false;
    status.textContent = say.waiting;
    guesses.replaceChildren();
    bars.replaceChildren();
    for (const each of [bars, wall]) each.setAttribute("aria-label", say.waiting);
    chance.style.bottom = `${100 * made.chance}%`;
    seen.unobserve(node);
    seen.observe(node);
  }

  async function train(seed) {
    stop();
    [told, following, problem.textContent] = [[], true, ""];
    for (const control of [slider, again, play]) control.disabled = true;
    bars.replaceChildren();
    const now = look("axes/rounds", { ...asked, seed }, (news) => {
      if (running === now) take(news);
    });
    running = now;
    await now.done.then(() => {
      if (running === now && told.length) end();
    }, (error) => {
      if (running === now) problem.textContent = error.message;
    });
  }

  function take(news) {
    told.push(news);
    bars.append(barOf(news));
    slider.max = told.length - 1;
    slider.disabled = false;
    if (following) slider.value = told.length - 1;
    show();
  }

  function barOf(news) {
    const bar = el("span");
    bar.style.height = `${100 * news.right.share}%`;
    return bar;
  }

  function end() {
    for (const control of [again, play]) control.disabled = false;
    finish(told.at(-1));
  }

  function pick() {
    following = slider.valueAsNumber === told.length - 1;
    pause();
    show();
  }

  function replay() {
    if (timer) return pause();
    slider.value = 0;
    play.textContent = words.chapters.static.pause;
    show();
    timer = setInterval(() => {
      if (slider.valueAsNumber >= told.length - 1) return pause();
      slider.value = slider.valueAsNumber + 1;
      return show();
    }, calm() ? 3 * PACE : PACE);
    return undefined;
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = words.chapters.static.play;
  }

  function show() {
    const now = told[slider.valueAsNumber];
    if (!now || !made) return;
    const said = say.at(now.round, now.right, made.chance);
    status.textContent = said;
    slider.setAttribute("aria-valuetext", said);
    bars.setAttribute("aria-label", say.curve(told[0].right.share, told.at(-1).right.share, told.length - 1));
    [...bars.children].forEach((bar, i) => bar.classList.toggle("now", i === now.round));
    guesses.replaceChildren(...followed(made).map((i) => guessOf(i, now.chances[i])));
    paintWall(now);
  }

  /** One picture, and how sure the network is of each kind. */
  function guessOf(i, chances) {
    const canvas = el("canvas", { width: 68, height: 68, "aria-hidden": "true" });
    tokens.put(canvas.getContext("2d"), i, likeliest(chances), 34, 34, 68);
    const rows = made.kinds.map((kind, k) => {
      const bar = el("span", { class: "sure" });
      Object.assign(bar.style, { width: `${100 * chances[k]}%`, background: css(made.colours[k]) });
      return el("li", {}, el("span", { text: kind }), el("span", { class: "track" }, bar),
        el("span", { class: "level", text: say.percent(chances[k]) }));
    });
    return el("div", { class: "guess" }, canvas, el("ul", { class: "plain", "aria-label": made.pictures[i].name }, rows));
  }

  function paintWall(round) {
    const columns = Math.max(1, Math.floor(wall.getBoundingClientRect().width / WALL));
    wall.style.height = `${Math.ceil(made.pictures.length / columns) * WALL}px`;
    const { pen } = fitted(wall);
    const right = round.guesses.filter((guess, i) => guess === made.pictures[i].kind).length;
    wall.setAttribute("aria-label", say.wall(right, made.pictures.length));
    round.guesses.forEach((guess, i) => {
      const [x, y] = [i % columns, Math.floor(i / columns)].map((at) => (at + 0.5) * WALL);
      tokens.put(pen, i, guess, x, y, WALL - 4);
    });
  }

  function stop() {
    running?.stop();
    running = null;
    pause();
  }

  function clear() {
    stop();
    [told, made] = [[], null];
    node.hidden = true;
  }

  function leave() {
    clear();
    observer.disconnect();
    seen.disconnect();
  }

  return { node, begin, clear, stop: leave };
}

const likeliest = (chances) => chances.indexOf(Math.max(...chances));

/** The first drawing of each kind. */
const followed = ({ kinds, pictures }) => kinds.map((_, k) => pictures.findIndex((each) => each.kind === k));
