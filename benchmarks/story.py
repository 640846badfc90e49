"""How good the story game's model is: perplexity, repair, genre, copying, speed.

    python benchmarks/story.py [--model M] [--data data/plots] [--masks M] [--lines 400] [--only PARTS] [--out F]

- **Perplexity** of held-out lines per word, given their length: for the model the bound with masks as noise (Sahoo et
  al. 2024, arXiv 2406.07524, eq. 11), beside an interpolated Kneser-Ney trigram (Chen & Goodman 1998) of the same
  training lines and vocabulary, and beside a model that was trained with masks only (``--masks``).
- **Repair**: 1, 2, 4 or 8 words of held-out lines are replaced by words of the model's noise; it has to find them,
  and each counts if its right word is the first, or among the first five, of the guesses. "known" is told which words
  are wrong. Plots told by hand, the grammar's and real sentences, each by themselves.
- **Lengths**: one word of held-out plots is replaced, left out, or put in; with ``--lengths`` it must be found and
  mended without being told which of the three it was, and a replaced one also without ``--lengths``.
- **Genre**: a logistic regression on words and word pairs, trained on training plots of the kind, reads the genre off
  drawn plots; the ceiling is what it reads off held-out plots told by hand.
- **Grammar**: the share of drawn plots that a parser of English takes whole, by how many words may be changed when the
  model reads its sentence again; needs Link Grammar's ``link-parser`` (Debian's ``link-grammar``).
- **Copying**: plots that share eight words in a row with any training line, beside held-out lines, which come from
  the same phrases.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.plots import HELD_OUT, TRAIN, read
from fromnoise.data.plots.grammar import KINDS, MADE, TOLD
from fromnoise.story.draw import StoryRequest, story_steps
from fromnoise.story.examples import puzzles
from fromnoise.story.model import StoryModel
from fromnoise.story.noise import random_words, spoil
from fromnoise.story.repair import GUESSES, each_word, find_errors, guesses_at, repair
from fromnoise.story.vocabulary import END, MASK, UNKNOWN, sentence_of, words_of
from fromnoise.training.story import as_numbers
from fromnoise.training.tasks.story import Lines
from story_plots import copying, genres, grammar
from trigram import Trigram

PARTS = ("speed", "repair", "lengths", "puzzles", "copying", "genre", "grammar", "perplexity")
CONSOLE = Console()


# --- perplexity ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def bound(model: StoryModel, lines: Lines, rounds: int = 4) -> float:
    """exp of the bound on -log p per word, with masks as noise; genre and place are not told."""
    rng, total, count = torch.Generator().manual_seed(0), 0.0, 0
    ids = lines.ids.long()
    for _ in range(rounds):
        t = ((torch.arange(len(ids)) + torch.rand(1, generator=rng)) / len(ids) * 1000).long().clamp(0, 999)
        t = t[torch.randperm(len(t), generator=rng)]
        noisy, replaced = spoil(ids, model.schedule.sigma(t), torch.ones(len(ids)), model.noise, rng)
        for part in torch.arange(len(ids)).split(64):
            logits = model.network(noisy[part], t[part], torch.zeros(len(part), 2, dtype=torch.long))
            each = F.cross_entropy(logits.transpose(1, 2), ids[part], reduction="none")
            total += float((each * replaced[part] / model.schedule.sigma(t[part])[:, None]).sum())
        count += int((ids != END).sum())
    return math.exp(total / count)


def perplexities(model: StoryModel, masks: StoryModel | None, train: Lines, held_out: Lines) -> dict[str, Any]:
    """Of held-out lines of each kind, by each model."""
    found: dict[str, Any] = {}
    rows = [[i for i in row if i != END] for row in train.ids.tolist()]
    trigram = Trigram(rows, len(model.vocabulary))
    for name in KINDS:
        which = torch.nonzero(held_out.of(name))[:, 0][:1000]
        if not len(which):
            continue
        part = Lines(held_out.ids[which], held_out.labels[which], held_out.kinds[which], {})
        found[name] = {
            "trigram": trigram.perplexity([[i for i in row if i != END] for row in part.ids.tolist()]),
            "model": bound(model, part),
            "masks only": None if masks is None else bound(masks, part),
            "n": len(which),
        }
    return found


# --- repair --------------------------------------------------------------------------------------------------------


@dataclass
class Score:
    """Counts of one number of wrong words."""

    wrong: int = 0
    found: int = 0
    first: int = 0
    five: int = 0
    known_first: int = 0
    known_five: int = 0

    def shares(self) -> dict[str, float]:
        """Of all wrong words. As many words are named as are wrong, so precision, recall and F1 are one number."""
        names = ("found", "first", "five", "known_first", "known_five")
        return {name: getattr(self, name) / max(1, self.wrong) for name in names} | {"n": self.wrong}


def judged(model: StoryModel, clean: Tensor, noisy: Tensor, score: Score) -> None:
    """Let the model repair one sentence, and count."""
    wrong = torch.nonzero(clean != noisy)[:, 0].tolist()
    labels = torch.zeros(2, dtype=torch.long)
    places = [place for place, _ in find_errors(model, noisy, len(wrong), labels)]
    share = len(wrong) / len(clean)
    guesses = {}
    for name, chosen in (("", places), ("known_", wrong)):
        hidden = noisy.clone()
        hidden[chosen] = MASK
        guesses[name] = guesses_at(model, hidden, labels, share).topk(GUESSES).indices.tolist()
    score.wrong += len(wrong)
    score.found += len(set(places) & set(wrong))
    for place in wrong:
        right = int(clean[place])
        score.first += place in places and guesses[""][place][0] == right
        score.five += place in places and right in guesses[""][place]
        score.known_first += guesses["known_"][place][0] == right
        score.known_five += right in guesses["known_"][place]


def repairs(model: StoryModel, rows: Sequence[Sequence[int]], counts: Sequence[int]) -> dict[str, Any]:
    """Scores by number of wrong words."""
    found = {}
    for count in counts:
        rng, score = torch.Generator().manual_seed(count), Score()
        for row in rows:
            clean = torch.tensor(row)
            if len(clean) < 2 * count:
                continue
            places = torch.randperm(len(clean), generator=rng)[:count]
            noisy = clean.clone()
            while bool((noisy[places] == clean[places]).any()):
                noisy[places] = random_words(model.noise, (count,), rng)
            judged(model, clean, noisy, score)
        found[str(count)] = score.shares()
    return found


def rows_of(lines: Lines, kind: str) -> list[list[int]]:
    """Those of a kind whose words are all known, without their ends."""
    rows = [[i for i in row if i != END] for row in lines.ids[lines.of(kind)].tolist()]
    return [row for row in rows if UNKNOWN not in row]


def lengths(model: StoryModel, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """How often one error is found (at the right place, of the right sort) and its right word, or none, is among the
    first five; by what was done to the sentence."""
    rng = torch.Generator().manual_seed(0)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    vocabulary = model.vocabulary
    for row in rows:
        if not 4 <= len(row) < model.longest:
            continue
        place = int(torch.randint(len(row), (1,), generator=rng))
        other = row[place]
        while other in (row[place], vocabulary.empty):
            other = int(random_words(model.noise, (1,), rng))
        right = vocabulary.words[row[place]]
        asked = {
            "replaced": ([*row[:place], other, *row[place + 1 :]], right, True),
            "replaced, lengths not asked for": ([*row[:place], other, *row[place + 1 :]], right, False),
            "left out": ([*row[:place], *row[place + 1 :]], right, True),
            "put in": ([*row[:place], other, *row[place:]], "", True),
        }
        for name, (given, wanted, freely) in asked.items():
            one = repair(model, sentence_of(vocabulary.text(given)), 1, lengths=freely).repairs[0]
            there = one.place == place and (one.word == "") == (name == "left out")
            found[name].update(n=1, found=there, first=there and one.guesses[0].word == wanted)
            found[name].update(five=there and wanted in [guess.word for guess in one.guesses])
    return {
        name: {key: scores[key] / scores["n"] for key in ("found", "first", "five")} | {"n": scores["n"]}
        for name, scores in found.items()
    }


def puzzle_scores(model: StoryModel) -> dict[str, Any]:
    """The hand-made puzzles, by kind: "rhyme", "unrelated", "two", "mostly"."""
    scores: dict[str, Score] = defaultdict(Score)
    left_out: Counter[str] = Counter()
    for puzzle in puzzles():
        wrong, right = (model.vocabulary.ids(words_of(puzzle[side])) for side in ("wrong", "right"))
        asked = [i for i, (a, b) in enumerate(zip(wrong, right, strict=True)) if a != b]
        if puzzle["kind"] == "noise" or not asked or any(right[i] == UNKNOWN for i in asked):
            left_out[puzzle["kind"]] += 1
            continue
        judged(model, torch.tensor(right), torch.tensor(wrong), scores[puzzle["kind"]])
    return {kind: score.shares() | {"left out": left_out[kind]} for kind, score in scores.items()}


def speed(model: StoryModel) -> dict[str, float]:
    """Steps a second of one plot, with and without guidance, and of finding one wrong word."""
    found = {}
    for name, guidance in (("guided", 2.0), ("plain", 1.0)):
        request = StoryRequest(genre="mystery", guidance=guidance, steps=50, words=16)
        list(story_steps(model, request))
        begin = time.perf_counter()
        list(story_steps(model, request))
        found[f"{name} steps/s"] = 50 / (time.perf_counter() - begin)
    text = "a princess with magical powers sets off a winter in her kingdom"
    ids = torch.tensor(model.vocabulary.ids(words_of(text)))
    begin = time.perf_counter()
    each_word(model, ids, ids, torch.zeros(2, dtype=torch.long), 0.1)
    return found | {"finding, s": time.perf_counter() - begin}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--masks", default=None)
    parser.add_argument("--data", default="data/plots", type=Path)
    parser.add_argument("--lines", default=400, type=int, help="held-out lines of the repair test")
    parser.add_argument("--each", default=15, type=int, help="plots of each genre and guidance")
    parser.add_argument("--only", default=None, help=f"some of {','.join(PARTS)}")
    parser.add_argument("--out", default=None, type=Path)
    options = parser.parse_args()
    model = StoryModel.load(options.model)
    masks = None if options.masks is None else StoryModel.load(options.masks)
    train, held_out = read(options.data, TRAIN), read(options.data, HELD_OUT)
    random.Random(0).shuffle(held_out)
    numbers = [as_numbers(lines, model.vocabulary, model.longest) for lines in (train, held_out)]
    rows = {name: rows_of(numbers[1], name)[: options.lines] for name in KINDS}
    found: dict[str, Any] = {"machine": machine(), "model": model.hash, "card": model.card}
    wanted = PARTS if options.only is None else options.only.split(",")
    if "speed" in wanted:
        found["speed"] = speed(model)
        CONSOLE.print(machine(), found["speed"])
    for name, lines in rows.items() if "repair" in wanted else ():
        if not lines:
            continue
        found[f"repair {name}"] = repairs(model, lines, (1, 2, 4, 8))
        show(f"repair, held-out {name} lines", found[f"repair {name}"])
    if "lengths" in wanted and model.vocabulary.empty is not None:
        found["lengths"] = lengths(model, rows[TOLD] or rows[MADE])
        show("one word replaced, left out or put in", found["lengths"])
    if "puzzles" in wanted:
        found["puzzles"] = puzzle_scores(model)
        show("puzzles", found["puzzles"])
    if "copying" in wanted:
        found["copying"] = copying(model, train, held_out, 256)
        CONSOLE.print(found["copying"])
    if "genre" in wanted:
        found["genre"] = genres(model, train, held_out, options.each)
        CONSOLE.print(found["genre"])
    if "grammar" in wanted:
        found["grammar"] = grammar(model, held_out, options.each)
        show("drawn plots as English", found["grammar"])
    if "perplexity" in wanted:
        found["perplexity"] = perplexities(model, masks, *numbers)
        CONSOLE.print(found["perplexity"])
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def show(title: str, scores: dict[str, dict[str, float]]) -> None:
    """A table of scores."""
    table = Table(title=title)
    columns = list(next(iter(scores.values())))
    for name in ("", *columns):
        table.add_column(name, justify="right")
    for name, row in scores.items():
        table.add_row(name, *(f"{row[c]:.1%}" if isinstance(row[c], float) else str(row[c]) for c in columns))
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
