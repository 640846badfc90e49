/** A brush to paint what may change. Areas do the same without a pointer. */

import { button, el, field, toggle } from "../dom.js";
import { words } from "../words.js";

const say = words.start;
const AREAS = {
  whole: [0, 0, 1, 1],
  upper: [0, 0, 1, 0.5],
  lower: [0, 0.5, 1, 0.5],
  left: [0, 0, 0.5, 1],
  right: [0.5, 0, 0.5, 1],
  centre: [0.25, 0.25, 0.5, 0.5],
};
const LEAST_SIDE = 256; // a small picture gets a finer mask, which the eye expects of a round brush

/**
 * @param {HTMLElement} root
 * @param {string} url of the picture
 * @param {string} [keptUrl] of a mask to begin with, white where the picture may change
 * @returns {{isEmpty: () => boolean, isTouched: () => boolean, png: () => Promise<Blob>}}
 */
export function openMask(root, url, keptUrl) {
  const picture = el("img", { src: url, alt: say.preview });
  const canvas = el("canvas", { class: "paint", role: "img", "aria-label": say.canvas });
  const size = el("input", { type: "range", min: 2, max: 50, value: 16 });
  const status = el("p", { class: "hint", role: "status", text: say.painted(0) });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let touched = false;
  const show = () => (status.textContent = say.painted(Math.round(100 * share(pen, canvas))));
  const tell = () => {
    touched = true;
    show();
  };
  const rubber = toggle(say.erase, false, () => {
    rubber.setAttribute("aria-pressed", String(rubber.getAttribute("aria-pressed") !== "true"));
  });
  const clear = () => pen.clearRect(0, 0, canvas.width, canvas.height);
  picture.addEventListener("load", async () => {
    fit(canvas, picture);
    if (keptUrl) await paintKept(pen, canvas, keptUrl).then(show);
  });
  listenToBrush(canvas, pen, () => ({
    width: (size.valueAsNumber / 100) * Math.max(canvas.width, canvas.height),
    rubber: rubber.getAttribute("aria-pressed") === "true",
  }), tell);
  root.append(
    el("p", { class: "hint", text: say.canvas }),
    el("div", { class: "easel-picture" }, picture, canvas),
    status,
    field(say.brush, size),
    el("div", { class: "chips" }, rubber, button(say.clear, () => {
      clear();
      tell();
    }, { class: "chip" })),
    el("div", { class: "chips", role: "group", "aria-label": say.areas },
      Object.entries(AREAS).map(([name, area]) => button(say.area[name], () => {
        clear();
        fillArea(pen, canvas, area);
        tell();
      }, { class: "chip" }))));
  return { isEmpty: () => share(pen, canvas) === 0, isTouched: () => touched, png: () => pngOf(canvas) };
}

/** The mask has the picture's shape, as the server wants it. */
function fit(canvas, picture) {
  const times = Math.max(1, Math.ceil(LEAST_SIDE / Math.max(picture.naturalWidth, picture.naturalHeight)));
  canvas.width = picture.naturalWidth * times;
  canvas.height = picture.naturalHeight * times;
}

function listenToBrush(canvas, pen, brush, tell) {
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return [x * canvas.width, y * canvas.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(pen, last, last, brush());
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const now = at(event);
    stroke(pen, last, now, brush());
    last = now;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      last = null;
      tell();
    });
  }
}

function stroke(pen, from, to, { width, rubber }) {
  pen.globalCompositeOperation = rubber ? "destination-out" : "source-over";
  Object.assign(pen, { lineWidth: width, lineCap: "round", strokeStyle: "#e0452a" });
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

function fillArea(pen, canvas, [x, y, width, height]) {
  pen.globalCompositeOperation = "source-over";
  pen.fillStyle = "#e0452a";
  pen.fillRect(x * canvas.width, y * canvas.height, width * canvas.width, height * canvas.height);
}

/** Show a mask that was made before. */
async function paintKept(pen, canvas, url) {
  const kept = el("img", { src: url, alt: "" });
  await kept.decode();
  pen.drawImage(kept, 0, 0, canvas.width, canvas.height);
  const shown = pen.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < shown.data.length; i += 4) shown.data.set([0xe0, 0x45, 0x2a, shown.data[i]], i);
  pen.putImageData(shown, 0, 0);
}

/** Which part of the mask is painted, 0…1. */
function share(pen, canvas) {
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let painted = 0;
  for (let i = 3; i < data.length; i += 4) painted += data[i] >= 128;
  return painted / (data.length / 4);
}

/** White where the picture may change, black elsewhere. */
function pngOf(canvas) {
  const made = el("canvas", { width: canvas.width, height: canvas.height });
  const pen = made.getContext("2d");
  pen.drawImage(canvas, 0, 0);
  pen.globalCompositeOperation = "source-in";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, made.width, made.height);
  pen.globalCompositeOperation = "destination-over";
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, made.width, made.height);
  return new Promise((resolve) => made.toBlob(resolve, "image/png"));
}
