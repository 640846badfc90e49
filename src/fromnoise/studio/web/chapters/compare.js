/** Two pictures side by side, compared pixel by pixel. */

import { el } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.luck;
const SEEN = 16; // of 255: a difference that is clearly seen

/** What shows both, with a name for each (`tiles`), tells how many pixels differ (`verdict`), and which share does so clearly. */
export async function compare(one, other, { first, second } = say) {
  const [a, b] = await Promise.all([pixelsOf(one), pixelsOf(other)]);
  const canvas = el("canvas", {
    width: a.width, height: a.height, class: "pixelated", role: "img", "aria-label": say.difference,
  });
  const pen = canvas.getContext("2d");
  const shown = pen.createImageData(a.width, a.height);
  let [bad, clear] = [0, 0];
  for (let i = 0; i < a.data.length; i += 4) {
    const apart = [0, 1, 2].map((c) => Math.abs(a.data[i + c] - b.data[i + c]));
    bad += apart.some(Boolean);
    clear += apart.some((one) => one > SEEN);
    shown.data.set([...apart, 255], i);
  }
  pen.putImageData(shown, 0, 0);
  const count = a.width * a.height;
  const figure = (content, text) =>
    el("figure", {}, el("div", { class: "frame" }, content), el("figcaption", { class: "hint", text }));
  const tiles = el("div", { class: "tiles" },
    figure(el("img", { src: one, alt: first }), first),
    figure(el("img", { src: other, alt: second }), second),
    figure(canvas, say.difference));
  const verdict = el("p", { class: "verdict", text: bad ? say.different(bad, count) : say.identical(count) });
  return { tiles, verdict, share: clear / count };
}

async function pixelsOf(url) {
  const image = el("img", { src: url });
  await image.decode();
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}
