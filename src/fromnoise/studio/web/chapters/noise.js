/** Chapter: a picture drowns in noise, and the machine guesses back from each level; the lesson of training. */

import { api, look } from "../api.js";
import { blobOf, el, field, staticUrl, toggle } from "../dom.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { howWeKnow } from "./know.js";
import { drowner } from "./drown.js";
import { makePick } from "./pick.js";

const say = words.chapters.noise;
const FIRST = { prompt: say.example, seed: 3, start: null };
const REST = 350; // milliseconds after which a slider rests
const HALF = 600; // thousandths of the levels where the slider begins

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked: given, recorded }) {
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), ...given };
  const stage = makeStage();
  const lesson = makeLesson((t) => stage.goTo(t), facts.model?.pictures_seen);
  const style = exampleStyle(facts);
  const pick = makePick(first.prompt, (asked) => begin({ ...asked, seed: randomSeed() }));
  let running = null;

  async function begin(asked) {
    running?.stop();
    pick.problem.textContent = "";
    stage.clear(asked.start);
    lesson.clear();
    rest.begin({ style, ...asked });
    const now = look("noise", { style, ...asked }, (news) => {
      if (running !== now) return;
      stage.take(news);
      lesson.take(news);
      rest.take(news);
    });
    running = now;
    await now.done.catch((error) => {
      if (running === now) pick.problem.textContent = error.message;
    });
  }

  const rest = makeRest(stage.add);
  stage.onmove = (t) => lesson.mark(t);
  if (!recorded) stage.onrest = rest.ask;
  root.append(el("div", { class: "film" }, pick.node, stage.node), lesson.node, howWeKnow(say, stage.command));
  begin(first); // a good example, before anything is pressed
  return () => {
    running?.stop();
    rest.stop();
    stage.clear();
  };
}

/** The guesses from the very level at which the slider rests, until it moves on; `add` is told them. */
function makeRest(add) {
  let [asked, picture, ready, waiting, running] = [null, null, false, 0, null];

  function begin(body) {
    stop();
    [asked, picture, ready] = [body, null, false];
  }

  function take(news) {
    if (news.type === "picture") picture = news.picture;
    if (news.type === "end") ready = true; // until then the network has enough to do
  }

  /** Ask for a level when nothing else is asked for a moment. */
  function ask(t) {
    stop();
    if (ready && t !== null) waiting = setTimeout(() => lookAt(asked, t), REST);
  }

  async function lookAt(mine, t) {
    try {
      mine.start ??= (await api.upload(blobOf(picture))).id;
      if (mine !== asked) return;
      const now = look("noise/level", { ...mine, t }, (news) => running === now && add(news));
      running = now;
      await now.done;
    } catch {
      mine.start = null; // what was sent may be gone; the tenths beside it are there all the same
    }
  }

  function stop() {
    clearTimeout(waiting);
    running?.stop();
    running = null;
  }

  return { begin, take, ask, stop };
}

