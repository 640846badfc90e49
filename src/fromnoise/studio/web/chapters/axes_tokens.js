/** The pictures as small round tokens: the ring has the colour of what a picture is taken for; a cross says wrong. */

import { el } from "../dom.js";

const SIDE = 68; // of a drawn token, in its own pixels
const RING = 5;

export const css = ([red, green, blue], alpha = 1) => `rgb(${red} ${green} ${blue} / ${alpha})`;

/** Cut the sheet of small pictures; `put` draws picture i, taken for a kind, with its middle at x and y. */
export async function tokensOf({ sprites, pictures, colours }) {
  const sheet = el("img", { src: sprites.image });
  await sheet.decode();
  const made = new Map();

  function make(i, guess) {
    const canvas = el("canvas", { width: SIDE, height: SIDE });
    const pen = canvas.getContext("2d");
    const [column, row] = [i % sprites.columns, Math.floor(i / sprites.columns)];
    pen.save();
    pen.beginPath();
    pen.arc(SIDE / 2, SIDE / 2, SIDE / 2 - RING / 2, 0, 7);
    pen.fillStyle = "white";
    pen.fill();
    pen.clip();
    const inner = SIDE * 0.74;
    pen.drawImage(sheet, column * sprites.side, row * sprites.side, sprites.side, sprites.side,
      (SIDE - inner) / 2, (SIDE - inner) / 2, inner, inner);
    pen.restore();
    ring(pen, css(colours[guess]));
    if (guess !== pictures[i].kind) cross(pen);
    return canvas;
  }

  function put(pen, i, guess, x, y, size) {
    const key = `${i} ${guess}`;
    if (!made.has(key)) made.set(key, make(i, guess));
    pen.drawImage(made.get(key), x - size / 2, y - size / 2, size, size);
  }

  return { put };
}

function ring(pen, colour) {
  pen.beginPath();
  pen.arc(SIDE / 2, SIDE / 2, SIDE / 2 - RING / 2, 0, 7);
  Object.assign(pen, { strokeStyle: colour, lineWidth: RING });
  pen.stroke();
}

function cross(pen) {
  const [near, far] = [SIDE * 0.6, SIDE * 0.9]; // in a corner, so that the picture can still be seen
  for (const [colour, width] of [["white", 15], ["black", 8]]) {
    Object.assign(pen, { strokeStyle: colour, lineWidth: width, lineCap: "round" });
    pen.beginPath();
    pen.moveTo(near, near);
    pen.lineTo(far, far);
    pen.moveTo(far, near);
    pen.lineTo(near, far);
    pen.stroke();
  }
}

/** Fit a canvas to its room on the screen; returns the pen, with one unit for one pixel of the page. */
export function fitted(canvas) {
  const box = canvas.getBoundingClientRect();
  const fine = Math.min(2, devicePixelRatio || 1);
  const [width, height] = [Math.round(box.width * fine), Math.round(box.height * fine)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(fine, 0, 0, fine, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return { pen, width: box.width, height: box.height };
}
