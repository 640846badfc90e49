"""Drawing sentences: what a request promises."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from conftest import make_tiny_story
from fromnoise.ground.errors import UserError
from fromnoise.story.draw import TOGETHER, StoryRequest, draw_stories, in_parts, single, story_steps, times_from
from fromnoise.story.model import StoryModel
from fromnoise.story.view import seen
from fromnoise.story.vocabulary import END, SPECIAL, sentence_of, words_of

ASKED = StoryRequest(genre="mystery", place="France", steps=6, seed=5, count=3)


@pytest.mark.formats
@pytest.mark.parametrize("sampler", ["confident", "ancestral"])
def test_a_sentence_is_the_same_in_company_and_alone(tiny_story: StoryModel, sampler: str) -> None:
    asked = replace(ASKED, sampler=sampler)
    together = draw_stories(tiny_story, asked)
    assert together == [draw_stories(tiny_story, single(asked, i))[0] for i in range(3)]
    assert len(set(together)) == 3
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert draw_stories(tiny_story, asked) == together
    finally:
        torch.set_num_threads(threads)


@pytest.mark.formats
@pytest.mark.parametrize("gaps", [0.0, 0.4])  # a network that reads where a sentence ends, and one that does not
@pytest.mark.parametrize("sampler", ["confident", "ancestral"])
def test_a_longer_sentence_in_company_changes_none(sampler: str, gaps: float) -> None:
    model, asked = make_tiny_story(gaps), StoryRequest(steps=3, count=24, temperature=1.5, sampler=sampler)
    first = next(story_steps(model, asked)).x_t
    assert len({int((row != END).sum()) for row in first}) > 1  # the seeds take kinds of stories of two lengths
    assert draw_stories(model, asked) == [draw_stories(model, single(asked, i))[0] for i in range(24)]


@pytest.mark.formats
@pytest.mark.parametrize("sampler", ["confident", "ancestral"])
def test_sentences_may_become_shorter_and_longer_and_are_the_same_alone(sampler: str) -> None:
    model = make_tiny_story(gaps=0.4)
    asked = replace(ASKED, sampler=sampler, temperature=1.5, count=12, revisions=0)
    *_, last = story_steps(model, asked)
    slots = [int((row != END).sum()) for row in last.x_next]
    words = [len(model.vocabulary.text(row.tolist())) for row in last.x_next]
    assert len(set(slots)) > 1  # places without a word are drawn beside the ten words of a mystery
    assert min(slots) >= 10
    assert any(a < b for a, b in zip(words, slots, strict=True))
    assert draw_stories(model, asked) == [draw_stories(model, single(asked, i))[0] for i in range(12)]
    exact = draw_stories(model, replace(asked, words=6))
    assert {len(words_of(text)) for text in exact} == {6}


def test_a_start_has_room_for_words_that_are_missing() -> None:
    model, start = make_tiny_story(gaps=0.4), "gold stolen in France, investigation"
    found, keep = set(), ("gold", "France")
    for seed in range(12):
        steps = list(story_steps(model, StoryRequest(start=start, keep=keep, steps=4, seed=seed)))
        found.add(int((steps[0].x_t[0] != END).sum()))
        assert [model.vocabulary.words[i] for i in steps[0].x_t[0].tolist() if i > 3] == words_of(start)
        assert set(keep) <= set(model.vocabulary.text(steps[-1].x_next[0].tolist()))
    assert min(found) == 6
    assert max(found) > 6


def test_a_saved_model_with_meanings_is_the_same(tmp_path: Path) -> None:
    model = make_tiny_story(gaps=0.4)
    model.save(tmp_path / "kept")
    again = StoryModel.load(tmp_path / "kept")
    assert again.hash == model.hash
    assert torch.equal(again.network.meaning, model.network.meaning)
    assert again.network.meaning.dtype == torch.int8
    again.save(tmp_path / "twice")
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("kept", "twice"))
    assert first == second


def test_a_saved_model_draws_the_same(tiny_story_folder: Path, tmp_path: Path) -> None:
    model = StoryModel.load(tiny_story_folder)
    model.save(tmp_path / "again")
    again = StoryModel.load(tmp_path / "again")
    assert again.hash == model.hash
    assert draw_stories(again, ASKED) == draw_stories(model, ASKED)


def test_genre_and_guidance_matter(tiny_story: StoryModel) -> None:
    plain = draw_stories(tiny_story, replace(ASKED, guidance=1.0))
    assert plain != draw_stories(tiny_story, replace(ASKED, guidance=15.0))
    assert plain != draw_stories(tiny_story, replace(ASKED, guidance=1.0, genre="fairy_tale"))
    open_end = replace(ASKED, genre="", place="", words=9)
    assert draw_stories(tiny_story, open_end) == draw_stories(tiny_story, replace(open_end, guidance=1.0))


def test_lengths_are_the_genres_own_or_as_asked(tiny_story: StoryModel) -> None:
    assert all(len(words_of(text)) == 10 for text in draw_stories(tiny_story, ASKED))
    assert all(len(words_of(t)) == 8 for t in draw_stories(tiny_story, replace(ASKED, genre="fairy_tale")))
    assert all(len(words_of(text)) == 5 for text in draw_stories(tiny_story, replace(ASKED, words=5)))


def test_kept_words_stay(tiny_story: StoryModel) -> None:
    for text in draw_stories(tiny_story, replace(ASKED, keep=("Gold", "crow"))):
        words = [w.lower() for w in words_of(text)]
        assert words.index("gold") < words.index("crow")
    start = "Gold scissor out bakery neat crow"
    for step in story_steps(tiny_story, replace(ASKED, start=start, keep=("bakery",))):
        assert (step.x_next[:, 3] == tiny_story.vocabulary.find("bakery")).all()


def test_steps_are_those_of_the_one_loop(tiny_story: StoryModel) -> None:
    steps = list(story_steps(tiny_story, replace(ASKED, revisions=0)))
    assert [s.index for s in steps] == list(range(6))
    assert (steps[0].t, steps[-1].t_next) == (999, -1)
    assert all(torch.equal(a.x_next, b.x_t) for a, b in pairwise(steps))
    words = steps[-1].x_next
    assert ((words == END) | (words >= len(SPECIAL))).all()
    shown = seen(tiny_story, steps[2], 1)
    changed = (steps[2].x_t[1] != steps[2].x_next[1])[: len(shown.words)].tolist()
    assert [w.changed for w in shown.words] == changed
    assert all(0 <= w.sure <= 1 for w in shown.words)
    assert shown.noise == pytest.approx(0.5)


def test_a_little_strength_changes_little(tiny_story: StoryModel) -> None:
    start = "two brothers open a bakery"
    asked = StoryRequest(start=start, strength=0.002, steps=5, seed=1)
    assert [s.t for s in story_steps(tiny_story, asked)] == [1, 0]


@pytest.mark.parametrize(("first", "steps"), [(999, 30), (999, 1), (4, 30), (0, 3), (550, 7)])
def test_times_fall_to_the_end(first: int, steps: int) -> None:
    times = times_from(first, steps)
    assert times[0] == first
    assert len(times) == min(steps, first + 1)
    assert all(a > b for a, b in pairwise(times))
    assert times[-1] >= 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"genre": "opera"}, "no genre 'opera'"),
        ({"place": "Frence"}, "did you mean France"),
        ({"keep": ("xylophone",)}, "does not know the word 'xylophone'"),
        ({"start": "..."}, "no words in it that can be read"),
        ({"start": "gold " * 17}, "a sentence has 1 to 16 words, not 17"),
        ({"start": "gold in France", "keep": ("crow",)}, "does not have the word 'crow'"),
        ({"words": 17}, "2 to 16 words, not 17"),
        ({"words": 1}, "2 to 16 words, not 1"),
        ({"keep": ("gold",) * 3, "words": 3}, "4 to 16 words, as 3 are kept, not 3"),
    ],
)
def test_what_cannot_be_drawn_is_said(tiny_story: StoryModel, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        draw_stories(tiny_story, replace(ASKED, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"steps": 0}, {"guidance": float("nan")}, {"strength": 0}, {"seed": -1}, {"count": 0}, {"sampler": "x"}]
)
def test_bad_numbers_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(changes))):
        StoryRequest(**changes)  # type: ignore[arg-type]


def test_damaged_folders_are_said(tiny_story_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no story model"):
        StoryModel.load(tmp_path)
    for name, text in (("story.json", "{"), ("vocabulary.json", "[]"), ("model.safetensors", "x")):
        shutil.copytree(tiny_story_folder, tmp_path / name)
        (tmp_path / name / name).write_text(text)
        with pytest.raises(UserError, match=r"damaged|no vocabulary"):
            StoryModel.load(tmp_path / name)


def test_many_sentences_are_drawn_a_few_at_a_time(tiny_story: StoryModel) -> None:
    """What every word might be at each place takes 20 MiB a sentence: 256 at once filled a laptop's memory."""
    asked = StoryRequest(count=TOGETHER + 3, steps=2, seed=5)
    *_, last = story_steps(tiny_story, asked)
    at_once = [sentence_of(tiny_story.vocabulary.text(row.tolist())) for row in last.x_next]
    parts = in_parts(asked)
    assert [(part.seed, part.count) for part in parts] == [(5, TOGETHER), (5 + TOGETHER, 3)]
    assert draw_stories(tiny_story, asked) == at_once
    (alone,) = in_parts(replace(asked, count=1))
    assert alone == replace(asked, count=1)
