/** What a block hands on, as the server sends it: bytes to paint, strength warm and channels grey. */

const STOPS = [[0, 0, 0], [120, 0, 90], [235, 60, 30], [255, 190, 40], [255, 255, 255]]; // as inspection/panels.py has it

/** The bytes of one block: number 0 is its strength, the others are its channels in their order. */
export function unpackedMaps({ height, width, data, channels, gives }) {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const size = height * width;
  return { height, width, channels, gives, at: (number) => bytes.subarray(number * size, (number + 1) * size) };
}

/** Paint one of a block's maps; `number` as in `unpackedMaps`. */
export function paintMap(canvas, maps, number) {
  Object.assign(canvas, { width: maps.width, height: maps.height });
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(maps.width, maps.height);
  maps.at(number).forEach((value, i) => pixels.data.set([...(number ? [value, value, value] : warm(value)), 255], 4 * i));
  pen.putImageData(pixels, 0, 0);
}

function warm(value) {
  const place = (value / 255) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((from, i) => from + (place - low) * (STOPS[low + 1][i] - from));
}
