/** The form that asks for pictures. */

import { api } from "../api.js";
import { button, el, field, problemLine, staticUrl, toggle } from "../dom.js";
import { begin } from "../jobs.js";
import { ANY_STYLE } from "../settings.js";
import { MOST_SEED, randomSeed, setForm, state, subscribe } from "../store.js";
import { showWarnings, warningsLine } from "../warnings.js";
import { words } from "../words.js";
import { openStart, uploadMask } from "./start.js";
import { stylePicture } from "./styles.js";

const say = words.make;
const TYPING = 400; // milliseconds without a key before the words are checked

/** Show the form in `root`; the function stops it. */
export function openForm(root) {
  let endStart = () => {};
  const draw = () => {
    endStart();
    const inside = root.contains(document.activeElement);
    const { form, start } = build();
    root.replaceChildren(form);
    endStart = openStart(start);
    if (inside) form.elements.prompt.focus();
  };
  draw();
  const end = subscribe(["formVersion"], draw);
  return () => {
    end();
    endStart();
  };
}

function build() {
  const problem = problemLine();
  const start = el("fieldset", { class: "start", id: "start" });
  const warnings = warningsLine();
  const check = checker(warnings);
  const more = moreSettings(check);
  const submit = el("button", { type: "submit", class: "main", text: say.draw });
  const form = el("form", { onsubmit: (event) => send(event, submit, problem) }, ...[
    promptField(warnings, check),
    styleChips(),
    el("div", { class: "row ends" }, countField(), seedField()),
    el("div", { class: "row besides" }, fastSwitch(check), more),
    ...inOrder(start, [extraNote(), el("div", { class: "send" }, problem, submit)]),
  ].filter(Boolean));
  form.addEventListener("invalid", () => (more.open = true), true); // a closed field cannot be shown as wrong
  applyFast(form);
  return { form, start };
}

function promptField(warnings, check) {
  const area = el("textarea", {
    name: "prompt", rows: 2, maxlength: 4000, value: state.form.prompt, placeholder: say.promptExample,
    oninput: () => {
      setForm({ prompt: area.value });
      check();
    },
    onkeydown: (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      area.form.requestSubmit();
    },
  });
  const made = field(say.prompt, area, say.promptHint);
  made.append(warnings, ...examples((prompt) => {
    area.value = prompt;
    setForm({ prompt });
    check();
  }));
  check();
  return made;
}

/** Prompts that the model draws well, to begin with. */
function examples(take) {
  const known = state.facts.examples;
  if (!known.length) return [];
  return [el("div", { class: "examples", role: "group", "aria-label": say.examples },
    el("span", { class: "hint", text: say.examples }),
    known.map((prompt) => button(prompt, () => take(prompt), { class: "example" })))];
}

/** Says, before anything is drawn, which words the model does not know and what it would refuse. */
function checker(warnings) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const asked = wordsOf(state.form);
      const blank = !asked.prompt.trim() && !asked.negative.trim();
      const found = blank ? { warnings: [] } : await api.check(asked).catch(() => ({ warnings: [] }));
      const now = wordsOf(state.form);
      if (asked.prompt === now.prompt && asked.negative === now.negative) showWarnings(warnings, found.warnings);
    }, TYPING);
  };
}

/** What is drawn has no negative words where it is drawn fast. */
const wordsOf = ({ prompt, negative, fast }) => ({ prompt, negative: fast ? "" : negative });

function styleChips() {
  const { styles, default_style: own } = state.facts.model;
  if (!styles.length) return null;
  const chips = new Map(); // what the form asks for → its chip
  const add = (value, label, shown) => {
    const chip = toggle("", state.form.style === value, () => {
      setForm({ style: state.form.style === value ? null : value });
      for (const [each, other] of chips) other.setAttribute("aria-pressed", String(each === state.form.style));
    }, { class: "style" });
    chip.append(styleImage(shown), el("span", { text: label }));
    chips.set(value, chip);
  };
  if (own) add(null, say.ownStyle(own), own);
  for (const style of styles) add(style, style, style);
  if (own) add(ANY_STYLE, ANY_STYLE, null);
  return el("div", { class: "field", role: "group", "aria-label": say.style },
    el("span", { class: "label", text: say.style }), el("div", { class: "styles" }, ...chips.values()));
}

/** A small picture in the style, or static until there is one; of none it stays static. */
function styleImage(style) {
  const image = el("img", { src: staticUrl(), alt: "", width: 40, height: 40, class: "rough" });
  if (!style) return image;
  stylePicture(style).then((url) => {
    if (!url) return;
    image.src = url;
    image.classList.remove("rough");
  });
  return image;
}

/** A picture to start from stands before the button; the wish for one, which most do not have, below it. */
const inOrder = (start, send) => (state.form.start ? [start, ...send] : [...send, start]);

/** A number field that writes itself into the form; empty is the model's own default. */
function numberField(name, label, limits, then = () => {}) {
  const input = el("input", {
    type: "number", name, ...limits, value: state.form[name] ?? "",
    oninput: () => {
      setForm({ [name]: Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber });
      then();
    },
  });
  return field(label, input);
}

const countField = () =>
  numberField("count", say.count, { min: 1, max: state.facts.limits.count, step: 1, required: true });

