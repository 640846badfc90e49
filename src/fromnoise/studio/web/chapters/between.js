/** A chapter on what lies between two pictures: a walk from words to words or from noise to noise, and sums of words. */

import { look } from "../api.js";
import { button, el, field, problemLine, staticUrl } from "../dom.js";
import { drawAside } from "../jobs.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { othersOf, promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { scoreRow } from "./axes_measures.js";
import { makeSum } from "./between_sum.js";
import { compare } from "./compare.js";
import { howWeKnow } from "./know.js";

const say = words.chapters.between;
const STOPS = 7;
const WAYS = ["words", "seeds"];

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked }) {
  const own = { prompt: promptOf(facts, say.example[0]), seed: say.seeds[0], style: exampleStyle(facts) };
  const { prompt: begins, seed: seeded, style } = { ...own, ...asked };
  const [walked, sum, commands] = [makeWalk(), makeSum(style, facts.beginnings?.sum), { walk: "" }];
  const problem = problemLine();
  const text = (value) => el("input", { type: "text", required: true, maxlength: 4000, value, autocomplete: "off" });
  const number = (value) => el("input", { type: "number", required: true, min: 0, max: 4294967295, step: 1, value });
  const [from, to, seed, toSeed] = [text(begins), text(othersOf(facts, begins, say.example.slice(1))[0] ?? begins), number(seeded), number(say.seeds[1])];
  const [toField, toSeedField] = [field(say.to, to), field(say.toSeed, toSeed)];
  const chips = el("div", { class: "row chips", role: "group", "aria-label": say.kind },
    WAYS.map((name) => button(say.ways[name], () => setWay(name), { class: "chip", "data-way": name })));
  const walks = el("div", { class: "row chips", role: "group", "aria-label": say.walkExamples, hidden: Boolean(facts.beginnings) },
    say.walks.map((each) => button(each.join(" → "), () => {
      setWay("words");
      [from.value, to.value] = each;
      go();
    }, { class: "chip" })));
  let [way, running] = ["words", null];

  function setWay(name) {
    way = name;
    for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.way === name));
    toField.hidden = to.disabled = name !== "words";
    toSeedField.hidden = toSeed.disabled = name !== "seeds";
  }

  async function go() {
    running?.stop();
    problem.textContent = "";
    const asked = { prompt: from.value, seed: seed.valueAsNumber, style, stops: STOPS };
    Object.assign(asked, way === "words" ? { to: to.value, both: `${from.value} ${to.value}` } : { to_seed: toSeed.valueAsNumber });
    walked.begin(asked);
    const now = look("between", asked, (news) => {
      if (running !== now) return;
      walked.take(news);
      if (news.type === "end") commands.walk = news.command;
    });
    running = now;
    await now.done.catch((error) => {
      if (running === now) problem.textContent = error.message;
    });
  }

  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      go();
    },
  }, walks, chips, field(say.from, from), toField,
  el("div", { class: "row" }, field(say.seed, seed), toSeedField),
  el("div", { class: "row" }, el("button", { type: "submit", class: "main", text: say.go }),
    button(say.otherNoise, () => {
      seed.value = randomSeed();
      toSeed.value = randomSeed();
      go();
    }, { class: "chip" })), problem);

  root.append(el("div", { class: "film" }, form, walked.node), walked.ends, sum.node,
    howWeKnow(say, () => [commands.walk, sum.command()].filter(Boolean).join("\n")));
  setWay(way);
  go(); // a good example, before anything is pressed
  return () => {
    running?.stop();
    running = null;
    walked.stop();
    sum.stop();
  };
}

