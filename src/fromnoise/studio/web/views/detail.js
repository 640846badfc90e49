/** One picture, large, with all that is known of it and all that can be done with it. */

import { api, pictureUrl } from "../api.js";
import { announce, button, check, el, problemLine, toggle } from "../dom.js";
import { begin } from "../jobs.js";
import { formOf } from "../settings.js";
import { fillForm, set, state } from "../store.js";
import { toast } from "../toast.js";
import { words } from "../words.js";
import { variationsBody, whyNoWay } from "./ways.js";

const say = words.detail;
const UNDO_SECONDS = 10;

/**
 * @param {object} picture
 * @param {object[]} [around] the pictures to go through with the arrow keys
 */
export function openDetail(picture, around = []) {
  const dialog = el("dialog", { class: "detail", "aria-label": picture.prompt || words.picture });
  const show = (shown) => {
    const inside = dialog.contains(document.activeElement);
    dialog.setAttribute("aria-label", shown.prompt || words.picture);
    dialog.replaceChildren(...contents(shown, around, dialog, show));
    if (inside) dialog.querySelector(".close").focus();
  };
  show(picture);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (document.activeElement === document.body) document.getElementById("room").focus(); // what opened it is gone
  });
  document.body.append(dialog);
  dialog.showModal();
}

function contents(picture, around, dialog, show) {
  const problem = problemLine();
  const prompt = picture.prompt || words.wall.wordless;
  const image = el("img", { src: pictureUrl(picture), alt: prompt, width: picture.width, height: picture.height });
  image.classList.toggle("pixelated", state.pixelated);
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
    el("div", { class: "detail-top" }, ...steps(picture, around, show),
      button(words.close, () => dialog.close(), { class: "chip close" })),
    el("div", { class: "large" }, el("div", { class: "frame" }, image), pixels),
    el("div", { class: "about" },
      el("h2", { text: prompt }),
      el("div", { class: "chips" }, ...actions(picture, dialog, act)),
      problem,
      el("h3", { text: say.settings }),
      el("dl", {}, ...factsOf(picture))),
  ];
}

/** Buttons to the pictures before and after. */
function steps(picture, around, show) {
  const at = around.findIndex(({ id }) => id === picture.id);
  if (at < 0 || around.length < 2) return [];
  const step = (label, sign, to) =>
    button(sign, () => show(around[to]), { class: "chip", "aria-label": label, disabled: !around[to] });
  return [step(say.before, "←", at - 1), step(say.after, "→", at + 1)];
}

function actions(picture, dialog, act) {
  const { request } = picture.origin;
  const toMake = () => {
    dialog.close();
    location.hash = "#make";
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
      const { prompt, style } = picture;
      fillForm({ prompt, style, start: { id }, mode: "restyle", strength: 0.75, extra: {} });
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
  const { request, model, model_hash: hash, precision, fast, loras } = picture.origin;
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
    size: say.size(picture.width, picture.height),
    model: [`${model} (${hash})`, ...loras].join(", "),
    precision,
    created: new Date(picture.created * 1000).toLocaleString(),
  };
  return Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => el("div", {}, el("dt", { text: say.facts[name] }), el("dd", { text: String(value) })));
}
