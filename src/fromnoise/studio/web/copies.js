/** Is a picture a copy of a training picture? What the check says, beside what the picture is most like. */

import { api } from "./api.js";
import { el } from "./dom.js";
import { words } from "./words.js";

const say = words.copies;
const PATIENCE = 400; // milliseconds that a picture is looked at before the server is asked: who leafs through does not ask

/** The section of a picture of the gallery; it asks by itself, once it is shown. */
export function copiesOf(id) {
  const status = el("p", { role: "status", text: say.asking });
  const node = el("section", { class: "copies" }, el("h3", { text: say.title }), status);
  setTimeout(async () => {
    if (!node.isConnected) return;
    try {
      const found = await api.copies(id);
      status.textContent = found.why ? say.why(found.why) : verdictOf(found);
      if (!found.why) node.append(...besides(found), trustOf(found));
    } catch (error) {
      status.textContent = say.why(error.message);
    }
  }, PATIENCE);
  return node;
}

/** The verdict in one sentence: of the most alarming model. */
export const verdictOf = ({ answers, not_asked: notAsked }) => say.verdict(answers[0], notAsked);

/** The nearest training pictures, and what was not looked at. */
export function besides({ answers, not_asked: notAsked }) {
  return [
    el("div", { class: "nearest" }, ...nearestOf(answers[0])),
    notAsked.length ? el("p", { class: "hint", text: say.notAsked(notAsked) }) : null,
  ].filter(Boolean);
}

/** The nearest training pictures as figures: by features and by pixels, or one for both. */
export function nearestOf(answer) {
  const { by_features: features, by_pixels: pixels } = answer;
  if (features.name === pixels.name) return [neighbour(features, say.near.both)];
  return [neighbour(features, say.near.by_features), neighbour(pixels, say.near.by_pixels)];
}

function neighbour(known, how) {
  return el("figure", {},
    el("div", { class: "frame" }, el("img", { src: known.picture, alt: known.called, width: 64, height: 64 })),
    el("figcaption", {}, el("span", { class: "how", text: how }), el("span", { text: known.text || known.name }),
      el("span", { class: "hint", text: say.whose(known) })));
}

function trustOf({ answers, command }) {
  return el("details", {}, el("summary", { text: say.trust }),
    ...answers.map((answer) => el("p", { text: say.rate(answer.trust, answer.model) })),
    el("p", { text: say.ratio(answers[0]) }), ...say.how.map((text) => el("p", { text })),
    el("p", { text: say.command }), el("pre", { tabindex: 0 }, el("code", { text: command })));
}
