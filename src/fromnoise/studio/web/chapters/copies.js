/** Chapter: is a drawing a copy? New pictures beside the nearest training pictures, and one of those put through the check. */

import { look } from "../api.js";
import { besides, verdictOf } from "../copies.js";
import { button, el, field, problemLine, staticUrl, toggle } from "../dom.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { howWeKnow } from "./know.js";

const say = words.chapters.copies;
const SEEDS = 4;
const FIRST = { prompt: say.example, seed: 1 };
const WAYS = ["noise", "moved"];

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked }) {
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), style: exampleStyle(facts, say.exampleStyle), ...asked };
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off" });
  const problem = problemLine();
  const known = makeKnown();
  const stage = makeStage((name) => known.begin(name));
  let running = null;
  let command = "";

  async function draw(wanted) {
    running?.stop();
    problem.textContent = "";
    stage.clear();
    known.clear();
    const now = look("copies", { ...wanted, seeds: SEEDS }, (news) => {
      if (running !== now) return;
      stage.take(news);
      if (news.type === "end") ({ command } = news);
    });
    running = now;
    await now.done.then(() => {
      const name = running === now && stage.nearest();
      return name ? known.begin(name) : undefined;
    }, (error) => {
      if (running !== now) return;
      stage.clear(say.missing);
      problem.textContent = error.message;
    });
  }

  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      draw({ ...first, prompt: prompt.value, seed: randomSeed() });
    },
  }, field(words.chapters.prompt, prompt), el("button", { type: "submit", class: "main", text: words.chapters.draw }));
  root.append(el("div", { class: "film" }, el("div", { class: "asking" }, form, problem), stage.node), known.node,
    howWeKnow({ know: [...say.know, ...words.copies.how], code: say.code }, () => command));
  draw(first); // a good example, before anything is pressed
  return () => {
    running?.stop();
    known.stop();
  };
}

/** A picture beside its nearest training pictures; below it all seeds, to choose from. */
function makeStage(tryKnown) {
  const image = el("img", { alt: "", src: staticUrl(), width: 64, height: 64 });
  const caption = el("figcaption", {});
  const beside = el("div", { class: "nearest" });
  const figure = el("figure", {}, el("div", { class: "frame" }, image), caption);
  const verdict = el("p", { class: "verdict", role: "status" });
  const ratio = el("p", { class: "hint" });
  const more = el("div", { class: "row live" });
  const row = el("div", { class: "seeds", role: "group", "aria-label": say.row });
  const tally = el("p", { class: "where" });
  let [found, chosen] = [[], -1];

  function clear(status = say.drawing) {
    [found, chosen] = [[], -1];
    image.src = staticUrl();
    caption.textContent = "";
    verdict.textContent = status;
    ratio.textContent = "";
    tally.textContent = "";
    for (const part of [beside, more, row]) part.replaceChildren();
  }

  function take(news) {
    if (news.type === "step") {
      if (row.children.length !== news.pictures.length) row.replaceChildren(...news.pictures.map((_, i) => makeSeed(i)));
      news.pictures.forEach((url, i) => (row.children[i].querySelector("img").src = url));
      image.src = news.pictures[0];
      verdict.textContent = say.step(news.step + 1, news.total);
    }
    if (news.type === "verdict") addOne(news);
    if (news.type === "end") tally.textContent = say.tally(found.map(({ answers }) => answers[0]));
  }

  function makeSeed(i) {
    const node = button("", () => show(i), { class: "seed-of", "aria-pressed": "false", disabled: true });
    node.append(el("img", { alt: "", src: staticUrl(), width: 64, height: 64 }), el("span", { class: "tag" }));
    return node;
  }

  function addOne(news) {
    const at = news.number;
    found[at] = news;
    const node = row.children[at];
    node.disabled = false;
    node.querySelector("img").src = news.picture;
    const tag = words.copies.tag(news.answers[0]);
    node.querySelector(".tag").textContent = tag;
    node.setAttribute("aria-label", say.pick(news.seed, tag));
    if (at === 0) show(0);
  }

  function show(at) {
    chosen = at;
    [...row.children].forEach((node, i) => node.setAttribute("aria-pressed", String(i === chosen)));
    const news = found[at];
    image.src = news.picture;
    image.alt = caption.textContent = say.drawn(news.seed);
    verdict.textContent = verdictOf(news);
    ratio.textContent = words.copies.ratio(news.answers[0]);
    const [nearest, ...rest] = besides(news);
    beside.replaceChildren(...nearest.children);
    const { by_features: one, by_pixels: other } = news.answers[0];
    const names = one.name === other.name ? [one] : [one, other];
    more.replaceChildren(...rest, ...names.map((known) => button(say.try(known.called), () => tryKnown(known.name), { class: "chip" })));
  }

  const node = el("div", { class: "stage wide-stage" }, el("div", { class: "trio" }, figure, beside), verdict, ratio, row, tally, more);
  return { node, clear, take, nearest: () => found[0]?.answers[0].suspect.name };
}

