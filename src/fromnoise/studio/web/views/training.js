/** The room of a training: how it goes, what it draws, what to know, and for its owner: start, pause, go on. */

import { ApiError, api } from "../api.js";
import { announce, button, el, field, problemLine } from "../dom.js";
import { state } from "../store.js";
import { showWarnings } from "../warnings.js";
import { words } from "../words.js";
import { makeCurves, makeSheets } from "./training_sheets.js";

const say = words.training;
const KEPT = "fromnoise-owner";
const PAUSE = { running: 2000, pausing: 1000, beginning: 1000 };
const SELDOM = 5000; // milliseconds between two looks where nothing happens
const QUIET = 120; // seconds without a figure that are worth telling
const TRIES = 6; // trial drawings that stay
const SEED = 1;

/** Show the room; `key` makes whoever has it the owner. The function stops it. */
export function openTraining(root, key) {
  if (key) {
    localStorage.setItem(KEPT, key);
    history.replaceState(null, "", "#training"); // it is nobody else's business
  }
  if (!state.facts.training) {
    root.append(el("p", { class: "empty", text: say.none }));
    return () => {};
  }
  const [lead, problem] = [el("p", { class: "lead" }), problemLine()];
  const [standing, trial, curves] = [makeStanding(act), makeTrial(), makeCurves()];
  const sheets = makeSheets(curves.mark);
  const picker = el("div", { class: "chips", role: "group", "aria-label": say.pick });
  const warnings = el("div", { class: "warnings", role: "status" });
  const noWarnings = el("p", { class: "hint", text: say.noWarnings });
  const known = el("section", {}, el("h2", { text: say.warnings }), warnings, noWarnings);
  const rest = el("div", { class: "of-run" }, known, picker, sheets.node, curves.node, trial.node);
  root.append(lead, problem, el("div", { class: "training" }, standing.node, rest));
  let [timer, owner, task, drawn, left] = [0, false, "", "", false];

  async function act(what, body) {
    try {
      take(await api.act(what, localStorage.getItem(KEPT) ?? "", body));
      problem.textContent = "";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.message;
    }
  }

  function take(news) {
    if (left) return;
    lead.textContent = say.lead(news.run);
    standing.show(news, owner);
    trial.show(news.model);
    const told = [...news.warnings].reverse().map((each) => `${each.text} (${say.warnedAt(say.short[each.task], each.pictures)})`);
    showWarnings(warnings, told);
    noWarnings.hidden = told.length > 0;
    rest.hidden = news.state === "none" || news.state === "beginning";
    const begun = news.tasks.filter((each) => each.rows || each.sheets.length);
    if (!begun.some((each) => each.name === task)) choose(begun.at(-1)?.name ?? "");
    showPicker(begun);
    const now = begun.find((each) => each.name === task);
    if (now) sheets.show(task, now.sheets);
    if (now) loadCurves(now);
  }

  function choose(name) {
    [task, drawn] = [name, ""];
  }

  function showPicker(begun) {
    picker.hidden = begun.length < 2;
    const names = begun.map(({ name }) => name);
    if (picker.dataset.names !== names.join()) {
      picker.dataset.names = names.join();
      picker.replaceChildren(...names.map((name) => button(say.short[name], () => {
        choose(name);
        look();
      }, { class: "chip", "data-task": name })));
    }
    for (const chip of picker.children) chip.setAttribute("aria-pressed", String(chip.dataset.task === task));
  }

  async function loadCurves({ name, rows }) {
    if (drawn === `${name} ${rows}`) return;
    drawn = `${name} ${rows}`;
    const found = await api.curves(name).catch(() => null);
    if (found && !left && name === task) curves.show(found);
  }

  async function look() {
    clearTimeout(timer);
    let wait = SELDOM;
    try {
      if (document.hidden) return;
      const news = await api.training();
      wait = PAUSE[news.state] ?? SELDOM;
      take(news);
    } catch {
      // the notice above says that the studio does not answer
    } finally {
      if (!left && !document.hidden) timer = setTimeout(look, wait);
    }
  }

  document.addEventListener("visibilitychange", look);
  api.isOwner(localStorage.getItem(KEPT) ?? "").then((mine) => {
    owner = mine;
    look();
  });
  return () => {
    left = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

/** Where it is, how long it will take, and the buttons of the owner. */
function makeStanding(act) {
  const status = el("p", { class: "status" });
  const task = el("p", { class: "hint" });
  const bar = el("progress", { max: 1 });
  const figures = el("p", {});
  const said = el("p", { class: "one-line hint" });
  const guest = el("p", { class: "hint", text: say.guest });
  const pause = button(say.pause, () => act("pause"), { class: "chip" });
  const goOn = button(say.goOn, () => act("go-on"), { class: "main" });
  const form = makeForm(act);
  const node = el("section", { class: "sheet standing" }, el("div", { class: "row" }, status, task), bar, figures, said,
    el("div", { class: "row" }, pause, goOn), guest, form);
  let before = "";

  function show(news, owner) {
    const now = news.tasks.findLast((each) => each.rows) ?? news.tasks[0];
    const over = news.state === "running" && news.tasks.length > 0 && news.tasks.every((each) => (each.progress ?? 0) >= 1);
    const name = over ? "ending" : news.failed ? "failed" : news.state;
    const text = news.failed && now?.rows ? say.state.stopped : say.state[name];
    status.textContent = text;
    status.classList.toggle("wrong", news.failed);
    if (before && before !== text) announce(text);
    before = text;
    const begun = Boolean(now?.rows);
    task.textContent = begun ? ofTask(news.tasks, now) : "";
    bar.hidden = figures.hidden = !begun;
    if (begun) bar.value = now.progress ?? 0;
    if (begun) bar.setAttribute("aria-label", say.progress(say.short[now.name]));
    figures.textContent = begun ? figuresOf(now, news.state) : "";
    said.textContent = news.said;
    said.hidden = !news.said;
    said.classList.toggle("problem", news.failed);
    pause.hidden = !owner || !["running", "pausing"].includes(news.state) || over;
    pause.disabled = news.state === "pausing";
    goOn.hidden = !owner || news.state !== "stopped";
    form.hidden = !owner || news.state !== "none";
    guest.hidden = owner || news.state === "finished";
  }

  return { node, show };
}

function ofTask(tasks, now) {
  const which = tasks.length > 1 ? ` (${say.part(tasks.indexOf(now) + 1, tasks.length)})` : "";
  return `${say.tasks[now.name]}${which}`;
}

function figuresOf(now, how) {
  const runs = how === "running";
  const more = now.left_of_run > now.left + 1;
  return [
    say.percent(now.progress ?? 0), say.seen(now.pictures),
    runs && now.pictures_per_second > 0 && say.rate(now.pictures_per_second),
    runs && now.left > 0 && say.left(now.left),
    runs && more && say.leftOfRun(now.left_of_run),
    runs && now.age > QUIET && say.quiet(now.age),
  ].filter(Boolean).join(" · ");
}

function makeForm(act) {
  const data = el("input", { type: "text", required: true, maxlength: 4000, autocomplete: "off", spellcheck: "false" });
  const minutes = el("input", { type: "number", min: 1, max: 100000, step: "any" });
  const how = el("select", {}, ...Object.entries(say.form.hows).map(([value, text]) => el("option", { value, text })));
  const trigger = el("input", { type: "text", maxlength: 40, autocomplete: "off" });
  const start = el("button", { type: "submit", class: "main", text: say.form.start });
  const form = el("form", { class: "begin" }, el("h2", { text: say.form.title }), el("p", { text: say.form.about }),
    field(say.form.data, data, say.form.dataHint), field(say.form.how, how),
    field(say.form.trigger, trigger, say.form.triggerHint), field(say.form.minutes, minutes, say.form.minutesHint),
    el("div", { class: "row" }, start));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    await act("start", {
      data: data.value, recipe: how.value, trigger: trigger.value, minutes: minutes.value ? minutes.valueAsNumber : null,
    });
    start.disabled = false;
  });
  return form;
}

