/** Mixes a picture with noise at any level, as the schedule says; see inspection/noise_live.py. */

import { el } from "../dom.js";

const ONE = 4096;

/**
 * @param {HTMLImageElement} image the picture
 * @param {{alphas: number[], sigmas: number[], grain: string}} noise as the server sends it
 */
export async function drowner(image, { alphas, sigmas, grain }) {
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const first = el("canvas", { width, height });
  const pen = first.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  const clean = pen.getImageData(0, 0, width, height).data;
  const bytes = Uint8Array.from(atob(grain), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = width * height;
  const noise = Float32Array.from({ length: 3 * size }, (_, i) => (127.5 * view.getInt16(2 * i, true)) / ONE);
  const shown = new ImageData(width, height);

  const parts = (t) => (t < 0 ? [1, 0] : [alphas[t], sigmas[t]]);

  /** Paint the picture at level t, from -1, no noise, on a canvas of its size. */
  function at(t, canvas) {
    const [alpha, sigma] = parts(t);
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) {
        shown.data[4 * i + c] = 127.5 + alpha * (clean[4 * i + c] - 127.5) + sigma * noise[c * size + i]; // rounded and cut off by the array
      }
      shown.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(shown, 0, 0);
  }

  return { width, height, at, parts };
}
