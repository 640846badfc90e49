/** Chapter: a picture's shortened form, map by map; mute one, make one stronger, put noise on either side. */

import { api, look } from "../api.js";
import { blobOf, button, el, field, problemLine, staticUrl } from "../dom.js";
import { randomSeed } from "../store.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { howWeKnow } from "./know.js";
import { makePick } from "./pick.js";

const say = words.chapters.latents;
const FIRST = { prompt: say.example, seed: 6, start: null };
const STRONGEST = 4;

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked: given }) {
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), ...given };
  const trip = makeTrip();
  const reach = makeReach();
  const louder = makeLouder();
  const parts = [trip, reach, louder];
  const style = exampleStyle(facts);
  const pick = makePick(first.prompt, (asked) => begin({ ...asked, seed: randomSeed() }));
  let running = null;
  let command = "";

  async function begin(asked) {
    running?.stop();
    pick.problem.textContent = "";
    command = "";
    parts.forEach((part) => part.clear(asked.start));
    const now = look("latents", { style, ...asked }, (news) => {
      if (running !== now) return;
      parts.forEach((part) => part.take(news));
      if (news.type === "end") command = news.command;
    });
    running = now;
    await now.done.catch((error) => {
      if (running === now) pick.problem.textContent = error.message;
    });
  }

  root.append(el("div", { class: "film" }, pick.node, trip.node), reach.node, louder.node,
    howWeKnow(say, () => withOptions(command, reach.options() + louder.options())));
  begin(first); // a good example, before anything is pressed
  return () => {
    running?.stop();
    reach.clear(null);
  };
}

/** The command with what was pressed, before the file that it writes. */
function withOptions(command, options) {
  const at = command.lastIndexOf(" --out ");
  return at < 0 ? command : `${command.slice(0, at)}${options}${command.slice(at)}`;
}

const tile = (content, text) =>
  el("figure", {}, el("div", { class: "frame" }, content), el("figcaption", { class: "hint", text }));
const picture = (alt) => el("img", { src: staticUrl(), alt, width: 64, height: 64 });

/** The picture, what comes back, and where they differ. */
function makeTrip() {
  const images = { picture: picture(say.picture), back: picture(say.back), error: picture(say.error) };
  const status = el("p", { class: "where", role: "status" });
  const lost = el("p", { class: "what" });
  const node = el("div", { class: "stage" },
    el("div", { class: "trip" }, Object.entries(images).map(([name, image]) => tile(image, say[name]))),
    status, lost, el("p", { class: "hint", text: say.named }));

  function clear(brought) {
    for (const image of Object.values(images)) image.src = staticUrl();
    status.textContent = brought ? words.chapters.pick.looking : say.drawing;
    lost.textContent = "";
  }

  function take(news) {
    if (news.type === "step") {
      images.picture.src = news.picture;
      status.textContent = say.step(news.step + 1, news.total);
    }
    if (news.type === "picture") {
      images.picture.src = news.picture;
      status.textContent = say.reading;
    }
    if (news.type === "back") {
      images.back.src = news.picture;
      images.error.src = news.error;
      status.textContent = say.short(news);
      lost.textContent = say.lost(news);
    }
  }

  return { node, clear, take };
}

