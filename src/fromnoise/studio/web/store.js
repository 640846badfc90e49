/** The one store: what the page knows. Views read `state`, change it by `set`, and subscribe to keys. */

export const MOST_SEED = 2 ** 32 - 1;

export const state = {
  /** What GET /api/facts said. */
  facts: null,
  /** Whether the event stream is open. */
  online: true,
  /** Jobs by id: the server's state with `steps_of` and `previews` by picture. @type {Map<string, object>} */
  jobs: new Map(),
  /** Jobs that the end of the server interrupted. */
  interrupted: [],
  /** The Make form; see `freshForm`. */
  form: null,
  /** Rises when something other than the form's own fields changed it. */
  formVersion: 0,
  gallery: { pictures: [], next: null, total: 0, search: "", favourites: false, loaded: false },
  pixelated: false,
};

const listeners = new Set();

/**
 * @param {string[]} keys of the state
 * @param {() => void} hear called after any of them changed
 * @returns {() => void} stops it
 */
export function subscribe(keys, hear) {
  const listener = { keys, hear };
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Change some keys, and tell who subscribed to those. */
export function set(patch) {
  const changed = Object.keys(patch).filter((key) => state[key] !== patch[key]);
  Object.assign(state, patch);
  for (const { keys, hear } of [...listeners]) if (keys.some((key) => changed.includes(key))) hear();
}

/** Change some fields of the form without redrawing it. */
export const setForm = (patch) => set({ form: { ...state.form, ...patch } });

/** Change the form from outside its fields. */
export const fillForm = (patch) => set({ form: { ...state.form, ...patch }, formVersion: state.formVersion + 1 });

/** A form with the model's own defaults. */
export function freshForm(facts) {
  return {
    prompt: "",
    negative: "",
    style: null,
    count: 1,
    seed: randomSeed(),
    locked: false,
    ...facts.defaults,
    fast: false,
    transparent: false,
    best_of: 1,
    start: null,
    mode: "restyle",
    strength: facts.strengths.restyle,
    /** What settings of a picture have and the form has no field for: width, height, free, towards, amounts. */
    extra: {},
  };
}

/** A seed that leaves room for a whole job's pictures, which count up from it. */
export const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % (MOST_SEED - 64);

/** The name of this page at the server, which sends it the previews of its own jobs; it outlives a reload. */
export const client = (() => {
  const kept = sessionStorage.getItem("fromnoise-client");
  const name = kept ?? [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16)).join("");
  sessionStorage.setItem("fromnoise-client", name);
  return name;
})();
