/** The simplest machine that tells kinds apart, as in inspection/separating.py: the nearest middle. */

const Z95 = 1.959964;

const meanOf = (numbers) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;

/**
 * Find the middle of each kind, in standard deviations of what is learnt from.
 *
 * @param {number[][]} rows values of each picture
 * @param {number[]} labels their kinds
 * @returns {(row: number[]) => number} what a picture with these values is taken for
 */
export function learn(rows, labels, kinds) {
  const width = rows[0].length;
  const means = Array.from({ length: width }, (_, m) => meanOf(rows.map((row) => row[m])));
  const spreads = means.map((mean, m) => Math.sqrt(meanOf(rows.map((row) => (row[m] - mean) ** 2))) || 1);
  const scaled = (row) => row.map((value, m) => (value - means[m]) / spreads[m]);
  const middles = Array.from({ length: kinds }, (_, k) => {
    const own = rows.filter((_, i) => labels[i] === k).map(scaled);
    return means.map((_, m) => meanOf(own.map((row) => row[m])));
  });
  return (row) => {
    const far = middles.map((middle) => scaled(row).reduce((sum, value, m) => sum + (value - middle[m]) ** 2, 0));
    return far.indexOf(Math.min(...far));
  };
}

/** What each picture is taken for by the machine that has not learnt from its drawing. */
export function heldOut(rows, pictures, kinds) {
  const guesses = [];
  for (const fold of new Set(pictures.map((each) => each.fold))) {
    const inside = pictures.map((_, i) => i).filter((i) => pictures[i].fold !== fold);
    const guess = learn(inside.map((i) => rows[i]), inside.map((i) => pictures[i].kind), kinds);
    pictures.forEach((each, i) => {
      if (each.fold === fold) guesses[i] = guess(rows[i]);
    });
  }
  return guesses;
}

/** How often guesses are right, with Wilson's interval in which each drawing is one case. */
export function score(guesses, pictures) {
  const right = guesses.filter((guess, i) => guess === pictures[i].kind).length;
  const [share, cases] = [right / pictures.length, new Set(pictures.map((each) => each.drawing)).size];
  const middle = share + Z95 ** 2 / (2 * cases);
  const spread = Z95 * Math.sqrt((share * (1 - share)) / cases + Z95 ** 2 / (4 * cases ** 2));
  const [low, high] = [-1, 1].map((sign) => (middle + sign * spread) / (1 + Z95 ** 2 / cases));
  return {
    share, low: Math.min(Math.max(low, 0), share), high: Math.max(Math.min(high, 1), share),
    pictures: pictures.length, drawings: cases,
  };
}

/** The most frequent mistake, as [what, taken for, times]; null where there is none. */
export function confused(guesses, pictures) {
  const times = new Map();
  guesses.forEach((guess, i) => {
    const key = `${pictures[i].kind} ${guess}`;
    if (guess !== pictures[i].kind) times.set(key, (times.get(key) ?? 0) + 1);
  });
  const [most] = [...times].sort((a, b) => b[1] - a[1]);
  return most ? [...most[0].split(" ").map(Number), most[1]] : null;
}