/** The maps as buttons that mute, a slider that makes one stronger, and the picture decoded again. */
function makeReach() {
  const result = picture(say.changed);
  const status = el("p", { class: "where", role: "status" });
  const most = el("p", { class: "what" });
  const problem = problemLine();
  const tiles = el("div", { class: "maps", role: "group", "aria-label": say.maps });
  const slider = el("input", { type: "range", min: 0, max: STRONGEST, step: 0.25, value: 1, oninput: () => setGain(last, slider.valueAsNumber) });
  const label = field(say.strength(0), slider);
  const sliderHint = el("p", { class: "hint live", text: say.sliderHint });
  label.classList.add("live");
  const reset = button(say.reset, () => {
    gains = gains.map(() => 1);
    showGains();
    send();
  }, { class: "chip" });
  const node = el("section", { class: "sheet", hidden: true },
    el("h2", { text: say.maps }), el("p", { text: say.mapsHint }),
    el("div", { class: "reach" }, el("div", { class: "stage" }, tile(result, say.changed), status, problem),
      el("div", { class: "stage" }, tiles, label, sliderHint, el("div", { class: "row" }, reset))), most);
  let [gains, last, before, channels, shown, start] = [[], 0, 0, [], "", null];
  let [sending, again] = [false, false];

  function clear(upload) {
    [gains, last, channels, start] = [[], 0, [], upload];
    again = false;
    node.hidden = true;
    tiles.replaceChildren();
    problem.textContent = "";
  }

  function take(news) {
    if (news.type === "picture") shown = news.picture;
    if (news.type === "back") before = news.db ?? 99;
    if (news.type === "back") result.src = news.picture;
    if (news.type === "channel") addMap(news);
    if (news.type === "noised" && node.hidden) begin();
  }

  function addMap(news) {
    const i = news.index;
    channels.push(news);
    gains.push(1);
    tiles.append(el("button", { type: "button", class: "map", "aria-pressed": "false", onclick: () => setGain(i, gains[i] === 0 ? 1 : 0) },
      el("img", { src: news.picture, alt: "" }), el("span")));
  }

  /** All maps are there: the one that counts most is muted, so that there is something to see. */
  function begin() {
    node.hidden = false;
    const best = channels.reduce((a, b) => ((b.lost ?? 0) > (a.lost ?? 0) ? b : a));
    most.textContent = say.most(best.index, best.lost ?? 0);
    setGain(best.index, 0);
  }

  function setGain(i, gain) {
    last = i;
    gains[i] = gain;
    showGains();
    send();
  }

  function showGains() {
    [...tiles.children].forEach((node, i) => {
      node.setAttribute("aria-pressed", String(gains[i] === 0));
      node.setAttribute("aria-label", say.map(i, gains[i]));
      node.classList.toggle("last", i === last);
      node.lastChild.textContent = say.gain(gains[i]) || String(i + 1);
    });
    slider.value = gains[last];
    slider.setAttribute("aria-valuetext", say.strengthValue(gains[last]));
    label.querySelector("label").textContent = say.strength(last);
  }

  /** One request at a time; while one is away, only the newest wish waits. */
  async function send() {
    if (sending) {
      again = true;
      return;
    }
    sending = true;
    try {
      do {
        again = false;
        const [mine, sent] = [channels, [...gains]];
        const id = start ?? (await api.upload(blobOf(shown))).id;
        const found = mine === channels ? await api.changed({ start: id, gains: sent }) : null;
        if (mine !== channels) continue; // another picture by now
        start = id;
        result.src = found.picture;
        const list = sent.map((gain, i) => (gain === 1 ? "" : say.map(i, gain))).filter(Boolean);
        status.textContent = say.result(list, found.db ?? 99, before);
        problem.textContent = "";
      } while (again);
    } catch (error) {
      start = null; // it may be gone; the next change sends the picture again
      problem.textContent = error.message;
    }
    sending = false;
  }

  const options = () => gains.map((gain, i) => (gain === 1 ? "" : gain === 0 ? ` --mute ${i}` : ` --scale ${i}=${gain}`)).join("");
  return { node, clear, take, options };
}

/** Noise on the picture and on the shortened form, at several amounts. */
function makeLouder() {
  const [pixels, latents] = [picture(say.onPixels), picture(say.onLatents)];
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => show() });
  const amount = el("p", { class: "where" });
  const compared = el("p", { class: "what" });
  const node = el("section", { class: "sheet", hidden: true }, el("h2", { text: say.noise }), el("p", { text: say.noiseHint }),
    el("div", { class: "louder" }, tile(pixels, say.onPixels), tile(latents, say.onLatents)),
    field(say.amount, slider), amount, compared);
  let [found, factor] = [[], 0];

  function clear() {
    found = [];
    node.hidden = true;
  }

  function take(news) {
    if (news.type === "back") factor = news.factor;
    if (news.type === "noised") found.push(news);
    if (news.type !== "end") return;
    slider.max = found.length - 1;
    slider.value = Math.floor(found.length / 2);
    node.hidden = false;
    show();
  }

  function show() {
    const at = found[slider.valueAsNumber];
    if (!at) return;
    pixels.src = at.pixels.picture;
    latents.src = at.latents.picture;
    amount.textContent = say.amountValue(at.amount);
    slider.setAttribute("aria-valuetext", say.amountValue(at.amount));
    compared.textContent = say.compared(at, factor);
  }

  const options = () => (found.length ? ` --noise ${found[slider.valueAsNumber].amount}` : "");
  return { node, clear, take, options };
}
