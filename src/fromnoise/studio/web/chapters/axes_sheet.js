/** A picture as the machine gets it: a sheet of numbers, with a window that can be moved over the picture. */

import { button, el } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.axes;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function makeSheet() {
  const canvas = el("canvas", { class: "pixelated", "aria-hidden": "true", width: 64, height: 64 });
  const glass = el("div", { class: "glass" });
  const hint = el("p", { class: "hint", id: "sheet-hint", text: say.sheetHint });
  const place = el("div", {
    class: "under", tabindex: 0, role: "application", "aria-label": say.window, "aria-describedby": hint.id,
  }, canvas, glass);
  const grid = el("div", { class: "numbers", "aria-hidden": "true" });
  const spoken = el("p", { class: "where", role: "status" });
  const chips = el("div", { class: "row chips", role: "group", "aria-label": say.whichPicture });
  const count = el("p", { class: "what" });
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.sheet }), count, chips,
    el("div", { class: "numbered" }, el("div", { class: "frame" }, place), grid), spoken, hint);
  let [pixels, window, left, top] = [null, 8, 0, 0];

  function take(news) {
    window = news.window;
    grid.replaceChildren(...Array.from({ length: window * window }, () => el("span")));
    chips.replaceChildren(...news.pictures.map((each) =>
      button(each.kind, () => choose(news, each), { class: "chip", "data-kind": each.kind })));
    node.hidden = false;
    return choose(news, news.pictures[0]);
  }

  async function choose(news, { kind, picture, corner }) {
    for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.kind === kind));
    const image = el("img", { src: picture });
    await image.decode();
    Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
    count.textContent = say.sheetAbout(pixels.width, kind);
    move(corner[1], corner[0]);
  }

  function move(x, y) {
    if (!pixels) return;
    left = Math.max(0, Math.min(pixels.width - window, x));
    top = Math.max(0, Math.min(pixels.height - window, y));
    const part = (pixel) => `${(100 * pixel) / pixels.width}%`;
    Object.assign(glass.style, { left: part(left), top: part(top), width: part(window), height: part(window) });
    [...grid.children].forEach((cell, i) => fill(cell, rgb(left + (i % window), top + Math.floor(i / window))));
    spoken.textContent = say.corner(left, top, rgb(left, top));
  }

  const rgb = (x, y) => [...pixels.data.subarray(4 * (y * pixels.width + x), 4 * (y * pixels.width + x) + 3)];

  function follow(event) {
    const box = canvas.getBoundingClientRect();
    const at = (value, start, size) => Math.round(((value - start) / size) * (pixels?.width ?? 64) - window / 2);
    move(at(event.clientX, box.left, box.width), at(event.clientY, box.top, box.height));
  }

  place.addEventListener("pointerdown", (event) => {
    place.setPointerCapture(event.pointerId);
    follow(event);
  });
  place.addEventListener("pointermove", (event) => event.buttons && follow(event));
  place.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    move(left + step[0], top + step[1]);
  });

  function clear() {
    node.hidden = true;
    pixels = null;
  }

  return { node, take, clear };
}

/** One pixel as its three numbers, on its own colour. */
function fill(cell, [red, green, blue]) {
  cell.textContent = `${red}\n${green}\n${blue}`;
  cell.style.background = `rgb(${red} ${green} ${blue})`;
  cell.style.color = 0.299 * red + 0.587 * green + 0.114 * blue > 120 ? "black" : "white";
}