/** The walk: a slider, the picture there, all pictures in a row, and what CLIP makes of it. */
function makeWalk() {
  const image = el("img", { alt: say.picture, width: 64, height: 64 });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, oninput: () => show() });
  const status = el("p", { class: "where", role: "status" });
  const fits = el("ol", { class: "scores plain" });
  const strip = el("div", { class: "strip", role: "group", "aria-label": say.strip });
  const jump = el("p", { class: "what" });
  const bothImage = el("img", { alt: "", width: 64, height: 64 });
  const bothText = el("figcaption", { class: "hint" });
  const both = el("figure", { class: "both", hidden: true }, el("div", { class: "frame" }, bothImage), bothText);
  const node = el("div", { class: "stage" },
    el("div", { class: "frame large" }, image), field(say.slider, slider), status, strip, both, fits, jump);
  const check = button(say.check, () => checkEnds(), { class: "chip", disabled: true });
  const result = el("div", { class: "without", role: "status" });
  const problem = problemLine();
  const ends = el("section", { class: "sheet" },
    el("h2", { text: say.ends }), el("p", { class: "hint", text: say.endsHint }), el("div", {}, check), problem, result);
  let [asked, about, stops, jobs] = [null, null, [], []];

  function begin(body) {
    stop();
    [asked, about, stops] = [body, null, []];
    image.src = staticUrl();
    strip.replaceChildren();
    fits.replaceChildren();
    result.replaceChildren();
    jump.textContent = "";
    both.hidden = true;
    slider.disabled = check.disabled = true;
    status.textContent = say.drawing;
  }

  function take(news) {
    if (news.type === "walk") about = news;
    if (news.type === "stop") add(news);
    if (news.type === "both") showBoth(news);
    if (news.type === "end") finish();
  }

  function add(news) {
    stops.push(news);
    strip.append(el("button", {
      type: "button", class: "thumb", "aria-label": say.part(news.amount), onclick: () => choose(news.number),
    }, el("img", { src: news.picture, alt: "", width: 64, height: 64 })));
    slider.max = stops.length - 1;
    slider.disabled = stops.length < 2;
    choose(stops.length - 1);
  }

  /** What the words of both ends draw together, beside the walk. */
  function showBoth(news) {
    bothImage.src = news.picture;
    bothText.textContent = say.both(news.prompt);
    both.hidden = false;
  }

  function choose(number) {
    slider.value = number;
    show();
  }

  function show() {
    const stop = stops[slider.valueAsNumber];
    if (!stop) return;
    image.src = stop.picture;
    status.textContent = say.at(stop.amount, about.names);
    slider.setAttribute("aria-valuetext", status.textContent);
    [...strip.children].forEach((each, i) => each.setAttribute("aria-pressed", String(i === slider.valueAsNumber)));
    const most = Math.max(...stops.flatMap((each) => each.matches), 0.01);
    fits.replaceChildren(...stop.matches.map((match, i) =>
      scoreRow(say.fits(about.told[i]), { share: Math.max(0, match) / most, text: match.toFixed(2) })));
  }

  function finish() {
    const at = stops.reduce((best, each, i) => (each.moved > stops[best].moved ? i : best), 1);
    jump.textContent = [stops[0].matches.length ? say.scale : "",
      say.jump(stops[at - 1].amount, stops[at].amount, stops[at].moved, stops.slice(1).map((each) => each.moved))].join(" ");
    check.disabled = false;
    choose(Math.floor(stops.length / 2));
  }

  /** Draw both ends alone, and count pixels. */
  async function checkEnds() {
    stop();
    const { prompt, seed, style, to, to_seed: toSeed } = asked;
    const mine = [{ prompt, seed, style }, { prompt: to ?? prompt, seed: toSeed ?? seed, style }].map((each) => drawAside(each));
    jobs = mine;
    [problem.textContent, result.textContent] = ["", say.drawing];
    try {
      const parts = [];
      for (const [i, job] of mine.entries()) {
        const [drawn] = await job.pictures;
        if (jobs !== mine || !drawn) return;
        parts.push(el("h3", { text: about.names[i] }),
          ...shownOf(await compare(stops.at(i ? -1 : 0).picture, drawn.data, { first: say.inWalk, second: say.alone })));
      }
      result.replaceChildren(...parts);
    } catch (error) {
      if (jobs === mine) problem.textContent = error.message;
    }
  }

  function stop() {
    jobs.forEach((job) => job.stop());
    jobs = [];
  }

  return { node, ends, begin, take, stop };
}

const shownOf = ({ tiles, verdict }) => [tiles, verdict];
