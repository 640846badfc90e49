/** A map of all captions and pictures that the model learnt from: what lies near your words, and how much room they leave. */

import { look } from "../api.js";
import { el, field, problemLine } from "../dom.js";
import { words } from "../words.js";
import { howWeKnow } from "./know.js";
import { makeArea } from "./map_area.js";
import { makeAtlas } from "./map_atlas.js";
import { makeDropped } from "./map_dropped.js";

const say = words.chapters.map;
const MOST = 6; // prompts at a time, as there are colours

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked }) {
  const atlas = makeAtlas(say.map);
  const dropped = makeDropped({ show: (index) => atlas.show(index), goTo: (place) => atlas.goTo(place), remove });
  const area = makeArea(facts, asked);
  const problem = problemLine();
  const told = el("p", { class: "hint", hidden: true });
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: "", autocomplete: "off" });
  const drops = new Set();
  let command = "";

  const form = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      const sent = prompt.value;
      drop([sent], false).then((good) => good && prompt.value === sent && (prompt.value = "")); // not what was typed since
    },
  }, field(say.drop, prompt, say.dropHint), el("button", { type: "submit", class: "main", text: say.go }), problem);

  /** Land prompts; whether all of them did. */
  async function drop(prompts, points) {
    problem.textContent = "";
    const now = look("map", { prompts, points }, (news) => drops.has(now) && take(news));
    drops.add(now);
    return now.done.then(() => drops.delete(now), (error) => {
      if (drops.has(now)) problem.textContent = error.message;
      if (points) atlas.fail();
      return false;
    });
  }

  function take(news) {
    if (news.type === "map") begin(news);
    if (news.type === "landing") land(news);
    if (news.type === "end") command ||= news.command;
  }

  function begin(news) {
    atlas.open(news);
    area.open(news);
    told.hidden = news.stored;
    told.replaceChildren(`${say.plain} `, el("code", { text: news.make }));
  }

  function land(news) {
    const same = atlas.marks().find((mark) => mark.text === news.prompt);
    if (same) remove(same);
    else if (atlas.marks().length >= MOST) remove(atlas.marks()[0]);
    const mark = atlas.land(news);
    dropped.add(mark, news);
  }

  function remove(mark) {
    atlas.remove(mark);
    dropped.remove(mark);
  }

  root.append(
    el("div", { class: "atlas-page" }, atlas.node, el("div", { class: "atlas-side" }, form, told, atlas.finder), dropped.node),
    area.node, howWeKnow(say, () => [command, area.command()].filter(Boolean).join("\n")));
  drop(asked?.prompt ? [asked.prompt] : facts.beginnings ? facts.examples.slice(0, 2) : say.examples, true); // a good example, before anything is pressed
  return () => {
    const running = [...drops];
    drops.clear();
    running.forEach((each) => each.stop());
    area.stop();
    atlas.close();
  };
}
