/** A chapter on kinds of things: as numbers, by a network that learns, by measures made by hand, by CLIP's own space. */

import { look } from "../api.js";
import { button, el, field, problemLine } from "../dom.js";
import { words } from "../words.js";
import { legend, makeMeasures, scoreRow } from "./axes_measures.js";
import { makeRounds } from "./axes_rounds.js";
import { makeSheet } from "./axes_sheet.js";
import { makeSpace } from "./axes_space.js";
import { tokensOf } from "./axes_tokens.js";
import { makeKnow } from "./know.js";

const say = words.chapters.axes;

/** Show the chapter in `root`; the function stops it. */
export function open(root) {
  const [sheet, rounds, measures, learned] = [makeSheet(), makeRounds(), makeMeasures(), makeLearned()];
  const parts = [sheet, rounds, measures, learned];
  const problem = problemLine();
  const status = el("p", { class: "where", role: "status" });
  const why = el("p", { class: "what" });
  const colours = el("div");
  const kinds = el("input", { type: "text", required: true, maxlength: 400, value: "", autocomplete: "off" });
  const know = makeKnow(say);
  let running = null;

  async function begin(text = null) {
    running?.stop();
    kinds.value = text ?? kinds.value;
    for (const part of parts) part.clear();
    problem.textContent = "";
    status.textContent = say.measuring;
    why.textContent = "";
    colours.replaceChildren();
    const asked = text === null ? {} : { kinds: text.split(",").map((kind) => kind.trim()) };
    const now = look("axes", asked, (news) => {
      if (running !== now) return;
      if (news.type === "sheet") found(news);
      if (news.type === "measured") measured(now, asked, news);
    });
    running = now;
    await now.done.catch((error) => {
      if (running !== now) return;
      status.textContent = "";
      problem.textContent = error.message;
    });
  }

  /** The kinds, and why these where nobody named them; examples that the model may not have are put away. */
  function found(news) {
    kinds.value = news.pictures.map((each) => each.kind).join(", ");
    why.textContent = news.why;
    presets.hidden ||= news.why !== "";
    sheet.take(news);
  }

  async function measured(now, asked, news) {
    const tokens = await tokensOf(news);
    if (running !== now) return;
    know.say(news.command);
    status.textContent = say.pictures(news);
    colours.replaceChildren(legend(news));
    learned.begin(news, tokens);
    measures.begin(news, tokens, (names, score) => learned.compare("hand", say.hand(names), score));
    rounds.begin(asked, news, tokens, (last) => learned.compare("network", say.taught(last.round), last.right));
  }

  const presets = el("div", { class: "row chips", role: "group", "aria-label": say.choose },
    say.presets.map((text) => button(text, () => begin(text), { class: "chip" })));
  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      begin(kinds.value);
    },
  },
  presets,
  field(say.kinds, kinds, say.kindsHint), el("button", { type: "submit", class: "main", text: say.go }));

  root.append(form, el("section", {}, problem, why, status, colours), ...parts.map((part) => part.node), know.node);
  begin(); // a good example, before anything is pressed
  return () => {
    running?.stop();
    running = null;
    for (const part of parts) part.stop?.();
  };
}

/** CLIP's space, and all ways of telling beside each other. */
function makeLearned() {
  const pointed = el("p", { class: "hint pointed" });
  const said = el("p", { class: "where" });
  const honest = el("p", { class: "what" });
  const rows = el("ol", { class: "scores plain" });
  let [made, scores] = [null, new Map()];
  const space = makeSpace(say.clipSpace, say.clipHint, (i) => {
    pointed.textContent = i < 0 ? "" : say.pointed(made.pictures[i].name, [], made.kinds[made.pictures[i].clip_guess]);
  });
  const room = el("div", {}, space.node, pointed);
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.clip }), el("p", { class: "what", text: say.clipAbout }),
    el("div", { class: "axes" }, room,
      el("div", { class: "measured" }, said, honest, el("h3", { text: say.together }), rows)));

  function begin(news, tokens) {
    made = news;
    scores = new Map([["blind", [say.blind, { share: news.chance }, true]]]);
    node.hidden = false;
    const { middle, caption } = news.clip_scores;
    room.hidden = !middle;
    said.textContent = middle ? say.clipScore(middle) : say.noClip;
    honest.textContent = middle ? say.clipHonest(news.clip_trained_on_them, caption, news.clip_spread) : "";
    for (const name of ["network", "hand"]) scores.set(name, null);
    if (!middle) return;
    scores.set("clip", [say.clipMiddle, middle]);
    scores.set("caption", [say.clipCaption, caption]);
    space.show({ points: news.pictures.map((each) => each.clip), names: say.directions, tokens, pictures: news.pictures,
      guesses: news.pictures.map((each) => each.clip_guess), colours: news.colours });
    paint();
  }

  function compare(name, text, score) {
    scores.set(name, [text, score]);
    paint();
  }

  const paint = () => rows.replaceChildren(...[...scores.values()].filter(Boolean).map((each) => scoreRow(...each)));

  return { node, begin, compare, clear: () => (node.hidden = true), stop: space.stop };
}
