"""Repairs that make a sentence shorter or longer, on a model whose answers are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.story.model import StoryModel, word_schedule
from fromnoise.story.noise import noise_words
from fromnoise.story.repair import Guess, Repair, Repaired, find_errors, repair
from fromnoise.story.vocabulary import END, MASK, SPECIAL, Vocabulary

RIGHT = ["the", "old", "king", "sells", "his", "gold"]
FULL = Vocabulary.collect([[*RIGHT, "noisy", "cat"]], [], 40, ["mystery"], ["France"], empty=True)
PLAIN = Vocabulary.collect([[*RIGHT, "noisy", "cat"]], [], 40, ["mystery"], ["France"])


class Knowing:
    """Stands for a model that knows one sentence: it aligns what it sees with it, and is nearly sure at every place."""

    longest = 16

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self.schedule = vocabulary, word_schedule()
        self.counts = torch.ones(len(vocabulary))
        self.noise = noise_words(self.counts)

    def padded(self, rows: list[list[int]]) -> Tensor:
        return StoryModel.padded(self, rows)  # type: ignore[arg-type]

    def together(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        guess = torch.full((*x.shape, len(self.vocabulary)), -12.0)
        for row, out in zip(x.tolist(), guess, strict=True):
            seen = row[: row.index(END)] if END in row else row
            for place, word in enumerate(self._best(seen)):
                out[place, word] = -0.01
        return guess

    def at(self, places: Tensor, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return self.together(x, t, labels)[torch.arange(len(x)), places]

    def _best(self, seen: list[int]) -> list[int]:
        """The right sentence on the places that are seen, with places left empty where that fits best."""
        right, empty = self.vocabulary.ids(RIGHT), self.vocabulary.empty
        spare = len(seen) - len(right)
        if empty is None or spare < 0:
            return (right + right)[: len(seen)]
        options = []
        for first in range(len(right) + 1):  # all that is too much in one place: enough for these tests
            options.append(right[:first] + [empty] * spare + right[first:])
        return max(options, key=lambda option: sum(a == b for a, b in zip(option, seen, strict=True)))


def mended(text: str, errors: int = 1, vocabulary: Vocabulary = FULL, lengths: bool = True) -> Repaired:
    return repair(Knowing(vocabulary), text, errors, lengths=lengths)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("The old noisy king sells his gold.", "The old king sells his gold."),
        ("Noisy the old king sells his gold.", "The old king sells his gold."),
        ("The old king sells his gold noisy!", "The old king sells his gold!"),
    ],
)
def test_a_word_too_many_is_taken_out(given: str, wanted: str) -> None:
    found = mended(given)
    (one,) = found.repairs
    assert one.word.lower() == "noisy"
    assert one.guesses[0].word == one.instead == ""
    assert found.text == wanted
    assert [word.lower() for word in found.mended] == RIGHT


def test_each_given_word_has_its_likelihood_among_the_others() -> None:
    for lengths in (True, False):
        found = mended("The old cat sells his gold.", lengths=lengths)
        assert len(found.certain) == len(found.words) == 6
        assert found.certain[2] == pytest.approx(found.repairs[0].probability) != 0
        others = [sure for place, sure in enumerate(found.certain) if place != 2]
        assert min(others) > 0.9 > 0.1 > found.certain[2]


def test_a_wrong_word_is_replaced_with_and_without_lengths() -> None:
    for vocabulary, lengths in ((FULL, True), (FULL, False), (PLAIN, True), (PLAIN, False)):
        found = mended("The old cat sells his gold.", 1, vocabulary, lengths)
        assert found.text == "The old king sells his gold."
        assert found.repairs[0].place == 2
        assert "" not in {guess.word for guess in found.repairs[0].guesses} or lengths


def test_a_missing_word_is_asked_for_in_its_place() -> None:
    """The places between words are asked, too; an empty one that hardly can be is where a word is missing."""

    class Missing(Knowing):
        def _best(self, seen: list[int]) -> list[int]:
            right, empty = self.vocabulary.ids(RIGHT), self.vocabulary.empty
            if len(seen) == len(right) and sum(a == b for a, b in zip(right, seen, strict=True)) >= 5:
                return right
            shorter = [right[:i] + right[i + 1 :] for i in range(len(right))]
            if len(seen) == len(right):  # the place without a word stands where none is missing
                shorter = [[*some[:i], empty or 0, *some[i:]] for some in shorter for i in range(len(seen))]
            return max(shorter, key=lambda option: sum(a == b for a, b in zip(option, seen, strict=True)))

    for missing in range(len(RIGHT)):
        words = RIGHT[:missing] + RIGHT[missing + 1 :]
        found = repair(Missing(FULL), " ".join(words), 1, lengths=True)  # type: ignore[arg-type]
        (one,) = found.repairs
        assert (one.place, one.word, one.instead) == (missing, "", RIGHT[missing])
        assert list(found.mended) == RIGHT
        assert found.text == " ".join(RIGHT)
    places = find_errors(Missing(FULL), torch.tensor(FULL.ids(RIGHT[1:])), 1, torch.zeros(2), lengths=True)  # type: ignore[arg-type]
    assert places[0][0] == -0.5


def test_texts_keep_their_signs_around_what_is_put_in_and_taken_out() -> None:
    guess = (Guess("x", 1.0),)
    found = Repaired(
        "Old, the king's gold is 3 times gone!", (), (),
        (Repair(5, "gold", 0.1, guess, "silver"), Repair(3, "king", 0.1, guess, ""), Repair(7, "", 0.1, guess, "long")),
        (),
    )  # fmt: skip
    assert found.text == "Old, the's silver is 3 long times gone!"
    assert Repaired("gold", (), (), (Repair(1, "", 0.0, guess, "sold"),), ()).text == "gold sold"
    assert Repaired("Gold sold", (), (), (Repair(0, "Gold", 0.0, guess, ""),), ()).text == "Sold"


def test_nothing_special_is_guessed() -> None:
    assert FULL.empty == len(SPECIAL)
    assert len(SPECIAL) > MASK
    found = mended("noisy old king sells his gold", 1)
    assert all(not guess.word.startswith("[") for guess in found.repairs[0].guesses)
