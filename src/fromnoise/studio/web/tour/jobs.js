/** Drawings as they were recorded: the same function as in ../jobs.js, for a page without a server. */

import { play } from "./api.js";

/** As in ../jobs.js: news of steps and pictures, then the pictures; none when stopped. */
export function drawAside(body, step = () => {}) {
  let stopped = false;
  const drawn = [];
  const pictures = play("draw", { count: 1, ...body }, (news) => {
    if (news.type === "picture") drawn.push(news.picture);
    step(news);
  }, () => stopped).then(() => (stopped ? [] : drawn));
  return { pictures, stop: () => (stopped = true) };
}
