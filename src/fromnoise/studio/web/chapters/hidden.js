/** Chapter: a drawing hidden in coloured noise, for two relaxed eyes; a slider lets it come out for all others. */

import { look } from "../api.js";
import { button, el, field, problemLine } from "../dom.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { howWeKnow } from "./know.js";

const say = words.chapters.hidden;
const FIRST = { prompt: say.example, seed: 4 };

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked }) {
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), style: exampleStyle(facts, say.exampleStyle), ...asked };
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off" });
  const problem = problemLine();
  const stage = makeStage();
  let running = null;
  let command = "";

  async function hide(wanted, secret = false) {
    running?.stop();
    problem.textContent = "";
    command = "";
    stage.clear(secret ? wanted.prompt : "");
    const now = look("hidden", wanted, (news) => {
      if (running !== now) return;
      stage.take(news, wanted);
      if (news.type === "end") ({ command } = news);
    });
    running = now;
    await now.done.catch((error) => {
      if (running !== now) return;
      stage.clear();
      problem.textContent = error.message;
    });
  }

  function hideSecretly() {
    const others = facts.examples.filter((example) => example !== prompt.value);
    prompt.value = "";
    hide({ ...first, prompt: others[Math.floor(Math.random() * others.length)] ?? say.example, seed: randomSeed() }, true);
  }

  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      hide({ ...first, prompt: prompt.value, seed: randomSeed() });
    },
  }, field(words.chapters.prompt, prompt),
  el("div", { class: "row" }, el("button", { type: "submit", class: "main", text: words.chapters.draw }),
    button(say.secret, hideSecretly, { class: "chip" })), problem);
  root.append(el("ol", { class: "how-to-look" }, say.how.map((text) => el("li", { text }))), stage.node, form,
    howWeKnow(say, () => command));
  hide(first); // a good example, before anything is pressed
  return () => {
    running?.stop();
    stage.stop();
  };
}

/** The page of noise with what fades in over it, in a size that keeps its points whole. */
function makeStage() {
  const layer = (name, alt) => el("img", { class: name, alt, hidden: true });
  const [page, shape, answer] = [layer("noise-page", say.page), layer("over", ""), layer("over", "")];
  const paper = el("div", { class: "paper" }, page, shape, answer);
  const box = el("div", { class: "hiding", tabindex: 0, role: "group", "aria-label": say.room }, paper);
  const slider = el("input", { type: "range", min: 0, max: 100, value: 0, disabled: true, oninput: () => fade() });
  const status = el("p", { class: "where", role: "status" });
  const [scale, facts, notes] = [0, 1, 2].map(() => el("p", { class: "hint" }));
  const save = el("a", { class: "chip", download: "hidden.png", text: say.download, hidden: true });
  const watcher = new ResizeObserver(() => fit());
  let [size, secret] = [null, ""];
  watcher.observe(box);
  addEventListener("resize", fit); // zooming changes what a pixel is

  function clear(hidden = "") {
    [size, secret] = [null, hidden];
    for (const image of [page, shape, answer]) image.hidden = true;
    for (const part of [status, scale, facts, notes]) part.textContent = "";
    save.hidden = slider.disabled = true;
    slider.value = 0;
  }

  function take(news, { prompt, seed }) {
    if (news.type === "step") status.textContent = news.step + 1 < news.total ? say.drawing(news.step + 1, news.total) : say.hiding;
    if (news.type !== "page") return;
    ({ size } = news);
    [page.src, shape.src, answer.src] = [news.page, news.shape, news.answer];
    for (const image of [page, shape, answer]) {
      [image.width, image.height] = size;
      image.hidden = false;
    }
    save.href = news.page;
    save.download = `hidden-${secret ? "" : `${prompt.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40)}-`}${seed}.png`;
    facts.textContent = say.facts(news);
    notes.textContent = say.notes(news.notes);
    slider.disabled = save.hidden = false;
    fit();
    box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
    fade();
  }

  /** The page as large as there is room, each point a whole number of the screen's own pixels, or one and a half. */
  function fit() {
    if (!size) return;
    const times = timesOf(box.clientWidth, size[0], devicePixelRatio);
    paper.style.width = `${(size[0] * times) / devicePixelRatio}px`;
    paper.style.left = "0";
    const left = paper.getBoundingClientRect().left * devicePixelRatio;
    paper.style.left = `${(Math.round(left) - left) / devicePixelRatio}px`; // else one pixel of the screen is left out
    page.classList.toggle("between", !Number.isInteger(times));
    scale.textContent = size[0] * times > box.clientWidth * devicePixelRatio + 1 ? say.narrow : say.scale(times);
  }

  /** First the grey shape comes out of the noise, then the drawing out of the grey. */
  function fade() {
    const share = slider.valueAsNumber;
    shape.style.opacity = Math.min(1, share / 50);
    answer.style.opacity = Math.max(0, share / 50 - 1);
    status.textContent = share === 100 && secret ? say.was(secret) : say.fade(share);
    slider.setAttribute("aria-valuetext", status.textContent);
  }

  const node = el("div", { class: "stage hidden-stage" }, box, field(say.slider, slider), status, scale,
    el("div", { class: "row" }, save), facts, notes);
  return {
    node, clear, take,
    stop: () => {
      watcher.disconnect();
      removeEventListener("resize", fit);
    },
  };
}

/**
 * How many of the screen's pixels one pixel of the page takes.
 *
 * Whole numbers keep a point's twin exactly where it belongs. One and a half does so too wherever the twins are an even
 * number of pixels apart, as on the ground; elsewhere twins are blended half a screen pixel apart. It is for fine screens only.
 */
export function timesOf(room, width, density) {
  const most = (room * density) / width;
  if (most >= 1.5 && most < 2 && density >= 2) return 1.5;
  return Math.max(1, Math.floor(most));
}
