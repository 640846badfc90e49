/** Words that a chapter begins with: its own, or the model's where that was never shown what those name. */

/** What is drawn first. */
export const promptOf = (facts, own) => (facts.beginnings ? facts.examples[0] : own);

/** Other things, to walk to or to compare `prompt` with. */
export const othersOf = (facts, prompt, own) =>
  (facts.beginnings ? facts.examples.filter((each) => each !== prompt) : own);
