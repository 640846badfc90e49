/** The U-Net at work: the steps of a drawing, the slider over them, and whatever is painted from them. */

import { el, field, staticUrl } from "../dom.js";
import { words } from "../words.js";
import { paintMap, unpackedMaps } from "./machine_maps.js";

const say = words.chapters.machine;
const NOISY = "noisy"; // what goes in, among the maps of a step

/** What is known of the drawing that is watched; boxes and the panel hang their canvases in here. */
export function makeWatch(levels) {
  const noisy = el("canvas", { width: 1, height: 1, role: "img", "aria-label": say.goesIn });
  const guess = el("img", { src: staticUrl(), alt: say.comesOut, width: 64, height: 64 });
  const slider = el("input", {
    type: "range", min: 0, max: 0, value: 0, disabled: true, class: "inside-slider", oninput: () => show(),
  });
  const status = el("p", { class: "where", role: "status" });
  const boxes = new Map(); // by path: what its box shows of it
  let [frames, known, times, sight, waiting] = [[], null, null, null, 0];

  /** The canvas and the line about time of a box; the box itself is lit. */
  function register(path, box) {
    const canvas = el("canvas", { class: "seen", width: 1, height: 1, "aria-hidden": "true", hidden: true });
    const time = el("span", { class: "time" });
    boxes.set(path, { box, canvas, time });
    return [canvas, time];
  }

  function clear() {
    cancelAnimationFrame(waiting);
    [frames, known, times] = [[], null, null];
    slider.disabled = true;
    guess.src = staticUrl();
    status.textContent = say.drawing;
  }

  function take(news) {
    if (news.type === "blocks") known = news;
    if (news.type === "times") light(news);
    if (news.type === "step") {
      frames.push({ ...news, unpacked: {} });
      slider.max = known.total - 1;
      slider.value = news.step;
      show();
    }
    if (news.type === "end") {
      slider.max = frames.length - 1;
      slider.disabled = false;
      show();
    }
  }

  function light(news) {
    times = news;
    const most = Math.max(...known.blocks.map(({ name }) => news.shares[name]));
    for (const { name, path } of known.blocks) {
      const place = boxes.get(path);
      if (!place) continue;
      place.box.style.setProperty("--lit", news.shares[name] / most);
      place.time.textContent = say.time(news.shares[name]);
    }
    sight?.tell();
  }

  const frame = () => frames[slider.valueAsNumber] ?? null;

  /** The maps of a block at the step that is looked at, or null. */
  function mapsOf(name) {
    const now = frame();
    if (!now?.maps[name]) return null;
    return (now.unpacked[name] ??= unpackedMaps(now.maps[name]));
  }

  /** At most once for each picture of the screen, however fast the slider is dragged. */
  function show() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(paint);
  }

  function paint() {
    const now = frame();
    if (!now) return;
    guess.src = now.picture;
    status.textContent = say.at(now.step + 1, known.total, now.t, levels);
    slider.setAttribute("aria-valuetext", status.textContent);
    paintMap(noisy, mapsOf(NOISY), 1);
    for (const { name, path } of known.blocks) {
      const place = boxes.get(path);
      if (!place) continue;
      place.canvas.hidden = false; // some boxes are not watched
      paintMap(place.canvas, mapsOf(name), 0);
    }
    sight?.paint();
  }

  /** What the panel shows of a block: null for one that is not watched. It is painted from then on. */
  function sightOf(path) {
    const block = known?.blocks.find((each) => each.path === path);
    sight = block ? makeSight(block, () => mapsOf(block.name), () => ({ step: frame()?.step, times, skips: known.skips })) : null;
    sight?.paint();
    sight?.tell();
    return sight?.node ?? null;
  }

  const node = el("div", { class: "through" },
    el("figure", {}, noisy, el("figcaption", { class: "hint", text: say.in })),
    el("div", { class: "steps-of" }, status, field(say.step, slider)),
    el("figure", {}, guess, el("figcaption", { class: "hint", text: say.out })));
  return { node, register, clear, take, sightOf, status, command: () => known?.command ?? "" };
}

/** One block at one step: how much there is where, its strongest channels, and its share of the whole. */
function makeSight(block, maps, now) {
  const title = el("h3");
  const strength = el("canvas", { role: "img", "aria-label": say.strength });
  const channels = el("div", { class: "channels" });
  const size = el("p");
  const shares = el("p", { class: "weights" });
  const across = el("p");

  function paint() {
    const found = maps();
    if (!found) return;
    title.textContent = say.saw(now().step + 1);
    size.textContent = say.maps(found.gives, found.channels.length, [found.height, found.width]);
    paintMap(strength, found, 0);
    while (channels.children.length < found.channels.length) {
      channels.append(el("figure", {}, el("canvas", { "aria-hidden": "true" }), el("figcaption", { class: "hint" })));
    }
    found.channels.forEach((channel, i) => {
      const [canvas, caption] = channels.children[i].children;
      paintMap(canvas, found, i + 1);
      caption.textContent = say.channel(channel);
    });
  }

  function tell() {
    const { times, skips } = now();
    shares.textContent = say.shares(times ? times.shares[block.name] : null, block.weight_share);
    const leaves = skips.filter(([from]) => from === block.path).map(([, to]) => to);
    const gets = skips.filter(([, to]) => to === block.path).map(([from]) => from);
    across.textContent = [leaves.length ? say.leaves(leaves[0]) : "", gets.length ? say.gets(gets[0]) : ""].join("");
    across.hidden = !across.textContent;
  }

  const node = el("section", { class: "sight", "aria-live": "off" },
    title, el("div", { class: "sights" }, strength, channels), shares, across, size);
  return { node, paint, tell };
}
