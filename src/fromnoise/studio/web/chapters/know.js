/** "How do we know?": the method of a chapter, the files that do it, and its command. */

import { el } from "../dom.js";
import { words } from "../words.js";

const ASKED = 500; // milliseconds between two questions for the command

/**
 * @param {{know: string[], code: string[]}} say the method, paragraph by paragraph, and the code's files, in the project
 * @returns {{node: HTMLElement, say: (command: string) => void}} `say` tells what makes the same in a terminal
 */
export function makeKnow({ know, code: files }) {
  const code = el("code", { text: "" });
  const fold = el("details", {},
    el("summary", { text: words.chapters.know }), ...know.map((text) => el("p", { text })),
    el("p", {}, `${words.chapters.code} `, ...files.flatMap((file, i) => [i ? ", " : "", el("code", {}, breakable(file))])),
    el("p", { text: words.chapters.command }), el("pre", { tabindex: 0 }, code));
  return { node: el("section", { class: "know" }, fold), say };

  function say(command) {
    if (code.textContent !== command) code.replaceChildren(...whole(command));
  }
}

/** A path that a narrow screen breaks after a slash. */
const breakable = (file) => file.split(/(?<=\/)/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

/** A command that a narrow screen breaks between words, and not after the hyphens of an option. */
const whole = (command) => command.split(/(\s)/).map((part) => (/\S/.test(part) ? el("span", { text: part }) : part));

/** The same for a command that is asked for while the fold is open: it may not be known at first, and changes with the page. */
export function howWeKnow(say, command) {
  const know = makeKnow(say);
  const fold = know.node.firstChild;
  fold.addEventListener("toggle", () => {
    if (!fold.open) return;
    know.say(command());
    const asking = setInterval(() => {
      if (fold.open && fold.isConnected) know.say(command());
      else clearInterval(asking);
    }, ASKED);
  });
  return know.node;
}

/** A line for a terminal: words with anything special in them are quoted, as a shell reads them. */
export const terminalLine = (parts) =>
  parts.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? String(part) : `'${String(part).replaceAll("'", "'\"'\"'")}'`)).join(" ");

/**
 * The line that draws the same with `fromnoise generate`.
 *
 * @param {{model: {opened: {model: string | null, lora: string[], precision: string | null}}}} facts of the model: how it was named
 * @param {{prompt: string, style?: string | null, seed: number, sampler?: string, steps?: number}} drawn what was drawn
 * @param {Record<string, any>} options further options, by their names
 */
export function generateLine({ model }, { prompt, style, seed, sampler, steps }, options) {
  const all = { style, seed, sampler, steps, model: model.opened.model, precision: model.opened.precision, ...options };
  const loras = model.opened.lora.map((file) => ["lora", file]);
  const given = [...Object.entries(all), ...loras].filter(([, value]) => value !== null && value !== undefined);
  return terminalLine(["fromnoise", "generate", prompt, ...given.flatMap(([name, value]) => [`--${name}`, value])]);
}
