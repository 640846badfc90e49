/** Ways between pictures: variations, and steps from one picture to another. */

import { MOST_SEED, randomSeed } from "../store.js";
import { words } from "../words.js";

const VARIATIONS = { amounts: [0.35], count: 4 };
const STEPS = 6; // between two pictures; seven pictures with both ends

/** Why a picture cannot be an end of a way; "" if it can. */
export function whyNoWay({ origin }) {
  if (origin.request.strength !== null) return words.gallery.noWayFromStart;
  return origin.request.towards === null ? "" : words.gallery.noWayFromWay;
}

/** Why two pictures have no way between them; "" if they have. */
export const whyNotTogether = (one, other) =>
  one.origin.fast === other.origin.fast ? "" : words.gallery.noWayFast;

/** What POST /api/jobs takes to draw this picture's request. */
function bodyOf({ origin: { request, fast } }) {
  const names = ["prompt", "negative", "style", "seed", "rescale", "width", "height", "free"];
  const own = fast ? [] : ["steps", "guidance", "sampler"];
  const body = Object.fromEntries([...names, ...own].map((name) => [name, request[name]]));
  return fast ? { ...body, fast: true, negative: "", rescale: null } : body;
}

/** Four pictures near this one. */
export const variationsBody = (picture) => ({
  ...bodyOf(picture),
  ...VARIATIONS,
  towards: { seed: Math.min(randomSeed(), MOST_SEED - VARIATIONS.count) },
});

/** The way from one picture to another. */
export function betweenBody(one, other) {
  const { prompt, negative, style, seed } = other.origin.request;
  const amounts = Array.from({ length: STEPS + 1 }, (_, i) => i / STEPS);
  return { ...bodyOf(one), towards: { prompt, negative, style, seed }, amounts };
}