function seedField() {
  const lock = toggle("", state.form.locked, () => keep(!state.form.locked), {
    class: "icon lock", "aria-label": say.lock, title: say.lockHint,
  });
  const keep = (locked) => {
    setForm({ locked });
    lock.setAttribute("aria-pressed", String(locked));
  };
  const seed = numberField("seed", say.seed, { min: 0, max: MOST_SEED, step: 1 }, () => keep(true));
  const dice = button("", () => {
    const rolled = randomSeed();
    setForm({ seed: rolled });
    seed.querySelector("input").value = rolled;
  }, { class: "icon dice", "aria-label": say.dice, title: say.dice });
  return el("div", { class: "seed" }, seed, dice, lock);
}

function fastSwitch(check) {
  if (!state.facts.fast) return null;
  const chip = toggle(say.fast(state.facts.fast.steps), state.form.fast, () => {
    setForm({ fast: !state.form.fast });
    chip.setAttribute("aria-pressed", String(state.form.fast));
    applyFast(chip.form);
    check();
  });
  chip.title = say.fastHint;
  return chip;
}

function transparentSwitch() {
  const chip = toggle(say.transparent, state.form.transparent, () => {
    setForm({ transparent: !state.form.transparent });
    chip.setAttribute("aria-pressed", String(state.form.transparent));
  });
  chip.title = say.transparentHint;
  return chip;
}

/** What is built into the fast model cannot be set. */
function applyFast(form) {
  for (const name of ["negative", "steps", "guidance", "rescale", "sampler"]) {
    form.elements[name].disabled = state.form.fast;
  }
}

function moreSettings(check) {
  const { limits, samplers } = state.facts;
  const negative = el("input", {
    name: "negative", type: "text", maxlength: 4000, value: state.form.negative, autocomplete: "off",
    oninput: () => {
      setForm({ negative: negative.value });
      check();
    },
  });
  const sampler = el("select", { name: "sampler", onchange: () => setForm({ sampler: sampler.value }) },
    samplers.map((name) => el("option", { value: name, text: name })));
  sampler.value = state.form.sampler;
  return el("details", {},
    el("summary", { text: say.more }),
    transparentSwitch(),
    field(say.negative, negative),
    el("div", { class: "pairs" },
      numberField("steps", say.steps, { min: 1, max: limits.steps, step: 1 }),
      numberField("guidance", say.guidance, { min: 0, max: 100, step: "any" }),
      field(say.sampler, sampler),
      numberField("rescale", say.rescale, { min: 0, max: 1, step: "any" }),
      ...bestOfField()));
}

/** How many candidates CLIP chooses from, of models that have one. */
function bestOfField() {
  const most = state.facts.best_of;
  return most ? [numberField("best_of", say.bestOf, { min: 1, max: most, step: 1, title: say.bestOfHint })] : [];
}

/** Settings that came with a picture and have no field here, so that nobody wonders what they do. */
function extraNote() {
  const { width, height, towards, amounts, free } = state.form.extra;
  const list = [
    width && say.alsoSize(width, height),
    towards && say.alsoTowards(amounts[0], towards.seed),
    free && say.alsoFree,
  ].filter(Boolean);
  if (!list.length) return null;
  const note = el("div", { class: "notice" },
    el("p", { text: say.also(list.join(", ")) }),
    button(say.alsoDrop, () => {
      setForm({ extra: {} });
      note.remove();
    }, { class: "chip" }));
  return note;
}

async function send(event, submit, problem) {
  event.preventDefault();
  if (submit.disabled) return;
  const { form } = state;
  if (!form.locked) rollSeed(event.target);
  problem.textContent = "";
  submit.disabled = true;
  submit.textContent = say.sending;
  try {
    await begin(await bodyOf(state.form));
    showWall();
  } catch (error) {
    problem.textContent = error.message;
    markWrong(event.target, error.param);
  } finally {
    submit.disabled = false;
    submit.textContent = say.draw;
  }
}

/** Every drawing gets its own seed, unless the user keeps one. The one in the field was shown and is used first. */
function rollSeed(form) {
  if (state.form.used !== state.form.seed && state.form.seed !== null) {
    setForm({ used: state.form.seed });
    return;
  }
  const seed = randomSeed();
  setForm({ seed, used: seed });
  form.elements.seed.value = seed;
}

function markWrong(form, param) {
  for (const input of form.elements) {
    const wrong = Boolean(param) && input.name === param;
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

/** What POST /api/jobs takes. */
async function bodyOf(form) {
  const { prompt, style, count, seed, fast, extra, start, strength } = form;
  const body = { prompt, style, count, seed, ...extra };
  if (form.transparent) body.transparent = true;
  if (form.best_of > 1) body.best_of = form.best_of;
  if (fast) body.fast = true;
  else for (const name of ["negative", "steps", "guidance", "rescale", "sampler"]) body[name] = form[name];
  if (start) {
    const mask = form.mode === "inpaint" ? await uploadMask() : null;
    Object.assign(body, { start: start.id, strength, ...(mask && { mask }) });
  }
  return body;
}

/** On a phone the wall is below the form. */
function showWall() {
  const wall = document.querySelector(".wall");
  if (wall && wall.getBoundingClientRect().top > innerHeight * 0.7) wall.scrollIntoView({ block: "start" });
}
