/** The page of `fromnoise inspect map`: the map, a search, and what is near as a list of texts. */

import { PointMap, captionsWith, dataOf } from "../../studio/web/chapters/point_map.js";

const FOUND = 12; // entries of a search
const byId = (id) => document.getElementById(id);

/** An element with a text; texts never become markup. */
function made(tag, text = "", props = {}) {
  const node = Object.assign(document.createElement(tag), props);
  node.textContent = text;
  return node;
}

function listOf(title, entries, onclick) {
  const list = made("ol");
  for (const [index, text] of entries) {
    const item = made("li");
    item.append(made("button", text, { type: "button", onclick: () => onclick(index) }));
    list.append(item);
  }
  const part = made("section");
  part.append(made("h3", title), list);
  return part;
}

export function openPage() {
  const stored = JSON.parse(byId("data").textContent);
  const data = dataOf(stored);
  const map = new PointMap(byId("map"), data, { onPick: pick });

  function pick(index) {
    if (index < 0) return map.pick(-1);
    const near = map.around(index);
    map.pick(index, near);
    const file = data.fileOf(index);
    const named = near.map((i) => [i, data.nameOf(i)]);
    byId("chosen").replaceChildren(made("h2", data.nameOf(index)), ...(file ? [made("p", file)] : []),
      listOf("Next to it on the map", named, show));
    byId("said").textContent = `${data.nameOf(index)}; next to it: ${named.map((pair) => pair[1]).join(", ")}`;
    return undefined;
  }

  function show(index) {
    pick(index);
    map.goTo(data.places[2 * index], data.places[2 * index + 1], Math.max(6, map.view.zoom));
  }

  const search = byId("search");
  search.addEventListener("input", () => {
    const found = captionsWith(data.captions, search.value);
    const entries = found.slice(0, FOUND).map((i) => [i, data.captions[i]]);
    byId("found").replaceChildren(...(search.value.trim() ? [listOf(found.length ? `${found.length} ${found.length === 1 ? "caption" : "captions"}` : "No caption has this", entries, show)] : []));
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    byId("found").querySelector("button")?.click();
  });
  byId("closer").onclick = () => map.goTo(map.view.x, map.view.y, map.view.zoom * 1.5);
  byId("farther").onclick = () => map.goTo(map.view.x, map.view.y, map.view.zoom / 1.5);
  byId("whole").onclick = () => map.goTo(0.5, 0.5, 1);
  for (const button of document.querySelectorAll("[data-point]")) {
    button.addEventListener("click", () => show(Number(button.dataset.point)));
  }
  for (const button of document.querySelectorAll("[data-prompt]")) {
    const { place } = data.marks[Number(button.dataset.prompt)];
    button.addEventListener("click", () => map.goTo(...place, Math.max(6, map.view.zoom)));
  }
  return map;
}
