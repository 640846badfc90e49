/** the same idea on words. A spoilt sentence for you and for the machine, and plots out of random words. */

import { api } from "../api.js";
import { announce, button, check, el, field, problemLine, staticUrl } from "../dom.js";
import { drawAside } from "../jobs.js";
import { MOST_SEED, randomSeed } from "../store.js";
import { words } from "../words.js";
import { howWeKnow, terminalLine } from "./know.js";

const say = words.chapters.game;
const SEED = 4; // of the picture beside the sentence

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts }) {
  const picture = makePicture(facts.model.levels);
  const known = api.story();
  const [game, plots] = [makeGame(picture, known), makePlots(known)];
  root.append(game.node, picture.node, plots.node, makeRepair(known),
    howWeKnow(say, () => [game.command(), plots.command()].filter(Boolean).join("\n")));
  return () => picture.stop();
}

/** A form that acts when it is sent, and says below what went wrong. */
function makeForm(heading, content, go, act) {
  const problem = problemLine();
  return el("form", {
    class: "sheet",
    onsubmit: async (event) => {
      event.preventDefault();
      problem.textContent = "";
      go.disabled = true;
      await act().catch((error) => (problem.textContent = error.message));
      go.disabled = false;
    },
  }, el("h2", { text: heading }), content, problem);
}

/* --- the game -------------------------------------------------------------------------------------------------- */

/** You repair a sentence, then the machine does, and both are held against what it was. */
function makeGame(picture, known) {
  let round = null;
  let number = 0;
  const hint = el("p", { class: "hint", text: say.gameHint });
  known.then(({ words: count }) => hint.append(` ${say.knows(count)}`), () => {});
  const share = el("span", { class: "share" });
  const slider = el("input", { type: "range", min: 10, max: 100, step: 10, value: 10, oninput: tell, onchange: deal });
  const board = el("div", { class: "board" });
  const result = el("div", { class: "verdicts", role: "status" });
  const compare = el("button", { type: "submit", class: "main", text: say.compare, disabled: true });
  const another = button(say.another, () => { number += 1; deal(); }, { class: "chip" });
  const form = makeForm(say.game, [
    hint,
    field(say.noise, slider), share, board, el("div", { class: "row" }, compare, another), result,
  ], compare, judge);

  function tell() {
    const noise = slider.valueAsNumber / 100;
    share.textContent = say.share(slider.valueAsNumber);
    slider.setAttribute("aria-valuetext", share.textContent);
    picture.show(noise);
  }

  async function deal() {
    result.replaceChildren();
    compare.disabled = true;
    try {
      const noise = slider.valueAsNumber / 100;
      const seed = randomSeed();
      const dealt = await api.spoil({ noise, seed, number });
      round = { ...dealt, noise, seed };
      board.replaceChildren(...dealt.spoilt.map((word, i) => el("input", {
        type: "text", value: word, size: Math.max(2, word.length + 1), maxlength: 40, autocomplete: "off",
        spellcheck: "false", "aria-label": say.word(i + 1, dealt.spoilt.length),
      })));
      compare.disabled = false;
    } catch (error) {
      board.replaceChildren(problemLine());
      board.firstChild.textContent = error.message;
    }
  }

  async function judge() {
    const yours = [...board.children].map((input) => input.value.trim());
    const found = await api.repair({ text: sentence(), errors: wrong().length });
    const machine = found.mended;
    result.replaceChildren(
      line(say.spoilt, round.spoilt, round.clean), line(say.yours, yours, round.clean),
      line(say.machines, machine, round.clean), line(say.was, round.clean, round.clean),
      el("p", { class: "verdict", text: say.verdict(right(yours), right(machine), wrong().length) }),
      thoughts(found.repairs));
  }

  const sentence = () => round.spoilt.join(" ").replaceAll(" 's", "'s");
  const same = (a, b) => a?.toLowerCase() === b.toLowerCase();
  const wrong = () => round.clean.map((_, i) => i).filter((i) => !same(round.spoilt[i], round.clean[i]));
  const right = (answer) => wrong().filter((i) => same(answer[i], round.clean[i])).length;

  tell();
  deal();
  return { node: form, command: () => round && terminalLine(["fromnoise", "story", "--repair", sentence(), "--errors", wrong().length]) };
}

