/** A map of numbers laid over a picture, from dark blue to yellow; the server's overlay has the same colours. */

import { el } from "../dom.js";

const COLD = [38, 34, 74];
const WARM = [255, 190, 60];

/** Maps as the server sends them: `at(word)` is the map of one word, numbers row by row. */
export function unpacked({ height, width, most, data }) {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = height * width;
  const at = (word) => Float32Array.from({ length: size }, (_, i) => (view.getUint16(2 * (word * size + i), true) / 65535) * most);
  return { height, width, at };
}

/** The map stretched so that its lowest number is 0 and its highest 1; a flat one is 0 everywhere. */
export function ownRange(map) {
  const low = Math.min(...map);
  const high = Math.max(...map);
  return map.map((value) => (high > low ? (value - low) / (high - low) : 0));
}

/** A picture with room for a map on it. */
export function makeHeat(label) {
  const image = el("img", { alt: label, width: 64, height: 64 });
  const canvas = el("canvas", { class: "heat", "aria-hidden": "true", hidden: true });
  const place = el("div", { class: "heated" }, image, canvas);
  const node = el("div", { class: "frame large" }, place);

  /** Show a map, or with null the picture alone. */
  function warm(maps, word) {
    canvas.hidden = maps === null;
    if (maps === null) return;
    Object.assign(canvas, { width: maps.width, height: maps.height });
    const pen = canvas.getContext("2d");
    const shown = pen.createImageData(maps.width, maps.height);
    ownRange(maps.at(word)).forEach((heat, i) => {
      shown.data.set([...COLD.map((cold, c) => cold + heat * (WARM[c] - cold)), 225], 4 * i);
    });
    pen.putImageData(shown, 0, 0);
  }

  return { node, place, image, warm };
}

/** Where in a map a pointer is: the number of the cell. */
export function cellAt(event, node, { width, height }) {
  const box = node.getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * width);
  const row = Math.floor(((event.clientY - box.top) / box.height) * height);
  if (column < 0 || row < 0 || column >= width || row >= height) return null;
  return row * width + column;
}
