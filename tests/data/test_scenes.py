"""Scenes of several things: what is in them, and that the words say so."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage

from fromnoise.data.captions import sampling_weights
from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.data.scenes import compose, is_scene, plural, scenes

RED, BLUE = (220, 20, 20), (20, 20, 220)


def disc(colour: tuple[int, int, int], side: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    inside = (y - side / 2) ** 2 + (x - side / 2) ** 2 < (side * 0.35) ** 2
    paint = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return torch.where(inside, paint, torch.tensor(255, dtype=torch.uint8))


@pytest.fixture
def pictures() -> PictureSet:
    records = [
        Record("a.png", name, ("round",), (), style, name, author=f"author of {style}", colours=(name.split()[0],))
        for style in ("noto", "twemoji")
        for name in ("red ball", "blue berry")
    ]
    return PictureSet(torch.stack([disc(RED), disc(BLUE)] * 2), records, [])


def count_things(picture: torch.Tensor) -> int:
    return int(ndimage.label((picture < 200).any(0).numpy())[1])


def test_a_scene_shows_as_many_things_as_its_words_say(pictures: PictureSet) -> None:
    made = scenes(pictures, 60)
    assert len(made.records) == 60
    for image, record in zip(made.images, made.records, strict=True):
        wanted = {"two": 2, "three": 3}.get(record.text.split()[0], 2)
        assert count_things(image) == wanted, record.text
        assert is_scene(record)


def test_two_things_are_the_two_that_are_named(pictures: PictureSet) -> None:
    made = scenes(pictures, 60)
    pairs = [(i, r) for i, r in zip(made.images, made.records, strict=True) if " and " in r.text]
    assert len(pairs) >= 5
    for image, record in pairs:
        assert set(record.text.split(" and ")) == {"red ball", "blue berry"}
        for colour in (RED, BLUE):
            near = (image.float() - torch.tensor(colour)[:, None, None]).abs().amax(0) < 20
            assert near.sum() > 150
    for record in (r for _, r in pairs):
        assert record.alt[1] == " and ".join(reversed(record.text.split(" and ")))


def test_parts_of_a_scene_share_their_style_and_credit(pictures: PictureSet) -> None:
    for record in scenes(pictures, 30).records:
        assert record.author == f"author of {record.style}"
        assert record.colours == record.keywords == ()


def test_scenes_follow_from_the_seed(pictures: PictureSet) -> None:
    first, again, other = scenes(pictures, 20, 1), scenes(pictures, 20, 1), scenes(pictures, 20, 2)
    assert torch.equal(first.images, again.images)
    assert [r.text for r in first.records] == [r.text for r in again.records]
    assert [r.text for r in first.records] != [r.text for r in other.records]


def test_the_share_of_scenes_is_what_was_asked_for(pictures: PictureSet) -> None:
    records = [*pictures.records, *scenes(pictures, 100).records]
    weights = sampling_weights(records, 0.12)
    made = torch.tensor([is_scene(r) for r in records])
    assert float(weights[made].sum() / weights.sum()) == pytest.approx(0.12)
    assert torch.equal(weights[~made], sampling_weights(records, 0.0)[~made])


def test_nothing_to_count_gives_no_scenes() -> None:
    lone = PictureSet(disc(RED)[None], [Record("a.png", "scissors", style="noto")], [])
    assert scenes(lone, 5).records == []


def test_parts_keep_their_shape_and_stay_inside() -> None:
    wide = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    wide[:, 28:36, 4:60] = 0
    made = compose(wide[None], ((0.51, 0.51, 0.47),))
    rows, columns = (made < 128).any(0).nonzero().unbind(1)
    height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
    assert width / height == pytest.approx(7, rel=0.2)
    assert int(rows.min()) > 32
    assert int(columns.min()) > 31


@pytest.mark.parametrize(
    ("one", "many"), [("cat", "cats"), ("cherry", "cherries"), ("box", "boxes"), ("key", "keys"), ("torch", "torches")]
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many
