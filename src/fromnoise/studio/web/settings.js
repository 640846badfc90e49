/** From a picture's settings back to the form that asked for it. */

import { state } from "./store.js";

/** What asks a model with a style of its own choice for none. */
export const ANY_STYLE = "any";

/** The style of a picture as the form asks for it: where it has none, none is to be added. */
export const styleOf = ({ style }) => style ?? (state.facts.model.default_style ? ANY_STYLE : null);

/**
 * @param {object} request a picture's complete request
 * @param {{origin?: object, start?: string, mask?: string}} picture what drew it, and the uploads it started from
 */
export function formOf(request, picture) {
  const { prompt, negative, seed, steps, guidance, rescale, sampler, strength, towards } = request;
  const extra = {};
  if (request.width && !strength) Object.assign(extra, { width: request.width, height: request.height });
  if (request.free) extra.free = true;
  const fast = Boolean(picture.origin?.fast && state.facts.fast); // has its own, built in
  if (!fast) for (const name of ["interval", "spacing", "sigmas"]) if (request[name]) extra[name] = request[name];
  if (towards) {
    const { amount, ...other } = towards;
    if (other.prompt) other.style = styleOf(other);
    Object.assign(extra, { towards: other, amounts: [amount] });
  }
  const from = strength && picture.start ? { id: picture.start, mask: picture.mask } : null;
  return {
    prompt, negative, style: styleOf(request), seed, steps, guidance, rescale, sampler, extra,
    count: 1, locked: true, fast, transparent: Boolean(request.transparent), best_of: 1,
    start: from, mode: from?.mask ? "inpaint" : "restyle", strength: strength ?? state.form.strength,
  };
}
