"""Which words of a sentence are wrong, and what they should have been.

Three questions tell which word is wrong: what the model believes of the word when it sees it at this level of noise;
how likely the word is when it is hidden and only the others are seen (the pseudo-likelihood of a masked model: Salazar
et al. 2020, arXiv 1910.14659, eq. 1); and how likely it is anywhere, so that a rare word is not taken for a wrong one.
The word with the lowest sum is hidden for good, and the questions are put again for the next. In the end the hidden
words are guessed. A model that knows places without a word is asked the same of each place between two words: how
likely it is that none is missing there; and of each hidden word it may say that none belongs there.
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
    """A word and how likely it is, 0..1; "" means that no word belongs there."""

    word: str
    probability: float


@dataclass(frozen=True)
class Repair:
    """One thing that is wrong.

    Attributes:
        place: which word, from 0; where one is missing, the word before which it belongs, or how many there are.
        word: the wrong word; "" where one is missing.
        probability: how likely the model thinks it is there.
        guesses: what it should be, the likeliest first.
        instead: the word that it was replaced by, which fits the others; "" where it was taken out.
    """

    place: int
    word: str
    probability: float
    guesses: tuple[Guess, ...]
    instead: str


@dataclass(frozen=True)
class Repaired:
    """A sentence with its repairs.

    Attributes:
        given: the given sentence, as it was written.
        words: its words.
        mended: the words of the sentence with the wrong ones replaced. One wrong word is replaced by its first guess;
            several are filled in one after the other, so that they fit each other.
        repairs: in the order in which they were found, the most certain first.
        certain: how likely each given word is when only the others are seen, 0..1.
    """

    given: str
    words: tuple[str, ...]
    mended: tuple[str, ...]
    repairs: tuple[Repair, ...]
    certain: tuple[float, ...]

    @property
    def text(self) -> str:
        """The given sentence with other words where it was wrong; all else is as it was written."""
        text, places = self.given, places_of(self.given)
        for one in sorted(self.repairs, key=lambda one: one.place, reverse=True):
            if not one.word:  # missing
                at = places[one.place][1] if one.place < len(places) else places[-1][2]
                before, after = text[:at], text[at:]
                text = f"{before}{one.instead} {after}" if one.place < len(places) else f"{before} {one.instead}{after}"
                continue
            _, begin, end = places[one.place]
            upper = text[begin].isupper() and one.instead.islower()
            word = one.instead[:1].upper() + one.instead[1:] if upper else one.instead
            if word:
                text = text[:begin] + word + text[end:]
            else:
                text = text[:begin].rstrip() + text[end:] if begin else text[end:].lstrip()
        return text if not text or not self.given[0].isupper() else text[0].upper() + text[1:]


def repair(
    model: StoryModel, text: str, errors: int = 1, genre: str = "", place: str = "", lengths: bool = False
) -> Repaired:
    """Find wrong words and say what they should be.

    Args:
        model: the story model.
        text: the sentence.
        errors: how many words are wrong.
        genre, place: what the sentence is about, if that is known.
        lengths: an error may also be a word too many or one too few, where the model has learnt that.

    Raises:
        UserError: no words, too many, more errors than words, an unknown genre or place.
    """
    words = readable(text, model.longest)
    if not 1 <= errors <= len(words):
        raise UserError(f"a sentence of {len(words)} words has 1 to {len(words)} errors, not {errors}")
    labels = torch.tensor(model.vocabulary.label(genre, place))
    lengths = lengths and model.vocabulary.empty is not None
    line = _Line(torch.tensor(model.vocabulary.read(words)), list(range(len(words))))
    found = [_worst(model, line, errors - i, labels, lengths) for i in range(errors)]
    empty = model.vocabulary.empty
    hidden, ids = line.hidden, line.ids
    p = guesses_at(model, hidden, labels, errors / len(hidden)).exp()
    may_go = torch.zeros(len(ids), dtype=torch.bool)
    if empty is not None:
        may_go = (ids != empty) & lengths  # where a word is missing, one belongs
        p[:, empty] = torch.where(may_go, p[:, empty], 0.0)
    mended = fill(model, hidden, labels, may_go)
    said = [model.vocabulary.words[int(entry)] for entry in mended]
    repairs = []
    for slot, likely in found:
        at = line.places.index(slot)
        best = p[at].topk(GUESSES)
        known = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        guesses = tuple(Guess(model.vocabulary.words[i], value) for value, i in known)
        missing = isinstance(slot, float)
        where = int(slot + 0.5) if missing else int(slot)
        repairs.append(Repair(where, "" if missing else words[where], likely, guesses, said[at]))
    right = [said[i] if hidden[i] == MASK else words[int(slot)] for i, slot in enumerate(line.places)]
    whole = tuple(word for word in right if word)
    return Repaired(text, tuple(words), whole, tuple(repairs), tuple(line.fits.exp().tolist()))


@dataclass
class _Line:
    """A sentence that is being looked at.

    Attributes:
        ids: its words; the entry of no word where one may be missing, int64 [L].
        places: which given word stands where; between words 2 and 3, 2.5.
        hidden: the same with masks where something is wrong.
        fits: how likely each word of the given sentence is when only the others are seen, log-probabilities, float32.
    """

    ids: Tensor
    places: list[float]

    def __post_init__(self) -> None:
        self.hidden = self.ids.clone()
        self.fits = torch.empty(0)

    def insert(self, gap: int, empty: int) -> float:
        """Let a word be missing before place ``gap``; returns what that place is called."""
        before = self.places[gap - 1] if gap else -1
        self.ids = torch.cat([self.ids[:gap], torch.tensor([empty]), self.ids[gap:]])
        self.hidden = torch.cat([self.hidden[:gap], torch.tensor([MASK]), self.hidden[gap:]])
        self.places.insert(gap, float(before) + 0.5)
        return self.places[gap]


def fill(model: StoryModel, hidden: Tensor, labels: Tensor, may_be_empty: Tensor | None = None) -> Tensor:
    """Guess hidden words one after the other, the most certain first, each with those before in view; int64 [L].

    Args:
        model: the story model.
        hidden: a sentence in which masks hide words, int64 [L].
        labels: genre and place, int64 [2].
        may_be_empty: where no word may come out, bool [L]; nowhere without it.
    """
    row, empty = hidden.clone(), model.vocabulary.empty
    while bool((row == MASK).any()):
        guesses = guesses_at(model, row, labels, float((row == MASK).float().mean()))
        if empty is not None:
            filled = torch.ones(len(row), dtype=torch.bool) if may_be_empty is None else ~may_be_empty
            guesses[filled, empty] = -torch.inf
        best = guesses.max(-1)
        where = int(best.values.masked_fill(row != MASK, -torch.inf).argmax())
        row[where] = best.indices[where]
    return row


def find_errors(
    model: StoryModel, ids: Tensor, errors: int, labels: Tensor, lengths: bool = False
) -> list[tuple[float, float]]:
    """Which words are wrong, and how likely each was among the others, the first found first.

    Args:
        model: the story model.
        ids: the sentence, int64 [L].
        errors: how many to find.
        labels: genre and place, int64 [2].
        lengths: a word may also be missing; 2.5 is the place between words 2 and 3.
    """
    line = _Line(ids, list(range(len(ids))))
    return [_worst(model, line, errors - i, labels, lengths) for i in range(errors)]


def _worst(model: StoryModel, line: _Line, left: int, labels: Tensor, lengths: bool) -> tuple[float, float]:
    """Find the next error, and hide it; ``left`` are still to be found."""
    anywhere = (model.counts + 1).log() - (model.counts + 1).sum().log()  # (V,)
    share = left / len(line.ids)
    fits = each_word(model, line.hidden, line.ids, labels, share)
    if not len(line.fits):
        line.fits = fits
    seen = of_words(guesses_at(model, line.hidden, labels, share), line.ids)
    score = seen + fits - RARE * anywhere[line.ids]
    score[line.hidden == MASK] = torch.inf
    worst = int(score.argmin())
    empty = model.vocabulary.empty
    if lengths and empty is not None and len(line.ids) < model.longest:
        fits_gap, seen_gap = _each_gap(model, line.hidden, empty, labels, share)
        of_gaps = seen_gap + fits_gap - RARE * anywhere[empty]
        if float(of_gaps.min()) < float(score[worst]):
            gap = int(of_gaps.argmin())
            return line.insert(gap, empty), float(fits_gap[gap].exp())
    line.hidden[worst] = MASK
    return line.places[worst], float(fits[worst].exp())


def _each_gap(model: StoryModel, hidden: Tensor, empty: int, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """How likely it is that no word is missing before each word, and behind the last: log-probabilities [L + 1] when
    the place is hidden, and when it is seen to be empty.
    """
    length = len(hidden) + 1
    rows = torch.stack([torch.cat([hidden[:i], torch.tensor([empty]), hidden[i:]]) for i in range(length)])
    seen = _at_diagonal(model, rows, labels, share)[:, empty]
    fits = _at_diagonal(model, rows.fill_diagonal_(MASK), labels, share + 1 / length)[:, empty]
    return fits, seen


def each_word(model: StoryModel, hidden: Tensor, ids: Tensor, labels: Tensor, share: float) -> Tensor:
    """How likely each word is when only the others are seen: log-probabilities [L].

    Args:
        model: the story model.
        hidden: the sentence as the model may see it, int64 [L].
        ids: the sentence itself, int64 [L].
        labels: genre and place, int64 [2].
        share: how much of the sentence is wrong, 0..1.
    """
    return of_words(each_place(model, hidden, labels, share), ids)


def each_place(model: StoryModel, hidden: Tensor, labels: Tensor, share: float = 0.0) -> Tensor:
    """How likely every word is at each place when only the others are seen: log-probabilities [L, V].

    Args:
        model: the story model.
        hidden: the sentence as the model may see it, int64 [L].
        labels: genre and place, int64 [2].
        share: how much of the sentence is wrong, 0..1.
    """
    rows = hidden.repeat(len(hidden), 1).fill_diagonal_(MASK)
    return _at_diagonal(model, rows, labels, share + 1 / len(hidden))


def of_words(log_p: Tensor, ids: Tensor) -> Tensor:
    """The log-probabilities [L] of words [L], of [L, V]; an unknown word is taken to be as likely as a rare one."""
    rare = log_p.topk(min(100, log_p.shape[-1])).values[:, -1]
    return torch.where(ids == UNKNOWN, rare, log_p.gather(-1, ids[:, None])[:, 0])


def guesses_at(model: StoryModel, row: Tensor, labels: Tensor, share: float) -> Tensor:
    """log p(x_0 | the sentence), [L, V], when a share of its words is noise."""
    return model.together(*_asked(model, row[None], labels, share))[0, : len(row)]


def _at_diagonal(model: StoryModel, rows: Tensor, labels: Tensor, share: float) -> Tensor:
    """The same of several sentences of one length, int64 [L, L], each at one place, the first at the first; [L, V]."""
    return model.at(torch.arange(len(rows)), *_asked(model, rows, labels, share))


def _asked(model: StoryModel, rows: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """What the model is asked of sentences when a share of their words is noise."""
    assert not bool((rows == END).any())
    t = min(round(share * model.schedule.steps), model.schedule.steps) - 1
    x = model.padded(rows.tolist())
    return x, torch.full((len(x),), max(0, t)), labels.expand(len(x), -1)
