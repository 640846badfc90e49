/** A space whose points are the pictures themselves: along a line, on a plane, or in a room that can be turned. */

import { calm, el } from "../dom.js";
import { css, fitted } from "./axes_tokens.js";

const [LARGE, SMALL] = [36, 21]; // pixels; of drawings, and of their variants
const MOVE = 600; // milliseconds from one arrangement to the next
const TURN = 4000; // milliseconds for which a new room turns by itself
const SEEN = { yaw: 0.6, pitch: 0.35 };
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let spaces = 0;

/** @param {(i: number) => void} point is told which picture is pointed at; -1 for none */
export function makeSpace(label, hint, point) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const below = el("p", { class: "hint", id: `space-${++spaces}`, text: hint });
  const room = el("div", { class: "space", tabindex: 0, role: "application", "aria-label": label,
    "aria-describedby": below.id }, canvas);
  const node = el("div", { class: "spaced" }, room, below);
  const eye = { yaw: 0, pitch: 0 };
  let [shown, from, places, began, turning, frame, held] = [null, [], [], 0, 0, 0, null];
  const observer = new ResizeObserver(() => ask());
  observer.observe(room);

  const ask = () => (frame ||= requestAnimationFrame(draw));

  /** `points` are rows of one to three numbers; `areas` says what a point of a line or plane is taken for. */
  function show(next) {
    const target = arranged(next.points);
    const same = shown?.tokens === next.tokens;
    from = same && places.length ? places.map((place) => [...place]) : target;
    shown = { ...next, target, count: next.points[0].length };
    began = performance.now();
    if (shown.count === 3 && !held && !isTurned(eye)) Object.assign(eye, SEEN);
    turning = shown.count === 3 && !calm() ? began + MOVE + TURN : 0;
    ask();
  }

  function draw(now) {
    frame = 0;
    if (!shown) return;
    const part = calm() ? 1 : Math.min(1, (now - began) / MOVE);
    const eased = part * part * (3 - 2 * part);
    places = shown.target.map((place, i) => place.map((value, d) => from[i][d] + (value - from[i][d]) * eased));
    if (shown.count < 3) Object.assign(eye, { yaw: eye.yaw * (1 - eased), pitch: eye.pitch * (1 - eased) });
    else if (now < turning) eye.yaw += 0.006;
    paint();
    if (part < 1 || now < turning) ask();
  }

  function paint() {
    const { pen, width, height } = fitted(canvas);
    if (!width) return;
    const project = projection(eye, width, height);
    const look = getComputedStyle(room);
    if (shown.areas && shown.count < 3) paintAreas(pen, project, shown);
    const ends = paintAxes(pen, project, shown, look.color);
    const order = places.map((place, i) => ({ i, ...project(place) })).sort((a, b) => b.depth - a.depth);
    for (const { i, x, y, scale } of order) shown.tokens.put(pen, i, shown.guesses[i], x, y, sizeOf(i) * scale);
    paintNames(pen, ends, shown, look, width, height);
  }

  const sizeOf = (i) => (shown.pictures[i].variant ? SMALL : LARGE);

  function nearest(event) {
    if (!shown || !places.length) return -1;
    const box = canvas.getBoundingClientRect();
    const project = projection(eye, box.width, box.height);
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [-1, 22];
    places.forEach((place, i) => {
      const at = project(place);
      const far = Math.hypot(at.x - x, at.y - y);
      if (far < least) [best, least] = [i, far];
    });
    return best;
  }

  function turn(yaw, pitch) {
    if (shown?.count !== 3) return;
    turning = 0;
    eye.yaw += yaw;
    eye.pitch = Math.max(-1.4, Math.min(1.4, eye.pitch + pitch));
    ask();
  }

  room.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    turning = 0;
    room.setPointerCapture(event.pointerId);
    point(nearest(event));
  });
  room.addEventListener("pointermove", (event) => {
    if (!held) return point(nearest(event));
    turn((event.clientX - held[0]) * 0.01, (event.clientY - held[1]) * 0.01);
    held = [event.clientX, event.clientY];
    return undefined;
  });
  for (const kind of ["pointerup", "pointercancel"]) room.addEventListener(kind, () => (held = null));
  room.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    turn(0.12 * step[0], 0.12 * step[1]);
  });

  function stop() {
    cancelAnimationFrame(frame);
    observer.disconnect();
    shown = null;
  }

  return { node, show, stop };
}

