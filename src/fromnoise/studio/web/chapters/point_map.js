/**
 * A map of many points on one canvas: pan, zoom, point at. Plain ES module, needs nothing else: the studio's chapter
 * imports it, and a page of `fromnoise inspect map` holds it.
 *
 * Points are typed arrays, and a frame writes them straight into the picture's memory, some 30 times faster than as
 * rectangles where there is no graphics card. Texts are drawn once and then copied. Which captions are written is
 * chosen at rest and kept while the map moves: choosing takes ten times as long as all points. Nothing is drawn while
 * nothing changes.
 */

const CLOSEST = 60; // largest zoom
const REACH = 12; // pixels from the pointer to the point it means
const CELLS = 128; // of the grid that finds points, along one side
const GLIDE = 260; // milliseconds
const REST = 140; // milliseconds without a move until the captions are chosen anew
const KEPT = 500; // texts that stay drawn
const LANDMARKS = 60; // at most; on a small canvas one for so many square pixels:
const ROOM = 9000;
const fontOf = (strong, times) => `${strong ? 600 : 400} ${(strong ? 14 : 12) * times}px system-ui, sans-serif`;
const PROMPTS = ["#c2185b", "#1b7f3b", "#5b2bc4", "#0b6fa4", "#8a5a00", "#444444"]; // unless CSS says --prompt-0 …

/** Places as they are stored, 16 bits each, as numbers 0…1: [x0, y0, x1, y1, …]; y grows upwards, as in a diagram. */
export function placesOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const places = new Float32Array(bytes.length / 2);
  for (let i = 0; i < places.length; i++) places[i] = view.getUint16(2 * i, true) / 65535;
  return places;
}

/** What `map_page.py` says of a map, ready for `PointMap`. */
export function dataOf(stored) {
  const { captions, names, styles, style_of: styleOf, caption_of: captionOf } = stored;
  const count = captions.length;
  const pictureName = (i) => `${captions[captionOf[i]]} (picture${styleOf.length && styles[styleOf[i]] ? `, ${styles[styleOf[i]]}` : ""})`;
  return {
    captions,
    places: placesOf(stored.places),
    nameOf: (index) => (index < count ? captions[index] : pictureName(index - count)),
    fileOf: (index) => (index < count ? "" : names[index - count]),
    marks: stored.prompts.map(markOf),
  };
}

/** A prompt of `map_page.py` as `PointMap` draws it. */
export const markOf = (prompt) => ({
  ...prompt,
  lit: [...prompt.captions, ...prompt.pictures].map((near) => near.index),
});

/** The numbers of all captions that have some letters, those first that begin with them, then the shortest. */
export function captionsWith(captions, text) {
  const wanted = text.trim().toLowerCase();
  const found = [];
  for (let i = 0; wanted && i < captions.length; i++) {
    const at = captions[i].toLowerCase().indexOf(wanted);
    if (at >= 0) found.push([at, captions[i].length, i]);
  }
  return found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]).map(([, , i]) => i);
}

/** Points by the cell of a square grid that they lie in, so that few are looked at to find one. */
class Grid {
  constructor(places) {
    this.places = places;
    const count = places.length / 2;
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    const cells = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      cells[i] = cellOf(places[2 * i]) + CELLS * cellOf(places[2 * i + 1]);
      this.starts[cells[i] + 1]++;
    }
    for (let c = 0; c < CELLS * CELLS; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice(0, -1);
    this.order = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.order[next[cells[i]]++] = i;
  }

  /** Calls `found(index, squaredDistance)` for all points within `reach` of (x, y). */
  near(x, y, reach, found) {
    const [left, right] = [cellOf(x - reach), cellOf(x + reach)];
    for (let row = cellOf(y - reach); row <= cellOf(y + reach); row++) {
      const end = this.starts[row * CELLS + right + 1];
      for (let k = this.starts[row * CELLS + left]; k < end; k++) {
        const i = this.order[k];
        const distance = (this.places[2 * i] - x) ** 2 + (this.places[2 * i + 1] - y) ** 2;
        if (distance <= reach * reach) found(i, distance);
      }
    }
  }
}

