/** The chapters in their order. A new one is a file and a line here; it exports `title`, `about` and `open`. */

import * as staticToPicture from "./01_static_to_picture.js";
import * as theMachine from "./02_the_machine.js";
import * as luck from "./03_luck.js";
import * as theGame from "./04_the_game.js";
import * as myWords from "./05_words.js";
import * as guidance from "./06_guidance.js";
import * as theJudge from "./07_judge.js";
import * as noise from "./08_noise.js";
import * as latents from "./09_latents.js";
import * as axes from "./10_axes.js";
import * as between from "./11_between.js";

/** @type {{title: string, about: string, open: (root: HTMLElement, context: {facts: object}) => () => void}[]} */
export const chapters = [
  staticToPicture, theMachine, luck, theGame, myWords, guidance, theJudge, noise, latents, axes, between,
];
