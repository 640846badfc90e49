/** what each word of a prompt does: where it is needed, where it is listened to, and what happens without it. */

import { look } from "../api.js";
import { button, el, field, problemLine, staticUrl } from "../dom.js";
import { drawAside } from "../jobs.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { compare } from "./compare.js";
import { makeHeat, unpacked } from "./heat.js";
import { makeKnow } from "./know.js";
import { makePlace } from "./words_place.js";

const say = words.chapters.words;
const FIRST = { prompt: say.example, seed: 5 };

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked: given }) {
  const know = makeKnow(say);
  const stage = makeStage(know.say, facts.model.levels);
  const without = makeWithout();
  const problem = problemLine();
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), style: exampleStyle(facts, say.exampleStyle), ...given };
  const prompt = el("input", {
    type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off",
  });
  const go = el("button", { type: "submit", class: "main", text: words.chapters.draw });
  let running = null;

  async function draw(seed) {
    running?.stop();
    const asked = { prompt: prompt.value, seed, style: first.style };
    problem.textContent = "";
    stage.clear();
    without.clear();
    const now = look("words", asked, (news) => {
      if (running === now) stage.take(news);
    });
    running = now;
    await now.done.then(() => {
      if (running === now && stage.words().length) without.offer(asked, stage.words(), stage.picture());
    }, (error) => {
      if (running === now) problem.textContent = error.message;
    });
  }

  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      draw(randomSeed());
    },
  }, field(words.chapters.prompt, prompt), go, problem);
  root.append(el("div", { class: "film" }, form, stage.node), without.node, know.node);
  draw(first.seed); // a good example, before anything is pressed
  return () => {
    running?.stop();
    without.stop();
  };
}

/** The picture with the map of a word on it, the words, and the way to here. */
function makeStage(tellCommand, levels) {
  const heat = makeHeat(say.picture);
  const status = el("p", { class: "where", role: "status" });
  const explained = el("p", { class: "what" });
  const chips = el("div", { class: "row chips", role: "group", "aria-label": say.chips });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, oninput: () => showStep() });
  const blocks = el("select", { onchange: () => { show(); place.again(); } });
  const ways = el("div", { class: "row", role: "group", "aria-label": say.way });
  const listening = el("div", { class: "listening", hidden: true }, field(say.step, slider), field(say.block, blocks));
  let [known, frames, end] = [[], [], null];
  let [chosen, pinned, way] = [-1, -1, "needed"];

  for (const name of ["needed", "listened"]) {
    ways.append(button(say.ways[name], () => setWay(name), { class: "chip", "data-way": name }));
  }
  const place = makePlace(heat, maps, () => known, mark);

  function clear() {
    [known, frames, end] = [[], [], null];
    [chosen, pinned] = [-1, -1];
    heat.image.src = staticUrl();
    heat.warm(null);
    place.clear();
    chips.replaceChildren();
    slider.disabled = true;
    status.textContent = words.chapters.words.drawing;
    explained.textContent = "";
    setWay("needed");
  }

  function take(news) {
    if (news.type === "words") makeChips(news);
    if (news.type === "step") {
      heat.image.src = news.picture;
      frames.push({ ...news, unpacked: {} });
      slider.max = frames.length - 1;
      slider.value = frames.length - 1;
      status.textContent = say.at(news.step + 1, news.t, levels);
    }
    if (news.type === "end") finish(news);
  }

  function makeChips(news) {
    known = news.words;
    told.textContent = news.notes.join(" ");
    chips.replaceChildren(...known.map((word, i) => button(nameOf(word), () => pin(i), {
      class: word.kind === "word" ? "chip" : "chip sign", "aria-pressed": "false", "data-word-number": i,
      onpointerenter: () => hover(i), onpointerleave: () => hover(-1), onfocus: () => hover(i), onblur: () => hover(-1),
    })));
  }

  function finish(news) {
    end = { ...news, needed: unpacked(news.needed), all: unpacked(news.maps.all) };
    tellCommand(news.command);
    heat.image.src = news.picture;
    slider.disabled = false;
    const names = Object.keys(frames[0]?.maps ?? {});
    blocks.replaceChildren(...names.map((name) => el("option", { value: name, text: say.blockName(name) })));
    status.textContent = say.done;
    const first = known.findIndex((word) => word.kind === "word" && word.text.length > 3);
    if (pinned < 0 && first >= 0) pin(first);
    else show();
  }

  function pin(i) {
    pinned = pinned === i ? -1 : i;
    [...chips.children].forEach((chip, at) => chip.setAttribute("aria-pressed", String(at === pinned)));
    hover(-1);
  }

  function hover(i) {
    chosen = i;
    show();
  }

  function setWay(name) {
    way = name;
    for (const chip of ways.children) chip.setAttribute("aria-pressed", String(chip.dataset.way === name));
    listening.hidden = name !== "listened";
    show();
    place.again();
  }

  function showStep() {
    const frame = frames[slider.valueAsNumber];
    slider.setAttribute("aria-valuetext", say.at(frame.step + 1, frame.t, levels));
    show();
    place.again();
  }

  /** The maps that are looked at now. */
  function maps() {
    if (!end) return null;
    if (way === "needed") return end.needed;
    const frame = frames[slider.valueAsNumber];
    const name = blocks.value || "all";
    return (frame.unpacked[name] ??= unpacked(frame.maps[name]));
  }

  function show() {
    const word = chosen >= 0 ? chosen : pinned;
    const now = maps();
    heat.warm(word >= 0 ? now : null, word);
    if (!end) return;
    heat.image.src = way === "listened" ? frames[slider.valueAsNumber].picture : end.picture;
    explained.textContent = word < 0 ? say.choose : explain(word);
  }

  function explain(word) {
    const { kind } = known[word];
    if (way === "needed") return kind === "word" ? say.needed(known[word].text) : say.notNeeded[kind];
    return say.listened(nameOf(known[word]), end.shares[word], kind);
  }

  function mark(lit) {
    [...chips.children].forEach((chip, i) => chip.classList.toggle("lit", Boolean(lit?.[i])));
  }

  const told = el("p", { class: "hint", role: "status" });
  const node = el("div", { class: "stage" },
    heat.node, place.spoken, told, chips, ways, listening, status, explained, place.hint);
  return {
    node, clear, take, words: () => known.filter((word) => word.kind === "word" && /[\p{L}\p{N}]/u.test(word.text)),
    picture: () => end?.picture,
  };
}

