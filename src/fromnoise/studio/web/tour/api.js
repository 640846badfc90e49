/** The server's answers as they were recorded: the same functions as in ../api.js, for a page without a server. */

import { calm } from "../dom.js";
import { words } from "../words.js";

const PACE = 60; // milliseconds between two steps, so that one sees a picture appear
let answers = [];

/** Know what was recorded. */
export const remember = (recorded) => (answers = recorded);

/** What is wrong, in one sentence. */
export class ApiError extends Error {}

/** The recorded answer to a question; one that was never asked has none. */
export function answerTo(view, body = {}) {
  const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
  const found = answers.find((each) =>
    each.view === view && Object.entries(each.body).every(([name, value]) => same(value, body[name])));
  if (!found) throw new ApiError(words.tour.never);
  return found.news;
}

const never = () => Promise.reject(new ApiError(words.tour.never));

export const api = {
  machine: async () => answerTo("machine")[0],
  pictures: async () => ({ pictures: [], next: null, total: 0 }),
  upload: async () => ({ id: "recorded" }),
  changed: async ({ gains }) => answerTo("latents/changed", { gains })[0],
  story: never, plot: never, spoil: never, repair: never, check: never, startFrom: never,
};

/** As in ../api.js: look inside while something is drawn; here it was drawn before. */
export function look(view, body, hear) {
  let stopped = false;
  const done = play(view, body, hear, () => stopped);
  return { done, stop: () => (stopped = true) };
}

/** Tell recorded news, at a pace at which steps can be seen. */
export async function play(view, body, hear, stopped) {
  await null; // as with a server, nothing is heard before the call has returned
  for (const news of answerTo(view, body)) {
    if (stopped()) return;
    hear(structuredClone(news));
    if (news.type === "step" && !calm()) await new Promise((resolve) => setTimeout(resolve, PACE));
  }
}

export const pictureUrl = (picture) => picture.data;