const percent = (share) => (share > 0 && share < 0.005 ? "below 1 %" : `${Math.round(100 * share)} %`);

/** Which words the machine took for wrong, in its order, and what it thought of instead. */
function thoughts(repairs) {
  const guessed = (guesses) => guesses.map((g) => `${g.word || say.noneHere} ${percent(g.probability)}`).join(", ");
  return el("div", { class: "said" }, el("h3", { text: say.thoughts }), el("ul", {}, repairs.map(({ word, guesses }) =>
    el("li", { text: word ? say.thought(word, guessed(guesses)) : say.missing(guessed(guesses)) }))));
}

/** A word above a bar that is as long as the machine is sure of it. */
function sureOf(word, certain, kind = "") {
  const node = el("span", { class: `certain ${kind}`, text: word, title: say.sure(percent(certain)) });
  node.style.setProperty("--sure", certain);
  return node;
}

/** A sentence with the words that are not what they were marked, for the eye and for the ear. */
function line(name, found, clean) {
  const shown = found.map((word, i) => {
    const fits = word.toLowerCase() === clean[i]?.toLowerCase();
    return fits ? el("span", { text: word }) : el("mark", { title: say.notSo, text: word || say.gap });
  });
  return el("div", { class: "said" }, el("h3", { text: name }), el("p", {}, shown.flatMap((node) => [node, " "])));
}

/* --- the picture ----------------------------------------------------------------------------------------------- */

/** The same share of noise on a picture: what the machine sees, what it thinks is there. */
function makePicture(levels) {
  const frames = [];
  const image = (alt, src) => el("img", { alt, src, width: 64, height: 64, class: "pixelated" });
  const noisy = image(say.noisyPicture, staticUrl());
  const clean = image(say.cleanPicture, staticUrl());
  const below = el("p", { class: "what", text: say.drawing });
  const job = drawAside({ prompt: words.make.promptExample, seed: SEED, steps: 50, show: "both", every: 1 }, (news) => {
    if (news.type === "step" && news.clean) frames.push({ t: news.t, noisy: news.noisy ?? news.clean, clean: news.clean });
    show(wanted);
  });
  let wanted = 0.1;
  job.pictures.catch((error) => (below.textContent = error.message));

  function show(noise) {
    wanted = noise;
    if (!frames.length) return;
    const far = (frame) => Math.abs(frame.t + 1 - noise * levels);
    const nearest = frames.reduce((a, b) => (far(b) < far(a) ? b : a));
    noisy.src = nearest.noisy;
    clean.src = nearest.clean;
    below.textContent = say.level(nearest.t, levels);
  }

  const node = el("section", { class: "stage" },
    el("h2", { text: say.picture }), el("p", { class: "hint", text: say.pictureHint }),
    el("div", { class: "pair" },
      el("figure", {}, el("div", { class: "frame" }, noisy), el("figcaption", { text: say.noisyPicture })),
      el("figure", {}, el("div", { class: "frame" }, clean), el("figcaption", { text: say.cleanPicture }))),
    below);
  return { node, show, stop: () => job.stop() };
}

/* --- plots ----------------------------------------------------------------------------------------------------- */

/** A plot out of random words, every step of it. */
function makePlots(known) {
  const genre = el("select", {});
  const place = el("select", {});
  const start = el("input", { type: "text", maxlength: 400, autocomplete: "off", placeholder: say.startExample });
  const seed = el("input", { type: "number", min: 0, max: MOST_SEED, step: 1, placeholder: say.anySeed });
  const shown = el("div", { role: "status" });
  let drawnSeed = null;
  const go = el("button", { type: "submit", class: "main", text: say.find });
  const form = makeForm(say.plots, [
    el("p", { class: "hint", text: say.plotsHint }),
    el("div", { class: "row" }, field(say.genre, genre), field(say.place, place), field(say.seed, seed)),
    field(say.start, start, say.startHint), go,
  ], go, async () => {
    const asked = Number.isNaN(seed.valueAsNumber) ? null : seed.valueAsNumber;
    const drawn = await api.plot({ genre: genre.value, place: place.value, start: start.value, seed: asked });
    const { unknown, read_as: like } = drawn;
    drawnSeed = drawn.seed;
    const hint = unknown.length ? [el("p", { class: "hint", text: say.unknown(unknown.join(", ")) })] : [];
    const read = Object.entries(like).map(([word, other]) => `${word} (${other})`).join(", ");
    if (read) hint.push(el("p", { class: "hint", text: say.readAs(read) }));
    const again = el("p", { class: "hint", text: say.seedOf(drawn.seed) });
    shown.replaceChildren(el("p", { class: "plot", text: drawn.text }), ...hint, again, makeSteps(drawn));
    announce(drawn.text);
  });
  known.then(({ genres, places }) => {
    genre.append(...choices(genres));
    place.append(...choices(places));
  }, (error) => form.append(el("p", { class: "problem", text: error.message })));
  const command = () => terminalLine(["fromnoise", "story",
    ...Object.entries({ genre: genre.value, place: place.value, start: start.value, seed: drawnSeed }).flatMap(([name, value]) =>
      (value === "" || value === null ? [] : [`--${name}`, value]))]);
  return { node: el("section", {}, form, shown), command };
}

