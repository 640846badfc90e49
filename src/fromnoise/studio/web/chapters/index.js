/**
 * The chapters in their order. A new one is a file and a line here: where its words stand in words.js (`title` and
 * `about`), and how it is loaded; the file exports `open`. Only the chapter that is opened is loaded.
 */

/** @type {{say: string, load: () => Promise<{open: (root: HTMLElement, context: {facts: object}) => () => void}>}[]} */
export const chapters = [
  { say: "static", load: () => import("./01_static_to_picture.js") },
  { say: "machine", load: () => import("./02_the_machine.js") },
  { say: "luck", load: () => import("./03_luck.js") },
  { say: "game", load: () => import("./04_the_game.js") },
  { say: "words", load: () => import("./05_words.js") },
  { say: "guidance", load: () => import("./06_guidance.js") },
  { say: "judge", load: () => import("./07_judge.js") },
  { say: "noise", load: () => import("./08_noise.js") },
  { say: "latents", load: () => import("./09_latents.js") },
  { say: "axes", load: () => import("./10_axes.js") },
  { say: "between", load: () => import("./11_between.js") },
];
