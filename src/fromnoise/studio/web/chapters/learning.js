/** Chapter: the film of the model's training, and one lesson of the same kind, given now. */

import { look } from "../api.js";
import { button, calm, el, field, staticUrl } from "../dom.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { makeCurve } from "./curve.js";
import { howWeKnow } from "./know.js";
import { makePick } from "./pick.js";

const say = words.chapters.learning;
const FIRST = { prompt: say.example, seed: 3, start: null };
const PACE = 900; // milliseconds from moment to moment
const LESSONS = 3;

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked }) {
  const film = makeFilm();
  const lessons = makeLessons();
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), ...asked };
  const style = exampleStyle(facts);
  const pick = makePick(first.prompt, (wish) => begin({ ...wish, seed: randomSeed() }));
  pick.node.classList.add("live");
  const commands = { film: "", lessons: "" };
  let running = null;

  async function begin(wish) {
    running?.stop();
    pick.problem.textContent = "";
    lessons.clear(wish.start);
    const now = look("learning/lessons", { style, ...wish }, (news) => {
      if (running !== now) return;
      lessons.take(news);
      if (news.type === "end") commands.lessons = news.command;
    });
    running = now;
    await now.done.catch((error) => {
      if (running === now) pick.problem.textContent = error.message;
    });
  }

  const told = look("learning", {}, (news) => {
    commands.film = news.command;
    film.take(news);
  });
  told.done.catch((error) => film.fail(error.message)).then(() => root.isConnected && begin(first));
  const given = el("section", { class: "given" },
    el("h2", { text: say.lesson }), el("p", { text: say.lessonText }),
    facts.model.pictures_seen && el("p", { text: say.lessons(facts.model.pictures_seen) }),
    el("div", { class: "film" }, pick.node, lessons.node));
  root.append(given, film.node,
    howWeKnow(say, () => [commands.film, commands.lessons].filter(Boolean).join("\n")));
  return () => {
    told.stop();
    running?.stop();
    film.pause();
  };
}