/** A training picture, changed more and more, until the check lets go. */
function makeKnown() {
  const about = el("p", {});
  const hint = el("p", { class: "hint" });
  const image = el("img", { alt: say.changedPicture, src: staticUrl(), width: 64, height: 64 });
  const original = el("img", { alt: say.original, src: staticUrl(), width: 64, height: 64 });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, oninput: () => show() });
  const verdict = el("p", { class: "verdict", role: "status" });
  const numbers = el("p", { class: "hint" });
  const reach = el("p", {});
  const problem = problemLine();
  const chips = WAYS.map((name) => toggle(say.ways[name], name === WAYS[0], () => setWay(name)));
  const figure = (content, text) =>
    el("figure", {}, el("div", { class: "frame" }, content), el("figcaption", { class: "hint", text }));
  const node = el("section", { class: "sheet changed-known", hidden: true },
    el("h2", { text: say.known }), about,
    el("div", { class: "tried" },
      el("div", { class: "pair" }, figure(original, say.original), figure(image, say.changedPicture)),
      el("div", { class: "stage" }, el("div", { class: "row", role: "group", "aria-label": say.way }, chips),
        field(say.slider, slider), verdict, numbers, reach)),
    hint, problem);
  let [way, plain, levels, running, limits] = [WAYS[0], null, {}, null, null];

  function clear() {
    running?.stop();
    running = null;
    node.hidden = true;
  }

  async function begin(name) {
    running?.stop();
    node.hidden = false;
    [plain, levels] = [null, { noise: [], moved: [] }];
    slider.disabled = true;
    verdict.textContent = say.checking;
    for (const part of [numbers, reach, problem]) part.textContent = "";
    const now = look("copies/known", { name }, (news) => {
      if (running === now) take(news);
    });
    running = now;
    await now.done.catch((error) => {
      if (running === now) problem.textContent = error.message;
    });
  }

  function take(news) {
    if (news.type === "known") {
      about.textContent = say.knownAbout(news);
      hint.textContent = say.knownHint(news);
      ({ limits } = news);
    }
    if (news.type === "changed") {
      if (!plain) {
        plain = news;
        original.src = image.src = news.picture;
        verdict.textContent = say.caught(news);
      } else levels[news.way].push(news);
    }
    if (news.type === "end") setWay(way);
  }

  const rowOf = () => [plain, ...levels[way]];

  function setWay(name) {
    way = name;
    chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(WAYS[i] === name)));
    if (!levels[way]?.length) return;
    slider.disabled = false;
    slider.max = levels[way].length;
    slider.value = 0;
    reach.textContent = say.reach(way, levels[way]);
    show();
  }

  function show() {
    const now = rowOf()[slider.valueAsNumber];
    image.src = now.picture;
    slider.setAttribute("aria-valuetext", say.amounts[way](now.amount));
    verdict.textContent = `${say.amounts[way](now.amount)}. ${say.caught(now)}`.replace(/^./u, (sign) => sign.toUpperCase());
    numbers.textContent = words.copies.ratio({ ...now, limits });
  }

  return { node, begin, clear, stop: () => running?.stop() };
}