const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));

/**
 * @typedef {object} MapData
 * @property {Float32Array} places [x, y, …] of all points, captions first
 * @property {string[]} captions names of the first points
 * @property {(index: number) => string} nameOf of any point
 * @property {Mark[]} marks prompts that landed
 *
 * @typedef {object} Mark
 * @property {string} text
 * @property {[number, number]} place
 * @property {number[]} lit points that belong to it
 * @property {number} colour number of its colour, 0…5
 * @property {?{centre: [number, number], axes: [number, number], angle: number}} ellipse
 * @property {?Array<[number, number]>} drawn places of its pictures
 */
export class PointMap {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {MapData} data
   * @param {{onPoint?: (index: number) => void, onPick?: (index: number) => void}} told -1 means none
   */
  constructor(canvas, data, told = {}) {
    Object.assign(this, { canvas, data, told, hovered: -1, picked: -1, lit: [], frames: 0, moving: false });
    this.context = canvas.getContext("2d", { willReadFrequently: true }); // in memory, where its points are written
    this.grid = new Grid(data.places);
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.landmarks = spread(data.captions.length);
    this.pointers = new Map();
    [this.texts, this.widths, this.written] = [new Map(), new Map(), []];
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.ending = new AbortController();
    this.#listen();
    this.#thumb();
    this.#recolour();
    this.#resize();
  }

  /** Takes all listeners away. */
  close() {
    this.ending.abort();
    this.watch?.disconnect();
    cancelAnimationFrame(this.asked);
    cancelAnimationFrame(this.gliding);
    clearTimeout(this.resting);
  }

