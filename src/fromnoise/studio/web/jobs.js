/** Jobs as they go on: news of the server become state, and who waits for a job hears of it. */

import { api } from "./api.js";
import { announce } from "./dom.js";
import { client, set, state } from "./store.js";
import { words } from "./words.js";

const POLLED = 5; // jobs whose place and time left are asked for; those behind can wait
const hearers = new Set();

/** The client of jobs that nobody asked for: small pictures for the form. They are shown in no queue. */
export const ASIDE = "fromnoise-styles";
export const isOpen = (job) => job.state === "queued" || job.state === "running";
export const openJobs = () => [...state.jobs.values()].filter((job) => isOpen(job) && job.client !== ASIDE);
export const isMine = (job) => job.client === client;
/** Whether a job has a card on this page's wall, with its progress and its Cancel; the queue lists the others. */
export const hangs = (job) => isMine(job) && job.keep;
export const promptOf = (job) => job.request?.prompt || words.wall.wordless;

/** Steps made and steps of a job, from the newest of both sources: its state, and the step events. */
export function progressOf(job) {
  const made = Object.values(job.steps_of).reduce((sum, n) => sum + n, 0);
  return { made: Math.min(job.total, Math.max(job.steps, made)), of: job.total };
}

/** Take in one piece of news. */
export function hear(news) {
  if (news.type === "hello") catchUp(news.jobs);
  else if (news.type === "job") takeState(news.state);
  else if (news.type === "step") takeStep(news);
  else if (news.type === "picture") takePicture(news);
  else if (news.type === "gallery") changeInJobs(news.picture);
  for (const hearer of [...hearers]) hearer(news);
}

/** Hear all news. */
export function onNews(hearer) {
  hearers.add(hearer);
  return () => hearers.delete(hearer);
}

/** Know the jobs of this server's life. */
export async function loadJobs() {
  for (const job of await api.jobs()) takeState(job);
}

/** After a pause, what ended meanwhile has to be asked for. */
async function catchUp(open) {
  const still = new Set(open.map((job) => job.id));
  const missed = [...state.jobs.values()].filter((job) => isOpen(job) && !still.has(job.id)); // those of no queue too
  open.forEach(takeState);
  for (const { id } of missed) {
    const now = await api.job(id).catch((error) => error);
    if (now.status === 404) drop(id);
    else if (now.state) hear({ type: "job", job: id, state: now });
  }
}

/** Forget a job that the server does not know any more; who waits for its pictures hears that none will come. */
function drop(id) {
  const jobs = new Map(state.jobs);
  const job = jobs.get(id);
  jobs.delete(id);
  set({ jobs });
  for (const hearer of [...hearers]) {
    hearer({ type: "job", job: id, state: { ...job, state: "failed", message: words.lost } });
  }
}

function change(id, patch) {
  const job = state.jobs.get(id);
  if (job) set({ jobs: new Map(state.jobs).set(id, { ...job, ...patch }) });
}

function takeState(now) {
  const before = state.jobs.get(now.id);
  if (before && !isOpen(before) && isOpen(now)) return; // an answer that was overtaken by the news of the end
  const job = { steps_of: {}, previews: {}, ...before, ...now, pictures: merged(now.pictures, before?.pictures ?? []) };
  if (before?.ahead !== undefined && now.ahead === undefined) delete job.ahead;
  set({ jobs: new Map(state.jobs).set(now.id, job) });
  if (isMine(job)) sayState(before, job);
}

/** Pictures by place; what news told counts more than an answer that was under way meanwhile. */
function merged(pictures, known) {
  const byPlace = new Map([...pictures, ...known].map((picture) => [picture.place, picture]));
  return [...byPlace.values()].sort((a, b) => a.place - b.place);
}

function sayState(before, job) {
  if (before?.state === job.state || (!before && !isOpen(job))) return;
  const prompt = promptOf(job);
  if (!before) announce(words.say.begun(job.count, prompt));
  if (job.state === "finished") announce(words.say.finished(job.done, prompt));
  if (job.state === "cancelled") announce(words.say.cancelled(prompt));
  if (job.state === "failed") announce(words.say.failed(prompt, job.message ?? ""));
}

function takeStep({ job: id, index, step, clean }) {
  const job = state.jobs.get(id);
  if (!job) return;
  const before = progressOf(job);
  const patch = { steps_of: { ...job.steps_of, [index]: step + 1 } };
  if (clean) patch.previews = { ...job.previews, [index]: clean };
  change(id, patch);
  const now = progressOf(state.jobs.get(id));
  const passedHalf = before.made * 2 < before.of && now.made * 2 >= now.of;
  if (passedHalf && now.of >= 200) announce(words.say.half(promptOf(job))); // short jobs end before it is read out
}

function takePicture({ job: id, picture }) {
  const job = state.jobs.get(id);
  if (!job) return;
  const pictures = merged([picture], job.pictures);
  change(id, { pictures, done: Math.max(job.done, pictures.length) });
}

function changeInJobs(picture) {
  for (const job of state.jobs.values()) {
    if (!job.pictures.some((other) => other.id === picture.id)) continue;
    const now = { deleted: false, ...picture };
    change(job.id, { pictures: job.pictures.map((other) => (other.id === now.id ? { ...other, ...now } : other)) });
  }
}

/** Begin a job of the gallery. */
export async function begin(body) {
  const job = await api.begin(body);
  if (!state.jobs.has(job.id)) takeState(job);
  else change(job.id, { warnings: job.warnings }); // the news of the job were faster
  return job;
}

/**
 * Draw outside the gallery, for a chapter.
 *
 * @param {object} body of POST /api/jobs
 * @param {(news: object) => void} step hears "step" and "picture" news
 * @returns {{pictures: Promise<object[]>, stop: () => void}} the pictures; rejected when it fails, empty when stopped
 */
export function drawAside(body, step = () => {}) {
  let id = null;
  let stopped = false;
  let off = () => {};
  const early = []; // news may come before the answer that tells which job they are of
  const pictures = new Promise((resolve, reject) => {
    const listener = (news) => {
      if (id === null) early.push(news);
      else if (news.job === id) take(news);
    };
    const take = (news) => {
      if (news.type !== "job") return step(news);
      if (isOpen(news.state)) return undefined;
      off();
      return news.state.state === "failed" ? reject(new Error(news.state.message)) : resolve(news.state.pictures);
    };
    off = onNews(listener);
    api.begin({ ...body, keep: false }).then((job) => {
      id = job.id;
      if (!state.jobs.has(id)) takeState(job);
      if (stopped) api.cancel(id).catch(() => {});
      early.forEach(listener);
    }, (error) => {
      off();
      reject(error);
    });
  });
  const cancel = (how) => {
    stopped = true;
    const job = state.jobs.get(id);
    if (job && isOpen(job)) how(id);
  };
  const leaving = () => cancel(api.cancelAtLast); // nobody will look at it
  addEventListener("pagehide", leaving);
  const done = () => removeEventListener("pagehide", leaving);
  pictures.then(done, done);
  return { pictures, stop: () => cancel((job) => api.cancel(job).catch(() => {})) };
}

/** Keep place and time left of open jobs true while somebody looks; news tell only when a job changes its state. */
export function keepAsking() {
  setInterval(async () => {
    if (document.hidden || !state.online) return;
    for (const { id } of openJobs().slice(0, POLLED)) {
      const now = await api.job(id).catch(() => null);
      if (now && state.jobs.has(id)) takeState(now);
    }
  }, 2000);
}
