"""How many of each are drawn and judged."""

from __future__ import annotations

from dataclasses import dataclass

from fromnoise.ground.config import Config


@dataclass(frozen=True)
class Sizes(Config):
    """How many of each are drawn.

    Attributes:
        concepts: to choose among.
        asked: of these, drawn in every style.
        held_out: concepts of the held-out pairs, at most.
        words: words never seen, at most.
        per_style: real pictures of each style that the judge of styles learns from, at most.
        rebuilt: held-out pictures through the VAE.
        colours, counts: nouns asked in every colour, and in every number.
        pairs: "X and Y" prompts.
        attributes: questions of each kind, at most.
        free: prompts as people type them, at most.
        seeds: pictures per prompt of colours, counts and attributes.
        chains: of narrowing descriptions.
        spread: pictures per prompt of a chain.
        curve: pictures per number of steps and per guidance.
        steps, guidances: the points of the curves.
    """

    concepts: int = 100
    asked: int = 100
    held_out: int = 100
    words: int = 1000
    per_style: int = 1300
    rebuilt: int = 200
    colours: int = 12
    counts: int = 10
    pairs: int = 60
    attributes: int = 15
    free: int = 200
    seeds: int = 2
    chains: int = 12
    spread: int = 12
    curve: int = 96
    steps: tuple[int, ...] = (2, 4, 8, 16, 20, 30, 50)
    guidances: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)


def quick(styles: int) -> Sizes:
    """Few of each: a first section within a minute, all within minutes, on two CPU cores and with the shipped model.

    Args:
        styles: that the model has; with many of them fewer concepts are asked in each.
    """
    return Sizes(
        concepts=25, asked=max(3, 24 // styles), held_out=6, words=8, per_style=max(60, 480 // styles), rebuilt=16,
        colours=2, counts=4, pairs=6, attributes=3, free=8, seeds=1, chains=2, spread=3, curve=6, steps=(4, 8),
        guidances=(1.0, 7.0),
    )  # fmt: skip
