"""The model reads its own sentence again: what may change, and what does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from conftest import make_tiny_story
from fromnoise.story.draw import StoryRequest, draw_stories, single, story_steps
from fromnoise.story.model import NEVER, StoryModel
from fromnoise.story.repair import guesses_at
from fromnoise.story.revise import Revised, Revision, revisions, worst
from fromnoise.story.view import seen
from fromnoise.story.vocabulary import END, MASK, words_of

ASKED = StoryRequest(genre="mystery", steps=4, seed=5, count=3, temperature=2.0)
EAGER = Revision(most=5, surer=1.0)


def by_hand(model: StoryModel, ids: list[int], labels: Tensor) -> list[tuple[float, int, int]]:
    """(gain, place, word) of every change that is allowed, one place hidden after the other, the best first."""
    empty, found = model.vocabulary.empty, []
    for place, own in enumerate(ids):
        row = torch.tensor(ids)
        row[place] = MASK
        log_p = guesses_at(model, row, labels, 1 / len(ids))[place].tolist()
        left = [i for i in ids[:place] if i != empty][-1:]
        right = [i for i in ids[place + 1 :] if i != empty][:1]
        beside = {*left, *right}
        mine = NEVER if own in beside else log_p[own]
        found += [(value - mine, place, word) for word, value in enumerate(log_p) if word not in beside]
    return sorted(found, reverse=True)


@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_each_round_changes_the_word_that_would_rather_be_another(gaps: float) -> None:
    model = make_tiny_story(gaps=gaps) if gaps else make_tiny_story()
    *_, last = story_steps(model, replace(ASKED, revisions=0))
    labels = torch.tensor([model.vocabulary.label("mystery", "")] * 3)
    kept = torch.zeros_like(last.x_next, dtype=torch.bool)
    moves = list(revisions(model, last, labels, kept, EAGER))
    assert len(moves) == EAGER.most
    for move in moves:
        for before, after, label in zip(move.x_t, move.x_next, labels, strict=True):
            ids = before[before != END].tolist()
            changed = [(i, int(after[i])) for i in torch.nonzero(before != after)[:, 0].tolist()]
            first, second, *_ = by_hand(model, ids, label)
            if first[0] - second[0] > 1e-4:  # no tie, which the last digits decide
                assert changed == [first[1:]]
            assert len(changed) == 1


def test_the_surest_word_takes_the_place_unless_it_stands_beside_it() -> None:
    model = make_tiny_story()
    ids = torch.tensor([8, 8, 5])
    log_p = torch.full((3, len(model.vocabulary)), -9.0)
    log_p[:, 8], log_p[0, 6], log_p[1, 7], log_p[2, 5], log_p[2, 9] = -0.1, -3.0, -2.0, -8.0, -4.0
    free = torch.zeros(3, dtype=torch.bool)
    assert worst(model, ids, log_p, free, Revision()) == (1, 7)  # it stands there twice: the better of both ways out
    assert worst(model, ids, log_p, torch.tensor([False, True, False]), Revision()) == (0, 6)
    once = torch.tensor([6, 8, 5])
    log_p[0, 6] = -0.1
    assert worst(model, once, log_p, free, Revision(surer=50.0)) == (2, 9)  # 8 is likelier, but stands before it
    assert worst(model, once, log_p, free, Revision(surer=60.0)) == (-1, -1)  # e⁴ is 54.6


def test_a_word_that_stands_twice_may_be_taken_out() -> None:
    model = make_tiny_story(gaps=0.4)
    empty = model.vocabulary.empty
    assert empty is not None
    ids = torch.tensor([8, empty, 8, 9])  # a place without a word parts nothing
    log_p = torch.full((4, len(model.vocabulary)), -9.0)
    log_p[0, 8] = log_p[2, 8] = log_p[3, 9] = log_p[1, empty] = -0.1
    log_p[2, empty] = -1.0
    free = torch.zeros(4, dtype=torch.bool)
    assert worst(model, ids, log_p, free, Revision()) == (2, empty)
    _, word = worst(model, ids, log_p, free, Revision(every_word=True))
    assert word != empty


@pytest.mark.formats
def test_a_revised_sentence_is_the_same_in_company_and_alone() -> None:
    model = make_tiny_story(gaps=0.4)
    together = draw_stories(model, ASKED)
    assert together == [draw_stories(model, single(ASKED, i))[0] for i in range(3)]
    assert together != draw_stories(model, replace(ASKED, revisions=0))


def test_moves_go_on_from_the_samplers_and_are_told_apart() -> None:
    model = make_tiny_story(gaps=0.4)
    steps = list(story_steps(model, ASKED))
    assert [step.index for step in steps] == list(range(len(steps)))
    assert [isinstance(step, Revised) for step in steps] == [i >= 4 for i in range(len(steps))]
    assert 4 < len(steps) <= 12
    assert all(torch.equal(a.x_next, b.x_t) for a, b in pairwise(steps))
    assert [seen(model, step).revised for step in steps] == [i >= 4 for i in range(len(steps))]
    assert {seen(model, step).noise for step in steps[4:]} == {0.0}
    assert all(0 <= word.sure <= 1 for word in seen(model, steps[-1]).words)


def test_what_is_kept_stays_and_a_start_changes_no_more_than_may_be_wrong(tiny_story: StoryModel) -> None:
    for text in draw_stories(tiny_story, replace(ASKED, keep=("Gold", "crow"), count=8)):
        assert {"gold", "crow"} <= {word.casefold() for word in words_of(text)}
    start = StoryRequest(start="two brothers open a bakery", strength=0.5, steps=3, seed=1, temperature=2.0)
    steps = list(story_steps(tiny_story, replace(start, revisions=100)))
    assert 3 <= len(steps) <= 3 + 2  # half of five words
    assert len(list(story_steps(tiny_story, replace(start, strength=0.002, revisions=100)))) <= 2
