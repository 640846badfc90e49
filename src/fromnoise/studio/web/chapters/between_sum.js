/** Sums of words: "a red apple" - "red" + "green", drawn in two ways, beside what the plain words draw. */

import { look } from "../api.js";
import { button, el, field, problemLine, staticUrl } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.between;
const SEED = 3;

/** The section, with the `own` sum of a model that does not know the usual things; it begins with a good example as soon as somebody looks at it. */
export function makeSum(style, own = null) {
  const input = (value) => el("input", { type: "text", maxlength: 400, value, autocomplete: "off" });
  const [prompt, minus, plus] = (own ?? say.sum).map(input);
  const title = el("h3", { hidden: true });
  const table = el("div", { class: "sums" });
  const verdict = el("p", { class: "where", role: "status" });
  const problem = problemLine();
  let [running, places, captions, command] = [null, new Map(), {}, ""];

  const form = el("form", {
    class: "live",
    onsubmit: (event) => {
      event.preventDefault();
      go();
    },
  }, el("div", { class: "row" }, field(say.sumPrompt, prompt), field(say.minus, minus), field(say.plus, plus)),
  !own && el("div", { class: "row chips", role: "group", "aria-label": say.sumExamples },
    say.sums.map((each) => button(say.sumName(each), () => {
      [prompt.value, minus.value, plus.value] = each;
      go();
    }, { class: "chip" }))),
  el("button", { type: "submit", class: "main", text: say.calculate }), problem);
  const node = el("section", { class: "sheet" },
    el("h2", { text: say.arithmetic }), el("p", { class: "what", text: say.arithmeticAbout }), form, title, table, verdict);
  const seen = new IntersectionObserver((changes) => {
    if (changes.some((change) => change.isIntersecting) && !running) go();
  }, { threshold: 0.2 });
  seen.observe(node);

  async function go() {
    running?.stop();
    table.replaceChildren();
    [problem.textContent, verdict.textContent, title.textContent] = ["", "", ""];
    const asked = { prompt: prompt.value, minus: minus.value, plus: plus.value, seed: SEED, style };
    const now = look("between/sum", asked, (news) => {
      if (running === now) take(news);
    });
    running = now;
    await now.done.catch((error) => {
      if (running === now) problem.textContent = error.message;
    });
  }

  function take(news) {
    if (news.type === "sum") lay(news);
    if (news.type === "drawn") {
      Object.assign(places.get(`${news.way} ${news.seed}`), { src: news.picture, alt: captions[news.way] });
    }
    if (news.type === "end") {
      verdict.textContent = news.verdict;
      ({ command } = news);
    }
  }

  function lay({ wording, target, ways, seeds }) {
    title.textContent = say.isThat(wording, target);
    title.hidden = false;
    verdict.textContent = say.drawing;
    places = new Map();
    const prompts = { "asked for": target };
    captions = Object.fromEntries(ways.map((way) => [way, say.sumWays[way](prompts[way] ?? prompt.value)]));
    table.replaceChildren(...ways.map((way) => el("figure", {},
      el("div", { class: "row-of" }, seeds.map((seed) => {
        const image = el("img", { src: staticUrl(), alt: "", width: 64, height: 64 });
        places.set(`${way} ${seed}`, image);
        return el("div", { class: "frame" }, image);
      })),
      el("figcaption", { class: "hint", text: captions[way] }))));
  }

  function stop() {
    running?.stop();
    seen.disconnect();
  }

  return { node, stop, command: () => command };
}