/** The slider over all levels, the picture with so much noise, and the guesses from the level nearest to it. */
function makeStage() {
  const canvas = el("canvas", { width: 64, height: 64, class: "drowning", role: "img", "aria-label": say.noisy });
  const shown = el("img", { src: staticUrl(), alt: say.noisy, width: 64, height: 64 });
  const clean = el("img", { src: staticUrl(), alt: say.clean, width: 64, height: 64 });
  const without = el("img", { src: staticUrl(), alt: say.without, width: 64, height: 64 });
  const told = el("img", { src: staticUrl(), alt: say.told, width: 64, height: 64 });
  const [noisyText, withoutText, toldText] = [0, 1, 2].map(() => el("figcaption", { class: "hint" }));
  const toldTile = tile(told, toldText);
  const slider = el("input", { type: "range", min: 0, max: 1000, value: HALF, disabled: true, oninput: () => move() });
  const status = el("p", { class: "where", role: "status" });
  const where = el("p", { class: "where" });
  const what = el("p", { class: "what" });
  const ways = ["colours", "seen"].map((name) => toggle(say.ways[name], name === "colours", () => setWay(name)));
  const wayHint = el("p", { class: "hint", text: say.wayHint.colours });
  const note = el("p", { class: "hint", hidden: true });
  let [drown, levels, between, total, guesses, end, way, waiting] = [null, [], [], 0, 0, null, "colours", 0];
  const stage = { node: null, clear, take, add, goTo, onmove: () => {}, onrest: () => {}, command: () => end?.command ?? "" };

  function clear(brought = null) {
    [drown, levels, between, end] = [null, [], [], null];
    note.hidden = true;
    cancelAnimationFrame(waiting);
    slider.disabled = true;
    canvas.hidden = true;
    shown.hidden = false;
    for (const image of [shown, clean, without, told]) image.src = staticUrl();
    for (const text of [noisyText, withoutText, toldText, where, what]) text.textContent = "";
    status.textContent = brought ? words.chapters.pick.looking : say.drawing;
  }

  function take(news) {
    if (news.type === "step") {
      shown.src = news.picture;
      status.textContent = say.step(news.step + 1, news.total);
    }
    if (news.type === "picture") shown.src = clean.src = news.picture;
    if (news.type === "noise") {
      note.textContent = news.note;
      note.hidden = !news.note;
      startDrowning(news);
    }
    if (news.type === "level") {
      levels.push(news);
      status.textContent = say.guessing(levels.length, guesses);
      show();
    }
    if (news.type === "end") {
      end = news;
      status.textContent = say.verdict(news, total);
      move();
    }
  }

  /** A level that was asked for by itself. */
  function add(news) {
    if (news.type === "level") between.push(news);
    show();
  }

  async function startDrowning(news) {
    [total, guesses] = [news.alphas.length, news.guesses];
    const mine = levels;
    const made = await drowner(clean, news);
    if (mine !== levels) return; // another picture by now
    drown = made;
    Object.assign(canvas, { width: drown.width, height: drown.height });
    slider.disabled = false;
    if (!levels.length) status.textContent = say.reading;
    show();
  }

  const levelAt = () => Math.round((slider.valueAsNumber * total) / 1000) - 1;

  function goTo(t) {
    slider.value = Math.round((1000 * (t + 1)) / total);
    move();
  }

  function setWay(name) {
    way = name;
    ways.forEach((chip, i) => chip.setAttribute("aria-pressed", String(["colours", "seen"][i] === way)));
    wayHint.textContent = say.wayHint[way];
    show();
  }

  /** Show where the slider is; where nothing was guessed from there, that is asked for as soon as it rests. */
  function move() {
    show();
    const t = levelAt();
    stage.onrest([...levels, ...between].some((level) => level.t === t) ? null : t);
  }

  /** At most once for each picture of the screen, however fast the slider is dragged. */
  function show() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(paint);
  }

  function paint() {
    if (!drown) return;
    const t = levelAt();
    const near = nearest([...levels, ...between], t);
    const own = way === "colours" || !near;
    canvas.hidden = !own;
    shown.hidden = own;
    if (own) drown.at(t, canvas);
    else shown.src = near.seen;
    const parts = drown.parts(t);
    slider.setAttribute("aria-valuetext", say.level(t, total));
    where.textContent = say.at(t, total, parts);
    noisyText.textContent = own ? say.noisy : say.seenAt(percent(near.t, total));
    if (near) showGuesses(near);
    stage.onmove(nearest(levels, t)?.t ?? null);
  }

  function showGuesses(near) {
    without.src = near.without.picture;
    withoutText.textContent = say.guessOf(say.without, percent(near.t, total));
    toldTile.hidden = !near.with_words;
    if (near.with_words) {
      told.src = near.with_words.picture;
      toldText.textContent = say.guessOf(say.told, percent(near.t, total));
    }
    const blind = levels.at(-1);
    if (end && blind.t === total - 1) what.textContent = say.worth(near, blind.without.error, end.captions);
  }

  stage.node = el("div", { class: "stage" },
    el("div", { class: "drowned" }, tile([canvas, shown], noisyText),
      tile(clean, el("figcaption", { class: "hint", text: say.clean })), tile(without, withoutText), toldTile),
    field(say.slider, slider), where, what, status, note,
    el("div", { class: "row", role: "group", "aria-label": say.way }, ways), wayHint);
  return stage;
}

const tile = (content, caption) => el("figure", {}, el("div", { class: "frame" }, content), caption);
const percent = (t, total) => Math.round((1000 * (t + 1)) / total) / 10;

/** The level with guesses that lies nearest to t. */
const nearest = (levels, t) => levels.reduce((best, level) =>
  (!best || Math.abs(level.t - t) < Math.abs(best.t - t) ? level : best), null);

/** What each tenth of the levels taught, as a table with bars. */
function makeLesson(go, count) {
  const body = el("tbody");
  const head = el("tr");
  const table = el("table", { class: "lessons" }, el("caption", { class: "hint", text: say.table }), el("thead", {}, head), body);
  const said = el("p", { class: "share" });
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.lesson }), ...say.lessonText.map((text) => el("p", { text })), said, table);
  let [levels, total] = [[], 0];

  function clear() {
    levels = [];
    node.hidden = true;
  }

  function take(news) {
    if (news.type === "noise") total = news.alphas.length;
    if (news.type === "level") levels.push(news);
    if (news.type === "end") fill();
  }

  function fill() {
    const blind = levels.at(-1).without.error || 1;
    const [hasWords, hasShare] = [levels[0].with_words !== null, levels.at(-1).share !== null];
    const heads = [say.heads.level, say.heads.without, hasWords && say.heads.told, hasShare && say.heads.share];
    head.replaceChildren(...heads.filter(Boolean).map((text) => el("th", { scope: "col", text })));
    body.replaceChildren(...levels.filter((level) => level.t >= 0).map((level) => el("tr", { "data-t": level.t },
      el("th", { scope: "row" }, el("button", {
        type: "button", class: "chip", text: `${percent(level.t, total)} %`, onclick: () => go(level.t),
        "aria-label": say.goTo(percent(level.t, total)),
      })),
      barCell(level.without.error / blind, 1),
      hasWords && barCell(level.with_words.error / blind, 1),
      hasShare && barCell(level.share, Math.max(...levels.map((each) => each.share)), "share-bar"))));
    const below = levels.filter((level) => level.t < total / 2).reduce((sum, level) => sum + level.share, 0);
    said.textContent = hasShare ? say.shares(below, count) : say.noShares;
    node.hidden = false;
  }

  function mark(t) {
    for (const row of body.children) row.classList.toggle("here", Number(row.dataset.t) === t);
  }

  return { node, clear, take, mark };
}

function barCell(part, most, kind = "") {
  const bar = el("span", { class: `length ${kind}`, "aria-hidden": "true" });
  bar.style.width = `${Math.min(100, Math.max(0, (100 * part) / most))}%`;
  return el("td", {}, el("span", { class: "number-of", text: `${Math.round(100 * part)} %` }), bar);
}