/** The prompts side by side at one moment, a slider over the moments, and what the mistakes did. */
function makeFilm() {
  const node = el("section", { class: "grown" }, el("p", { class: "where", role: "status", text: say.loading }));
  let [film, chosen, timer] = [null, 0, 0];
  let parts = null;

  function take(news) {
    film = news.film;
    if (!film) return missing(news.why);
    parts = layOut();
    node.replaceChildren(...parts.all);
    choose(0);
    return show(film.moments.length - 1);
  }

  function missing(why) {
    node.replaceChildren(el("div", { class: "sheet" },
      el("h2", { text: say.none }), ...(why ? [why] : say.noneText).map((text) => el("p", { text }))));
  }

  function layOut() {
    const [most, size] = [film.moments.length - 1, { width: film.width, height: film.height }];
    const pictures = film.prompts.map((prompt) => el("img", { src: staticUrl(), alt: prompt, ...size }));
    const tiles = film.prompts.map((prompt, i) => button("", () => choose(i), { class: "learner", "aria-pressed": "false" }));
    tiles.forEach((tile, i) => tile.append(
      el("span", { class: "frame" }, pictures[i]), el("span", { class: "hint", text: film.prompts[i], "aria-hidden": "true" })));
    const slider = el("input", { type: "range", min: 0, max: most, value: most, oninput: () => grab() });
    const play = button(words.chapters.static.play, () => (timer ? pause() : start()), { class: "chip" });
    const where = el("p", { class: "where" });
    const strip = el("div", { class: "moments" });
    const stripTitle = el("h3", { class: "hint" });
    const kept = film.drawn_at > Math.max(film.width, film.height);
    const loss = makeLoss(film);
    const all = [
      el("h2", { text: say.film }),
      el("div", { class: "learners", role: "group", "aria-label": say.prompts }, tiles), where,
      el("div", { class: "row slide" }, field(say.slider, slider), play),
      el("div", {}, stripTitle, strip),
      loss.node,
      el("p", { class: "hint", text: kept ? say.smaller(film.drawn_at, Math.max(film.width, film.height)) : say.exact })];
    return { all, tiles, pictures, slider, play, where, strip, stripTitle, loss };
  }

  function choose(i) {
    chosen = i;
    parts.tiles.forEach((tile, at) => tile.setAttribute("aria-pressed", String(at === i)));
    parts.stripTitle.textContent = say.moments(film.prompts[i]);
    parts.strip.replaceChildren(...film.moments.map((moment, at) => {
      const go = button("", () => jump(at), { class: "frame", "aria-label": say.at(moment) });
      go.append(el("img", { src: moment.files[chosen], alt: "", width: film.width, height: film.height }));
      return go;
    }));
    mark(parts.slider.valueAsNumber);
  }

  function show(i) {
    const moment = film.moments[i];
    parts.slider.value = i;
    parts.pictures.forEach((picture, at) => (picture.src = moment.files[at]));
    parts.where.textContent = say.at(moment);
    parts.slider.setAttribute("aria-valuetext", say.at(moment));
    parts.loss.at(i);
    mark(i);
  }

  function mark(i) {
    [...parts.strip.children].forEach((one, at) =>
      (at === i ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current")));
  }

  function jump(i) {
    pause();
    show(i);
  }

  function grab() {
    jump(parts.slider.valueAsNumber);
  }

  function start() {
    const last = film.moments.length - 1;
    let i = parts.slider.valueAsNumber >= last ? 0 : parts.slider.valueAsNumber + 1;
    show(i);
    if (i >= last) return;
    parts.play.textContent = words.chapters.static.pause;
    timer = setInterval(() => {
      show((i += 1));
      if (i >= last) pause();
    }, calm() ? 2 * PACE : PACE);
  }

  function pause() {
    timer = void clearInterval(timer);
    if (parts) parts.play.textContent = words.chapters.static.play;
  }

  return { node, take, pause, fail: missing };
}

/** The mistakes over the moments, as a curve and in words. */
function makeLoss(film) {
  const held = film.fall?.held_out ?? true;
  const values = film.moments.map((moment) => (held ? moment.held_out : moment.loss));
  if (!film.fall) return { node: el("p", { class: "hint", text: say.noLoss }), at: () => {} };
  const curve = makeCurve(say.curve[held ? "held_out" : "loss"]);
  const [first, last] = [film.moments[0].pictures, film.moments.at(-1).pictures];
  const [noisy, half] = ["..-4", "-2..0"].map((name) => ends(film.moments.map((moment) => moment.levels[name])));
  const node = el("div", { class: "mistakes" }, el("p", { text: say.fall(film.fall, last) }),
    noisy && half && el("p", { text: say.levels(noisy, half) }), curve.node);
  const texts = {
    top: say.curveTop, ends: say.curveEnds(first, last), said: say.curveSaid(film.fall.first, film.fall.last),
  };
  return { node, at: (i) => curve.show(values, values.length, i, texts) };
}

/** The first and the last of the numbers that are there; null unless it got smaller. */
function ends(values) {
  const known = values.filter((value) => value !== undefined);
  return known.length > 1 && known.at(-1) < known[0] ? { first: known[0], last: known.at(-1) } : null;
}

/** A picture, and below it three lessons: what the network gets, its guess, and where that is wrong. */
function makeLessons() {
  const status = el("p", { class: "where", role: "status" });
  const clean = el("img", { src: staticUrl(), alt: say.clean, width: 64, height: 64 });
  const rows = el("div", { class: "given-rows" });
  let done = 0;
  const node = el("div", { class: "stage" },
    el("figure", { class: "given-picture" }, el("div", { class: "frame" }, clean), el("figcaption", { class: "hint", text: say.clean })),
    status, rows, el("p", { class: "hint", text: say.errorsHint }), el("p", { class: "hint", text: say.mistakeHint }));

  function clear(brought) {
    done = 0;
    clean.src = staticUrl();
    rows.replaceChildren();
    status.textContent = brought ? words.chapters.pick.looking : say.drawing;
  }

  function take(news) {
    if (news.type === "step" || news.type === "picture") clean.src = news.picture;
    if (news.type === "step") status.textContent = say.step(news.step + 1, news.total);
    if (news.type === "picture") status.textContent = say.guessing(0);
    if (news.type === "lesson") {
      rows.append(rowOf(news));
      done += 1;
      if (done < LESSONS) status.textContent = say.guessing(done);
    }
    if (news.type === "end") status.textContent = say.done;
  }

  function rowOf(news) {
    const bar = el("span", { class: "length", "aria-hidden": "true" });
    bar.style.width = `${Math.min(100, 100 * news.loss)}%`;
    const tile = (src, text) => el("figure", {},
      el("div", { class: "frame" }, el("img", { src, alt: `${text}, ${say.percent(news.percent)}`, width: 64, height: 64 })),
      el("figcaption", { class: "hint", text }));
    return el("div", { class: "given-row" },
      el("h3", { text: say.percent(news.percent) }),
      el("div", { class: "trip" },
        tile(news.seen, say.seen), tile(news.guess, news.told ? say.guess : say.guessBlind), tile(news.errors, say.errors)),
      el("p", { class: "given-mistake" }, say.mistake(news.loss), bar));
  }

  return { node, clear, take };
}
