/** What happened while the server was away: jobs that were interrupted, and what to do with them. */

import { api } from "./api.js";
import { button, el, problemLine } from "./dom.js";
import { set, state, subscribe } from "./store.js";
import { words } from "./words.js";

/** Ask which jobs were interrupted. */
export async function loadInterrupted() {
  set({ interrupted: await api.interrupted() });
}

/** A list that stays true; the function stops it. */
export function openNotices(root) {
  const draw = () => root.replaceChildren(...queuedAgain(), ...state.interrupted.map(notice));
  draw();
  return subscribe(["interrupted", "facts"], draw);
}

function queuedAgain() {
  const count = state.facts.restarted.queued_again;
  return count ? [el("p", { class: "notice", text: words.notices.queuedAgain(count) })] : [];
}

function notice(job) {
  const problem = problemLine();
  const prompt = job.request?.prompt || words.wall.wordless;
  const act = (what) => async () => {
    try {
      await what(job.id);
      set({ interrupted: state.interrupted.filter((other) => other.id !== job.id) });
      document.getElementById("room").focus();
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  return el("div", { class: "notice" },
    el("p", { text: words.notices.interrupted(prompt, job.done, job.count) }),
    el("div", { class: "row" },
      button(words.notices.again, act(api.again), { class: "chip" }),
      button(words.notices.away, act(api.cancel), { class: "chip" })),
    problem);
}
