/** How much room a prompt leaves: its pictures are drawn, and the area that they cover grows on the map. */

import { look } from "../api.js";
import { button, el, field, problemLine } from "../dom.js";
import { words } from "../words.js";
import { exampleStyle } from "./style.js";
import { makeAtlas } from "./map_atlas.js";

const say = words.chapters.map;
const [PICTURES, STEPS, SEED] = [8, 10, 0];
const ARTICLES = new Set(["a", "an", "the"]);

/** The section; it begins with a good example as soon as somebody looks at it and the map is there. */
export function makeArea(facts, asked) {
  const atlas = makeAtlas(say.areaMap);
  const chain = (asked?.prompt && chainOf(asked.prompt)) || facts.beginnings?.chain || say.chains[0];
  const inputs = say.chainLabels.map((label, i) => el("input", {
    type: "text", required: i < 2, maxlength: 400, value: chain[i] ?? "", autocomplete: "off", "aria-label": label,
  }));
  const rows = el("ol", { class: "rooms plain" });
  const status = el("p", { class: "where", role: "status" });
  const verdict = el("p", { class: "verdict", role: "status" });
  const problem = problemLine();
  const form = el("form", {
    class: "live",
    onsubmit: (event) => {
      event.preventDefault();
      go();
    },
  }, el("div", { class: "row" }, inputs.map((input, i) => field(say.chainLabels[i], input))),
  !facts.beginnings && el("div", { class: "row chips", role: "group", "aria-label": say.chainExamples }, say.chains.map((each) =>
    button(each.join(" → "), () => {
      inputs.forEach((input, i) => (input.value = each[i] ?? ""));
      go();
    }, { class: "chip" }))),
  el("button", { type: "submit", class: "main", text: say.measure }), problem);
  const node = el("section", { class: "sheet" },
    el("h2", { text: say.area }), el("p", { class: "what", text: say.areaAbout }), form,
    el("div", { class: "atlas-page" }, atlas.node, el("div", { class: "atlas-side" }, status, rows, verdict)));
  const seen = new IntersectionObserver((changes) => {
    if (changes.some((change) => change.isIntersecting)) begin();
  }, { threshold: 0.1 });
  let [running, ready, begun, command, shown] = [null, false, false, "", []];
  inputs.forEach((input) => input.removeAttribute("aria-label")); // the labels beside them say it

  function open(news) {
    atlas.open(news);
    ready = true;
    seen.observe(node);
  }

  function begin() {
    if (!ready || begun) return;
    seen.disconnect();
    go();
  }

  async function go() {
    running?.stop();
    begun = true;
    const prompts = inputs.map((input) => input.value.trim()).filter(Boolean);
    [problem.textContent, verdict.textContent, status.textContent] = ["", "", say.waiting];
    while (atlas.marks().length) atlas.remove(atlas.marks()[0]);
    shown = prompts.map(makeRow);
    rows.replaceChildren(...shown.map((row) => row.node));
    const body = { prompts, style: asked ? asked.style : styleOf(facts), seed: asked?.seed ?? SEED, pictures: PICTURES, steps: STEPS };
    const now = look("map/area", body, (news) => running === now && take(news, prompts));
    running = now;
    await now.done.catch((error) => {
      if (running !== now) return;
      problem.textContent = error.message;
      status.textContent = "";
    });
  }

  function take(news, prompts) {
    if (news.type === "prompts") news.prompts.forEach(({ unknown }, i) => shown[i].tell(unknown));
    if (news.type === "area") grow(news, prompts);
    if (news.type !== "end") return;
    command = news.command;
    status.textContent = say.measured(PICTURES);
    verdict.textContent = say.verdict(prompts, news.spreads, news.errors);
    atlas.fit(atlas.marks().map((mark) => mark.ellipse));
  }

  function grow(news, prompts) {
    const row = shown[news.number];
    row.mark ??= atlas.land({ prompt: news.prompt, place: news.ellipse.centre, captions: [], pictures: [] });
    Object.assign(row.mark, { place: news.ellipse.centre, ellipse: news.count > 1 ? news.ellipse : null, drawn: news.places });
    row.grow(news);
    atlas.draw();
    status.textContent = say.drawn(news.count, news.wanted, prompts[news.number]);
  }

  function stop() {
    running?.stop();
    running = null;
    seen.disconnect();
    atlas.close();
  }

  return { node, open, stop, command: () => command };
}

const styleOf = (facts) => facts.model.default_style ?? exampleStyle(facts, say.style);

/** A prompt with its pictures and its number; the longest bar is 1, where all pictures would be different. */
function makeRow(prompt, number) {
  const tiles = el("div", { class: "room-tiles" });
  const bar = el("span", { class: "length" });
  const value = el("span", { class: "room-number" });
  const told = el("p", { class: "hint", hidden: true });
  const node = el("li", {},
    el("h3", {}, el("span", { class: `cross prompt-${number}`, "aria-hidden": "true", text: "+" }), prompt),
    told, tiles, el("div", { class: "room-bar" }, el("span", { class: "track-of" }, bar), value));

  function grow(news) {
    tiles.append(el("img", { src: news.picture, alt: say.tile(prompt, news.count), width: 64, height: 64 }));
    if (news.count < 2) return;
    bar.style.width = `${100 * news.spread}%`;
    value.textContent = say.spread(news.spread);
  }

  function tell(unknown) {
    told.hidden = unknown.length === 0;
    told.textContent = say.neverHeard(unknown);
  }

  return { node, grow, tell, mark: null };
}

/** A prompt from its last word to all of it, in up to three stages; null where there is but one word. */
function chainOf(prompt) {
  const parts = prompt.trim().split(/\s+/);
  while (parts.length > 1 && ARTICLES.has(parts[0].toLowerCase())) parts.shift();
  if (parts.length < 2 || parts.length > 3) return null; // the end of a long prompt means little by itself
  const middle = Math.ceil(parts.length / 2);
  return [...new Set([1, middle, parts.length].map((count) => parts.slice(-count).join(" ")))];
}
