/** The server's routes as functions, and its news as one stream. */

import { client } from "./store.js";
import { words } from "./words.js";

/** What the server says is wrong, in one sentence. */
export class ApiError extends Error {
  constructor(message, status, param = null) {
    super(message);
    Object.assign(this, { status, param });
  }
}

async function ask(method, path, body, headers = {}) {
  return (await send(method, path, body, undefined, headers)).json();
}

async function send(method, path, body, signal = undefined, headers = {}) {
  const options = { method, signal, headers };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { ...headers, "Content-Type": "application/json" };
  }
  const answer = await fetch(path, options).catch((error) => {
    if (signal?.aborted) throw error;
    throw new ApiError(words.unreachable, 0);
  });
  if (answer.ok) return answer;
  if (answer.status === 401) location.assign("/login");
  const said = await answer.json().catch(() => ({}));
  throw new ApiError(said.error?.message ?? words.strange(answer.status), answer.status, said.error?.param);
}

function withFile(file) {
  const form = new FormData();
  form.append("file", file, file.name ?? "picture.png");
  return form;
}

const owned = (key) => ({ "X-Fromnoise-Owner": key });
const watching = { client, show: "clean", every: 1, keep: true };

export const api = {
  facts: () => ask("GET", "/api/facts"),
  machine: () => ask("GET", "/api/machine"),
  begin: (body) => ask("POST", "/api/jobs", { ...watching, ...body }),
  jobs: () => ask("GET", "/api/jobs"),
  job: (id) => ask("GET", `/api/jobs/${id}`),
  cancel: (id) => ask("DELETE", `/api/jobs/${id}`),
  /** The same as the page goes away, when no answer can be waited for. */
  cancelAtLast: (id) => void fetch(`/api/jobs/${id}`, { method: "DELETE", keepalive: true }).catch(() => {}),
  interrupted: () => ask("GET", "/api/jobs/interrupted"),
  again: (id) => ask("POST", `/api/jobs/${id}/again`, watching),
  upload: (file, mask = false) => ask("POST", `/api/uploads${mask ? "?mask=true" : ""}`, withFile(file)),
  settingsOf: (file) => ask("POST", "/api/settings", withFile(file)),
  pictures: (query) => ask("GET", `/api/pictures?${new URLSearchParams(query)}`),
  picture: (id) => ask("GET", `/api/pictures/${encodeURIComponent(id)}`),
  favourite: (id, favourite) => ask("PATCH", `/api/pictures/${id}`, { favourite }),
  remove: (id) => ask("DELETE", `/api/pictures/${id}`),
  restore: (id) => ask("POST", `/api/pictures/${id}/restore`),
  story: () => ask("GET", "/api/story"),
  plot: (body) => ask("POST", "/api/story/plots", body),
  spoil: (body) => ask("POST", "/api/story/spoilt", body),
  repair: (body) => ask("POST", "/api/story/repairs", body),
  /** What drawing these words would be refused for, or would be told beside them. */
  check: (body) => ask("POST", "/api/check", body),
  /** An upload with each channel of its latents made weaker or stronger. */
  changed: (body) => ask("POST", "/api/inside/latents/changed", body),
  /** Whether a picture of the gallery is a copy of a training picture, as far as the model's index can tell. */
  copies: (id) => ask("GET", `/api/pictures/${encodeURIComponent(id)}/copies`),
  training: () => ask("GET", "/api/training"),
  curves: (task) => ask("GET", `/api/training/curves/${task}`),
  /** Draw with the newest model of the training. */
  tryModel: (body) => ask("POST", "/api/training/try", body),
  /** Whether a key is that of whoever started the studio; and what they alone may do: start, pause, go-on. */
  isOwner: (key) => ask("GET", "/api/training/owner", undefined, owned(key)).then((found) => found.owner, () => false),
  act: (what, key, body) => ask("POST", `/api/training/${what}`, body, owned(key)),
  startFrom: (id) => ask("POST", `/api/pictures/${id}/start`),
};

/**
 * Look inside while something is drawn.
 *
 * @param {string} view name of the route below /api/inside
 * @param {(news: object) => void} hear is told every event
 * @returns {{done: Promise<void>, stop: () => void}} stopping ends it within a step, and `done` with it
 */
export function look(view, body, hear) {
  const control = new AbortController();
  const done = readEvents(view, body, hear, control.signal).catch((error) => {
    if (!control.signal.aborted) throw error;
  });
  return { done, stop: () => control.abort() };
}

async function readEvents(view, body, hear, signal) {
  const answer = await send("POST", `/api/inside/${view}`, body, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const line = part.split("\n").find((each) => each.startsWith("data: "));
      if (line) tellOne(JSON.parse(line.slice(6)), hear);
    }
  }
}

function tellOne(news, hear) {
  if (news.type === "problem") throw new ApiError(news.message, 200);
  hear(news);
}

/** Where a picture's file is; pictures that are not kept carry themselves. */
export const pictureUrl = (picture) => picture.data ?? `/api/pictures/${picture.id}/file`;

const KINDS = ["hello", "job", "step", "picture", "gallery"];
const LONGEST_PAUSE = 15000;

/**
 * Listen to the server as long as the tab is seen: a browser allows few connections to one server.
 *
 * @param {(news: object) => void} hear
 * @param {(online: boolean) => void} tell whether the stream is open
 */
export function listen(hear, tell) {
  let source = null;
  let timer = 0;
  let pause = 1000;

  function open() {
    clearTimeout(timer);
    if (source || document.hidden) return;
    source = new EventSource(`/api/events?client=${client}`);
    source.onopen = () => {
      pause = 1000;
      tell(true);
    };
    source.onerror = lost;
    for (const kind of KINDS) source.addEventListener(kind, (event) => hear(JSON.parse(event.data)));
  }

  function shut() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  // The browser's own attempts never end on refused connections and end at once on answers like 503.
  function lost() {
    shut();
    tell(false);
    timer = setTimeout(open, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? shut() : open()));
  addEventListener("pagehide", shut);
  addEventListener("pageshow", open);
  open();
}
