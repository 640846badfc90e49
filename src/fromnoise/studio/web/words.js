/** Everything the page says, in one place, so that a translation is one file. Functions take what differs. */

const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;

/** "about 3 min", as far as anyone can tell. */
function duration(seconds) {
  if (seconds < 1.5) return "a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export const words = {
  skip: "Skip to the content",
  brand: "fromnoise",
  title: (view) => `${view} · fromnoise`,
  nav: { label: "Rooms", make: "Make", gallery: "Gallery", chapters: "How it works", api: "Image API" },
  close: "Close",
  undo: "Undo",
  cancel: "Cancel",
  picture: "picture",
  offline: "The studio does not answer; trying again…",
  noFacts: (why) => `The studio cannot be reached: ${why}`,
  unreachable: "the server does not answer",
  lost: "the server does not know of this drawing any more",
  strange: (status) => `the server answered with status ${status}`,
  pictures: (n) => many(n, "picture", "pictures"),
  duration,

  make: {
    title: "Make a picture",
    model: (name, pixels) => `${name} draws ${pixels}×${pixels} pixels`,
    prompt: "What should it show?",
    promptHint: "Enter draws, Shift+Enter begins a new line.",
    promptExample: "a red apple with a green leaf",
    examples: "Try:",
    negative: "What it should not show",
    style: "Style",
    ownStyle: (style) => `model's choice: ${style}`,
    count: "Pictures",
    seed: "Seed",
    dice: "Roll another seed",
    lock: "Keep this seed",
    lockHint: "Kept: the same picture again. Not kept: a new seed for every drawing.",
    more: "More settings",
    steps: "Steps",
    guidance: "Guidance",
    rescale: "Guidance rescale",
    sampler: "Sampler",
    fast: (n) => `Fast (${n} steps)`,
    fastHint: "Guidance, steps and sampler are built into the fast model.",
    bestOf: "Best of",
    bestOfHint: "So many candidates are drawn; CLIP keeps the one that fits the words best.",
    transparent: "No background",
    transparentHint: "Cut out of its white, for a PNG with transparency. A background that is not white stays.",
    draw: "Draw",
    sending: "Sending…",
    alsoSize: (w, h) => `${w}×${h} pixels`,
    alsoTowards: (amount, seed) => `${Math.round(amount * 100)} % of the way to seed ${seed}`,
    alsoFree: "without words",
    also: (list) => `Taken over as well: ${list}.`,
    alsoDrop: "Leave that out",
    filled: "The settings are in the form.",
    otherModel: "Drawn by another model: here the same settings give another picture.",
  },

  start: {
    title: "Start from a picture",
    hint: "Drop one anywhere, paste it, or",
    choose: "choose a file",
    reading: "Reading the picture…",
    notPicture: (name) => `${name} is not a picture.`,
    preview: "The picture to start from",
    remove: "Take it away",
    restyle: "Restyle all of it",
    inpaint: "Change a part",
    mode: "What to do with it",
    strength: "How much may change",
    strengthValue: (v) => `${Math.round(v * 100)} %`,
    ours: "fromnoise drew this picture, and its settings are in the file.",
    useSettings: "Use its settings",
    canvas: "Paint over what may change; without a pointer, use the areas below.",
    brush: "Brush",
    erase: "Rubber",
    clear: "Clear",
    areas: "Areas",
    area: {
      whole: "Whole picture",
      upper: "Upper half",
      lower: "Lower half",
      left: "Left",
      right: "Right",
      centre: "Centre",
    },
    painted: (percent) => (percent ? `${percent} % may change.` : "Nothing is painted yet."),
    nothingPainted: "Paint what may change first, or pick an area.",
  },

  wall: {
    title: "On the wall",
    empty: "The wall is still bare. Write what a picture should show, press Draw, and watch it come out of the static.",
    newest: "The newest pictures of the gallery, until you draw your own.",
    noNewest: (why) => `The gallery cannot be shown: ${why}`,
    all: "All pictures",
    lookAt: (prompt) => `Look at: ${prompt}`,
    tile: (i, prompt) => `Picture ${i}: ${prompt}`,
    drawing: (i, prompt) => `Picture ${i}, being drawn: ${prompt}`,
    open: (i, prompt) => `Look at picture ${i}: ${prompt}`,
    wordless: "no words",
    state: {
      queued: "Waiting",
      running: "Drawing",
      finished: "Finished",
      failed: "Failed",
      cancelled: "Cancelled",
      interrupted: "Interrupted",
    },
    partly: (done, count) => `${done} of ${count} drawn`,
    progress: (prompt) => `Progress of ${prompt}`,
    amount: (a) => `${Math.round(a * 100)} %`,
    seedOf: (seed) => `seed ${seed}`,
    stepsOf: (n) => many(n, "step", "steps"),
    cancelThis: (prompt) => `Cancel ${prompt}`,
    again: "Use these settings",
  },

  queue: {
    title: "Also in the queue",
    yours: "yours",
    others: "someone else’s",
    now: "being drawn",
    ahead: (n) => `${many(n, "picture", "pictures")} before it`,
    left: (seconds) => `about ${duration(seconds)} left`,
    count: (n) => `${n} in the queue`,
  },

  notices: {
    label: "Notices",
    queuedAgain: (n) => `The studio was started again and took up ${many(n, "job", "jobs")} that waited.`,
    interrupted: (prompt, done, count) =>
      `“${prompt}” was interrupted when the studio stopped: ${done} of ${count} pictures are done.`,
    again: "Draw what is missing",
    away: "Put away",
  },

  say: {
    begun: (n, prompt) => `Drawing ${many(n, "picture", "pictures")}: ${prompt}`,
    half: (prompt) => `Half done: ${prompt}`,
    finished: (n, prompt) => `Finished, ${many(n, "picture", "pictures")}: ${prompt}`,
    cancelled: (prompt) => `Cancelled: ${prompt}`,
    failed: (prompt, why) => `Failed: ${prompt}. ${why}`,
  },

  gallery: {
    title: "Gallery",
    search: "Search the prompts",
    favourites: "Favourites only",
    choose: "Choose two",
    chooseHint: "Choose two pictures to draw the way between them.",
    chosen: (n) => `${n} of 2 chosen`,
    between: "Draw the way between",
    stop: "Stop choosing",
    total: (n) => many(n, "picture", "pictures"),
    more: "Show more",
    open: (prompt) => `Look at: ${prompt}`,
    pick: (prompt) => `Choose: ${prompt}`,
    favouriteMark: "favourite",
    empty: "No pictures yet.",
    emptyLink: "Make the first one",
    nothing: "No picture fits. Try fewer words, or look at all of them.",
    all: "Show all pictures",
    noWayFromStart: "Pictures that started from another picture have no way to a second one.",
    noWayFromWay: "This picture lies between two others already.",
    noWayAlike: (list) => `Both must be drawn alike; they differ in ${list.join(", ")}.`,
    alike: {
      fast: "fast", free: "words or none", negative: "what they should not show", model: "the model", width: "width",
      height: "height", steps: "steps", sampler: "sampler", guidance: "guidance", rescale: "rescale",
      interval: "guidance interval", spacing: "spacing", sigmas: "sigmas",
    },
  },

  detail: {
    pixelated: "Show the pixels",
    bestOf: ({ kept, scores, copies }) => {
      const list = scores.map((score, i) => `${score.toFixed(3)}${copies.includes(i) ? " (copy)" : ""}`).join(", ");
      return `kept ${kept + 1} of ${scores.length} candidates; likeness to the words: ${list}`;
    },
    transparent: "transparent",
    favourite: "Favourite",
    download: "Download",
    delete: "Delete",
    deleted: "The picture is deleted.",
    restored: "The picture is back.",
    again: "Again with these settings",
    variations: "Four variations",
    start: "Start from this picture",
    before: "Newer picture",
    after: "Older picture",
    settings: "Settings",
    facts: {
      prompt: "Prompt",
      negative: "Not",
      style: "Style",
      seed: "Seed",
      towards: "On the way to",
      steps: "Steps",
      guidance: "Guidance",
      rescale: "Guidance rescale",
      sampler: "Sampler",
      strength: "Change of the start picture",
      background: "Background",
      bestOf: "Best of",
      size: "Size",
      model: "Model",
      precision: "Precision",
      created: "Drawn",
    },
    towards: (t) => `${Math.round(t.amount * 100)} % of the way to seed ${t.seed}${t.prompt ? `, “${t.prompt}”` : ""}`,
    size: (w, h) => `${w}×${h}`,
    fast: "fast",
  },

  chapters: {
    label: "Chapters",
    number: (n) => `Chapter ${n}`,
    next: (title) => `Next: ${title}`,
    missing: "There is no such chapter.",
    prompt: "Prompt",
    draw: "Draw it",
    stopped: "Stopped.",
    know: "How do we know?",
    command: "The same in a terminal, as a page to keep:",
    code: "The code:",

    words: {
      title: "What do my words do?",
      about:
        "The machine reads the prompt once, and then, at every step, each place of the picture looks at the words again. " +
        "Point at a word to see where it counts; point at a place to see which words are behind it.",
      example: "apple and banana",
      picture: "The picture, with the map of the chosen word on it",
      chips: "The words of the prompt",
      way: "What the map shows",
      ways: { needed: "Where it is needed", listened: "Where it is listened to" },
      step: "Step",
      block: "Block of the network",
      blockName: (name) => (name === "all" ? "all blocks together" : name),
      drawing: "Drawing, and taking notes…",
      at: (step, t) => `Step ${step}, noise level ${Math.round(t)}`,
      done: "Done. Choose a word.",
      choose: "Point at a word, or choose one.",
      pointHint: "Point at a place of the picture, and the words that count there most are underlined.",
      signs: { start: "start", end: "end", padding: "padding" },
      needed: (word) =>
        `Where it is yellow, the machine needs “${word}”: told everything but that word, its guess of this picture gets ` +
        "worse there.",
      notNeeded: {
        start: "This sign stands before every prompt. It cannot be left out.",
        end: "This sign stands after every prompt. It cannot be left out.",
        padding: "Empty places after a short prompt. They cannot be left out.",
      },
      listened: (name, share, kind) => {
        const part = `${(100 * share).toFixed(share < 0.01 ? 1 : 0)} %`;
        if (kind === "start") return `${part} of all listening goes to the sign before the words. It says nothing: whoever listens to it listens to no word.`;
        if (kind === "end") return `${part} goes to the sign after the words, which has read the whole prompt.`;
        if (kind === "padding") return `${part} goes to the empty places after the prompt, which have read it too.`;
        return `“${name}” gets ${part} of all listening; here it is yellow where it gets most of its own.`;
      },
      without: "The same noise, without a word",
      withoutHint:
        "Muted, a word says nothing itself, but the words after it have read it. Left out, it was never read. Black " +
        "means that nothing changes.",
      muted: (word) => `“${word}” muted`,
      leftOut: (word) => `“${word}” left out`,
      whole: "All words",
      know: [
        "Where it is needed: the finished picture gets noise again, four times, until only its large shapes are left. " +
          "The network guesses the picture from that, once with the whole prompt and once without the word. The map is " +
          "how much worse the second guess is at each place.",
        "Where it is listened to: in every block with cross-attention, each place weighs all words; the weights make 1 " +
          "together. They are read while the picture is drawn, which changes no pixel of it.",
        "The two are not the same. On real pictures of two things side by side, the first map lies on the right thing " +
          "nine times in ten; for the second it is a coin toss in this small model (benchmarks/word_maps.py).",
      ],
    },

    static: {
      title: "Static to picture",
      about:
        "The machine never paints. It starts with pure static and is asked, again and again: if this were a picture " +
        "under noise, what would the picture be? Each answer takes a little of the noise away.",
      thousand: "1,000-step mode",
      thousandHint: "The original way: a tiny bit of noise less each time, with new noise mixed in. It takes a while.",
      noisy: "What it has now: the picture with its noise",
      clean: "What it takes that for",
      slider: "Step",
      play: "Play",
      pause: "Pause",
      empty: "Press “Draw it”, then drag the slider from static to picture.",
      at: (step, total, t) => `Step ${step} of ${total}, noise level ${t}`,
      done: "No noise left: this is the picture.",
      level: (t, levels) => {
        const part = t / levels;
        if (part > 0.9) return "Nothing but static. The guess is a blur: an average of all that the words could mean.";
        if (part > 0.6) return "A rough shape: where things are, and which colours they have.";
        if (part > 0.25) return "Parts appear: edges, shadows, one thing before another.";
        return "Details: the last noise turns into fine edges and highlights.";
      },
      frames: (n) => `${n} steps to look at.`,
    },

    machine: {
      title: "The machine",
      about:
        "This is the very model that is loaded, found by running it once. Choose a box to see what goes in, what " +
        "comes out, and what is inside. Bars show it too: as wide as the map is large, as thick as it has channels.",
      total: (n) => `${n.toLocaleString("en")} weights altogether`,
      weights: (n) => many(n, "weight", "weights"),
      share: (part) => `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} % of all`,
      tokens: "The prompt, cut into tokens",
      picture: "The picture",
      loop: (n) => `runs ${n} times, once a step`,
      also: "Also on board, for other tasks",
      takes: "takes",
      gives: "gives",
      path: "path",
      kind: "kind",
      nothing: "nothing of its own",
      inside: (n) => `Inside: ${many(n, "block", "blocks")}`,
      up: "One level up",
      box: (name, kind, weights) => `${name}, ${kind}, ${weights}`,
      reading: "Running the model once to measure it…",
      details: "The chosen box",
      names: {
        text_encoder: "Text encoder: reads the words",
        text_encoder_2: "Second text encoder",
        unet: "U-Net: finds the picture in the noise",
        "vae.decoder": "Decoder: from latents to pixels",
        "vae.encoder": "Encoder: from pixels to latents, for start pictures",
        "clip.image": "Image tower: tells how well a picture fits its words",
      },
    },

    luck: {
      title: "Luck",
      about:
        "The first static comes from a seed, a number from 0 to 4,294,967,295. There are 2³² of them, so two people " +
        "hardly ever meet in the same one, and each gives another picture. Yet nothing is left to chance after that: " +
        "the same seed, words and settings bring the same picture back, pixel by pixel.",
      seeds: "One prompt, eight seeds",
      prompts: "One seed, many prompts",
      promptList: "Prompts, one on each line",
      promptLines: "a red apple\na red car\na red flower\na red balloon",
      seed: "Seed",
      drawSeeds: "Draw eight",
      drawPrompts: "Draw them all",
      pick: (seed) => `seed ${seed}`,
      pickLabel: (seed) => `Choose seed ${seed}`,
      return: "Bring one back",
      returnHint: "Draw eight first, and choose one of them. Then it is drawn once more, from its seed alone.",
      again: (seed) => `Draw seed ${seed} again`,
      first: "First time",
      second: "Second time",
      difference: "Difference",
      identical: (n) => `Identical: all ${n.toLocaleString("en")} pixels are the same.`,
      different: (bad, n) => `${bad.toLocaleString("en")} of ${n.toLocaleString("en")} pixels differ.`,
    },

    game: {
      title: "The game",
      about:
        "A children's game explains the machine: take a story in one line, replace a word by a wrong one, and ask a child " +
        "to repair it. Then two words, then more, until nothing but random words is left. Who can play on to the end can " +
        "find a story in any noise. This page plays it with you, on words and on a picture.",
      game: "You against the machine",
      gameHint:
        "Some of these words do not belong. Put in what fits; then the machine tries the same, and you see what it was. " +
        "The machine is told how many are wrong, not which. It is small, knows some 10,000 words, and never read this.",
      noise: "Noise",
      share: (n) => `${n} % of the words are noise`,
      word: (i, n) => `Word ${i} of ${n}`,
      compare: "Compare with the machine",
      another: "Another sentence",
      spoilt: "Spoilt",
      yours: "Yours",
      machines: "The machine's",
      was: "What it was",
      notSo: "not what it was",
      gap: "(empty)",
      verdict: (yours, machine, n) =>
        `Of ${many(n, "wrong word", "wrong words")} you found ${yours} and the machine ${machine}.`,
      thoughts: "What the machine took for wrong, and thought of instead",
      thought: (word, guesses) => `“${word}”: ${guesses}`,
      picture: "The same on a picture",
      pictureHint: "The slider above, with pixels for words: how much noise the machine sees, and what it takes it for.",
      noisyPicture: "What it sees",
      cleanPicture: "What it thinks is there",
      drawing: "Drawing…",
      level: (t, levels) => `Noise level ${t} of ${levels}`,
      plots: "A story out of random words",
      plotsHint: "Say what kind of story it should be, or nothing at all, and watch it appear.",
      genre: "Kind of story",
      place: "Where",
      any: "any",
      start: "Words to start from, if you like",
      startExample: "Gold scissor out headphone neat typewriter spinach",
      startHint: "Without any, they are drawn at random.",
      unknown: (list) => `It does not know these words, so others took their places: ${list}`,
      find: "Find a story",
      seed: "Seed",
      anySeed: "a new one",
      seedOf: (seed) => `Seed ${seed}: the same seed and wishes give the same story again.`,
      steps: (n) => `${many(n, "step", "steps")} from noise to sentence`,
      stepsHint: "Underlined: changed in this step. Pale: the machine is not sure of it yet.",
      left: (n) => `${n} %`,
    },

    pick: {
      or: "Or look into",
      file: "a picture of yours",
      brought: "(write above what is in it).",
      gallery: "Or into one of the gallery:",
      choose: (prompt) => `Look into: ${prompt}`,
      looking: "Looking at the picture…",
    },

    latents: {
      title: "What is a picture to the machine?",
      about:
        "A picture is a long list of numbers, and drawing so many would take long. So the machine draws a shortened form, " +
        "and another network turns that into a picture; here you can reach into the shortened form and see what happens.",
      example: "red car",
      picture: "The picture",
      back: "There and back",
      error: "Where they differ",
      drawing: "Drawing a picture…",
      step: (step, total) => `Drawing a picture: step ${step} of ${total}`,
      reading: "Shortening it…",
      short: ({ numbers, latents }) => {
        const fewer = latents.reduce((product, n) => product * n, 1);
        return (
          `${numbers.toLocaleString("en")} numbers become ${fewer.toLocaleString("en")}, and ` +
          `${numbers.toLocaleString("en")} again: ${latents[0]} small maps of ${latents[2]}×${latents[1]} hold the whole picture.`
        );
      },
      named: "This shortened form is what experts call latents. The machine draws nothing else.",
      lost: ({ mean, db, white }) =>
        `A colour comes back ${mean} of 255 steps off, on average` +
        `${db === null ? "" : `; that is a likeness of ${db.toFixed(1)} dB (20 is coarse, 30 good, 40 hardly to be told apart)`}. ` +
        `In the third picture black is no difference, and white ${white} steps or more.`,
      maps: "Reach into it",
      mapsHint:
        "These are the maps: black is far below the average, white far above, grey says nothing. Press one to mute it; " +
        "press again to bring it back. The slider makes the one that you pressed last weaker or stronger.",
      map: (i, gain) => `Map ${i + 1}${gain === 1 ? "" : gain === 0 ? " muted" : ` ${gain} times as strong`}`,
      gain: (gain) => (gain === 1 ? "" : gain === 0 ? "muted" : `× ${gain}`),
      strength: (i) => `Strength of map ${i + 1}`,
      strengthValue: (gain) => (gain === 0 ? "muted" : `${gain} times`),
      reset: "All as they were",
      changed: "Decoded again, with your changes",
      result: (list, db, before) =>
        list.length
          ? `${list.join(", ")}: the likeness goes from ${before.toFixed(1)} to ${db.toFixed(1)} dB.`
          : `Nothing is changed: a likeness of ${before.toFixed(1)} dB.`,
      most: (i, lost) =>
        `No map is an eye or a wheel: each holds a mixture of brightness, colour and edges that the network found by ` +
        `itself. In this picture, map ${i + 1} counts most: without it, the likeness falls by ${lost.toFixed(1)} dB.`,
      noise: "The same noise on either side",
      noiseHint: "On the left random numbers are added to the picture's numbers, on the right, just as loud, to the shortened form.",
      amount: "How loud the noise is",
      amountValue: (amount) => `${Math.round(100 * amount)} % of the picture's own ups and downs`,
      onPixels: "Noise on the picture",
      onLatents: "Noise on the shortened form",
      compared: ({ pixels, latents }, factor) =>
        `Of what changes on the left, ${Math.round(100 * pixels.coarse)} % lies in patches of ${factor}×${factor} pixels and more, the rest is ` +
        `grain; on the right it is ${Math.round(100 * latents.coarse)} %. Noise on the shortened form bends edges and spreads colours, ` +
        "which is why the machine's early steps look like blots and not like a bad television.",
      code: "src/fromnoise/inspection/latents.py",
      know: [
        "The encoder and decoder (a VAE) were trained first, to bring pictures back as they were. The encoder's numbers are " +
          "scaled so that, over many pictures, each map has an average of 0; so a map that is muted is set to 0, which says nothing.",
        "Likeness is the peak signal-to-noise ratio, in dB: 10 times the logarithm of 255² over the mean squared difference. " +
          "Whatever you press is decoded again by the model on the server; nothing is stored beforehand.",
        "Noise has the picture's, or the maps', own standard deviation times the slider, and is always the same noise, only louder.",
      ],
    },

    noise: {
      title: "Where does it stop recognising?",
      about:
        "Drown a picture in noise, a little or completely, and ask the machine what was there. This is the exercise that " +
        "taught it to draw: real pictures, drowned, and a mark for every guess.",
      example: "red apple",
      slider: "How far up the noise levels",
      noisy: "The picture with noise",
      clean: "What was there",
      without: "Its guess without words",
      told: "Its guess, told the words",
      guessOf: (what, percent) => `${what}, from ${percent} %`,
      way: "What the first picture shows",
      ways: { colours: "Noise on the colours", seen: "What the machine gets" },
      wayHint: {
        colours: "Each of the picture's numbers is mixed with a random one. Your browser does it while you drag, at every level.",
        seen:
          "The machine works on a shortened form of the picture, and the noise is put on that. This is how it looks, " +
          "turned back into a picture, at the nearest tenth.",
      },
      seenAt: (percent) => `What the machine gets at ${percent} %`,
      drawing: "Drawing a picture…",
      step: (step, total) => `Drawing a picture: step ${step} of ${total}`,
      reading: "Drag the slider. The machine is about to guess…",
      guessing: (n, total) => `Guessing from level ${n} of ${total}; drag the slider meanwhile.`,
      level: (t, total) => (t < 0 ? "no noise" : `${((100 * (t + 1)) / total).toFixed(1)} %, level ${t + 1} of ${total}`),
      at: (t, total, [alpha, sigma]) =>
        (t < 0
          ? "No noise: the picture itself."
          : `Level ${(t + 1).toLocaleString("en")} of ${total.toLocaleString("en")}: ` +
            `${(100 * alpha ** 2).toFixed(1)} % picture, ${(100 * sigma ** 2).toFixed(1)} % noise.`),
      worth: ({ t, without, with_words: told, gain }, blind, captions) => {
        if (t < 0) return "Without noise there is nothing to guess. What is lost here is lost by the shortened form.";
        const parts = [`Without words, this guess is ${Math.round((100 * without.error) / blind)} % as wrong as a blind one.`];
        if (told && gain >= 0.005) parts.push(`The words take away ${Math.round(100 * gain)} % of its mistake.`);
        if (told && Math.abs(gain) < 0.005) parts.push("The words are worth nothing here.");
        if (told && gain <= -0.005) parts.push(`The words mislead it here: its mistake grows by ${Math.round(-100 * gain)} %.`);
        if (captions && without.rank) {
          const place = (rank) => (rank === 1 ? "the best of all" : `place ${rank.toLocaleString("en")}`);
          parts.push(
            `Asked which of ${captions.toLocaleString("en")} captions fits the guess, its own judge of words and pictures ` +
            `puts yours at ${place(without.rank)}${told?.rank ? `; told the words, at ${place(told.rank)}` : ""}.`);
        }
        return parts.join(" ");
      },
      verdict: ({ lost, best, captions }, total) => {
        const percent = (t) => `${Math.round((1000 * (t + 1)) / total) / 10} %`;
        const parts = [];
        if (lost.recognised && lost.by_caption !== null) {
          parts.push(
            `It stops recognising at ${percent(lost.by_caption)}: from there on, without words, your caption is no longer ` +
            `among the best ${best} of ${captions.toLocaleString("en")} for its guess.`);
        } else if (lost.recognised) {
          parts.push("Its guesses can be called by your words at every level, even from noise alone. That is luck: it has seen nothing.");
        } else if (lost.recognised === false) {
          parts.push("Its judge does not find your words even for the picture itself, so it cannot say when it stops recognising.");
        }
        if (lost.by_distance !== null) {
          parts.push(`Measured in numbers, from ${percent(lost.by_distance)} on the guess is off by more than half as much as a blind one.`);
        }
        return parts.join(" ") || "Done.";
      },
      lesson: "The lesson of training",
      lessonText: [
        "Training was this page, again and again: take a real picture, choose a noise level by lot, drown the picture, " +
          "let the machine guess, and correct it a little where it was wrong. Low levels teach edges and texture, middle " +
          "ones shapes, and the highest only which things go with which words: there, words are all there is to go by.",
      ],
      table: "How wrong the guess from each level is (100 %: as wrong as a blind one), and how many of all lessons were given in the tenth of the levels up to it.",
      heads: { level: "Level", without: "Without words", told: "With words", share: "Lessons" },
      goTo: (percent) => `Move the slider to ${percent} %`,
      shares: (below, count) =>
        `${count ? `This model was given ${count.toLocaleString("en")} lessons. ` : ""}${Math.round(100 * below)} % of its lessons were in the lower half of the levels, ${Math.round(100 - 100 * below)} % in the upper half.`,
      noShares: "This model does not say how its lessons were spread over the levels.",
      code: "src/fromnoise/inspection/noise.py",
      know: [
        "At each tenth of the levels the picture's shortened form gets noise, four times; the network guesses the clean one " +
          "from each, once with your words and once without. How wrong it is: the mean squared difference to what was " +
          "there. 100 % is its guess from noise alone, without words.",
        "Recognising: CLIP, the network that reads the words, also compares pictures with captions. Your caption is " +
          "recognised where it is among the best hundredth of all captions that the model knows. It is one judge, and a small one.",
        "The lessons are counted by drawing 200,000 levels in the way in which training draws them.",
      ],
    },
  },
};

/** The text at a path such as "make.draw", for elements that name theirs in data-word. */
export const word = (path) => path.split(".").reduce((found, key) => found[key], words);
