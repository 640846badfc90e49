/** A tour: the studio's chapters about one drawing, with answers that were recorded. */

import { chapters } from "../chapters/index.js";
import { el, fillWords } from "../dom.js";
import { set } from "../store.js";
import { openChapter } from "../views/chapter.js";
import { words } from "../words.js";
import { remember } from "./api.js";

/** Show what was recorded: the chapter that the address names, or the first. */
export function begin({ facts, asked, command, chapters: told, missing, answers }) {
  const room = document.getElementById("room");
  const list = chapters.filter(({ say }) => told.includes(say));
  let leave = () => {};
  let place = null;
  remember(answers);
  set({ facts, online: false });
  fillWords(document);
  document.getElementById("made").append(...madeBy(facts, asked, command, missing));

  function enter() {
    const rest = location.hash.split("/")[1] ?? "";
    const name = list.some(({ say }) => say === rest) ? rest : list[0].say;
    if (name === place) return;
    leave();
    room.replaceChildren();
    leave = openChapter(room, name, list, { facts, asked, recorded: true }) ?? (() => {});
    document.title = words.title(room.querySelector("h1").textContent);
    scrollTo(0, 0);
    if (place) room.focus({ preventScroll: true });
    place = name;
  }

  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names a chapter
    room.focus();
  });
  addEventListener("hashchange", enter);
  enter();
}

/** What was recorded, by what, and what a machine of one's own would do beyond it. */
function madeBy(facts, asked, command, missing) {
  const left = Object.entries(missing).map(([name, why]) =>
    el("li", { text: `${words.chapters[name].title} ${why}` }));
  return [
    el("p", { text: words.tour.made(asked, facts.model.name) }),
    el("pre", { tabindex: 0 }, el("code", { text: command })),
    el("p", { text: words.tour.own }),
    left.length > 0 && el("p", { text: words.tour.left }),
    left.length > 0 && el("ul", {}, left),
  ].filter(Boolean);
}
