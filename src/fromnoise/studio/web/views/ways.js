/** Ways between pictures: variations, and steps from one picture to another. */

import { begin } from "../jobs.js";
import { styleOf } from "../settings.js";
import { MOST_SEED, randomSeed } from "../store.js";
import { words } from "../words.js";

const VARIATIONS = { amounts: [0.35], count: 4 };
const STEPS = 6; // from one picture to the other: five pictures between them
const KEPT = "fromnoise-ways"; // in the session: job → both ends, to hang them beside what is drawn between them

/** Why a picture cannot be an end of a way; "" if it can. */
export function whyNoWay({ origin }) {
  if (origin.request.strength !== null) return words.gallery.noWayFromStart;
  return origin.request.towards === null ? "" : words.gallery.noWayFromWay;
}

const DRAWN = ["width", "height", "steps"]; // what a drawing is asked for beside its words and seed
const BUILT_IN = ["guidance", "rescale", "sampler", "interval", "spacing", "sigmas"]; // into the fast model

/** Why two pictures have no way between them whose ends they would be; "" if they have. */
export function whyNotTogether({ origin: one }, { origin: other }) {
  const facts = ({ request, fast, model_hash: model }) => ({ ...request, fast, model });
  const [a, b] = [facts(one), facts(other)];
  const names = ["model", "fast", ...DRAWN, ...(a.fast && b.fast ? [] : BUILT_IN), "free", ...(a.free ? ["negative"] : [])];
  const apart = names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
  return apart.length ? words.gallery.noWayAlike(apart.map((name) => words.gallery.alike[name])) : "";
}

/** What POST /api/jobs takes to draw this picture's request. */
function bodyOf({ origin: { request, fast } }) {
  const names = ["prompt", "style", "seed", "free", "transparent", ...DRAWN, ...(fast ? [] : ["negative", ...BUILT_IN])];
  const body = Object.fromEntries(names.map((name) => [name, request[name]]));
  body.style = styleOf(request);
  return fast ? { ...body, fast: true } : body;
}

/** Four pictures near this one. */
export const variationsBody = (picture) => ({
  ...bodyOf(picture),
  ...VARIATIONS,
  towards: { seed: Math.min(randomSeed(), MOST_SEED - VARIATIONS.count) },
});

/** Draw the way from one picture to another; both ends are there already, so only what lies between is drawn. */
export async function beginWay(one, other) {
  const { prompt, negative, seed } = other.origin.request;
  const style = styleOf(other.origin.request);
  const amounts = Array.from({ length: STEPS - 1 }, (_, i) => (i + 1) / STEPS);
  const job = await begin({ ...bodyOf(one), towards: { prompt, negative, style, seed }, amounts });
  sessionStorage.setItem(KEPT, JSON.stringify({ ...keptEnds(), [job.id]: [one, other].map(({ id }) => id) }));
  return job;
}

/** The ids of the pictures at both ends of a job's way; none for a job that is no way, or another page's. */
export const endsOf = (job) => keptEnds()[job.id] ?? [];

function keptEnds() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}
