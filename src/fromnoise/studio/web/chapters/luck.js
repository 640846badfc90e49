/** what a seed decides, and how it brings a picture back. */

import { button, el, field, problemLine, staticUrl } from "../dom.js";
import { drawAside } from "../jobs.js";
import { MOST_SEED, randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { compare } from "./compare.js";
import { generateLine, howWeKnow } from "./know.js";

const say = words.chapters.luck;
const FIRST = { prompt: words.make.promptExample, seed: 7 };
const SEEDS = 8;

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked }) {
  const running = new Set();
  const draw = async (body, step) => {
    const job = drawAside(body, step);
    running.add(job);
    try {
      return await job.pictures;
    } finally {
      running.delete(job);
    }
  };
  const back = makeReturn(draw);
  let shown = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), ...asked };
  const drawSeeds = (body, step) => {
    shown = body;
    return draw(body, step);
  };
  const lines = () => [
    generateLine(facts, shown, { count: shown.count, out: "seeds.png" }),
    generateLine(facts, { ...shown, seed: back.seed() ?? shown.seed }, { out: "again.png" }),
  ].join("\n");
  root.append(manySeeds(drawSeeds, shown, back.choose), back.node, manyPrompts(draw), howWeKnow(say, lines));
  return () => running.forEach((job) => job.stop());
}

/** A form that draws when it is sent, and says below what went wrong; `run` draws at once. */
function makeForm(heading, label, fields, draw) {
  const problem = problemLine();
  const go = el("button", { type: "submit", class: "main", text: label });

  async function run(what) {
    problem.textContent = "";
    go.disabled = true;
    await what().catch((error) => (problem.textContent = error.message));
    go.disabled = false;
  }

  const node = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      run(draw);
    },
  }, el("h2", { text: heading }), fields, go);
  return { node, problem, run };
}

function manySeeds(draw, first, choose) {
  const prompt = el("input", {
    type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off",
  });
  const tiles = el("div", { class: "tiles" });

  async function drawSeeds(asked) {
    const body = { ...asked, count: SEEDS, show: "both" };
    const frames = Array.from({ length: SEEDS }, (_, i) => makeFrame(say.pick(body.seed + i), say.began(body.seed + i)));
    tiles.replaceChildren(...frames.map(({ node }) => node));
    const pictures = await draw(body, (news) => frames[news.index].take(news));
    const pickers = pictures.map((picture) => frames[picture.place].offer(say.pickLabel(picture.seed), (pressed) => {
      pickers.forEach((picker) => picker.setAttribute("aria-pressed", String(picker === pressed)));
      choose(picture);
    }));
    pickers[0]?.click();
  }

  const again = () => drawSeeds({ prompt: prompt.value, seed: randomSeed() });
  const form = makeForm(say.seeds, say.drawSeeds, [field(words.chapters.prompt, prompt)], again);
  form.run(() => drawSeeds(first)); // a good example, before anything is pressed
  return el("section", {}, form.node, form.problem, tiles, el("p", { class: "hint", text: say.beganHint }));
}

function manyPrompts(draw) {
  const list = el("textarea", { rows: 5, required: true, maxlength: 4000, value: say.promptLines });
  const seed = el("input", { type: "number", min: 0, max: MOST_SEED, step: 1, required: true, value: randomSeed() });
  const tiles = el("div", { class: "tiles" });

  async function drawPrompts() {
    const prompts = list.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const frames = prompts.map((prompt) => makeFrame(prompt));
    tiles.replaceChildren(...frames.map(({ node }) => node));
    await Promise.all(prompts.map((prompt, i) =>
      draw({ prompt, seed: seed.valueAsNumber }, (news) => frames[i].take(news))));
  }

  const fields = [field(say.promptList, list), field(say.seed, seed)];
  const form = makeForm(say.prompts, say.drawPrompts, fields, drawPrompts);
  return el("section", { class: "live" }, form.node, form.problem, tiles);
}

/** A picture on its way, and later one that can be chosen; with a name for it, the static that it began as hangs below. */
function makeFrame(label, start = "") {
  const image = el("img", { src: staticUrl(), alt: label, class: "rough", width: 64, height: 64 });
  const began = start && el("img", { src: staticUrl(), alt: start, class: "began pixelated", width: 64, height: 64 });
  const frame = el("div", { class: "frame" }, image);
  const node = el("figure", {}, frame, el("figcaption", { class: "hint" }, began, label));

  function take(news) {
    if (began && news.step === 0 && news.noisy) began.src = news.noisy;
    image.src = news.picture?.data ?? news.clean ?? image.src;
    if (news.picture) image.classList.remove("rough");
  }

  function offer(name, chosen) {
    const picker = button("", () => chosen(picker), { class: "frame", "aria-label": name, "aria-pressed": "false" });
    picker.append(image);
    frame.replaceWith(picker);
    return picker;
  }

  return { node, take, offer };
}

/** Draws a chosen seed once more and compares. */
function makeReturn(draw) {
  const hint = el("p", { class: "hint", text: say.returnHint });
  const problem = problemLine();
  const result = el("div", { role: "status" });
  const go = button("", again, { class: "main", hidden: true });
  let first = null;

  function choose(picture) {
    first = picture;
    go.hidden = false;
    go.textContent = say.again(picture.seed);
    hint.hidden = true;
    result.replaceChildren();
  }

  async function again() {
    const once = first;
    problem.textContent = "";
    try {
      const [second] = await draw({ prompt: once.prompt, seed: once.seed });
      if (!second) return;
      const { tiles, verdict } = await compare(once.data, second.data);
      result.replaceChildren(tiles, verdict);
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  const node = el("section", { class: "sheet return live" }, el("h2", { text: say.return }), hint, go, problem, result);
  return { node, choose, seed: () => first?.seed };
}
