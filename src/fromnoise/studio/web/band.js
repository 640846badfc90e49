/** The band on top of the page: static that turns into colour as far as the drawing has come. */

import { calm } from "./dom.js";
import { isMine, openJobs, progressOf } from "./jobs.js";
import { subscribe } from "./store.js";

const COLOURS = ["#b2452a", "#d08a3c", "#c9a13b", "#5d8150", "#3f6f8f", "#6a5a8c"];
const FLICKER = 150; // milliseconds between two kinds of static

/** Draw the band and keep it true. */
export function hangBand(canvas) {
  const pen = canvas.getContext("2d");
  let timer = 0;

  function draw() {
    const jobs = openJobs().filter(isMine).map(progressOf);
    const of = jobs.reduce((sum, job) => sum + job.of, 0);
    const part = of ? jobs.reduce((sum, job) => sum + job.made, 0) / of : 1;
    paint(pen, canvas.width, canvas.height, part);
    if (of && !calm() && !timer) timer = setInterval(draw, FLICKER);
    if (!of) timer = void clearInterval(timer);
  }

  subscribe(["jobs"], draw);
  draw();
}

function paint(pen, width, height, part) {
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const clear = x / width < part - 0.25 * Math.random();
      const grey = 90 + Math.floor(130 * Math.random());
      pen.fillStyle = clear ? COLOURS[Math.floor((x / width) * COLOURS.length)] : `rgb(${grey} ${grey} ${grey})`;
      pen.fillRect(x, y, 1, 1);
    }
  }
}
