/** Which picture a chapter looks into: one that is drawn from words, a file, or one from the gallery. */

import { api, pictureUrl } from "../api.js";
import { button, el, field, problemLine } from "../dom.js";
import { words } from "../words.js";

const say = words.chapters.pick;
const OFFERED = 6;

/**
 * The form of a chapter about one picture.
 *
 * @param {string} example words that it begins with
 * @param {(asked: {prompt: string, start: string | null, style?: string | null}) => void} look begins to look into a
 *   picture; what is brought says its own style, or null where it has none
 */
export function makePick(example, look) {
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: example, autocomplete: "off" });
  const problem = problemLine();
  const file = el("input", {
    type: "file", class: "unseen", accept: "image/png,image/jpeg,image/webp,image/gif",
    onchange: () => file.files[0] && bring(() => api.upload(file.files[0])),
  });
  file.id = "pick-file";
  const tiles = el("div", { class: "offered", role: "group", "aria-label": say.gallery });
  const offered = el("div", { class: "offers", hidden: true }, el("p", { class: "hint", text: say.gallery }), tiles);

  /** An upload, made of whatever somebody brought. */
  async function bring(make, said = "", style = null) {
    problem.textContent = "";
    try {
      const { id } = await make();
      if (said) prompt.value = said;
      look({ prompt: prompt.value, start: id, style });
    } catch (error) {
      problem.textContent = error.message;
    }
    file.value = "";
  }

  api.pictures({ limit: OFFERED }).then(({ pictures }) => {
    offered.hidden = pictures.length === 0;
    tiles.append(...pictures.map((picture) =>
      button("", () => bring(() => api.startFrom(picture.id), picture.prompt, picture.style), {
        class: "frame", "aria-label": say.choose(picture.prompt || words.wall.wordless),
      })));
    [...tiles.children].forEach((node, i) => node.append(el("img", { src: pictureUrl(pictures[i]), alt: "" })));
  }, () => {}); // without it, words and files are left

  const node = el("form", {
    class: "sheet live",
    onsubmit: (event) => {
      event.preventDefault();
      look({ prompt: prompt.value, start: null });
    },
  }, field(words.chapters.prompt, prompt), el("button", { type: "submit", class: "main", text: words.chapters.draw }),
  el("p", { class: "hint" }, `${say.or} `, file, el("label", { for: file.id, class: "link", text: say.file }),
    ` ${say.brought}`),
  offered, problem);
  return { node, problem };
}
