/** The part of the form that starts from a picture: restyle all of it, or change what is painted over. */

import { api } from "../api.js";
import { announce, button, el, field, problemLine, toggle } from "../dom.js";
import { formOf } from "../settings.js";
import { fillForm, setForm, state } from "../store.js";
import { words } from "../words.js";
import { openMask } from "./mask.js";

const say = words.start;
let mask = null; // the brush of the picture that is shown; its pixels belong to no store
let told = ""; // what went wrong with the last file, until the next one

/** Show it in `root`; the function stops it. */
export function openStart(root) {
  root.classList.toggle("chosen", Boolean(state.form.start));
  root.replaceChildren(el("legend", { text: say.title }), ...(state.form.start ? chosen() : none()));
  return () => {
    mask = null;
  };
}

function none() {
  const input = el("input", {
    type: "file", class: "unseen", id: "start-file", accept: "image/png,image/jpeg,image/webp,image/gif",
    onchange: () => input.files[0] && takeFile(input.files[0]),
  });
  const problem = problemLine();
  problem.textContent = told;
  return [
    el("p", { class: "hint" }, `${say.hint} `, input, el("label", { for: input.id, class: "link", text: say.choose })),
    problem,
  ];
}

function chosen() {
  const { start, mode } = state.form;
  const change = (patch) => fillForm(patch);
  const modes = ["restyle", "inpaint"].map((name) =>
    toggle(say[name], mode === name, () => change({ mode: name, strength: state.facts.strengths[name] })));
  return [
    start.origin ? oursNote(start) : null,
    el("div", { class: "chips", role: "group", "aria-label": say.mode }, modes),
    mode === "inpaint" ? maskOf(start) : el("img", { class: "preview", src: startUrl(start), alt: say.preview }),
    strengthSlider(),
    button(say.remove, () => change({ start: null }), { class: "chip" }),
  ].filter(Boolean);
}

const startUrl = (start) => `/api/uploads/${start.id}`;

function maskOf(start) {
  const holder = el("div", { class: "mask" });
  mask = openMask(holder, startUrl(start), start.mask && startUrl({ id: start.mask }));
  return holder;
}

function strengthSlider() {
  const shown = el("output", { text: say.strengthValue(state.form.strength) });
  const slider = el("input", {
    type: "range", min: 0.05, max: 1, step: 0.05, name: "strength", value: state.form.strength,
    "aria-valuetext": say.strengthValue(state.form.strength),
    oninput: () => {
      setForm({ strength: slider.valueAsNumber });
      shown.textContent = say.strengthValue(slider.valueAsNumber);
      slider.setAttribute("aria-valuetext", shown.textContent);
    },
  });
  const made = field(say.strength, slider);
  made.append(shown);
  return made;
}

function oursNote(start) {
  const other = start.sameModel ? null : el("p", { text: words.make.otherModel });
  return el("div", { class: "notice" },
    el("p", { text: say.ours }), other,
    button(say.useSettings, () => {
      fillForm({ ...formOf(start.origin.request, { origin: start.origin }), start: null });
      announce(words.make.filled);
    }, { class: "chip" }));
}

/** The painted mask as an upload's id; one that came with the picture and was not touched is used as it is. */
export async function uploadMask() {
  const kept = state.form.start?.mask;
  if (kept && !mask?.isTouched()) return kept;
  if (!mask || mask.isEmpty()) throw new Error(say.nothingPainted);
  return (await api.upload(await mask.png(), true)).id;
}

/** Take a file that was dropped, pasted or chosen as the picture to start from. */
export async function takeFile(file) {
  if (!file.type.startsWith("image/")) return tell(say.notPicture(file.name));
  announce(say.reading);
  try {
    const ours = await hasSettings(file);
    const asked = ours ? api.settingsOf(file).catch(() => null) : null; // a picture without them is one to start from
    const [upload, settings] = await Promise.all([api.upload(file), asked]);
    told = "";
    const start = { id: upload.id, origin: settings?.origin, sameModel: settings?.same_model };
    fillForm({ start, mode: "restyle", strength: state.facts.strengths.restyle });
  } catch (error) {
    tell(error.message);
  }
  return undefined;
}

function tell(message) {
  told = message;
  fillForm({ start: null });
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47];

/** Whether a PNG has a text named "fromnoise"; only then the server is asked to read it. */
async function hasSettings(file) {
  const bytes = new DataView(await file.slice(0, 1 << 20).arrayBuffer());
  if (bytes.byteLength < 8 || SIGNATURE.some((byte, i) => bytes.getUint8(i) !== byte)) return false;
  const letters = (from, count) => String.fromCharCode(...new Uint8Array(bytes.buffer, from, count));
  for (let at = 8; at + 18 < bytes.byteLength; at += 12 + bytes.getUint32(at)) {
    if (letters(at + 4, 4) === "iTXt" && letters(at + 8, 10) === "fromnoise\0") return true;
  }
  return false;
}
