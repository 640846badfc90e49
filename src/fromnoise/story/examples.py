"""Sentences of the game: well-known stories in one line, and how they are spoilt."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch

from fromnoise.story.model import StoryModel
from fromnoise.story.noise import random_words
from fromnoise.story.vocabulary import readable

PUZZLES = Path(__file__).parents[1] / "data" / "plots" / "puzzles.jsonl"


@cache
def puzzles() -> tuple[dict[str, str], ...]:
    """Hand-made puzzles that no model was trained on: "kind", "wrong" and "right" sentence."""
    return tuple(json.loads(row) for row in PUZZLES.read_text(encoding="utf-8").splitlines() if row)


@cache
def examples() -> tuple[str, ...]:
    """The puzzles' right sentences, the explanation's own first."""
    return tuple(dict.fromkeys(puzzle["right"] for puzzle in puzzles() if puzzle["kind"] != "noise"))


def example(number: int) -> str:
    """One of the examples; after the last the first comes again."""
    return examples()[number % len(examples())]


def spoilt(model: StoryModel, text: str, noise: float, seed: int) -> tuple[list[str], list[str]]:
    """A sentence's words, and the same with a share of them replaced by other words.

    The share is exact up to rounding, and at least one word, so that a round of the game is never empty.

    Args:
        model: the story model; the random words are its noise.
        text: the sentence.
        noise: the share, 0..1.
        seed: decides which words, and what for.

    Raises:
        UserError: no words, or too many.
    """
    words = readable(text, model.longest)
    rng = torch.Generator().manual_seed(seed)
    places = [i for i, word in enumerate(words) if word not in (",", "'s")] or [0]
    count = max(1, round(noise * len(places)))
    chosen = torch.randperm(len(places), generator=rng)[:count].tolist()
    found = list(words)
    for i in sorted(chosen):
        other = words[places[i]].casefold()
        while other.casefold() in (words[places[i]].casefold(), "", ",", "'s"):  # "" stands for no word
            other = model.vocabulary.words[int(random_words(model.noise, (1,), rng))]
        found[places[i]] = other
    return words, found
