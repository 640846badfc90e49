/** Everything the page says, in one place, so that a translation is one file. Functions take what differs. */

const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;

/** A share of 1 in percent, with a digit more where it is small. */
function percent(share, digits = share < 0.0995 ? 1 : 0) {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A number without needless digits. */
const plain = (number) => String(Math.round(number * 100) / 100);

/** A time from 0 as a level from 1, as people count. */
const levelOf = (t, levels) => `${(Math.round(t) + 1).toLocaleString("en")} of ${levels.toLocaleString("en")}`;

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
  nav: {
    label: "Rooms", make: "Make", gallery: "Gallery", chapters: "How it works", training: "Training", api: "Image API",
  },
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

  tour: {
    never: "This page is a recording, and this was not recorded. On a machine of your own, fromnoise draws it at once.",
    made: ({ prompt, seed, style }, model) =>
      `Recorded for “${prompt}”${style ? `, ${style}` : ""}, seed ${seed}, with the model ${model}: every picture and number here was computed for it. This makes the page again:`,
    own: "fromnoise is free and runs on a laptop. Its studio has these chapters live, for your own words and your own model.",
    left: "Left out, since this model cannot show it:",
  },

  copies: {
    title: "Is it a copy?",
    asking: "Comparing it with the training pictures…",
    verdict: (answer, notAsked) => {
      const { called } = answer.suspect;
      if (answer.copy) return `It may be a copy of a training picture: ${called}. Look at both.`;
      if (answer.close) {
        return `Not called a copy, but nearer to a training picture (${called}) than 19 of 20 real pictures are to any other. Look at both.`;
      }
      const which = `${many(answer.pictures, "picture", "pictures")} that ${answer.model} learned from`;
      return notAsked.length ? `Not a copy of any of the ${which}; but not everything was asked.` :
        `Not a copy of any of the ${which}: the nearest is hardly nearer than many others.`;
    },
    tag: (answer) => (answer.copy ? "may be a copy" : answer.close ? "close to one" : "no copy"),
    near: { by_features: "Nearest by what can be seen in it", by_pixels: "Nearest, pixel by pixel", both: "Nearest, both ways" },
    whose: ({ style, author, licence }) => [style, author && `by ${author}`, licence].filter(Boolean).join(" · "),
    notAsked: (list) => `Not looked at: ${list.join("; ")}.`,
    why: (message) => `Nobody can tell: ${message}.`,
    trust: "How far to trust this",
    how: [
      "Two things are looked at: what another network, which had no part in the drawing, makes of both pictures, and their " +
        "colours, made coarse. In both, the nearest training picture is only suspicious if it is much nearer than the fifty next " +
        "ones. Copies that are mirrored are found too.",
      "It cannot tell a borrowed part, the same thing at another size or turned, or what a LoRA or an upload brought along. " +
        "“No copy” says nothing about copyright, and neither does “may be a copy”. Your eyes are the better judge.",
    ],
    ratio: (answer) =>
      `How near the nearest is, where the fifty next ones are 1: ${answer.features.toFixed(2)} by what can be seen in it (a copy below ` +
      `${answer.limits.features.toFixed(2)}), ${answer.pixels.toFixed(2)} pixel by pixel (a copy below ${answer.limits.pixels.toFixed(2)}). ` +
      "Near 1 it is one among many, and can be something else altogether.",
    rate: (trust, model) => `Of ${model}: ${trust}.`,
    command: "The same in a terminal, for the downloaded file:",
  },

  training: {
    title: "Training",
    lead: (run) => `How the training in “${run}” goes.`,
    none: "This studio watches no training. Start it with one: fromnoise studio --run runs/mine",
    state: {
      none: "Nothing has begun yet",
      beginning: "Getting ready…",
      running: "Training",
      pausing: "Saving, then pausing…",
      stopped: "Paused",
      finished: "Finished",
      ending: "Training is done; finishing up…",
      failed: "It did not begin",
    },
    tasks: {
      text: "Words: what they mean, before any picture",
      clip: "CLIP: which words belong to which picture",
      vae: "VAE: pictures made small, and whole again",
      diffusion: "U-Net: from noise to pictures",
      distill: "U-Net: the same in a few steps",
      lora: "LoRA: your pictures, beside the model",
    },
    short: { text: "Words", clip: "CLIP", vae: "VAE", diffusion: "U-Net", distill: "Few steps", lora: "LoRA" },
    part: (i, n) => `part ${i} of ${n}`,
    percent: (share) => `${Math.floor(100 * share)} %`,
    progress: (task) => `Progress of ${task}`,
    seen: (n) => `${many(n, "picture", "pictures")} seen`,
    rate: (rate) => `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a second`,
    left: (seconds) => `about ${duration(seconds)} left`,
    leftOfRun: (seconds) => `whole run about ${duration(seconds)}`,
    quiet: (seconds) => `nothing was written for ${duration(seconds)}`,
    pause: "Pause and save",
    goOn: "Go on",
    guest: "Whoever started the studio can pause it and go on: with the address that the terminal printed.",
    form: {
      title: "Learn my own pictures",
      about: "The model that comes with fromnoise learns from a folder of your pictures. Things on white are learnt best.",
      how: "How",
      hows: {
        lora: "A look from a few pictures (20 to 50), as a small file beside the model",
        finetune: "A model of its own, from hundreds of pictures",
      },
      trigger: "What their look is called (optional)",
      triggerHint: "One or two words, such as linocut. Then “a cat, linocut style” asks for it.",
      data: "Folder of pictures, on this machine",
      dataHint: "With a caption beside each picture, as cat.txt beside cat.png, or a metadata.jsonl. Or a set on the hub, as hf:owner/name.",
      minutes: "Minutes (optional)",
      minutesHint: "Without them the number of pictures decides; it is said before it begins.",
      start: "Start training",
    },
    warnings: "What to know",
    noWarnings: "No warnings. The loss, the held-out pictures and the gradients are watched all the time.",
    warnedAt: (task, n) => `${task}, after ${many(n, "picture", "pictures")}`,
    sheets: "What it makes",
    noSheet: "The first sheet comes within minutes.",
    sheetOf: {
      text: "A sheet of the training.",
      clip: "Captions that it never saw, each over the pictures that CLIP finds nearest.",
      vae: "Above, pictures that it never saw; below, what comes back from the VAE.",
      diffusion: "Always the same words and the same noise, so that you see what changes.",
      distill: "Always the same words and the same noise, drawn in a few steps.",
      lora: "Words of your pictures, and other things in their look; always by the same noise, at first without the LoRA.",
    },
    moment: (n) => `after ${many(n, "picture", "pictures")}`,
    slider: "Moment",
    newest: "Newest",
    sheetAlt: (task, n) => `Sheet of the ${task} after ${many(n, "picture", "pictures")}`,
    curves: "Curves",
    curvesHint: "Over the pictures seen. The dashed line is the moment of the slider above.",
    curvesHintPlain: "Over the pictures seen.",
    pick: "Show the curves of",
    noCurves: "Curves begin with the first figures.",
    value: (v) => (v === 0 ? "0" : Math.abs(v) >= 1000 || Math.abs(v) < 0.001 ? v.toExponential(1) : String(Number(v.toPrecision(3)))),
    rough: (v) => (v === 0 ? "0" : Math.abs(v) >= 1000 || Math.abs(v) < 0.001 ? v.toExponential(0) : String(Number(v.toPrecision(2)))),
    ends: (from, to) => [`${from.toLocaleString("en")}`, `${many(to, "picture", "pictures")}`],
    said: (label, first, last) => `${label} from ${first} to ${last}`,
    charts: {
      loss: {
        title: "Mistakes (loss)",
        about: "How wrong it is, lower is better. Both lines should fall. If only the one of pictures that it learns from falls, it learns them by heart.",
        lines: { loss: "pictures that it learns from", held_out_loss: "pictures kept aside", train_loss: "the same, undisturbed" },
      },
      top1: {
        title: "Right captions",
        about: "For how many pictures kept aside CLIP picks the right caption among all of theirs. Should rise.",
        lines: { held_out_top1: "share that is right" },
      },
      psnr: {
        title: "Fidelity (dB)",
        about: "How near pictures come back from the VAE, in decibels: 20 is blurred, 30 is good. Should rise.",
        lines: { held_out_psnr: "pictures kept aside", train_psnr: "pictures that it learns from" },
      },
      detail: {
        title: "Fine detail",
        about: "How much of the finest detail of pictures comes back from the VAE: 1 is all of it. Should rise.",
        lines: { detail: "share that comes back" },
      },
      near: {
        title: "Nearness to your pictures",
        about: "Share of drawings that are nearer to a picture it learns from than to any kept aside. A steady rise towards 1 means copying.",
        lines: { near_training: "share of the drawings" },
      },
      gradient: {
        title: "Size of the corrections (gradients)",
        about: "How strongly each step wants to change the network. May wander, should not explode.",
        lines: { gradient_norm: "gradient" },
      },
      rate: {
        title: "Learning rate",
        about: "How far each step may go: it rises in the beginning and falls towards the end, as planned.",
        lines: { learning_rate: "learning rate" },
      },
      speed: {
        title: "Speed",
        about: "Pictures a second. Falls when something else needs the machine.",
        lines: { pictures_per_second: "pictures a second" },
      },
    },
    more: "More curves",
    tryTitle: "Try the newest model",
    tryAbout: "Your own words, always from the same noise, so that you see what it has learnt since the last time.",
    tryPrompt: "What should it show?",
    tryExample: "a red apple",
    tryDraw: "Draw with the newest model",
    tryBusy: "Drawing…",
    tryNone: "The first model appears with the first checkpoint of the U-Net.",
    tried: (prompt, n) => (n === null ? prompt : `${prompt}, after ${many(n, "picture", "pictures")}`),
  },

  chapters: {
    label: "Chapters",
    number: (n, of, question) => [`${n} of ${of}`, question].filter(Boolean).join(" · "),
    parts: {
      where: "Where does the picture come from?",
      words: "What do my words do?",
      luck: "Why is it never the same twice?",
      copy: "Is it a copy?",
      learning: "How did it learn?",
      play: "To play with",
      end: "At the end",
    },
    all: "All chapters",
    next: (title) => `Next: ${title}`,
    back: (title) => `Back: ${title}`,
    asked: ({ prompt, style, seed }) => `“${prompt}”${style ? `, drawn in the style “${style}”` : ""}, from static number ${seed}`,
    missing: "There is no such chapter.",
    prompt: "Prompt",
    draw: "Draw it",
    stopped: "Stopped.",
    know: "How do we know?",
    command: "The same in a terminal:",
    code: "The code:",

    words: {
      title: "What does each word do?",
      about:
        "The machine reads the prompt once, and then, at every step, each place of the picture looks at the words again. " +
        "Point at a word to see where it counts; point at a place to see which words are behind it.",
      example: "red apple and green pear",
      exampleStyle: "noto",
      picture: "The picture, with the map of the chosen word on it",
      place: "A place of the picture: the arrow keys move it",
      behind: (names, column, row) =>
        `Column ${column}, row ${row}: ` + (names.length ? `here count ${names.map((name) => `“${name}”`).join(" and ")}.` : "no word counts more here than elsewhere."),
      chips: "The words of the prompt",
      way: "What the map shows",
      ways: { needed: "Where it is needed", listened: "Where it is listened to" },
      step: "Step",
      block: "Block of the network",
      blockName: (name) => (name === "all" ? "all blocks together" : name),
      drawing: "Drawing, and taking notes…",
      at: (step, t, levels) => `Step ${step}, noise level ${levelOf(t, levels)}`,
      done: "Done. Choose a word.",
      choose: "Point at a word, or choose one.",
      pointHint: "Point at a place of the picture (or move over it with the arrow keys), and the words that count there most are underlined. A style is read as words, too; “start”, “end” and “padding” are signs that the machine puts around them.",
      signs: { start: "start", end: "end", padding: "padding" },
      needed: (word) =>
        `Where it is yellow, the machine needs “${word}”: told everything but that word, its guess of this picture gets ` +
        "worse there. Where it is dark, the word makes no difference.",
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
      without: "The same noise, with less or more of a word",
      withoutHint:
        "Muted, a word says nothing itself, but the words after it have read it. Left out, it was never read. In the " +
        "third picture black means that nothing changes.",
      changes: {
        muted: (word, share) => (share < 0.1 ? `Hardly anything changes: the other words had already read “${word}”.` : `${percent(share, 0)} of the picture changes.`),
        louder: (word, share) => `${percent(share, 0)} of the picture changes${share > 0.3 ? ". Too much of one word can tear a picture apart" : ""}.`,
        leftOut: (word, share) => (share < 0.02 ? `Nothing to speak of changes: “${word}” was not needed.` : `${percent(share, 0)} of the picture changes, since “${word}” was never read.`),
      },
      muted: (word) => `“${word}” muted`,
      louder: (word) => `“${word}” counts double`,
      leftOut: (word) => `“${word}” left out`,
      whole: "All words",
      know: [
        "Where it is needed: the finished picture gets noise again, four times, until only its large shapes are left. " +
          "The network guesses the picture from that, once with the whole prompt and once without the word. The map is " +
          "how much worse the second guess is at each place.",
        "Where it is listened to: in every block with cross-attention, each place weighs all words; the weights make 1 " +
          "together. They are read while the picture is drawn, which changes no pixel of it.",
        "The two are not the same. On real pictures of two things side by side, the first map lies on the right thing " +
          "nine times in ten (92 % of 120); for the second it is a coin toss in this small model. On pictures that the model drew " +
          "itself both are a coin toss: right in 8 of 16 (benchmarks/word_maps.py). It draws two things so badly that nobody can " +
          "say for sure which is which.",
      ],
      code: ["src/fromnoise/inspection/words.py", "src/fromnoise/inspection/watch.py"],
    },

    guidance: {
      title: "How do the words win?",
      about:
        "At every step the machine guesses the picture twice: once deaf to your words, once having heard them. What the " +
        "words change is then exaggerated, so that they win against everything else the static could become.",
      example: "red apple",
      cards: {
        without: "Guess without your words",
        with: "Guess with your words",
        change: "What the words change",
        guided: "The guess that it goes on with",
      },
      guided: (scale) => `What it goes on with: the words’ change, ${plain(scale)} times as strong`,
      changed: { apart: "What the words change (dark: much)", adds: "What the words change (grey: nothing)" },
      usual: "usual",
      none: "not made at this step",
      ways: { apart: "Where they differ", adds: "Which colours the words add" },
      curve: "How far apart both guesses are",
      curveSaid: (differ) => {
        const known = differ.filter((one) => one !== null);
        return known.length ? `from ${percent(known[0])} at first to ${percent(known.at(-1))} at last` : "nothing yet";
      },
      most: (most) => percent(most),
      noise: "static",
      picture: "picture",
      step: "Step",
      drawing: "Drawing, and keeping both guesses…",
      at: (step, total, differ) =>
        `Step ${step} of ${total}: ` +
        (differ === null ? "one guess only" : `the guesses are ${percent(differ)} apart`),
      far: (scale, rescale) =>
        `Here the words decide. The machine takes its deaf guess and adds the change ${plain(scale)} times instead of once` +
        (rescale ? `; then ${Math.round(100 * rescale)} % of the harsh contrast this brings is taken back.` : "."),
      nearing: "The deaf guess sees the shape in the noise by now, and follows. The words still win some edges and colours.",
      near: "Both see the same picture: it is decided. Whatever the words say now changes next to nothing.",
      restsEarly: "In nothing but static, exaggerating would make all pictures alike, so this model makes one guess only, with the words.",
      restsLate: "The picture is all but finished, so this model saves itself the guess without words.",
      ladder: "The same static, obeyed less and more",
      ladderHint:
        "How strongly the change is added is called guidance. At 1 the machine takes its guess with words as it is; from " +
        "there on it exaggerates. Pull the slider to flip between the pictures. More is not always better.",
      row: "Pictures by guidance",
      large: "The picture at the chosen guidance",
      scale: "Guidance",
      waiting: "The steps above come first…",
      rung: (scale) => (scale === 1 ? "Guidance 1: nothing exaggerated" : `Guidance ${plain(scale)}`),
      rungFacts: (now, first) => {
        const moved = now.scale === first.scale ? "" : `${percent(now.moved)} away from the picture at guidance ${plain(first.scale)}. `;
        const beyond = now.beyond < 0.0005 ? "All of its colours fit on a screen." :
          `${percent(now.beyond, 1)} of its colour values are stronger than a screen can show, and are cut off.`;
        const match = now.match === null ? "" : ` Another network, CLIP (the next chapter), says how well it fits your words: ${now.match.toFixed(2)}; 1 is the most.`;
        return moved + beyond + match;
      },
      showSteps: (scale) => `Look at the steps of guidance ${plain(scale)} above`,
      know: [
        "Nothing is asked twice for this page: both guesses are made while the picture is drawn, and noted. " +
          "The sum is: guess without words + guidance × (guess with words − guess without). It is " +
          "made on the shortened form of the picture, not on its colours, so the fourth picture is not quite what " +
          "adding up the first three by eye would give.",
        "How far apart two pictures are: the difference of each red, green and blue value, squared, averaged and rooted; " +
          "100 % would be black against white.",
        "In the picture of where they differ, white is no difference and dark red is half the way from black to white or " +
          "more. In that of the colours, grey is no difference.",
        "Guidance does not make the small model know more: what it never learned does not become right by being " +
          "exaggerated. Too much of it brings harsh edges and colours that run over.",
      ],
      code: ["src/fromnoise/inspection/guidance.py", "src/fromnoise/diffusion/guidance.py"],
    },

    judge: {
      title: "Who checks the picture?",
      about:
        "Another network, CLIP, learned which captions go with which pictures, the same ones as the machine. Here it looks at what the machine believes " +
        "after every step, and bets on which of several captions it is a picture of: your prompt, or one of its rivals.",
      missing: "This chapter needs CLIP’s eyes, the network that looks at pictures, and the model that is loaded has none.",
      example: "red apple",
      others: "tomato\ngreen apple\nred car",
      captions: "Other captions it may choose from",
      captionsHint: "One on each line, up to seven. They are decoys: the closer to your prompt, the easier CLIP falls for one.",
      plain: "CLIP looks on",
      steered: "CLIP steers",
      step: "Step",
      drawing: "Drawing, and asking CLIP…",
      bet: (share) => percent(share, 0),
      fits: (cosine) => `fits ${cosine.toFixed(2)}; 1 is the most`,
      at: (now, total, captions) =>
        `${now.finished ? "The finished picture" : `Step ${now.step + 1} of ${total}`}: CLIP bets on “${captions[now.pick]}”`,
      explain: (now, captions) => {
        const fits = `How well it fits your prompt by itself, without rivals: ${now.cosines[0].toFixed(2)}; 1 is the most.`;
        if (captions.length === 1) return `${fits} Alone, your prompt gets the whole bet; name other captions.`;
        if (now.pick === 0) return `It puts ${percent(now.shares[0], 0)} on your prompt. ${fits}`;
        return `It puts ${percent(now.shares[now.pick], 0)} on “${captions[now.pick]}” and ` +
          `${percent(now.shares[0], 0)} on your prompt. ${fits} Is CLIP wrong, or the picture?`;
      },
      steering: "May it steer as well?",
      steeringHint:
        "CLIP can also say which way each guess would have to change to please it more. Let it push, and the same static is " +
        "drawn once more.",
      steer: "Let it steer",
      howStrongly: "How strongly",
      strength: (one) => ({ 0.1: "a little (0.1)", 0.3: "clearly (0.3)", 1: "too much (1)" })[one],
      verdict: (plain, steered) => {
        const [before, after] = [plain.cosines[0], steered.cosines[0]];
        const more = after > before ? "CLIP likes it better" : "CLIP does not even like it better";
        return `${more}: ${after.toFixed(2)} instead of ${before.toFixed(2)}. Do you?`;
      },
      truth:
        "Steering pleases CLIP, and hardly anybody else. It was measured over 49 prompts with the model that comes with " +
        "fromnoise: another judge, which has no part in the drawing, found 57 % of the pictures right without steering, and " +
        "57, 59 and 37 % with a little, a clear and too much of it. A steered drawing takes about three times as long.",
      know: [
        "CLIP has two halves. The one that reads is the half that the machine reads your prompt with; the one that looks at " +
          "pictures has no part in drawing. Both give a list of numbers, and how much two lists point the same way, from −1 " +
          "to 1, is how well picture and caption fit.",
        "The bars are a bet: those numbers, times how sure of itself CLIP learned to be, shared out so that all captions " +
          "together make 100 %. With fewer captions each gets more; a sure bet only says that the others fit worse.",
        "While CLIP only looks on, the picture is the same, pixel by pixel, as without it. Steering moves each guess a " +
          "little to where CLIP’s number rises fastest, less and less towards the end.",
        "How often pictures are right was measured by benchmarks/clip_guidance.py, in ten steps each. A small CLIP is easily " +
          "fooled: a few odd blotches can please it more than a better apple.",
      ],
      code: ["src/fromnoise/inspection/judge.py", "src/fromnoise/diffusion/score_guidance.py"],
    },

    axes: {
      title: "How can a machine tell a banana from a pea?",
      about:
        "A machine does not see a banana; it gets a long list of numbers. Here you watch a small network learn to tell " +
        "things apart, then try it yourself with measures that you choose, and see who does it best.",
      presets: ["banana, tomato, pea", "lemon, tomato, pear", "key, hammer, scissors", "cat, dog, fish", "red apple, tomato, tangerine"],
      choose: "Things to tell apart",
      kinds: "Two to six things, with commas between",
      kindsHint: "Only things of which the model was trained on several drawings, by the names they had there.",
      go: "Tell them apart",
      measuring: "Looking for their pictures…",
      pictures: (news) => {
        const drawings = new Set(news.pictures.map((each) => each.drawing)).size;
        return `${news.pictures.length} pictures of ${drawings} different drawings: some are copies that were mirrored, turned, moved or made smaller.`;
      },
      percent: (share) => `${Math.round(100 * share)} %`,

      sheet: "What the machine gets",
      sheetAbout: (side, kind) =>
        `Each small square of a picture is three numbers: how much red, green and blue light, from 0 (none) to 255 ` +
        `(full). This picture is ${side} × ${side} × 3 = ${(3 * side * side).toLocaleString("en")} numbers. The machine ` +
        `gets nothing else: no idea of yellow or round, none of what “${kind}” means.`,
      sheetHint: "Drag the window over the picture, or move it with the arrow keys.",
      whichPicture: "Which picture",
      window: "The window whose numbers are shown",
      corner: (x, y, [red, green, blue]) => `Top left here (column ${x + 1}, row ${y + 1}): red ${red}, green ${green}, blue ${blue}`,

      network: "A network that begins with nothing",
      networkAbout:
        "Its 7,000 or so dials stand anywhere at first, so it guesses. In each round it looks at its pictures once and " +
        "turns every dial a little, so that it would have been less wrong. It is tested with drawings that it never learned " +
        "from. You see it happen now, on your machine.",
      round: "Round",
      waiting: "It begins when you look at it.",
      fresh: "Train a fresh one",
      at: (round, right, chance) => {
        const part = `${Math.round(100 * right.share)} % right`;
        if (round === 0) return `Before it has learned anything: ${part}. Blind guessing would get ${Math.round(100 * chance)} %.`;
        return `After round ${round}: ${part} (with so few drawings, truly ${Math.round(100 * right.low)} % to ${Math.round(100 * right.high)} %).`;
      },
      curve: (first, last, rounds) =>
        `Pictures told right: ${Math.round(100 * first)} % at first, ${Math.round(100 * last)} % after ${rounds} rounds`,
      wall: (right, all) => `All pictures: ${right} of ${all} are told right`,
      ring: "The ring's colour is what the picture is taken for; a cross says that this is wrong.",

      byHand: "Measures that people think of",
      byHandAbout:
        "Now the other way: you say what to measure, and each picture stands where its measures put it. The rule is as " +
        "simple as can be: a picture is taken for the kind whose middle is nearest.",
      measures: "What is measured; up to three",
      measure: (name, at = -1) => (at >= 0 ? `${at + 1}. ` : "") + name.replace("_", " "),
      space: "The pictures, placed by what is measured of them",
      spaceHint:
        "A fourth measure takes the place of the third. Three make a room: drag to turn it, or use the arrow keys. Point at " +
        "a picture to read its numbers. On a line, up and down mean nothing.",
      blind: "blind guessing",
      upTo: (name, i) => (i ? `and ${name}` : `${name} alone`),
      add: (name) => `Add ${name}`,
      score: ({ share, low, high, drawings }) =>
        `${Math.round(100 * share)} % of the held-out pictures are told right. With only ${drawings} drawings, the truth may lie ` +
        `anywhere from ${Math.round(100 * low)} % to ${Math.round(100 * high)} %.`,
      mixed: (kind, taken, times) => `Most often mixed up: ${kind} taken for ${taken}, ${many(times, "time", "times")}.`,
      unmixed: "Nothing is mixed up.",
      rank: (better, all, count) => {
        const what = ["", "single measures", "pairs of measures", "sets of three"][count];
        return better ? `Of all ${all} ${what}, ${better} ${better === 1 ? "does" : "do"} better.` : `Of all ${all} ${what}, none does better.`;
      },
      pointed: (name, numbers, taken) => `${[name, ...numbers].join(", ")}; taken for: ${taken}`,

      clip: "A space that nobody made by hand",
      clipAbout:
        "CLIP is the part of the model that learned what pictures and words have to do with each other. It gives every " +
        "picture a place in a space of its own, with far more than three directions. Here are the three in which these " +
        "pictures differ most.",
      clipSpace: "The pictures, placed by CLIP",
      clipHint: "Drag to turn it, or use the arrow keys. The directions have no names.",
      directions: ["1st direction", "2nd", "3rd"],
      clipScore: ({ share, low, high }) =>
        `CLIP, without any measure: ${Math.round(100 * share)} % right (with so few drawings, truly ${Math.round(100 * low)} % to ${Math.round(100 * high)} %).`,
      clipHonest: (trained, caption, spread) => {
        const seen = trained
          ? "But CLIP has an advantage: it has seen these very drawings, with their names, when it was trained. The network above had not."
          : "But CLIP may have seen these drawings, with their names, when it was trained.";
        const part = Math.round(100 * spread.reduce((sum, value) => sum + value, 0));
        return `${seen} Asked with words alone, which of the names fits best, it gets ${Math.round(100 * caption.share)} %. ` +
          `The three directions here hold ${part} % of all differences; it is scored with all of them.`;
      },
      noClip: "This model has no CLIP, so there is no such space to show.",
      together: "All of them",
      taught: (rounds) => `network, after ${rounds} rounds`,
      hand: (names) => names.join(" + "),
      clipMiddle: "CLIP, nearest middle",
      clipCaption: "CLIP, nearest name",
      know: [
        "Drawings that are nearly the same (one banana, shaded and flat) count as one; it and all its copies are learned " +
          "from together or held out together. There are three or four machines, each learns without some of the drawings " +
          "and is tested with those, so that every picture is guessed once by a machine that had not seen its drawing.",
        "The thin line on a bar is where the true share lies in 95 of 100 such cases (Wilson's interval), counting drawings, " +
          "not copies. With so few, 100 % does not mean that it is never wrong.",
        "The rule for measures runs in this page; the network and CLIP run in the model.",
      ],
      code: ["axes", "kinds", "measures", "separating", "rounds"].map((name) => `src/fromnoise/inspection/${name}.py`),
    },

    between: {
      title: "What lies between two pictures?",
      about:
        "To the machine, words and noise are lists of numbers, so it can stand half-way between two prompts and draw what " +
        "is there. No picture is faded into another: every picture of the walk is drawn afresh.",
      example: ["tomato", "pear"],
      walks: [["tomato", "pear"], ["snow", "globe"]],
      walkExamples: "Walks to try",
      both: (prompt) => `For comparison: “${prompt}”, asked for in plain words, from the same noise.`,
      seeds: [3, 8],
      kind: "What changes on the way",
      ways: { words: "From words to words", seeds: "From one noise to another" },
      from: "First picture",
      to: "Last picture",
      seed: "Seed of the noise",
      toSeed: "Seed at the end",
      go: "Walk",
      otherNoise: "Other noise",
      picture: "The picture at this place of the walk",
      slider: "How far along",
      strip: "All pictures of the walk",
      drawing: "Drawing…",
      part: (amount) => `${Math.round(100 * amount)} % of the way`,
      at: (amount, [first, last]) => {
        if (amount === 0) return `The beginning: ${first}`;
        if (amount === 1) return `The end: ${last}`;
        return `${Math.round(100 * amount)} % of the way from ${first} to ${last}`;
      },
      fits: (prompt) => `fits “${prompt}”`,
      scale: "The bars are how well CLIP, the model's judge, finds that the picture fits each end: 1 is as well as can be, 0 not at all.",
      jump: (from, to, moved, all) => {
        const even = all.reduce((sum, value) => sum + value, 0) / all.length;
        const times = (moved / Math.max(even, 1e-9)).toFixed(1);
        return `The largest change is from ${Math.round(100 * from)} % to ${Math.round(100 * to)} %, ${times} times the ` +
          `average one. ${times >= 1.8 ? "There one thing turns into the other." : "So it goes rather evenly."}`;
      },
      ends: "Are the ends really those pictures?",
      endsHint: "Both ends are drawn once more, alone, as any picture is; then every pixel is compared.",
      check: "Draw both ends alone",
      inWalk: "In the walk",
      alone: "Drawn alone",
      arithmetic: "Can one calculate with words?",
      arithmeticAbout:
        "Take the numbers of “red” away from those of “red apple”, add those of “green”, and draw what comes out. " +
        "Below it stands what the plain words for it draw from the same noise, so that one can see whether the sum works.",
      sum: ["red apple", "red", "green"],
      sums: [["red apple", "red", "green"], ["blue car", "blue", "yellow"], ["black cat", "cat", "dog"]],
      sumName: ([prompt, minus, plus]) => `${prompt} − ${minus} + ${plus}`,
      sumExamples: "Examples",
      sumPrompt: "Words",
      minus: "less",
      plus: "and",
      calculate: "Calculate",
      isThat: (wording, target) => `${wording}: is that “${target}”?`,
      sumWays: {
        "as said": (prompt) => `as said: “${prompt}”`,
        "sum, token by token": () => "the sum, word for word: the difference is added where each word stands",
        "sum, everywhere alike": () => "the sum, everywhere alike: the difference of the whole texts is added to every word",
        "asked for": (target) => `plainly asked for: “${target}”`,
      },
      know: [
        "On the way, the numbers of the words are mixed on a straight line and those of the noise on an arc, because a plain " +
          "mixture of two noises would be too pale to be noise. Each picture is then drawn as any other.",
        "Change is the difference between a picture and the one before, over all pixels. “Apart” in the verdict is the same, " +
          "from what the plain words draw from the same noise: 0 is the same picture. Three noises are few: the verdict is " +
          "about these pictures, not about all words.",
      ],
      code: ["src/fromnoise/inspection/between.py", "src/fromnoise/inspection/arithmetic.py"],
    },

    map: {
      title: "What lies near your words?",
      about:
        "Reading your words, the machine gives them a place among all captions and pictures that it learned from: what it " +
        "finds alike lies together. Only near and far count here, not up or left; and it is a small machine, so some of its " +
        "neighbours are odd.",
      examples: ["pizza", "owl"],
      map: "Map of what the model learned from",
      areaMap: "Map with the pictures that are drawn",
      reading: "Reading the map…",
      none: "There is no map to show.",
      plain:
        "This model carries no map of its training pictures, so this one shows its captions alone, laid flat in the plain " +
        "way. A better one is made once, with:",
      keys:
        "Drag to move, turn the wheel or pinch to come closer, tap a point to see what is next to it. On the keyboard: " +
        "arrows move, + and − zoom, 0 shows all, Enter chooses the point in the middle.",
      closer: "Closer",
      farther: "Farther",
      whole: "Whole map",
      counted: (label, captions, pictures) => `${label}: ${many(captions, "caption", "captions")}, ${many(pictures, "picture", "pictures")}`,
      captions: (n) => many(n, "caption", "captions"),
      pictures: (n) => many(n, "picture", "pictures"),
      prompts: "where your words land",
      find: "Find a caption",
      found: (n) => (n ? many(n, "caption has this", "captions have this") : "No caption has this."),
      nextTo: "Next to it on the map:",
      picked: (name, near) => `${name}; next to it: ${near.join(", ")}`,
      drop: "Drop words on the map",
      dropHint: "Up to six stay; a seventh takes the place of the first.",
      go: "Drop them",
      away: "Remove",
      remove: (prompt) => `Remove: ${prompt}`,
      landed: (prompt, near) => `“${prompt}” landed; nearest: ${near.join(", ")}`,
      unknown: (list) =>
        `No caption had ${list.map((word) => `“${word}”`).join(", ")}, so the machine can only guess from the rest and from ` +
        "how it is spelt. Do the neighbours make sense?",
      inStyle: (text, style) => `${text} (${style})`,
      nearCaptions: "Nearest captions",
      nearPictures: "Nearest pictures",

      area: "How much room do words leave?",
      areaAbout:
        "The same words draw many pictures. Drawn again and again, they cover an area of the map; with every word you add, " +
        "less is left open, so it should shrink. It is measured here, on pictures that are drawn for it.",
      style: "noto",
      chains: [
        ["food", "fruit", "red apple"], ["drink", "wine", "wine glass"], ["food", "italian food", "pizza"],
        ["plant", "flower", "tulip"],
      ],
      chainLabels: ["General", "Narrower", "Narrowest"],
      chainExamples: "Examples",
      measure: "Measure it",
      waiting: "Drawing…",
      drawn: (n, of, prompt) => `Picture ${n} of ${of} of “${prompt}”`,
      measured: (n) => `Measured, with ${n} pictures each.`,
      tile: (prompt, n) => `${prompt}, picture ${n}`,
      spread: (spread) => spread.toFixed(3),
      neverHeard: (list) => `No caption had ${list.map((word) => `“${word}”`).join(", ")}.`,
      verdict: (prompts, spreads, errors) => {
        const number = (i) => `${spreads[i].toFixed(3)}${errors[i] === null ? "" : ` ± ${errors[i].toFixed(3)}`}`;
        if (spreads.length < 2) return `Its pictures spread by ${number(0)}.`;
        const doubts = spreads.map((spread, i) => {
          if (i === 0) return "";
          const [before, less] = [prompts[i - 1], spreads[i - 1] - spread];
          if (less <= 0) {
            return `“${prompts[i]}” does not leave less room than “${before}” here. That happens: by chance, with so few ` +
              "pictures, or because the machine knows only one kind of the more general thing anyway.";
          }
          const sure = less > 2 * Math.hypot(errors[i] ?? 0, errors[i - 1] ?? 0);
          return sure ? "" : `That “${prompts[i]}” leaves less room than “${before}” may be chance, with so few pictures.`;
        }).filter(Boolean);
        const last = spreads.length - 1;
        const share = Math.round((100 * spreads[last]) / spreads[0]);
        const whole = spreads[last] < spreads[0] ? `“${prompts[last]}” spreads ${share} % as far as “${prompts[0]}”.` : "";
        const all = `${spreads.map((_, i) => number(i)).join(" → ")}.`;
        return [doubts.length ? all : `It shrinks: ${all}`, whole, ...doubts].filter(Boolean).join(" ");
      },
      code: ["clip_map", "map_making", "map_area"].map((name) => `src/fromnoise/inspection/${name}.py`),
      know: [
        "CLIP, the part of the model that reads words and looks at pictures, turns each caption and each picture into a list " +
          "of some hundred numbers. Near means that two lists point the same way: the number beside a neighbour is 1 where " +
          "they do and 0 where they have nothing in common. It is reckoned with all the numbers, not on the flat map.",
        "The map lays these lists flat (by UMAP, or by PCA where the legend says so), which cannot keep all distances: " +
          "neighbours stay together, but how far apart two islands lie means nothing. Captions and pictures are each seen " +
          "from their own middle; otherwise they would lie in two heaps.",
        "The number of an area is the spread: how far the pictures lie from their middle in CLIP’s space, 0 if all are the " +
          "same and 1 if they have nothing in common; ± is how far it may be off because there are only so few pictures. The " +
          "ellipse holds most of them on the flat map. All prompts are " +
          "drawn from the same seeds, in few steps.",
      ],
    },

    static: {
      title: "How does static become a picture?",
      about:
        "The machine never paints: it starts with static, like an old television without a station, and guesses again and " +
        "again what picture might lie under that noise. Each guess takes a little of the noise away, until a picture is left.",
      hidden: "Nothing is hidden in the static: the machine makes the picture up, and other static becomes another one.",
      blots: "It works on a shortened form of the picture (two chapters on), so its static looks like coloured blots rather than specks.",
      /* what is only true of a model that is known */
      known: {
        "stickers-64":
          "The machine here, stickers-64, is small: it fits on a laptop and draws 64 × 64 pixels. Those in the news work in the " +
          "same way and are fifty to many hundred times as large. It learned from 5,696 openly licensed emoji. Of the single things " +
          "that it knows, another network recognises about every second one in its drawings; of two at once, one often goes wrong.",
      },
      began: "It began as this",
      thousand: "1,000-step mode",
      thousandHint: "The original way: a tiny bit of noise less each time, with new noise mixed in. It takes a while.",
      noisy: "What it has now",
      clean: "Its guess of the finished picture",
      slider: "Step",
      play: "Play",
      pause: "Pause",
      empty: "Press “Draw it”, then drag the slider from static to picture.",
      at: (step, total, t, levels) => `Step ${step} of ${total}, noise level ${levelOf(t, levels)}`,
      done: "No noise left: the guess has become the picture.",
      level: (t, levels) => {
        const part = t / levels;
        if (part > 0.9) return "Nothing but static. The guess is a blur: an average of all that the words could mean.";
        if (part > 0.6) return "A rough shape: where things are, and which colours they have.";
        if (part > 0.25) return "Parts appear: edges, shadows, one thing before another.";
        return "Details: the last noise turns into fine edges and highlights.";
      },
      frames: (n) => `Made in ${n} steps. Drag the slider to see each of them.`,
      know: [
        "At every step the network gets what there is now, how noisy that is, and your words, and guesses the whole finished " +
          "picture at once. The sampler then goes a small way from what there is towards that guess: just so far that the " +
          "noise which is left fits the next level. After the last step the guess is the picture.",
        "You see exactly these numbers: what the network was given and what it answered, both turned into pixels by the same " +
          "decoder that makes the finished picture. No frame is made for show, and with 1,000 steps every twentieth is kept.",
      ],
      code: ["src/fromnoise/drawing/generate.py", "src/fromnoise/diffusion/samplers/base.py"],
    },

    machine: {
      title: "What is inside the machine?",
      about:
        "Three networks work together: one reads your words, one takes noise away, step by step, and one turns the result " +
        "into pixels. Open one, choose a part and pull the slider: you see what that part finds at that step.",
      example: "red apple",
      exampleStyle: "noto",
      drawing: "Drawing, and looking into every part…",
      step: "Step",
      at: (step, total, t, levels) => `Step ${step} of ${total}, noise level ${levelOf(t, levels)}`,
      in: "goes in",
      out: "comes out",
      goesIn: "One map of what goes in: the picture so far, with its noise",
      comesOut: "What comes out: its guess of the picture",
      time: (share) => `${percent(share, 0)} of the time`,
      saw: (step) => `What this part saw at step ${step}`,
      strength: "How much this part found at each place: from black, least, to white, most",
      channel: (number) => `map ${number}`,
      maps: ([channels, height, width], shown, [high, wide]) =>
        `It makes ${many(channels, "map", "maps")} of ${height}×${width} numbers. The coloured one is how much all of them ` +
        `find at each place, from black (least) to white (most); the ${shown} grey ones are those that differ most from place ` +
        "to place: light is plus, dark is minus." +
        (high < height || wide < width ? ` They are shown smaller, averaged to ${high}×${wide}.` : ""),
      shares: (time, weights) =>
        (time === null ? "" : `${percent(time, 0)} of the network’s time, measured just now; `) +
        `${percent(weights, 0)} of its weights.`,
      leaves: (to) => `What it found also goes straight across to ${to}, so that nothing fine is lost on the way down. `,
      gets: (from) => `Beside what comes from below, it gets what ${from} found, straight across. `,
      others: "Beside the U: what tells all parts the noise level, and what makes the guess of their last maps.",
      total: (n) => `${n.toLocaleString("en")} numbers that were learned (weights) altogether`,
      weights: (n) => many(n, "weight", "weights"),
      share: (part) => `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} % of all`,
      tokens: "The prompt, cut into pieces (tokens)",
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
        text_encoder: "Reads the words (text encoder)",
        text_encoder_2: "Reads the words, too (second text encoder)",
        unet: "Takes noise away, step by step (U-Net)",
        "vae.decoder": "Turns the result into pixels (decoder)",
        "vae.encoder": "Turns pixels into the machine’s short form, to begin with a picture (encoder)",
        "clip.image": "Tells how well a picture fits words (image tower)",
      },
      know: [
        "The diagram is made from the network’s own modules, by running it once; nothing is drawn by hand. Names are those of " +
          "the code; where one begins with 8x8, that part sees the picture as 8 by 8 places. While your " +
          "picture is drawn, what each part hands on is copied, which changes no pixel of it. Of each part you get the six " +
          "maps that vary most at that step; one that stays among the six keeps its place.",
        "A part is brighter the more of the time it takes. Time is that of one step of one picture on one core, the middle " +
          "of nine, measured after the first step of this drawing (of a large model, one step). The rest of the time goes " +
          "to the few layers beside the U.",
        "Nobody told a part what to look for, so most maps have no name in any language. That is not hidden here: it is " +
          "what there is to see.",
      ],
      code: ["src/fromnoise/inspection/activations.py"],
    },

    luck: {
      title: "Why is it never the same twice?",
      about:
        "The first static is made from a number, the seed; there are about four billion of them, and each gives another " +
        "picture of the same words. After that nothing is left to chance: the same seed, words and settings bring the same " +
        "picture back, pixel by pixel.",
      began: (seed) => `The static of seed ${seed}`,
      beganHint: "The small square beside each seed is the static that its picture began as.",
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
      know: [
        "A random number generator is set to the seed and gives as many numbers as the static has. Every picture has a " +
          "generator of its own, so it is the same whether it is drawn alone or beside seven others. A way of drawing that mixes " +
          "in new noise at every step, such as the 1,000-step mode, takes that from the same generator.",
        "Whether two pictures are the same is counted in this page: identical means that no colour value of any pixel differs. " +
          "That holds on one machine. Another kind of processor rounds a little differently, and there some colours can be a shade off.",
      ],
      code: ["src/fromnoise/drawing/generate.py", "src/fromnoise/drawing/conditioning.py"],
    },

    game: {
      title: "The game",
      about:
        "A children's game explains the machine: in a story of one line some words are replaced by wrong ones, and you repair " +
        "it; then more words, until nothing but random ones is left. Who can play on to the end can find a story in any noise, " +
        "and that is what the machine does, with words and with pictures.",
      game: "You against the machine",
      gameHint:
        "Some of these words do not belong. Put in what fits; then the machine tries the same, and you see what it was. " +
        "The machine is told how many are wrong, not which. It is small, and never read this.",
      knows: (count) => `It knows ${count.toLocaleString("en")} words.`,
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
      level: (t, levels) => `Noise level ${levelOf(t, levels)}`,
      plots: "A story out of random words",
      plotsHint: "Say what kind of story it should be, or leave that to the seed, and watch it appear.",
      genre: "Kind of story",
      place: "Where",
      any: "any",
      start: "Words to start from, if you like",
      startExample: "Gold scissor out headphone neat typewriter spinach",
      startHint: "Without any, they are drawn at random.",
      unknown: (list) => `It does not know these words, so others took their places: ${list}`,
      readAs: (list) => `It does not know these words and reads them as others: ${list}`,
      noWord: "no word stands here",
      find: "Find a story",
      seed: "Seed",
      anySeed: "a new one",
      seedOf: (seed) => `Seed ${seed}: the same seed and wishes give the same story again.`,
      steps: (n, again) =>
        `${many(n, "step", "steps")} from noise to sentence${again ? `, then ${many(again, "change", "changes")} on reading it again` : ""}`,
      stepsHint:
        "Bold: changed in this step. The bar below a word is as long as the machine is sure of it. A dot is a place where no word stands. " +
        "In the end it reads its own sentence again, and changes a word where another fits much better.",
      again: "again",
      left: (n) => `${n} %`,
      sure: (percent) => `${percent} sure`,
      putIn: "put in",
      tookOut: (word) => `“${word}” taken out`,
      noneHere: "(no word)",
      missing: (guesses) => `a word is missing: ${guesses}`,
      own: "A sentence of your own",
      ownHint: "Write a sentence with something wrong in it. The machine looks for what does not fit, and says what should be there.",
      repairExample: "A stubborn detective must find the missing banana before the train leaves.",
      sentence: "Sentence",
      wrongOnes: "How much is wrong",
      freely: "A word may also be missing, or be one too many",
      repair: "Repair it",
      barsHint: "Crossed out: taken for wrong. The bar below each word: how likely the machine finds it, seeing only the others.",
      know: [
        "Repairing: the machine looks for the word that fits worst. It asks three things of each: how likely it is in this noisy " +
          "sentence, how likely it is when it is hidden and only the others are seen, and how common it is at all. The worst is " +
          "hidden for good, the questions are put again for the next, and in the end the hidden words are guessed.",
        "A story: all places begin with random words. At every step the machine says how likely each word it knows is at each place; " +
          "a sentence is drawn from that, the words that it is surest of stay, and the others become noise again, fewer each time. " +
          "Then it hides one word after the other and reads the rest: where another word would be ten times as likely, it takes its place.",
        "It is another, far smaller network than the one that draws, and it learned from plots in one line. The picture beside the " +
          "sentence is drawn by the machine of the other chapters; only the share of noise is the same.",
      ],
      code: ["src/fromnoise/story/repair.py", "src/fromnoise/story/draw.py", "src/fromnoise/story/samplers.py", "src/fromnoise/story/revise.py"],
    },

    /* is it a copy? */
    copies: {
      title: "Is it a copy?",
      about:
        "The machine learned from thousands of pictures that people drew, so it could just hand one of them back. Here each new " +
        "picture hangs beside those that it is most like, with the names of those who published them under open licences; and a " +
        "check says whether that is too near to be chance.",
      example: "sunflower",
      exampleStyle: "fluent-emoji-flat",
      drawn: (seed) => `Drawn here, seed ${seed}`,
      drawing: "Drawing four seeds…",
      step: (step, total) => `Drawing four seeds: step ${step} of ${total}`,
      comparing: (n, of) => `Comparing picture ${n} of ${of} with all training pictures…`,
      row: "Four seeds of the same words",
      pick: (seed, tag) => `Seed ${seed}: ${tag}`,
      tally: (answers) => {
        const [copies, close] = [answers.filter((a) => a.copy).length, answers.filter((a) => !a.copy && a.close).length];
        const none = answers.length - copies - close;
        const parts = [copies && `${copies} may be a copy`, close && `${close} close to one`, none && `${none} no copy`].filter(Boolean).join(", ");
        return `Of these ${many(answers.length, "picture", "pictures")}: ${parts}. Choose one to see what it is like.`;
      },
      missing: "This model has nothing to compare with, so the check cannot be shown on it.",
      known: "What a copy looks like to the check",
      knownAbout: (known) =>
        `This is no drawing of the machine but a picture that it learned from: ${known.called}. The check has to catch it. ` +
        "Now change it, a little more each time: when does the check let go?",
      knownHint: (known) =>
        `For this check, and for nothing else, small versions of the training pictures, ${known.thumbnail} by ${known.thumbnail} pixels, lie beside ` +
        `the model; the machine that draws cannot reach them. This is such a small one, enlarged to ${known.side}: blurred, so that ` +
        "usually only one of the two comparisons still knows it. One is enough.",
      try: (called) => `Put “${called}” through the check`,
      ways: { noise: "Add noise", moved: "Push it to the right" },
      way: "How it is changed",
      slider: "How much",
      checking: "Changing it, and checking each…",
      amounts: {
        noise: (amount) => (amount ? `noise: each colour value is ${amount} of 255 off, as a rule` : "unchanged"),
        moved: (amount) => (amount ? `pushed ${many(amount, "pixel", "pixels")} of 64 to the right` : "unchanged"),
      },
      changedPicture: "The training picture, changed",
      original: "As it learned it",
      caught: (now) => (now.copy ? (now.named ? "Caught: a copy, and of the right picture." : "Caught, but taken for another picture.") :
        now.close ? "Not called a copy any more, but still closer than is usual." : "The check lets go: it sees no copy here."),
      reach: (way, levels) => {
        const gone = levels.findIndex((level) => !level.copy);
        if (gone < 0) return "All of these changes are caught.";
        const again = levels.slice(gone).some((level) => level.copy);
        const what = { noise: (n) => `noise of ${n}`, moved: (n) => many(n, "pixel", "pixels") }[way](levels[gone].amount);
        return `It stops calling it a copy at ${what}${again ? ", and catches it again further on: it looks at pictures moved by two pixels, too, but at no others" : ""}. ` +
          "Do you still see the same picture? Then you are better at this than the check.";
      },
      know: [
        "What is compared: the model's folder has an index of its training pictures, about 0.9 KiB for each. Nearest means nearest " +
          "of all of them; nothing is left out and nothing was looked up before.",
        "What counts as too near was set by real pictures that are no copies: each training picture was left out and compared " +
          "with the others. Fewer than one of them in a hundred may be called a copy.",
        "The check finds copies that are unchanged, mirrored or a little noisy; it misses those that were moved further, turned " +
          "or repainted (docs/copies.md has the table).",
        "The first example is chosen so that the check has something to say; whether the machine remembers that picture or knows only " +
          "how such things usually look, no check can tell. Of 800 drawings of the shipped model that nobody chose, 4.4 % were called copies and a quarter " +
          "close; of real pictures that are no copies, 0.5 % and 5 %.",
      ],
      code: ["src/fromnoise/evaluation/copies/check.py"],
    },

    /* the hidden picture */
    hidden: {
      title: "What is hidden in the noise?",
      about:
        "A children's game, and an old trick for two eyes: the machine draws a picture, and its shape is hidden in coloured noise so " +
        "that only both eyes together find it. Here something really is hidden; in the static that a drawing begins with, nothing is.",
      example: "mushroom",
      exampleStyle: "noto",
      how: [
        "Come close and look through the picture, as at something far behind it, until your eyes are relaxed and the two black dots " +
          "have become three.",
        "Keep looking without aiming: after some seconds a shape comes forward out of the noise.",
      ],
      secret: "Hide something without telling me",
      page: "Coloured noise with a hidden shape; the slider below lets it come out",
      room: "The noise in which it is hidden",
      slider: "Let it come out",
      fade: (share) => {
        if (share === 0) return "So far only the noise is to be seen.";
        if (share < 50) return "The shape comes out in grey: the lighter, the nearer.";
        if (share === 50) return "The whole shape in grey: the lighter, the nearer.";
        return share < 100 ? "The drawing takes the place of the grey." : "This was hidden.";
      },
      was: (prompt) => `It was: ${prompt}.`,
      drawing: (step, total) => `Drawing it in secret: step ${step} of ${total}`,
      hiding: "Hiding it in noise…",
      facts: (news) =>
        `Each point has a twin of the same colour to its right: ${news.ground_apart} points further where it is far away, down to ` +
        `${news.nearest_apart} where it is nearest. ${percent(news.share, 0)} of the picture comes forward.`,
      scale: (times) => {
        const size = Number.isInteger(times) ? `exactly ${times} × ${times} ${times === 1 ? "pixel" : "pixels"}` : `${times} pixels`;
        return `Each point is ${size} of your screen, so the twins stay where they belong.`;
      },
      narrow: "This screen is too narrow for all of it. It is not made smaller, for that would part the twins: slide it sideways.",
      download: "Save it as PNG",
      notes: (notes) => notes.map((note) => `Here ${note}.`).join(" "),
      know: [
        "A point in space is seen by the left eye at one place of the picture and by the right eye at another; both places must have " +
          "the same colour. The nearer the point, the closer together they are. All such pairs of a row are gathered, and whatever " +
          "must be alike gets one colour, by chance (Thimbleby, Inglis and Witten 1994).",
        "The machine draws no depth. The shape is what is not white in its drawing; it is made to bulge like a cushion, and light " +
          "parts a little more.",
        "The picture is never stretched by a crooked factor: one point must be a whole number of your screen's pixels (or one and a " +
          "half), or twins would differ by a fraction of a pixel and the depth would blur. Do not enlarge the saved file smoothly either.",
        "Not everybody can see it: some people's eyes do not work together. The slider shows the same to everyone.",
      ],
      code: ["src/fromnoise/drawing/stereogram.py"],
    },

    /* what can be said in the end */
    recap: {
      title: "What can you say now?",
      about: "The five questions of this tour, each in two sentences. Say them in your own words first; then open the answer.",
      answers: {
        where:
          "It begins as static, in which nothing is hidden. A network that has learned to take noise away guesses what picture " +
          "might be there, and after some twenty guesses there is one.",
        words:
          "The network guesses once without your words and once with them, and what they change is exaggerated, so that they win. " +
          "Each place of the picture looks at the words again at every step; another network can tell afterwards how well both fit, but " +
          "it does not make them fit.",
        luck:
          "The static is made from a number, the seed, and other static becomes another picture. The same seed, words and settings " +
          "bring the same picture back, pixel by pixel.",
        copy:
          "A picture can be compared with all pictures that the machine learned from, and most are like none of them more than " +
          "chance has it. Some come close or may be copies: then look at both, and ask who drew the other one.",
        learning:
          "Pictures with captions were drowned in noise, the network guessed what had been there, and each time all its numbers " +
          "were moved a tiny bit so that the mistake became smaller. It can only draw what such pictures showed it, and its taste is theirs.",
      },
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
        `On average a colour comes back ${mean} shades off, of 255` +
        `${db === null ? "" : `; that is a likeness of ${db.toFixed(1)} dB (20 is coarse, 30 good, 40 hardly to be told apart)`}. ` +
        `In the third picture black is no difference, and white ${white} shades or more.`,
      maps: "Reach into it",
      mapsHint:
        "These are the maps, made of low (black), middle (grey) and high (white) numbers. Press one to mute it, and see what " +
        "the picture loses; press again to bring it back.",
      sliderHint: "The slider makes the one that you pressed last weaker or stronger.",
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
        `No map is a part of the thing: each holds a mixture of brightness, colour and edges that the network found by ` +
        `itself. In this picture, map ${i + 1} counts most: without it, the likeness falls by ${lost.toFixed(1)} dB.`,
      noise: "The same noise on either side",
      noiseHint: "On the left random numbers are added to the picture's numbers, on the right, just as loud, to the shortened form.",
      amount: "How loud the noise is",
      amountValue: (amount) => `${Math.round(100 * amount)} % as strong as what is in the picture itself`,
      onPixels: "Noise on the picture",
      onLatents: "Noise on the shortened form",
      compared: ({ pixels, latents }, factor) =>
        `On the left, ${Math.round(100 - 100 * pixels.coarse)} % of what changes is grain, finer than ${factor}×${factor} pixels; on the right ` +
        `only ${Math.round(100 - 100 * latents.coarse)} %. Noise on the shortened form bends edges and spreads colours, which is why the ` +
        "machine's early steps look like blots and not like a bad television.",
      code: ["src/fromnoise/inspection/latents.py"],
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
        "taught it to draw: real pictures, drowned, and every guess compared with what was there.",
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
        const off = (guess) => `${Math.round((100 * guess.error) / blind)} %`;
        const parts = [`Without words, its guess is off by ${off(without)} of what a guess with closed eyes would be.`];
        if (told && gain >= 0.005) parts.push(`Told the words, by ${off(told)}.`);
        if (told && Math.abs(gain) < 0.005) parts.push("The words are worth nothing here.");
        if (told && gain <= -0.005) parts.push(`The words mislead it here: told them, it is off by ${off(told)}.`);
        if (captions && without.rank) {
          const place = (rank) => (rank === 1 ? "first" : `at place ${rank.toLocaleString("en")}`);
          parts.push(
            `Which of ${captions.toLocaleString("en")} captions does the guess look like? CLIP, a network that matches pictures ` +
            `and words, puts yours ${place(without.rank)} for the guess without words` +
            `${told?.rank ? `, and ${place(told.rank)} for the guess with them` : ""}.`);
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
          parts.push(`Measured in numbers, from ${percent(lost.by_distance)} on its guess is off by more than half as much as one with closed eyes.`);
        }
        return parts.join(" ") || "Done.";
      },
      lesson: "The lesson of training",
      lessonText: [
        "Training was this page, again and again: take a real picture, choose a noise level at random, drown the picture, " +
          "let the machine guess, and correct it a little where it was wrong. Low levels teach edges and texture, middle " +
          "ones shapes, and the highest only which things go with which words: there, words are all there is to go by.",
      ],
      table: "How wrong the guess from each level is, where 100 % is a guess with closed eyes, and which share of all lessons was given in each tenth of the levels.",
      heads: { level: "Level", without: "Without words", told: "With words", share: "Lessons" },
      goTo: (percent) => `Move the slider to ${percent} %`,
      shares: (below, count) =>
        `${count ? `This model was given ${count.toLocaleString("en")} lessons. ` : ""}${Math.round(100 * below)} % of its lessons were in the lower half of the levels, ${Math.round(100 - 100 * below)} % in the upper half.`,
      noShares: "This model does not say how its lessons were spread over the levels.",
      code: ["src/fromnoise/inspection/noise.py"],
      know: [
        "At each tenth of the levels the picture's shortened form gets noise, four times; the network guesses the clean one " +
          "from each, once with your words and once without. How wrong it is: the mean squared difference to what was " +
          "there. 100 % is its guess from noise alone, without words.",
        "Recognising: CLIP, the network that reads the words, also compares pictures with captions. Your caption is " +
          "recognised where it is among the best hundredth of all captions that the model knows. It is one judge, and a small one.",
        "The lessons are counted by drawing 200,000 levels in the way in which training draws them.",
      ],
    },

    learning: {
      title: "How did it learn?",
      about:
        "At first it could do nothing: words went in, coloured specks came out. Then it was given lessons, hundreds of thousands " +
        "of them, and this is what one of them is.",
      example: "red apple",
      loading: "Looking for the film of its training…",
      none: "Pictures of its training",
      noneText: [
        "A model can carry a small film of its own training: the same words at a dozen moments, from specks to pictures. This one " +
          "carries none, for none was kept when it was trained, and nothing is made up here in its place. A model that you train " +
          "yourself gets its film by itself.",
      ],
      film: "The same words and the same static",
      prompts: "What it drew for each prompt; choose one to see all its moments",
      moments: (prompt) => `All moments of “${prompt}”`,
      slider: "Moment of the training",
      at: ({ pictures, hours }) => {
        const time = hours === null ? "" : hours < 1 ? `, ${Math.max(1, Math.round(60 * hours))} min of training` : `, ${hours.toFixed(1)} h of training`;
        return `After ${pictures.toLocaleString("en")} pictures${time}`;
      },
      smaller: (drawn, kept) => `Drawn ${drawn} pixels wide; the film keeps them ${kept} wide.`,
      exact: "The pictures are those of the training's own sheets, pixel for pixel. It learns fast at first and then ever more slowly, so the moments lie ever further apart.",
      curve: { held_out: "Its mistake on pictures that it never learned from", loss: "Its mistake in its lessons" },
      curveTop: (most) => `at most ${most.toFixed(2)}`,
      curveEnds: (first, last) => [`${first.toLocaleString("en")} pictures`, `${last.toLocaleString("en")} pictures`],
      curveSaid: (first, last) => `from ${first.toFixed(2)} to ${last.toFixed(2)}`,
      fall: (fall, total) => {
        const where = fall.held_out ? "On pictures that it never learned from, its mistake" : "Its mistake in its lessons";
        if (fall.half === null) return `${where} did not get smaller: ${fall.first.toFixed(2)} at first, ${fall.last.toFixed(2)} at last.`;
        return `${where} fell from ${fall.first.toFixed(2)} to ${fall.last.toFixed(2)}. Half of that had happened after ` +
          `${fall.half.toLocaleString("en")} of ${total.toLocaleString("en")} pictures.`;
      },
      levels: (noisy, half) =>
        `From pictures that were half noise its guesses got ${Math.round(100 * (1 - half.last / half.first))} % better, from ` +
        `hardly more than noise only ${Math.round(100 * (1 - noisy.last / noisy.first))} %: there is little to be seen there.`,
      noLoss: "The log of this training does not say how large its mistakes were.",
      lesson: "One lesson, at three levels of noise",
      lessonText:
        "Training is this, over and over: drown a picture in noise, let the network guess what was there, and measure how " +
        "wrong it is. Then every one of its numbers is moved a tiny bit, so that this mistake would have been smaller. Here " +
        "nothing is moved, and the picture is one that the model draws or that you bring; a training takes its training pictures, with " +
        "their captions. Which way a number has to move is found by going back through the whole calculation (backpropagation).",
      lessons: (count) => `This model was given ${count.toLocaleString("en")} such lessons.`,
      drawing: "Drawing a picture for the lesson…",
      step: (step, total) => `Drawing a picture for the lesson: step ${step} of ${total}`,
      guessing: (done) => `Lesson ${done + 1} of 3: it guesses…`,
      done: "Three lessons. The mistake is what training makes smaller.",
      clean: "The picture of the lesson",
      percent: (percent) => `${percent} % up the noise levels`,
      seen: "What it gets",
      guess: "Its guess, told the words",
      guessBlind: "Its guess",
      errors: "Where it is wrong",
      errorsHint: "Dark: right. Yellow: as wrong as if it had seen nothing.",
      mistake: (loss) => `Mistake: ${loss.toFixed(3)}`,
      mistakeHint:
        "This is the number that training makes smaller: how wrong it is about the noise that was added. One that has learned nothing is " +
        "wrong by about 1, at every level. Where there is little noise, that noise can hardly be seen: there this number can be larger " +
        "although the picture is better. How wrong the picture itself is stands in the table of “Where does it stop recognising?”.",
      code: ["src/fromnoise/inspection/learning.py"],
      know: [
        "Every few minutes a training draws a sheet: the same prompts, each from the same seeds, with the averaged weights of " +
          "that moment. When it ends, single pictures are cut out of these sheets and kept beside the model, without loss, " +
          "in one small file. No sheet was made for the film.",
        "The mistakes come from the training's log: the mean squared difference between what the network should have said and " +
          "what it said; on pictures that were held out, with the same noise every time.",
        "The lesson is the training's own: noise is added to the picture's shortened form, the network guesses once, and the " +
          "same mean squared difference is taken. The third picture shows the difference at each place of the shortened form.",
      ],
    },
  },
};

/** The text at a path such as "make.draw", for elements that name theirs in data-word. */
export const word = (path) => path.split(".").reduce((found, key) => found[key], words);
