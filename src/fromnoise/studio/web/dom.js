/** Small helpers to build elements. Text always goes in as text, never as markup. */

import { word } from "./words.js";

/**
 * @param {string} tag
 * @param {Record<string, any>} props attributes; `onclick` and the like are listeners, `text` is the text
 * @param {...any} children elements or strings; null, undefined and false are left out
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) put(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function put(node, name, value) {
  if (typeof value === "function") node.addEventListener(name.slice(2), value);
  else if (name === "text") node.textContent = value;
  else if (name === "value" || name === "checked") node[name] = value;
  else if (value === true) node.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
}

/** A button that is not a form's. */
export const button = (text, onclick, props = {}) => el("button", { type: "button", text, onclick, ...props });

let fields = 0;

/** A label above its field; hint and error stand below and are read with it. */
export function field(label, input, hint = "") {
  input.id ||= `field-${++fields}`;
  const below = hint ? el("p", { class: "hint", id: `${input.id}-hint`, text: hint }) : null;
  if (below) input.setAttribute("aria-describedby", below.id);
  return el("div", { class: "field" }, el("label", { for: input.id, text: label }), input, below);
}

/** A check box with its label beside it, large enough for a thumb. */
export function check(label, checked, onchange) {
  const box = el("input", { type: "checkbox", checked, onchange: () => onchange(box.checked) });
  return el("label", { class: "check" }, box, el("span", { text: label }));
}

/** A button that stays pressed. */
export function toggle(text, pressed, onclick, props = {}) {
  return button(text, onclick, { class: "chip", "aria-pressed": String(pressed), ...props });
}

/** A line for what went wrong, empty at first. */
export const problemLine = () => el("p", { class: "problem", role: "alert" });

/** Show on a checkerboard what has no background. */
export const markCut = (image, picture) => image.classList.toggle("cut", Boolean(picture.origin?.request.transparent));

/** Put the words into all elements that name theirs. */
export function fillWords(root) {
  for (const node of root.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
}

/** Tell those who listen to the page. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** Whether moving things should stay still. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Grey static to hang where a picture will be; always the same, so it is cached. */
export const staticUrl = (() => {
  let url = "";
  return () => (url ||= drawStatic());
})();

function drawStatic() {
  const canvas = el("canvas", { width: 32, height: 32 });
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(32, 32);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const [r, g, b] = [0, 1, 2].map(() => 90 + 120 * Math.random());
    pixels.data.set([r, g, b, 255], i);
  }
  pen.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}

/** The bytes of a picture that an address holds. */
export function blobOf(url) {
  const bytes = Uint8Array.from(atob(url.split(",")[1]), (sign) => sign.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}
