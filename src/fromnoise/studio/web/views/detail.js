/**
 * One picture, large, with all that is known of it and all that can be done with it.
 *
 * The address names it ("#gallery/ID"), so Back closes it, Forward and a reload show it again, and it can be linked.
 */

import { api, pictureUrl } from "../api.js";
import { announce, button, check, el, markCut, problemLine, toggle } from "../dom.js";
import { begin } from "../jobs.js";
import { formOf, styleOf } from "../settings.js";
import { fillForm, set, state } from "../store.js";
import { toast } from "../toast.js";
import { words } from "../words.js";
import { copiesOf } from "../copies.js";
import { variationsBody, whyNoWay } from "./ways.js";

const say = words.detail;
const UNDO_SECONDS = 10;

let open = null; // what is shown: its dialog, its room, the picture's id

/** Look at a picture of a room; what opened it is where Back leads. */
export function lookAt(room, picture) {
  history.pushState({ opened: true }, "", addressOf(room, picture.id));
  show(room, picture);
}

/** Show the picture that the address names, or none. */
export async function showPicture(room, id) {
  if (open && (open.id !== id || open.room !== room)) {
    open.dialog.close();
    open = null;
  }
  if (!id || open) return;
  try {
    const picture = await api.picture(id);
    if (location.hash === addressOf(room, id) && !open) show(room, picture);
  } catch (error) {
    if (location.hash === addressOf(room, id)) history.replaceState(null, "", addressOf(room));
    toast(error.message);
  }
}

const addressOf = (room, id = "") => (id ? `#${room}/${id}` : `#${room}`);

function show(room, picture) {
  const dialog = el("dialog", { class: "detail" });
  const now = { dialog, room, id: picture.id };
  const turnTo = (shown) => {
    const inside = dialog.contains(document.activeElement);
    dialog.setAttribute("aria-label", shown.prompt || words.picture);
    dialog.replaceChildren(...contents(shown, now, turnTo));
    if (inside) dialog.querySelector(".close").focus();
    if (now.id === shown.id) return;
    now.id = shown.id;
    history.replaceState(history.state, "", addressOf(room, shown.id));
  };
  turnTo(picture);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (open === now) open = null;
    if (location.hash === addressOf(room, now.id)) leaveAddress(room);
    if (document.activeElement === document.body) document.getElementById("room").focus(); // what opened it is gone
  });
  document.body.append(dialog);
  dialog.showModal();
  open = now;
}

/** The dialog was closed by other means than the address: it must not stay in it. */
function leaveAddress(room) {
  if (history.state?.opened) history.back();
  else history.replaceState(null, "", addressOf(room));
}

function contents(picture, { dialog, room }, turnTo) {
  const around = room === "gallery" ? state.gallery.pictures : [];
  const problem = problemLine();
  const prompt = picture.prompt || words.wall.wordless;
  const image = el("img", { src: pictureUrl(picture), alt: prompt, width: picture.width, height: picture.height });
  image.classList.toggle("pixelated", state.pixelated);
  markCut(image, picture);
  const pixels = check(say.pixelated, state.pixelated, (pixelated) => {
    set({ pixelated });
    image.classList.toggle("pixelated", pixelated);
  });
  const act = (what) => async () => {
    try {
      problem.textContent = "";
      await what();
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  return [
    el("div", { class: "detail-top" }, ...steps(picture, around, turnTo),
      button(words.close, () => dialog.close(), { class: "chip close" })),
    el("div", { class: "large" }, el("div", { class: "frame" }, image), pixels),
    el("div", { class: "about" },
      el("h2", { text: prompt }),
      el("div", { class: "chips" }, ...actions(picture, dialog, room, act)),
      problem,
      picture.data ? null : copiesOf(picture.id),
      el("h3", { text: say.settings }),
      el("dl", {}, ...factsOf(picture))),
  ];
}

/** Buttons to the pictures before and after. */
function steps(picture, around, turnTo) {
  const at = around.findIndex(({ id }) => id === picture.id);
  if (at < 0 || around.length < 2) return [];
  const step = (label, sign, to) =>
    button(sign, () => turnTo(around[to]), { class: "chip", "aria-label": label, disabled: !around[to] });
  return [step(say.before, "←", at - 1), step(say.after, "→", at + 1)];
}

function actions(picture, dialog, room, act) {
  const { request } = picture.origin;
  const toMake = () => {
    dialog.close();
    if (room !== "make") location.hash = "#make";
  };
  const heart = toggle(say.favourite, picture.favourite, act(async () => {
    const now = await api.favourite(picture.id, heart.getAttribute("aria-pressed") !== "true");
    heart.setAttribute("aria-pressed", String(now.favourite));
  }), { class: "chip heart" });
  const why = whyNoWay(picture);
  return [
    heart,
    el("a", { class: "chip", href: `${pictureUrl(picture)}?download=true`, download: "", text: say.download }),
    button(say.again, () => {
      fillForm(formOf(request, picture));
      toMake();
      announce(words.make.filled);
    }, { class: "chip" }),
    button(say.variations, act(async () => {
      await begin(variationsBody(picture));
      toMake();
    }), { class: "chip", disabled: Boolean(why), title: why }),
    button(say.start, act(async () => {
      const { id } = await api.startFrom(picture.id);
      const [prompt, style] = [picture.prompt, styleOf(picture)];
      const strength = state.facts.strengths.restyle;
      fillForm({ prompt, style, start: { id }, mode: "restyle", strength, extra: {} });
      toMake();
    }), { class: "chip" }),
    button(say.delete, act(async () => {
      await api.remove(picture.id);
      dialog.close();
      offerUndo(picture);
    }), { class: "chip danger" }),
    why ? el("p", { class: "hint", text: why }) : null,
  ].filter(Boolean);
}

function offerUndo(picture) {
  toast(say.deleted, {
    label: words.undo,
    run: () => api.restore(picture.id).then(() => toast(say.restored), (error) => toast(error.message)),
  }, UNDO_SECONDS);
}

function factsOf(picture) {
  const { request, model, model_hash: hash, precision, fast, loras, choice } = picture.origin;
  const values = {
    prompt: request.prompt,
    negative: request.negative,
    style: request.style,
    seed: request.seed,
    towards: request.towards && say.towards(request.towards),
    steps: fast ? `${request.steps} (${say.fast})` : request.steps,
    guidance: request.guidance,
    rescale: request.rescale,
    sampler: [request.sampler, request.sigmas].filter(Boolean).join(" "),
    strength: request.strength,
    background: request.transparent && say.transparent,
    bestOf: choice && say.bestOf(choice),
    size: say.size(picture.width, picture.height),
    model: [`${model} (${hash})`, ...loras].join(", "),
    precision,
    created: new Date(picture.created * 1000).toLocaleString(),
  };
  return Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => el("div", {}, el("dt", { text: say.facts[name] }), el("dd", { text: String(value) })));
}
