/** the networks, drawn from what the server found by running them, and the U-Net at work. Nothing here knows a block by name. */

import { api, look } from "../api.js";
import { el, field, problemLine } from "../dom.js";
import { randomSeed } from "../store.js";
import { showWarnings, warningsLine } from "../warnings.js";
import { words } from "../words.js";
import { promptOf } from "./example.js";
import { exampleStyle } from "./style.js";
import { howWeKnow } from "./know.js";
import { boxesOf, maps, theU } from "./machine_boxes.js";
import { makePanel } from "./machine_panel.js";
import { makeWatch } from "./machine_watch.js";

const say = words.chapters.machine;
const FIRST = { prompt: say.example, seed: 5 };
const CHAIN = /^(text_encoder|unet|vae\.decoder)/; // from prompt to picture; the others have other tasks
const NARROW = "(max-width: 59.99rem)"; // where the panel covers boxes, it comes only when one is chosen

/** Show the chapter in `root`; the function stops it. */
export function open(root, { facts, asked = {} }) {
  const first = { ...FIRST, prompt: promptOf(facts, FIRST.prompt), style: exampleStyle(facts, say.exampleStyle), ...asked };
  const watch = makeWatch(facts.model.levels);
  const [problem, warnings] = [problemLine(), warningsLine()];
  const prompt = el("input", { type: "text", required: true, maxlength: 4000, value: first.prompt, autocomplete: "off" });
  const wait = el("p", { class: "hint", role: "status", text: say.reading });
  const body = el("div", {}, wait);
  let [left, running, panel] = [false, null, null];

  async function draw(request) {
    running?.stop();
    problem.textContent = "";
    watch.clear();
    const now = look("activations", request, (news) => {
      if (running !== now) return;
      if (news.notes) showWarnings(warnings, news.notes);
      watch.take(news);
      if (news.type === "step" && news.step === 0) panel?.refresh();
    });
    running = now;
    await now.done.catch((error) => {
      if (running !== now) return;
      problem.textContent = error.message;
      watch.status.textContent = "";
    });
  }

  const form = el("form", {
    class: "sheet live ask",
    onsubmit: (event) => {
      event.preventDefault();
      draw({ ...first, prompt: prompt.value, seed: randomSeed() });
    },
  }, field(words.chapters.prompt, prompt), el("button", { type: "submit", class: "main", text: words.chapters.draw }));
  root.append(form, problem, warnings, body, howWeKnow(say, watch.command));
  api.machine().then((machine) => {
    if (left) return;
    panel = makePanel(machine.networks.reduce((sum, network) => sum + network.weights, 0), watch);
    body.replaceChildren(...diagram(machine, facts, panel, watch));
    draw(first); // a good example, before anything is pressed
  }, (error) => {
    wait.remove();
    problem.textContent = error.message;
  });
  return () => {
    left = true;
    running?.stop();
    watch.clear();
  };
}

function diagram({ prompt, tokens, networks }, facts, panel, watch) {
  const total = networks.reduce((sum, network) => sum + network.weights, 0);
  const chain = networks.filter(({ name }) => CHAIN.test(name));
  const others = networks.filter(({ name }) => !CHAIN.test(name));
  const show = (network) => networkOf(network, chain.includes(network), panel, facts, watch);
  const nodes = chain.map(show);
  if (!matchMedia(NARROW).matches) chooseFirst(chain.find(({ skips }) => skips) ?? networks[0], nodes, panel);
  return [
    el("p", { class: "total", text: say.total(total) }),
    el("div", { class: "machine" },
      el("div", { class: "flow" },
        tokensOf(prompt, tokens),
        nodes,
        el("div", { class: "end" },
          el("h2", { text: say.picture }), el("p", { class: "shape", text: lastShape(chain) })),
        el("h2", { class: "also", text: say.also }),
        others.map(show)),
      panel.node),
  ];
}

/** The last part of the U, whose maps look most like a picture; of another network, the whole. */
function chooseFirst(network, nodes, panel) {
  const last = nodes.flatMap((node) => [...node.querySelectorAll(".station .box")]).at(-1);
  if (last) last.click();
  else panel.show([network]);
}

const lastShape = (chain) => (chain.at(-1)?.gives[0] ?? []).join("×");

function tokensOf(prompt, tokens) {
  return el("div", { class: "end leads" },
    el("h2", { text: `${say.tokens}: “${prompt}”` }),
    el("ol", { class: "tokens" }, tokens.map((token) => el("li", { text: token.replace("</w>", "") }))));
}

/** One network: the one with skip connections is the U and stands open, the others are folded. */
function networkOf(network, leads, panel, facts, watch) {
  const name = say.names[network.name] ?? network.name;
  const text = `${name} · ${say.weights(network.weights)}`;
  const props = { class: leads ? "network leads" : "network", "aria-label": name };
  if (!network.skips) {
    const fold = el("details", { ontoggle: () => fold.open && panel.show([network]) },
      el("summary", { class: "title", text }), boxesOf(network, maps(network), panel));
    return el("section", props, fold);
  }
  const choose = el("button", {
    type: "button", class: "title", onclick: (event) => panel.show([network], event.currentTarget), text,
  });
  return el("section", props, choose, el("p", { class: "loop", text: say.loop(facts.defaults.steps) }), watch.node,
    theU(network, maps(network), panel, watch));
}
