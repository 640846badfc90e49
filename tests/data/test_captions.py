"""Captions drawn for training have the stated mix, and depend on nothing but the generator."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from fromnoise.data.captions import CaptionMix, CaptionSampler, may_mirror, sampling_weights
from fromnoise.data.record import Record
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled

APPLE = Record("a.png", "red apple", ("fruit", "apple", "red"), ("big fruit",), "noto", "1f34e", colours=("green",))


def kinds(count: int = 6000) -> Counter[str]:
    sampler, rng = CaptionSampler([APPLE], CaptionMix(colour=0.0)), torch.Generator().manual_seed(3)
    found: Counter[str] = Counter()
    for _ in range(count):
        text = sampler(0, rng)
        names = {"": "empty", "noto style": "style", "red apple, noto style": "full", "red apple": "object",
                 "big fruit, noto style": "synonym"}  # fmt: skip
        found[names.get(text, "keywords")] += 1
    return found


def test_the_mix_is_the_stated_one() -> None:
    found = kinds()
    stated = {"full": 0.35, "keywords": 0.25, "synonym": 0.15, "object": 0.10, "style": 0.05, "empty": 0.10}
    for name, share in stated.items():
        assert found[name] / 6000 == pytest.approx(share, abs=4 * (share * (1 - share) / 6000) ** 0.5), name


def test_a_fifth_of_the_captions_name_a_measured_colour() -> None:
    sampler, rng = CaptionSampler([APPLE], CaptionMix(1, 0, 0, 0, 0, 0, colour=0.2)), torch.Generator().manual_seed(0)
    texts = [sampler(0, rng) for _ in range(4000)]
    assert sum(t == "green red apple, noto style" for t in texts) / 4000 == pytest.approx(0.2, abs=0.025)


def test_equal_generators_give_equal_captions_whatever_came_before() -> None:
    sampler = CaptionSampler([APPLE, Record("b.png", "house")])
    first = [sampler(i, torch.Generator().manual_seed(5)) for i in (0, 1, 0)]
    assert first[0] == first[2]
    # Each caption takes the same amount of randomness, so one picture never shifts the next one's caption.
    rng_a, rng_b = torch.Generator().manual_seed(9), torch.Generator().manual_seed(9)
    sampler(0, rng_a)
    sampler(1, rng_b)
    assert sampler(0, rng_a) == sampler(0, rng_b)


def test_a_record_with_nothing_but_a_text_is_never_captioned_with_something_else() -> None:
    sampler, rng = CaptionSampler([Record("b.png", "house")]), torch.Generator().manual_seed(1)
    assert {sampler(0, rng) for _ in range(300)} == {"house", ""}


def test_keywords_are_one_to_four_of_the_pictures_own() -> None:
    record = Record("c.png", "x", tuple("abcdefg"))
    sampler, rng = CaptionSampler([record], CaptionMix(0, 1, 0, 0, 0, 0)), torch.Generator().manual_seed(1)
    drawn = [sampler(0, rng).split(", ") for _ in range(500)]
    assert {len(d) for d in drawn} == {1, 2, 3, 4}
    assert all(len(set(d)) == len(d) and set(d) <= set("abcdefg") for d in drawn)


def test_rare_concepts_and_styles_weigh_more() -> None:
    records = [Record("", "", style=s, key=k) for k, s in [("a", "x")] * 4 + [("b", "y")]]
    weights = sampling_weights(records)
    assert (weights[4] / weights[0]).item() == pytest.approx(4.0)  # (1·1)^-½ against (4·4)^-½


@pytest.mark.parametrize(
    ("text", "allowed"), [("red apple", True), ("left arrow", False), ("flag: Peru", False), ("bright", True)]
)
def test_what_has_a_direction_is_not_mirrored(text: str, allowed: bool) -> None:
    assert may_mirror(Record("", text)) is allowed


def test_prompt_form() -> None:
    assert styled("red apple", "noto") == "red apple, noto style"
    assert styled("", "noto") == "noto style"
    assert styled("red apple", "") == "red apple"


def test_shares_that_are_no_probability_are_refused() -> None:
    with pytest.raises(UserError, match="sum to 1"):
        CaptionMix(full=0.9)
