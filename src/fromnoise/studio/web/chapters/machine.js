/** the networks, drawn from what the server found by running them. Nothing here knows a block by name. */

import { api } from "../api.js";
import { el, problemLine } from "../dom.js";
import { words } from "../words.js";
import { boxesOf, maps } from "./machine_boxes.js";
import { makePanel } from "./machine_panel.js";

const say = words.chapters.machine;
const CHAIN = /^(text_encoder|unet|vae\.decoder)/; // from prompt to picture; the others have other tasks
const NARROW = "(max-width: 59.99rem)"; // where the panel covers boxes, it comes only when one is chosen

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts }) {
  const wait = el("p", { class: "hint", role: "status", text: say.reading });
  let left = false;
  root.append(wait);
  api.machine().then((machine) => !left && root.replaceChildren(...draw(machine, facts)), (error) => {
    const problem = problemLine();
    root.replaceChildren(problem);
    problem.textContent = error.message;
  });
  return () => {
    left = true;
  };
}

function draw({ prompt, tokens, networks }, facts) {
  const total = networks.reduce((sum, network) => sum + network.weights, 0);
  const panel = makePanel(total);
  const chain = networks.filter(({ name }) => CHAIN.test(name));
  const others = networks.filter(({ name }) => !CHAIN.test(name));
  const show = (network) => networkOf(network, chain.includes(network), panel, facts);
  if (!matchMedia(NARROW).matches) panel.show([chain.find(({ name }) => name === "unet") ?? networks[0]]);
  return [
    el("p", { class: "total", text: say.total(total) }),
    el("div", { class: "machine" },
      el("div", { class: "flow" },
        tokensOf(prompt, tokens),
        chain.map(show),
        el("div", { class: "end" },
          el("h2", { text: say.picture }), el("p", { class: "shape", text: lastShape(chain) })),
        el("h2", { class: "also", text: say.also }),
        others.map(show)),
      panel.node),
  ];
}

const lastShape = (chain) => (chain.at(-1)?.gives[0] ?? []).join("×");

function tokensOf(prompt, tokens) {
  return el("div", { class: "end leads" },
    el("h2", { text: `${say.tokens}: “${prompt}”` }),
    el("ol", { class: "tokens" }, tokens.map((token) => el("li", { text: token.replace("</w>", "") }))));
}

/** One network: its title is a button too, its blocks are boxes within. */
function networkOf(network, leads, panel, facts) {
  const name = say.names[network.name] ?? network.name;
  const loop = network.name === "unet" ? el("p", { class: "loop", text: say.loop(facts.defaults.steps) }) : null;
  const choose = el("button", {
    type: "button", class: "title", onclick: (event) => panel.show([network], event.currentTarget),
    text: `${name} · ${say.weights(network.weights)}`,
  });
  return el("section", { class: leads ? "network leads" : "network", "aria-label": name },
    choose, loop, boxesOf(network, maps(network), panel));
}
