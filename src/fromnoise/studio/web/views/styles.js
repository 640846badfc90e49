/** A small picture of each style: of those that come with fromnoise, of the gallery, or drawn when nobody waits. */

import { api, pictureUrl } from "../api.js";
import { ASIDE, drawAside, openJobs } from "../jobs.js";
import { state, subscribe } from "../store.js";

// "red apple" with seed 1, drawn by the model that comes with fromnoise; /static/styles has one file for each.
const SHIPPED = ["emojione", "fluent-emoji", "fluent-emoji-3d", "fluent-emoji-flat", "fxemoji", "noto", "noto-v1", "twemoji"];
const SUBJECT = "red apple";
const MOST_PIXELS = 128; // a larger model would take long for a picture that nobody asked for
const QUIET = 3000; // milliseconds without a job before one is drawn
const TRIES = 3; // each ends when somebody asks for a picture
const known = new Map(); // style → promise of its picture's address
let turn = Promise.resolve(); // one after the other

/** The address of a style's picture; null if there is none. */
export function stylePicture(style) {
  if (!known.has(style)) known.set(style, find(style).catch(() => null));
  return known.get(style);
}

async function find(style) {
  if (SHIPPED.includes(style)) return `/static/styles/${style}.webp`;
  return kept(style) ?? (await fromGallery(style)) ?? drawn(style);
}

const place = (style) => `fromnoise-style ${state.facts.model.hash} ${style}`;

function kept(style) {
  try {
    return localStorage.getItem(place(style));
  } catch {
    return null; // a browser may keep nothing
  }
}

function keep(style, url) {
  try {
    localStorage.setItem(place(style), url);
  } catch {
    // it is drawn again next time
  }
}

/** The newest picture that this model drew in the style. */
async function fromGallery(style) {
  const { pictures } = await api.pictures({ search: style, limit: 50 });
  const { hash } = state.facts.model;
  const found = pictures.find((picture) => picture.style === style && picture.origin?.model_hash === hash);
  return found ? pictureUrl(found) : null;
}

/** Drawn by the model itself, one style after the other, while no picture is drawn or waits; else on a later visit. */
function drawn(style) {
  if (state.facts.model.pixels > MOST_PIXELS) return null;
  const made = turn.then(() => drawInPeace(style));
  turn = made.catch(() => {});
  return made;
}

async function drawInPeace(style) {
  for (let i = 0; i < TRIES; i++) {
    await quiet();
    const url = await draw(style);
    if (url) return url;
  }
  return null;
}

/** Wait until nobody has drawn for a while. */
function quiet() {
  return new Promise((resolve) => {
    let timer = 0;
    const wait = () => {
      clearTimeout(timer);
      if (openJobs().length) return;
      timer = setTimeout(() => {
        end();
        resolve();
      }, QUIET);
    };
    const end = subscribe(["jobs"], wait);
    wait();
  });
}

async function draw(style) {
  const fast = state.facts.fast ? { fast: true } : {};
  const job = drawAside({ prompt: SUBJECT, style, seed: 1, client: ASIDE, show: "none", ...fast });
  const end = subscribe(["jobs"], () => openJobs().length && job.stop()); // a picture that was asked for comes first
  try {
    const [picture] = await job.pictures;
    if (picture) keep(style, picture.data);
    return picture?.data ?? null;
  } finally {
    end();
  }
}