/** A picture of one's own words, drawn with the newest model. */
function makeTrial() {
  const prompt = el("input", { type: "text", maxlength: 4000, placeholder: say.tryExample });
  const draw = el("button", { type: "submit", class: "main", text: say.tryDraw });
  const problem = problemLine();
  const tiles = el("div", { class: "tiles attempts" });
  const none = el("p", { class: "hint", text: say.tryNone });
  const form = el("form", { class: "try" }, field(say.tryPrompt, prompt), el("div", { class: "row" }, draw));
  const node = el("section", { class: "trial" }, el("h2", { text: say.tryTitle }), el("p", { class: "hint", text: say.tryAbout }),
    none, form, problem, tiles);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words_ = prompt.value.trim() || say.tryExample;
    draw.disabled = true;
    draw.textContent = say.tryBusy;
    try {
      const found = await api.tryModel({ prompt: words_, seed: SEED });
      problem.textContent = "";
      const text = say.tried(words_, found.pictures_seen);
      tiles.prepend(el("figure", {},
        el("div", { class: "frame" }, el("img", { src: found.picture, alt: text })), el("figcaption", { class: "hint", text })));
      [...tiles.children].slice(TRIES).forEach((old) => old.remove());
      announce(text);
    } catch (error) {
      problem.textContent = error.message;
    }
    draw.disabled = false;
    draw.textContent = say.tryDraw;
  });

  function show(model) {
    none.hidden = Boolean(model);
    form.hidden = !model;
  }

  show(null);
  return { node, show };
}
