"""Which words of a sentence are wrong, and what they should have been.

The model is asked about each word with that word hidden: how likely is it, given all others? The least likely one is
taken to be wrong, is hidden for good, and the question is put again for the next. In the end all hidden words are
guessed together. (Pseudo-likelihood of a masked model: Salazar et al. 2020, arXiv 1910.14659, eq. 1.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.words.story import StoryModel
from fromnoise.words.vocabulary import END, MASK, UNKNOWN, sentence_of, words_of

GUESSES = 5


@dataclass(frozen=True)
class Guess:
    """A word and how likely it is, 0..1."""

    word: str
    probability: float


@dataclass(frozen=True)
class Repair:
    """One word that is wrong.

    Attributes:
        place: which word, from 0.
        word: the wrong word.
        probability: how likely the model thinks it is there.
        guesses: what it should be, the likeliest first.
    """

    place: int
    word: str
    probability: float
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class Repaired:
    """A sentence with its repairs.

    Attributes:
        words: the given sentence.
        text: the sentence with every wrong word replaced by its first guess.
        repairs: in the order in which they were found, the most certain first.
    """

    words: tuple[str, ...]
    text: str
    repairs: tuple[Repair, ...]


def repair(model: StoryModel, text: str, errors: int = 1, genre: str = "", place: str = "") -> Repaired:
    """Find wrong words and say what they should be.

    Args:
        model: the story model.
        text: the sentence.
        errors: how many words are wrong.
        genre, place: what the sentence is about, if that is known.

    Raises:
        UserError: no words, too many, more errors than words, an unknown genre or place.
    """
    words = words_of(text)
    if not 1 <= len(words) <= model.longest:
        raise UserError(f"a sentence has 1 to {model.longest} words, not {len(words)}")
    if not 1 <= errors <= len(words):
        raise UserError(f"a sentence of {len(words)} words has 1 to {len(words)} errors, not {errors}")
    labels = torch.tensor(model.vocabulary.label(genre, place))
    ids = torch.tensor(model.vocabulary.ids(words))
    found = find_errors(model, ids, errors, labels)
    hidden = ids.clone()
    hidden[[where for where, _ in found]] = MASK
    p = guesses_at(model, hidden, labels, errors / len(words)).exp()
    repairs = []
    for where, likely in found:
        best = p[where].topk(GUESSES)
        guesses = tuple(
            Guess(model.vocabulary.words[i], float(v)) for v, i in zip(*(x.tolist() for x in best), strict=True)
        )
        repairs.append(Repair(where, words[where], likely, guesses))
    return Repaired(tuple(words), sentence_of(mended(words, repairs)), tuple(repairs))


def find_errors(model: StoryModel, ids: Tensor, errors: int, labels: Tensor) -> list[tuple[int, float]]:
    """Which words are wrong, and how likely each was, the first found first.

    Args:
        model: the story model.
        ids: the sentence, int64 [L].
        errors: how many to find.
        labels: genre and place, int64 [2].
    """
    hidden, found = ids.clone(), list[tuple[int, float]]()
    while len(found) < errors:
        likely = each_word(model, hidden, ids, labels, (errors - len(found)) / len(ids))
        likely[[where for where, _ in found]] = torch.inf
        worst = int(likely.argmin())
        found.append((worst, float(likely[worst].exp())))
        hidden[worst] = MASK
    return found


def each_word(model: StoryModel, hidden: Tensor, ids: Tensor, labels: Tensor, share: float) -> Tensor:
    """How likely each word is, given all others: log-probabilities [L].

    Args:
        model: the story model.
        hidden: the sentence as the model may see it, int64 [L].
        ids: the sentence itself, int64 [L].
        labels: genre and place, int64 [2].
        share: how much of the sentence is wrong, 0..1.
    """
    found = []
    for place in range(len(ids)):
        row = hidden.clone()
        row[place] = MASK
        p = guesses_at(model, row, labels, share + 1 / len(ids))[place]
        found.append(
            p[ids[place]] if ids[place] != UNKNOWN else p.topk(100).values[-1]
        )  # an unknown word is a rare one
    return torch.stack(found)


def guesses_at(model: StoryModel, row: Tensor, labels: Tensor, share: float) -> Tensor:
    """log p(x_0 | the sentence), [L, V], when a share of its words is noise."""
    assert not bool((row == END).any())
    t = min(round(share * model.schedule.steps), model.schedule.steps) - 1
    x = model.padded([row.tolist()])
    return model.denoiser(x, torch.tensor([max(0, t)]), labels[None])[0, : len(row)]


def mended(words: Sequence[str], repairs: Sequence[Repair]) -> list[str]:
    """The sentence's words with each repair's first guess in its place."""
    found = list(words)
    for one in repairs:
        found[one.place] = one.guesses[0].word
    return found