const isTurned = (eye) => Math.abs(eye.yaw) + Math.abs(eye.pitch) > 0.3;

/** Each dimension stretched to -1 … 1; a line gets a height that means nothing, so that points do not hide each other. */
function arranged(points) {
  const count = points[0].length;
  const columns = Array.from({ length: count }, (_, d) => stretched(points.map((row) => row[d])));
  return points.map((_, i) => [
    columns[0].at(i), count > 1 ? columns[1].at(i) : 0.82 * (2 * ((i * 0.618034) % 1) - 1), count > 2 ? columns[2].at(i) : 0,
  ]);
}

function stretched(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => (high > low ? (1.84 * (value - low)) / (high - low) - 0.92 : 0));
}

function projection({ yaw, pitch }, width, height) {
  const flat = Math.min(1, Math.abs(yaw) + Math.abs(pitch));
  const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  const side = Math.min(width, height) / 2;
  const [wide, high] = [width / 2 - 24, height / 2 - 26].map((room) => room + (side * 0.74 - room) * flat);
  return ([x, y, z]) => {
    const [right, back] = [x * cy + z * sy, z * cy - x * sy];
    const [up, depth] = [y * cp - back * sp, back * cp + y * sp];
    const scale = 1 / (1 + 0.16 * depth);
    return { x: width / 2 + wide * right * scale, y: height / 2 - high * up * scale, depth, scale };
  };
}

/** Which kind each place of a line or plane is taken for, softly. */
function paintAreas(pen, project, { points, areas, colours, count }) {
  const cells = 48;
  const ranges = Array.from({ length: count }, (_, d) => {
    const column = points.map((row) => row[d]);
    return [Math.min(...column), Math.max(...column)];
  });
  const value = (d, place) => ranges[d][0] + ((place + 0.92) / 1.84) * (ranges[d][1] - ranges[d][0]);
  for (let column = 0; column < cells; column += 1) {
    for (let row = 0; row < (count > 1 ? cells : 1); row += 1) {
      const [x, y] = [column, row].map((at) => ((at + 0.5) / cells) * 2 - 1);
      const [a, b] = [
        project([(column / cells) * 2 - 1, count > 1 ? (row / cells) * 2 - 1 : -1, 0]),
        project([((column + 1) / cells) * 2 - 1, count > 1 ? ((row + 1) / cells) * 2 - 1 : 1, 0]),
      ];
      pen.fillStyle = css(colours[areas(count > 1 ? [value(0, x), value(1, y)] : [value(0, x)])], 0.2);
      const [left, top] = [Math.floor(a.x), Math.floor(b.y)];
      pen.fillRect(left, top, Math.floor(b.x) - left, Math.floor(a.y) - top);
    }
  }
}

/** The axes; returns where each begins and ends. */
function paintAxes(pen, project, { count }, colour) {
  const corner = [-1, -1, count > 2 ? -1 : 0];
  Object.assign(pen, { strokeStyle: colour, lineWidth: 1.5 });
  return Array.from({ length: count }, (_, d) => {
    const [a, b] = [project(corner), project(corner.map((value, at) => (at === d ? 1 : value)))];
    pen.beginPath();
    pen.moveTo(a.x, a.y);
    pen.lineTo(b.x, b.y);
    pen.stroke();
    return [a, b];
  });
}

/** The axes' names at their ends, over the pictures, and always inside. */
function paintNames(pen, ends, { names, count }, look, width, height) {
  const times = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // larger on a projector
  const font = `600 ${13 * times}px sans-serif`;
  Object.assign(pen, { fillStyle: look.color, strokeStyle: look.backgroundColor, lineWidth: 4, font });
  ends.forEach(([a, b], d) => {
    const long = pen.measureText(names[d]).width;
    const flat = count < 3;
    const left = flat && d === 1 ? a.x : b.x - (flat ? long : long / 2);
    const x = Math.max(4, Math.min(width - long - 4, left));
    const y = Math.max(14 * times, Math.min(height - 6, d === 1 ? b.y - 8 : b.y + 17 * times));
    pen.strokeText(names[d], x, y);
    pen.fillText(names[d], x, y);
  });
}
