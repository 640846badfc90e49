"""Which words of a sentence are wrong, and what they should have been.

Three questions tell which word is wrong: what the model believes of the word when it sees it at this level of noise;
how likely the word is when it is hidden and only the others are seen (the pseudo-likelihood of a masked model: Salazar
et al. 2020, arXiv 1910.14659, eq. 1); and how likely it is anywhere, so that a rare word is not taken for a wrong one.
The word with the lowest sum is hidden for good, and the questions are put again for the next. In the end the hidden
words are guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.story.model import StoryModel
from fromnoise.story.vocabulary import END, MASK, UNKNOWN, places_of, readable

GUESSES = 5
RARE = 0.5  # how far a word's own rareness excuses it; of 0, 0.5 and 1 the best on plots and real sentences together


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
        given: the given sentence, as it was written.
        words: its words.
        mended: the sentence with the wrong words replaced. One wrong word is replaced by its first guess; several are
            filled in one after the other, so that they fit each other.
        repairs: in the order in which they were found, the most certain first.
    """

    given: str
    words: tuple[str, ...]
    mended: tuple[str, ...]
    repairs: tuple[Repair, ...]

    @property
    def text(self) -> str:
        """The given sentence with other words where it was wrong; all else is as it was written."""
        text = self.given
        for place, (_, begin, end) in reversed(list(enumerate(places_of(text)))):
            if place in {one.place for one in self.repairs}:
                word = self.mended[place]
                upper = text[begin].isupper() and word.islower()
                text = text[:begin] + (word[:1].upper() + word[1:] if upper else word) + text[end:]
        return text


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
    words = readable(text, model.longest)
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
        known = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        guesses = tuple(Guess(model.vocabulary.words[i], value) for value, i in known)
        repairs.append(Repair(where, words[where], likely, guesses))
    mended = fill(model, hidden, labels)
    said = [model.vocabulary.words[int(mended[i])] if hidden[i] == MASK else word for i, word in enumerate(words)]
    return Repaired(text, tuple(words), tuple(said), tuple(repairs))


def fill(model: StoryModel, hidden: Tensor, labels: Tensor) -> Tensor:
    """Guess hidden words one after the other, the most certain first, each with those before in view; int64 [L].

    Args:
        model: the story model.
        hidden: a sentence in which masks hide words, int64 [L].
        labels: genre and place, int64 [2].
    """
    row = hidden.clone()
    while bool((row == MASK).any()):
        best = guesses_at(model, row, labels, float((row == MASK).float().mean())).max(-1)
        where = int(best.values.masked_fill(row != MASK, -torch.inf).argmax())
        row[where] = best.indices[where]
    return row


def find_errors(model: StoryModel, ids: Tensor, errors: int, labels: Tensor) -> list[tuple[int, float]]:
    """Which words are wrong, and how likely each was among the others, the first found first.

    Args:
        model: the story model.
        ids: the sentence, int64 [L].
        errors: how many to find.
        labels: genre and place, int64 [2].
    """
    hidden, found = ids.clone(), list[tuple[int, float]]()
    anywhere = (model.counts + 1).log() - (model.counts + 1).sum().log()  # (V,)
    while len(found) < errors:
        share = (errors - len(found)) / len(ids)
        fits = each_word(model, hidden, ids, labels, share)
        seen = of_words(guesses_at(model, hidden, labels, share), ids)
        score = seen + fits - RARE * anywhere[ids]
        score[[where for where, _ in found]] = torch.inf
        worst = int(score.argmin())
        found.append((worst, float(fits[worst].exp())))
        hidden[worst] = MASK
    return found


def each_word(model: StoryModel, hidden: Tensor, ids: Tensor, labels: Tensor, share: float) -> Tensor:
    """How likely each word is when only the others are seen: log-probabilities [L].

    Args:
        model: the story model.
        hidden: the sentence as the model may see it, int64 [L].
        ids: the sentence itself, int64 [L].
        labels: genre and place, int64 [2].
        share: how much of the sentence is wrong, 0..1.
    """
    rows = hidden.repeat(len(ids), 1)
    rows.fill_diagonal_(MASK)
    found = guesses_of(model, rows, labels, share + 1 / len(ids))  # (L, L, V)
    return torch.stack([of_words(guess, ids)[place] for place, guess in enumerate(found)])


def of_words(log_p: Tensor, ids: Tensor) -> Tensor:
    """The log-probabilities [L] of words [L], of [L, V]; an unknown word is taken to be as likely as a rare one."""
    rare = log_p.topk(min(100, log_p.shape[-1])).values[:, -1]
    return torch.where(ids == UNKNOWN, rare, log_p.gather(-1, ids[:, None])[:, 0])


def guesses_at(model: StoryModel, row: Tensor, labels: Tensor, share: float) -> Tensor:
    """log p(x_0 | the sentence), [L, V], when a share of its words is noise."""
    return guesses_of(model, row[None], labels, share)[0]


def guesses_of(model: StoryModel, rows: Tensor, labels: Tensor, share: float) -> Tensor:
    """The same of several sentences of one length, int64 [N, L]: [N, L, V]."""
    assert not bool((rows == END).any())
    t = min(round(share * model.schedule.steps), model.schedule.steps) - 1
    x = model.padded(rows.tolist())
    level = torch.full((len(x),), max(0, t))
    return model.together(x, level, labels.expand(len(x), -1))[:, : rows.shape[1]]
