"""A wish to sentences, step by step: the story game's counterpart of drawing a picture."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import FunctionDenoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.samplers.base import Step
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.story.model import StoryModel
from fromnoise.story.noise import random_words
from fromnoise.story.revise import Revision, revisions
from fromnoise.story.samplers import WORD_SAMPLERS
from fromnoise.story.vocabulary import END, UNKNOWN, readable, sentence_of

MOST_SENTENCES = 256
TOGETHER = 16  # sentences that are drawn at once; each needs some 20 MiB for what every word might be at each place
LATE = (
    0,
    850,
)  # levels at which guidance acts: in the first steps nearly all words are noise, and it would only narrow


@dataclass(frozen=True)
class StoryRequest(Config):
    """What to draw.

    Attributes:
        genre: kind of story; "" leaves it to the seed where no place is named either (:func:`genre_of`).
        place: where; "" leaves it open.
        start: a sentence to start from instead of random words.
        strength: how much of ``start`` may be wrong, 0..1: the share of noise that it is taken to have.
        keep: words that stay: with a start some of its words, else they are put somewhere.
        words: length of the sentence; 0 draws it, and a start may become shorter or longer.
        steps: moves of the sampler.
        guidance: how strongly genre and place are followed; 1 means off.
        temperature: below 1 prefers likely words.
        sampler: "confident" or "ancestral".
        revisions: how many words of the drawn sentence may then be changed, because they do not fit the others
            (:mod:`fromnoise.story.revise`); of a start, no more than may be wrong.
        seed: of the first sentence; the next ones have the next seeds.
        count: sentences.
    """

    genre: str = ""
    place: str = ""
    start: str = ""
    strength: float = 0.9
    keep: tuple[str, ...] = ()
    words: int = 0
    steps: int = 30
    guidance: float = 2.0
    temperature: float = 0.8
    sampler: str = "confident"
    revisions: int = 12
    seed: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        limits = (
            ("steps", 1 <= self.steps <= 1000, "1 to 1000"),
            ("guidance", 0 <= self.guidance <= 20, "0 to 20 (1 means off)"),
            ("temperature", 0 <= self.temperature <= 2, "0 to 2"),
            ("revisions", 0 <= self.revisions <= 100, "0 to 100"),
            ("strength", 0 < self.strength <= 1, "above 0, at most 1"),
            ("seed", 0 <= self.seed < 2**63, "0 or more"),
            ("count", 1 <= self.count <= MOST_SENTENCES, f"1 to {MOST_SENTENCES}"),
            ("sampler", self.sampler in WORD_SAMPLERS, " or ".join(WORD_SAMPLERS)),
        )
        for name, fine, wish in limits:
            if not fine:
                raise UserError(f"{name} must be {wish}, not {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Beginning:
    """Where a walk begins: x at its first level, what is kept, at which level it begins.

    Attributes:
        x: int64 [B, L], as long as the longest of them; as long as any may be, for a network that reads their ends too.
        kept: where words stay, bool [B, L].
        t: the first level.
    """

    x: Tensor
    kept: Tensor
    t: int


def story_steps(model: StoryModel, request: StoryRequest) -> Generator[Step, None, None]:
    """Yield the moves from random words to sentences, then the revisions; ``x_next`` of the last is the result.

    Closing the generator cancels. Sentence i equals the sentence of seed + i drawn alone, bit for bit.

    Raises:
        UserError: an unknown genre, place or word, or a sentence that is too long.
    """
    generators = [torch.Generator().manual_seed(request.seed + i) for i in range(request.count)]
    begin = beginning(model, request, generators)
    genres = [genre_of(model, request, i) for i in range(request.count)]
    labels = torch.tensor([model.vocabulary.label(genre, request.place) for genre in genres])
    denoiser = ClassifierFreeGuidance(
        FunctionDenoiser(model.with_every_word if request.words else model.denoiser, model.schedule),
        torch.zeros_like(labels),
        request.guidance if labels.any() else 1.0,
        LATE,
    )
    sampler = WORD_SAMPLERS[request.sampler](model.schedule, model.noise, request.temperature)
    times = times_from(begin.t, request.steps)

    def keep(x: Tensor, t: float) -> Tensor:
        return torch.where(begin.kept, begin.x, x)

    last = None
    for last in sampler.steps(denoiser, begin.x, labels, generators, times, keep):
        yield last
    assert last is not None
    most = request.revisions
    if request.start:
        most = min(most, math.floor(request.strength * len(readable(request.start, model.longest))))
    yield from revisions(model, last, labels, begin.kept, Revision(most, every_word=request.words > 0))


def draw_stories(model: StoryModel, request: StoryRequest) -> list[str]:
    """The sentences of a request.

    >>> draw_stories(StoryModel.load(), StoryRequest(genre="mystery", place="France"))  # doctest: +SKIP

    Raises:
        UserError: as :func:`story_steps`.
    """
    found = []
    for part in in_parts(request):
        *_, last = story_steps(model, part)
        found += [sentence_of(model.vocabulary.text(row.tolist())) for row in last.x_next]
    return found


def in_parts(request: StoryRequest) -> list[StoryRequest]:
    """Requests of a few sentences each that draw those of a request, one after the other, in little memory."""
    begins = range(0, request.count, TOGETHER)
    return [replace(request, seed=request.seed + i, count=min(TOGETHER, request.count - i)) for i in begins]


def beginning(model: StoryModel, request: StoryRequest, rng: Sequence[torch.Generator]) -> Beginning:
    """Random words, or the start; with the words to keep in their places.

    Raises:
        UserError: a word to keep that is unknown, a start without words, a sentence that is too long.
    """
    rows, kept = [], []
    for i, generator in enumerate(rng):
        row, stays = _row(model, replace(request, genre=genre_of(model, request, i)), generator)
        rows.append(row)
        kept.append(torch.cat([stays, torch.ones(model.longest - len(stays), dtype=torch.bool)]))
    t = math.ceil(request.strength * model.schedule.steps) - 1 if request.start else model.schedule.steps - 1
    # A network that reads ends sees how many follow: a sentence may not depend on how long the others are.
    longest = model.longest if model.network.config.ends else max(map(len, rows))
    return Beginning(model.padded(rows)[:, :longest], torch.stack(kept)[:, :longest], t)


def genre_of(model: StoryModel, request: StoryRequest, index: int) -> str:
    """The kind of story that sentence ``index`` is: as asked for, else the seed takes one after the other.

    Most of what a model reads are no stories, so without any kind it would write a sentence, not a plot.
    """
    known = model.vocabulary.story_genres
    if request.genre or request.place or not known:
        return request.genre
    return known[(request.seed + index) % len(known)]


def single(request: StoryRequest, index: int) -> StoryRequest:
    """The request that draws sentence ``index`` alone."""
    return replace(request, seed=request.seed + index, count=1)


def times_from(first: int, steps: int) -> list[int]:
    """Falling levels from ``first`` on, evenly spaced; fewer than ``steps`` where there are not so many."""
    count = min(steps, first + 1)
    return [round((first + 1) * (count - i) / count) - 1 for i in range(count)]


def _row(model: StoryModel, request: StoryRequest, rng: torch.Generator) -> tuple[list[int], Tensor]:
    """The words that a sentence starts from, and which of them stay."""
    keep = [(word, model.vocabulary.find(word)) for word in request.keep]
    if request.start:
        return _started(model, request, rng)
    length = request.words or max(model.draw_length(request.genre, rng), len(keep) + 2)
    length += 0 if request.words else model.draw_gaps(length, rng)
    if not max(1, len(keep)) < length <= model.longest:
        beside = f", as {len(keep)} are kept" if keep else ""
        raise UserError(f"a sentence has {max(1, len(keep)) + 1} to {model.longest} words{beside}, not {length}")
    row = random_words(model.noise, (length,), rng).tolist()
    stays = torch.zeros(length, dtype=torch.bool)
    places = torch.randperm(length, generator=rng)[: len(keep)].sort().values.tolist()
    for place, (_, entry) in zip(places, keep, strict=True):  # in the order in which they were given
        row[place], stays[place] = entry, True
    return row, stays


def _started(model: StoryModel, request: StoryRequest, rng: torch.Generator) -> tuple[list[int], Tensor]:
    words = readable(request.start, model.longest)
    row = model.vocabulary.read(words)
    noise = random_words(model.noise, (len(row),), rng).tolist()
    row = [other if entry == UNKNOWN else entry for entry, other in zip(row, noise, strict=True)]
    kept = {word.casefold() for word in request.keep}
    stays = torch.tensor([word.casefold() in kept for word in words])
    missing = kept - {word.casefold() for word in words}
    if missing:
        raise UserError(f"the start does not have the word '{sorted(missing)[0]}' that is to be kept")
    assert END not in row
    empty = model.vocabulary.empty
    gaps = 0 if request.words or empty is None else model.draw_gaps(len(row), rng)
    for place in sorted((torch.rand(gaps, generator=rng) * (len(row) + 1)).long().tolist(), reverse=True):
        row.insert(place, empty or 0)  # where a word may be put in
        stays = torch.cat([stays[:place], torch.zeros(1, dtype=torch.bool), stays[place:]])
    return row, stays
