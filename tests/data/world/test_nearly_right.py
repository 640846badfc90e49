"""Captions in which one fact is another."""

from __future__ import annotations

import pytest

from fromnoise.data.world.chance import Chance
from fromnoise.data.world.nearly_right import nearly_right


def wrongs(caption: str) -> set[str]:
    return {nearly_right(caption, Chance(i)) for i in range(400)}


@pytest.mark.parametrize(
    ("caption", "some", "never"),
    [
        ("a red apple", {"a blue apple", "an orange apple"}, {"a red apple", "a dark red apple"}),
        ("a dark red heart", {"a teal heart"}, {"a red heart"}),
        ("three cats, noto style", {"two cats, noto style", "five cats, noto style"}, {"one cats, noto style"}),
        ("a tiny house", {"a huge house"}, {"a small house"}),
        ("a fox to the left of a tree", {"a fox to the right of a tree"}, {"a fox left a tree"}),
        ("a cat on top of a car", {"a cat under a car"}, set()),
        ("a cat in front of a car", {"a cat behind a car"}, set()),
        ("an orange cat", {"a pink cat"}, {"an pink cat"}),
        ("a star at the top", {"a star on the left", "a star at the bottom"}, set()),
        ("a fish in the snow", {"a fish at night"}, set()),
        ("a red apple and a green pear", {"a green apple and a red pear"}, set()),
        ("an orange cat and a red dog", {"a red cat and an orange dog"}, {"an red cat and a orange dog"}),
        ("a grey mouse", {"a yellow mouse"}, {"a gray mouse"}),
    ],
)
def test_one_fact_is_another(caption: str, some: set[str], never: set[str]) -> None:
    found = wrongs(caption)
    assert some <= found
    assert not found & (never | {caption, ""})


@pytest.mark.parametrize(
    "caption", ["a cat", "cup, noto style", "", "redwood", "a two-seater", "a bear under the stars"]
)
def test_without_a_fact_nothing_is_said(caption: str) -> None:
    assert wrongs(caption) == {""}


def test_the_ends_of_a_gradient_are_not_exchanged() -> None:
    assert "a cat on a blue to red gradient" not in wrongs("a cat on a red to blue gradient")


def test_the_same_chance_says_the_same() -> None:
    assert nearly_right("two red cats", Chance(1, 2)) == nearly_right("two red cats", Chance(1, 2))