  /** Draws at the next frame, however often it is asked for. */
  draw() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      this.paint();
    });
  }

  /** Looks at a place, at once, and keeps the map on the canvas. */
  look(view) {
    const edge = 0.5 / view.zoom;
    const inside = (value) => bounded(value, Math.min(0.5, edge) - edge * 0.9, 1 - Math.min(0.5, edge) + edge * 0.9);
    this.view = { x: inside(view.x), y: inside(view.y), zoom: view.zoom };
    this.#thumb();
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.moving = false;
      this.draw();
    }, REST);
    this.draw();
  }

  /** Of the whole map one thumb scrolls the page up and down; nearer it moves the map. */
  #thumb() {
    this.canvas.style.touchAction = this.view.zoom > 1 ? "none" : "pan-y";
  }

  /** Goes to a place; at once where motion is unwelcome. */
  goTo(x, y, zoom = this.view.zoom) {
    cancelAnimationFrame(this.gliding);
    const [from, to] = [{ ...this.view }, { x, y, zoom: bounded(zoom, 1, CLOSEST) }];
    if (this.still.matches) return this.look(to);
    const begun = performance.now();
    const step = (now) => {
      const part = bounded((now - begun) / GLIDE, 0, 1);
      const eased = 1 - (1 - part) ** 3;
      this.look({
        x: from.x + (to.x - from.x) * eased,
        y: from.y + (to.y - from.y) * eased,
        zoom: from.zoom * (to.zoom / from.zoom) ** eased,
      });
      if (part < 1) this.gliding = requestAnimationFrame(step);
    };
    this.gliding = requestAnimationFrame(step);
    return undefined;
  }

  /** Zooms by a factor around a place on the canvas, in CSS pixels; around its middle without one. */
  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toMap(px, py);
    const zoom = bounded(this.view.zoom * factor, 1, CLOSEST);
    const shrink = this.view.zoom / zoom;
    this.look({ x: x + (this.view.x - x) * shrink, y: y + (this.view.y - y) * shrink, zoom });
  }

  /** Marks a point as chosen, and lights others up. */
  pick(index, lit = []) {
    this.picked = index;
    this.lit = lit;
    this.draw();
  }

  /** The points next to one on the map itself, nearest first. */
  around(index, count = 8) {
    const [x, y] = [this.data.places[2 * index], this.data.places[2 * index + 1]];
    for (let reach = 1 / CELLS; ; reach *= 2) {
      const found = [];
      this.grid.near(x, y, reach, (i, distance) => i !== index && found.push([distance, i]));
      if (found.length >= count || reach > 1.5) {
        return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, count).map((pair) => pair[1]);
      }
    }
  }

  get side() {
    return Math.min(this.width, this.height) * this.view.zoom;
  }

  /** From the map to the canvas, in CSS pixels; and back. */
  toCanvas(x, y) {
    return [this.width / 2 + (x - this.view.x) * this.side, this.height / 2 - (y - this.view.y) * this.side];
  }

  toMap(px, py) {
    return [this.view.x + (px - this.width / 2) / this.side, this.view.y - (py - this.height / 2) / this.side];
  }

  /** The point under a place on the canvas; -1 for none. */
  at(px, py) {
    let [best, nearest] = [-1, Infinity];
    this.grid.near(...this.toMap(px, py), REACH / this.side, (i, distance) => {
      if (distance < nearest) [best, nearest] = [i, distance];
    });
    return best;
  }

  /** Draws now. */
  paint() {
    const { context, data, colours } = this;
    this.frames++;
    this.#points();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const taken = [];
    for (const mark of data.marks) this.#area(mark, colours.prompts[mark.colour]);
    for (const mark of data.marks) for (const i of mark.lit) this.#ring(i, colours.prompts[mark.colour]);
    for (const i of this.lit) this.#ring(i, colours.mark);
    for (const mark of data.marks) this.#mark(mark, colours.prompts[mark.colour], taken);
    for (const i of [this.picked, this.hovered]) {
      if (i >= 0) {
        this.#ring(i, colours.ink, 6);
        this.#label(data.nameOf(i), ...this.#place(i), taken, true);
      }
    }
    for (const mark of data.marks) for (const i of mark.lit) this.#label(data.nameOf(i), ...this.#place(i), taken);
    for (const i of this.lit) this.#label(data.nameOf(i), ...this.#place(i), taken);
    this.#landmarks(taken);
  }

  #place(i) {
    return this.toCanvas(this.data.places[2 * i], this.data.places[2 * i + 1]);
  }

  #points() {
    const { canvas, context, data, colours, ratio } = this;
    if (this.image?.width !== canvas.width || this.image.height !== canvas.height) {
      this.image = context.createImageData(canvas.width, canvas.height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(0);
    const size = bounded(1.6 + Math.log2(this.view.zoom) * 0.9, 1.6, 6);
    const captions = data.captions.length;
    this.#dots(captions, data.places.length / 2, Math.round(size * ratio * this.times), number(context, colours.picture));
    this.#dots(0, captions, Math.round((size + 0.8) * ratio * this.times), number(context, colours.caption));
    context.putImageData(this.image, 0, 0);
  }

  /** Writes squares of so many pixels, larger ones without their corners. */
  #dots(from, to, size, colour) {
    const { pixels, view } = this;
    const { places } = this.data;
    const { width, height } = this.canvas;
    const side = this.side * this.ratio;
    const [left, top] = [width / 2 - view.x * side - size / 2, height / 2 + view.y * side - size / 2];
    const [right, bottom, round] = [width - size, height - size, size > 4 ? 1 : 0];
    for (let i = from; i < to; i++) {
      const x = (left + places[2 * i] * side) | 0;
      const y = (top - places[2 * i + 1] * side) | 0;
      if (x < 0 || y < 0 || x > right || y > bottom) continue;
      for (let row = 0; row < size; row++) {
        const cut = row === 0 || row === size - 1 ? round : 0;
        const begin = (y + row) * width + x;
        for (let p = begin + cut; p < begin + size - cut; p++) pixels[p] = colour;
      }
    }
  }

  #ring(i, colour, radius = 4.5) {
    const { context } = this;
    context.beginPath();
    context.arc(...this.#place(i), radius, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.stroke();
  }

  #area({ ellipse, drawn }, colour) {
    if (!ellipse) return;
    const { context, side } = this;
    context.beginPath();
    const radii = ellipse.axes.map((axis) => Math.max(3, axis * side));
    context.ellipse(...this.toCanvas(...ellipse.centre), ...radii, -ellipse.angle, 0, 2 * Math.PI);
    context.globalAlpha = 0.14;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.stroke();
    for (const place of drawn ?? []) {
      const [x, y] = this.toCanvas(...place);
      context.fillStyle = colour;
      context.fillRect(x - 3, y - 3, 6, 6);
    }
  }

  #mark({ place, text }, colour, taken) {
    const { context } = this;
    const [x, y] = this.toCanvas(...place);
    for (const [line, stroke] of [[6, this.colours.ground], [3, colour]]) {
      context.beginPath();
      for (const [dx, dy] of [[9, 0], [0, 9]]) {
        context.moveTo(x - dx, y - dy);
        context.lineTo(x + dx, y + dy);
      }
      context.lineWidth = line;
      context.strokeStyle = stroke;
      context.stroke();
    }
    this.#label(text, x + 5, y, taken, true, colour);
  }

  /** Some captions, so that one knows where one is: those that fit beside what is written already. */
  #landmarks(taken) {
    const { places, captions } = this.data;
    const now = [];
    const most = Math.min(LANDMARKS, (this.width * this.height) / (ROOM * this.times ** 2));
    for (const i of this.moving ? this.written : [...this.written, ...this.landmarks]) {
      if (now.length >= most) break;
      const [x, y] = this.toCanvas(places[2 * i], places[2 * i + 1]);
      if (x < 0 || y < 0 || x > this.width || y > this.height) continue;
      if (this.#label(captions[i], x, y, taken, false, this.colours.quiet)) now.push(i);
    }
    if (!this.moving) this.written = now;
  }

  /** Writes right of a place, unless something stands there (`always` writes all the same); whether it did. */
  #label(text, x, y, taken, always = false, colour = this.colours.ink) {
    const short = text.length > 40 ? `${text.slice(0, 39)}…` : text;
    const [width, times] = [this.#width(short, always), this.times];
    const fitting = x + 8 + width > this.width ? x - 8 - width : x + 8;
    if (fitting < 0 && !always) return false;
    const left = Math.max(2, fitting);
    const box = [left - 3, y - 9 * times, left + width + 3, y + 9 * times];
    if (!always && taken.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) return false;
    taken.push(box);
    const drawn = this.#text(short, always, colour);
    this.context.drawImage(drawn, left - 4, y - 12 * times, drawn.width / this.ratio, drawn.height / this.ratio);
    return true;
  }

  /** How wide a text is, in CSS pixels; measured once. */
  #width(text, strong) {
    const key = `${strong}${text}`;
    if (!this.widths.has(key)) {
      this.context.font = fontOf(strong, this.times);
      this.widths.set(key, this.context.measureText(text).width);
    }
    return this.widths.get(key);
  }

  /** A text with a rim, drawn once; 4 pixels free at both ends. */
  #text(text, strong, colour) {
    const key = `${strong}${colour}${text}`;
    const known = this.texts.get(key);
    if (known) return known;
    if (this.texts.size >= KEPT) this.texts.clear();
    const drawn = document.createElement("canvas");
    const context = drawn.getContext("2d");
    const font = fontOf(strong, this.times);
    drawn.width = Math.ceil((this.#width(text, strong) + 8) * this.ratio);
    drawn.height = Math.ceil(24 * this.times * this.ratio);
    context.scale(this.ratio, this.ratio);
    Object.assign(context, { font, lineWidth: 4, lineJoin: "round" });
    Object.assign(context, { strokeStyle: this.colours.ground, fillStyle: colour });
    context.strokeText(text, 4, 16 * this.times);
    context.fillText(text, 4, 16 * this.times);
    this.texts.set(key, drawn);
    return drawn;
  }

  #recolour() {
    this.texts.clear();
    const style = getComputedStyle(this.canvas);
    const of = (name, usual) => style.getPropertyValue(`--${name}`).trim() || usual;
    this.colours = {
      ground: of("ground", "#fff"), ink: of("ink", "#111"), quiet: of("quiet", "#555"), mark: of("mark", "#2f6fb5"),
      picture: of("picture", "#9db4c8"), caption: of("caption", "#c2711a"),
      prompts: PROMPTS.map((usual, i) => of(`prompt-${i}`, usual)),
    };
    this.draw();
  }

  #resize() {
    const box = this.canvas.getBoundingClientRect();
    this.texts.clear();
    this.widths.clear();
    this.times = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // larger on a projector, as the page's text is
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    [this.width, this.height] = [Math.max(1, box.width), Math.max(1, box.height)];
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
    this.draw();
  }

  #listen() {
    const on = (target, name, act, more = {}) =>
      target.addEventListener(name, act, { signal: this.ending.signal, ...more });
    this.watch = new ResizeObserver(() => this.#resize());
    this.watch.observe(this.canvas);
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.#recolour());
    on(this.canvas, "wheel", (event) => this.#wheel(event), { passive: false });
    on(this.canvas, "keydown", (event) => this.#key(event));
    on(this.canvas, "pointerdown", (event) => this.#down(event));
    on(this.canvas, "pointermove", (event) => this.#move(event));
    on(this.canvas, "pointerleave", () => this.#hover(-1));
    for (const name of ["pointerup", "pointercancel"]) on(this.canvas, name, (event) => this.#up(event));
  }

  /** Zooms; who turns on where no farther is left scrolls the page. */
  #wheel(event) {
    if (event.deltaY > 0 && this.view.zoom <= 1) return;
    event.preventDefault();
    cancelAnimationFrame(this.gliding);
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    this.zoomBy(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0016)), event.offsetX, event.offsetY);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = 0.12 / this.view.zoom;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) this.goTo(this.view.x + moves[event.key][0], this.view.y + moves[event.key][1]);
    else if (event.key === "+" || event.key === "=") this.goTo(this.view.x, this.view.y, this.view.zoom * 1.5);
    else if (event.key === "-") this.goTo(this.view.x, this.view.y, this.view.zoom / 1.5);
    else if (event.key === "0") this.goTo(0.5, 0.5, 1);
    else if (event.key === "Enter") this.told.onPick?.(this.#middle());
    else return;
    event.preventDefault();
  }

  /** The point nearest to the middle of what is seen. */
  #middle() {
    let [best, nearest] = [-1, Infinity];
    this.grid.near(this.view.x, this.view.y, 0.5 / this.view.zoom, (i, distance) => {
      if (distance < nearest) [best, nearest] = [i, distance];
    });
    return best;
  }

  #down(event) {
    cancelAnimationFrame(this.gliding);
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.moved = this.pointers.size > 1 ? Infinity : 0;
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.#hover(this.at(event.offsetX, event.offsetY));
    const now = [event.offsetX, event.offsetY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const length = (a) => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
      this.zoomBy(length(now) / length(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    const share = other ? 2 : 1; // of two fingers each moves the map half
    const [dx, dy] = [(now[0] - before[0]) / share, (now[1] - before[1]) / share];
    this.moved += Math.hypot(dx, dy);
    this.pointers.set(event.pointerId, now);
    return this.look({ ...this.view, x: this.view.x - dx / this.side, y: this.view.y + dy / this.side });
  }

  #up(event) {
    this.pointers.delete(event.pointerId);
    if (event.type === "pointerup" && this.moved < 5) this.told.onPick?.(this.at(event.offsetX, event.offsetY));
  }

  #hover(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.canvas.style.cursor = index >= 0 ? "pointer" : "grab";
    this.told.onPoint?.(index);
    this.draw();
  }
}

/** All numbers below `count`, in an order that takes the first ones from everywhere: captions stand by the alphabet. */
const spread = (count) =>
  Array.from({ length: count }, (_, i) => i).sort((a, b) => ((a * 0.618034) % 1) - ((b * 0.618034) % 1));

const bounded = (value, low, high) => Math.min(high, Math.max(low, value));

/** A colour as one 32-bit number, as pixels hold it: alpha, blue, green, red. */
function number(context, colour) {
  context.fillStyle = colour; // read back as #rrggbb
  const [red, green, blue] = [1, 3, 5].map((i) => parseInt(context.fillStyle.slice(i, i + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