const nameOf = (word) => (word.kind === "word" ? word.text : say.signs[word.kind]);

/** The same noise with one word muted, twice as loud, or left out. */
function makeWithout() {
  const choices = el("div", { class: "row chips", role: "group", "aria-label": say.without });
  const result = el("div", { class: "without", role: "status" });
  const problem = problemLine();
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.without }), el("p", { class: "hint", text: say.withoutHint }), choices, problem, result);
  let jobs = [];

  function stop() {
    jobs.forEach((job) => job.stop());
    jobs = [];
  }

  function clear() {
    stop();
    node.hidden = true;
    result.replaceChildren();
  }

  function offer(asked, known, picture) {
    node.hidden = false;
    const own = known.map((word) => word.text).filter((text) => whole(text).test(asked.prompt));
    choices.replaceChildren(...[...new Set(own)].map((text) =>
      button(text, (event) => show(asked, text, picture, event.currentTarget), { class: "chip", "aria-pressed": "false" })));
    const first = choices.children[Math.min(choices.children.length - 1, 0)];
    if (first) show(asked, own[0], picture, first);
  }

  async function show(asked, text, picture, chip) {
    stop();
    [...choices.children].forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
    problem.textContent = "";
    const prompts = [
      ["muted", asked.prompt.replace(whole(text), `(${text}:0)`)],
      ["louder", asked.prompt.replace(whole(text), `(${text}:2)`)],
      ["leftOut", asked.prompt.replace(whole(text), "").replace(/\s+/g, " ").trim()],
    ].filter(([, prompt]) => prompt);
    const mine = prompts.map(([, prompt]) => drawAside({ ...asked, prompt }));
    jobs = mine;
    try {
      const parts = [];
      for (const [i, job] of mine.entries()) {
        const [drawn] = await job.pictures;
        if (jobs !== mine || !drawn) return;
        const [how, prompt] = prompts[i];
        const { tiles, share } = await compare(picture, drawn.data, { first: say.whole, second: say[how](text) });
        parts.push(el("h3", { text: say[how](text) }), el("p", { class: "hint", text: `“${prompt}”` }), tiles,
          el("p", { text: say.changes[how](text, share) }));
      }
      result.replaceChildren(...parts);
    } catch (error) {
      if (jobs === mine) problem.textContent = error.message;
    }
  }

  return { node, offer, clear, stop };
}

const whole = (text) => new RegExp(`(?<![\\p{L}\\p{N}_])${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\p{L}\\p{N}_])`, "giu");