/** "any", and each name with spaces for underscores. */
const choices = (names) => [
  el("option", { value: "", text: say.any }),
  ...names.map((name) => el("option", { value: name, text: name.replaceAll("_", " ") })),
];

/** All steps, one line each: what a step changed, put in or took out, and how sure the machine is of each word. */
function makeSteps(drawn) {
  let before = drawn.begin;
  const rows = drawn.steps.map(({ noise, revised, words: row }) => {
    const shown = row.flatMap(([word, changed, sure], i) => {
      const kind = !changed ? "" : !word ? "out" : before[i] ? "changed" : "changed in";
      const node = sureOf(word || "·", sure, kind);
      node.title = [{ out: say.tookOut(before[i]), "changed in": say.putIn }[kind] ?? (word ? "" : say.noWord), node.title]
        .filter(Boolean).join(", ");
      return [node, " "];
    });
    before = row.map(([word]) => word);
    return el("li", {}, el("span", { class: "level", text: revised ? say.again : say.left(Math.round(100 * noise)) }), el("span", {}, shown));
  });
  const again = drawn.steps.filter(({ revised }) => revised).length;
  const first = drawn.begin.map((word) => word || "·").join(" ");
  return el("details", { class: "steps", open: true },
    el("summary", { text: say.steps(drawn.steps.length - again, again) }),
    el("p", { class: "hint", text: say.stepsHint }),
    el("ol", {}, el("li", {}, el("span", { class: "level", text: say.left(100) }), el("span", { text: first })), rows));
}

/* --- a sentence of your own -------------------------------------------------------------------------------------- */

/** The machine repairs any sentence: what it takes out, what it puts in, how sure it is of each word. */
function makeRepair(known) {
  const text = el("input", { type: "text", maxlength: 400, autocomplete: "off", required: true, value: say.repairExample });
  const errors = el("input", { type: "number", min: 1, max: 8, step: 1, value: 1 });
  let freely = false;
  const may = check(say.freely, false, (wanted) => (freely = wanted));
  may.hidden = true;
  const go = el("button", { type: "submit", class: "main", text: say.repair });
  const shown = el("div", { class: "verdicts", role: "status" });
  known.then(({ lengths }) => (may.hidden = !lengths), () => {});
  return makeForm(say.own, [
    el("p", { class: "hint", text: say.ownHint }),
    field(say.sentence, text), el("div", { class: "row" }, field(say.wrongOnes, errors), may), go, shown,
  ], go, async () => {
    const found = await api.repair({ text: text.value, errors: errors.valueAsNumber || 1, lengths: freely });
    shown.replaceChildren(
      el("div", { class: "said" }, el("p", { class: "mended" }, marked(found))), thoughts(found.repairs),
      el("p", { class: "hint", text: say.barsHint }));
    announce(found.mended.join(" "));
  });
}

/** The given sentence with what is taken out and put in. */
function marked({ words: given, certain, repairs }) {
  const put = (one) => (one.instead ? [el("ins", { text: one.instead }), " "] : []);
  const missing = (place) => repairs.filter((one) => !one.word && one.place === place).flatMap(put);
  const shown = given.flatMap((word, i) => {
    const wrong = repairs.find((one) => one.word && one.place === i);
    const node = sureOf(word, certain[i]);
    return [...missing(i), wrong ? el("del", {}, node) : node, " ", ...(wrong ? put(wrong) : [])];
  });
  return [...shown, ...missing(given.length)];
}
