/**
 * The chapters in their order, by the question of the class that they answer. A new one is a file and a line here: its
 * name in the address, where its words stand in words.js (`title` and `about`), and how it is loaded; the file exports
 * `open`. Only the chapter that is opened is loaded.
 */

/** @typedef {{facts: object, asked?: {prompt: string, style: string | null, seed: number}, recorded?: boolean}} Context */
/** `own`: it has examples of its own, whatever a tour is about. */
/** @type {{part: string, say: string, own?: boolean, load: () => Promise<{open: (root: HTMLElement, context: Context) => () => void}>}[]} */
export const chapters = [
  { part: "where", say: "static", load: () => import("./static.js") },
  { part: "where", say: "noise", load: () => import("./noise.js") },
  { part: "where", say: "latents", load: () => import("./latents.js") },
  { part: "where", say: "machine", load: () => import("./machine.js") },
  { part: "words", say: "words", load: () => import("./words.js") },
  { part: "words", say: "guidance", load: () => import("./guidance.js") },
  { part: "words", say: "judge", load: () => import("./judge.js") },
  { part: "words", say: "map", load: () => import("./map.js") },
  { part: "words", say: "between", load: () => import("./between.js") },
  { part: "luck", say: "luck", load: () => import("./luck.js") },
  { part: "copy", say: "copies", load: () => import("./copies.js") },
  { part: "learning", say: "axes", own: true, load: () => import("./axes.js") },
  { part: "learning", say: "learning", load: () => import("./learning.js") },
  { part: "play", say: "game", load: () => import("./game.js") },
  { part: "play", say: "hidden", load: () => import("./hidden.js") },
  { part: "end", say: "recap", own: true, load: () => import("./recap.js") },
];
