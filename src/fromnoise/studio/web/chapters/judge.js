/** who checks the picture: another network looks at every step, and may also steer. */

import { look } from "../api.js";
import { check, el, field, problemLine, staticUrl, toggle } from "../dom.js";
import { randomSeed } from "../store.js";
import { showWarnings, warningsLine } from "../warnings.js";
import { words } from "../words.js";
import { othersOf, promptOf } from "./example.js";
import { makeKnow } from "./know.js";

const say = words.chapters.judge;
const SEED = 3; // of the example
const DECOYS = 3; // to begin with
const STRENGTHS = [0.1, 0.3, 1];

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked: given }) {
  const first = { prompt: promptOf(facts, say.example), seed: SEED, ...given };
  if (!facts.best_of) {
    root.append(el("p", { class: "notice", text: say.missing }));
    return () => {};
  }
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off" });
  const decoys = othersOf(facts, first.prompt, say.others.split("\n")).slice(0, DECOYS);
  const others = el("textarea", { rows: 4, maxlength: 4000, value: decoys.join("\n") });
  const go = el("button", { type: "submit", class: "main", text: words.chapters.draw });
  const [problem, warnings] = [problemLine(), warningsLine()];
  const stage = makeStage();
  const steering = makeSteering((strength) => steer(strength));
  const know = makeKnow(say);
  let asked = {};
  let running = null;

  /** Let CLIP look at one drawing, and nothing else from now on; true if it was not overtaken. */
  async function watch(strength) {
    running?.stop();
    problem.textContent = "";
    const [side, body] = [strength ? "steered" : "plain", { ...asked, clip_guidance: strength }];
    stage.begin(side);
    const mine = look("judge", body, (news) => {
      if (running !== mine) return;
      if (news.type === "judge") {
        showWarnings(warnings, news.notes);
        know.say(news.command);
      }
      stage.take(side, news);
    });
    running = mine;
    try {
      await mine.done;
      if (running !== mine) return false;
      steering.tell(stage.plain(), stage.steered());
      return true;
    } catch (error) {
      if (running === mine) problem.textContent = error.message;
      return false;
    }
  }

  async function draw(seed) {
    const decoys = others.value.split("\n").map((line) => line.trim()).filter(Boolean);
    asked = { prompt: prompt.value, style: first.style ?? null, decoys, seed };
    stage.clear();
    steering.tell(null, null);
    if (await watch(0)) await steer(steering.strength());
  }

  async function steer(strength) {
    stage.compare(strength > 0);
    steering.tell(null, null);
    if (!strength) {
      running?.stop(); // perhaps the steered drawing is under way
      running = null;
      stage.rest();
      if (!stage.plain()) await watch(0);
      return;
    }
    if (stage.plain()?.finished || (await watch(0))) await watch(strength);
  }

  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      draw(randomSeed());
    },
  }, field(words.chapters.prompt, prompt), field(say.captions, others, say.captionsHint), go, problem, warnings);
  root.append(el("div", { class: "film" }, form, stage.node), steering.node, know.node);
  draw(first.seed); // a good example, before anything is pressed
  return () => running?.stop();
}

/** One drawing, or two from the same noise, with CLIP's bet at the step that is looked at. */
function makeStage() {
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, oninput: () => show() });
  const status = el("p", { class: "where", role: "status" });
  const explained = el("p", { class: "what" });
  const sides = { plain: makeSide(say.plain), steered: makeSide(say.steered) };
  const pair = el("div", { class: "judged" }, sides.plain.node, sides.steered.node);
  sides.steered.node.hidden = true;
  let [captions, total, live] = [[], 1, false];

  function clear() {
    captions = [];
    for (const side of Object.values(sides)) side.clear();
  }

  function begin(name) {
    sides[name].clear();
    live = true;
    status.textContent = say.drawing;
    explained.textContent = "";
  }

  function take(name, news) {
    if (news.type === "judge") {
      ({ captions, total } = news);
      slider.max = total;
      slider.disabled = true;
    }
    if (news.type === "opinion") {
      sides[name].add(news);
      slider.value = news.step;
      show();
    }
    if (news.type === "end") rest();
  }

  /** Nothing is being drawn: any step can be looked at. */
  function rest() {
    live = false;
    slider.disabled = false;
    show();
  }

  function compare(shown) {
    sides.steered.node.hidden = !shown;
    pair.classList.toggle("two", shown);
    if (!shown) sides.steered.clear();
  }

  function show() {
    const at = slider.valueAsNumber;
    for (const side of Object.values(sides)) side.show(at, captions);
    const now = sides.plain.at(at);
    if (!now) return;
    status.textContent = say.at(now, total, captions);
    slider.setAttribute("aria-valuetext", status.textContent);
    explained.textContent = live ? "" : say.explain(now, captions);
  }

  const node = el("div", { class: "stage" }, pair, field(say.step, slider), status, explained);
  return {
    node, clear, begin, take, rest, compare,
    plain: () => sides.plain.at(total) ?? null, steered: () => sides.steered.at(total) ?? null,
  };
}

/** A picture, and below it a bar for each caption. */
function makeSide(text) {
  const image = el("img", { alt: text, width: 64, height: 64, src: staticUrl() });
  const bars = el("ul", { class: "bets plain" });
  const node = el("figure", {}, el("div", { class: "frame" }, image), el("figcaption", { text }), bars);
  let opinions = [];

  function clear() {
    opinions = [];
    image.src = staticUrl();
    bars.replaceChildren();
  }

  function show(at, captions) {
    const now = opinions[at];
    if (!now) return;
    image.src = now.picture;
    if (bars.children.length !== captions.length) bars.replaceChildren(...captions.map(makeBar));
    captions.forEach((caption, i) => {
      const [name, meter] = bars.children[i].children;
      name.children[1].textContent = say.bet(now.shares[i]);
      meter.firstChild.style.width = `${100 * now.shares[i]}%`;
      bars.children[i].classList.toggle("picked", i === now.pick);
      bars.children[i].title = say.fits(now.cosines[i]);
    });
  }

  return { node, clear, show, add: (news) => opinions.push(news), at: (i) => opinions[i] };
}

const makeBar = (caption, i) => el("li", { class: i === 0 ? "mine" : "" },
  el("span", { class: "bet" }, el("span", { text: caption }), el("span", { text: "" })),
  el("span", { class: "bet-track", "aria-hidden": "true" }, el("span", { class: "bet-bar" })));

/** The switch that lets CLIP steer, how strongly, and what is known of that. */
function makeSteering(change) {
  const box = check(say.steer, false, (on) => {
    strengths.hidden = !on;
    change(on ? strength : 0);
  });
  const chips = STRENGTHS.map((one) => toggle(say.strength(one), one === 0.3, () => {
    strength = one;
    chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(STRENGTHS[i] === one)));
    change(one);
  }));
  const strengths = el("div", { class: "row", role: "group", "aria-label": say.howStrongly, hidden: true }, chips);
  chips.forEach((chip) => chip.classList.toggle("live", chip.getAttribute("aria-pressed") === "false"));
  const verdict = el("p", { class: "verdict", role: "status" });
  const node = el("section", { class: "sheet" }, el("h2", { text: say.steering }), el("p", { class: "hint", text: say.steeringHint }),
    box, strengths, verdict, el("p", { text: say.truth }));
  let strength = 0.3;

  /** Say what both finished pictures are worth to CLIP; nothing where one is missing. */
  function tell(plain, steered) {
    verdict.textContent = plain && steered ? say.verdict(plain, steered) : "";
  }

  return { node, tell, strength: () => (strengths.hidden ? 0 : strength) };
}
