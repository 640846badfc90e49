"""Which pictures show a kind, which are one drawing, and that nothing of a held-out drawing is ever learnt from."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.inspection.kinds import (
    EACH,
    MOST,
    carried,
    check_kinds,
    examples,
    gather,
    same,
    showing,
    varied,
    with_drawn,
)
from fromnoise.inspection.measures import measured, thing
from fromnoise.system.text_to_image import TextToImage
from planted_kinds import KINDS, planted, shape

CAPTIONS = ["banana", "Pea pod", "peach", "green pea", "banana split", "Banana ", "peas"]


def test_a_kind_is_shown_by_its_name_alone_or_else_as_a_whole_word() -> None:
    assert showing(CAPTIONS, "banana") == [0, 5]
    assert showing(CAPTIONS, "pea") == [1, 3]  # no peach, no peas
    assert showing(CAPTIONS, "split") == [4]
    assert showing(CAPTIONS, "p.a") == []


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["banana"], "name 2 to 6 kinds"),
        (["banana", " "], "name 2 to 6 kinds"),
        (list("abcdefg"), "name 2 to 6 kinds"),
        (["banana", " Banana"], "each kind should be named once"),
    ],
)
def test_kinds_that_cannot_be_compared(kinds: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_kinds(kinds)


def never(i: int) -> Tensor:
    raise AssertionError(f"picture {i} was opened")


def test_kinds_that_are_not_there_are_told_before_anything_is_opened() -> None:
    with pytest.raises(UserError, match=r"no picture of mine shows 'zebra'; it has, among others, fox$"):
        gather(["fox", "fox", "cat"], ["1", "2", "3"], never, ["fox", "zebra"], "of mine")
    with pytest.raises(UserError, match="name kinds that exclude each other"):
        gather(["red apple", "red cherry"], ["1", "2"], never, ["red", "apple"], "of mine")


def test_only_what_is_chosen_is_opened_and_labels_follow_the_kinds() -> None:
    opened: list[int] = []

    def note(i: int) -> Tensor:
        opened.append(i)
        return shape(i % 3, i)

    found = gather(CAPTIONS, [f"file {i}" for i in range(7)], note, ["pea", "banana"], "of mine")
    assert opened == [1, 3, 0, 5]
    assert found.label.tolist() == [0, 0, 1, 1]
    assert found.names == ("file 1", "file 3", "file 0", "file 5")
    assert found.captions[1] == "banana"
    assert torch.equal(found.images[2], shape(0, 0))


def test_of_very_many_pictures_some_are_taken_spread_over_all() -> None:
    captions = ["fox"] * 1000 + ["cat"] * 3
    found = gather(captions, [str(i) for i in range(1003)], lambda i: shape(0, i), ["fox", "cat"], "of mine")
    assert int((found.label == 0).sum()) == MOST
    assert found.names[:2] == ("0", "15")
    assert found.names[MOST - 1] == "984"


def test_nearly_the_same_is_one_drawing_and_chains_count() -> None:
    base = shape(1, 2)
    rng = torch.Generator().manual_seed(0)
    noisy = (base.int() + torch.randint(-9, 10, base.shape, generator=rng)).clamp(0, 255).to(torch.uint8)
    shaded = base.clone()
    shaded[1:][:, thing(base[None])[0]] += 60  # the same outline, in another red
    other, blue = shape(1, 4), base.flip(0)
    images = torch.stack([base, noisy, other, shaded, blue, base])
    label = torch.tensor([0, 0, 0, 0, 0, 1])
    assert same(images, label).tolist() == [0, 0, 1, 0, 2, 3]


def test_chains_of_likeness_are_followed_to_their_end() -> None:
    steps = [shape(2, 0).clone() for _ in range(12)]
    for i, picture in enumerate(steps):
        picture[0][thing(picture[None])[0]] += 20 * (i % 12)
    images = torch.stack(steps)
    assert same(images, torch.zeros(12, dtype=torch.long)).unique().tolist() == [0]
    assert len(same(images[[0, 11]], torch.zeros(2, dtype=torch.long)).unique()) == 2  # the ends are unlike


def test_nothing_of_a_held_out_drawing_is_learnt_from() -> None:
    found = planted(7)
    twin = dataclasses.replace(
        found,
        images=torch.cat([found.images, found.images[:4]]),
        label=torch.cat([found.label, found.label[:4]]),
        names=(*found.names, *found.names[:4]),
        drawn=torch.zeros(len(found.label) + 4, dtype=torch.bool),
    )
    twin = dataclasses.replace(twin, drawing=same(twin.images, twin.label))
    assert twin.drawing[-4:].tolist() == twin.drawing[:4].tolist()
    for seed in range(5):
        told = examples(twin, seed)
        for fold in range(told.folds):
            out = told.fold == fold
            assert not set(told.drawing[out].tolist()) & set(told.drawing[~out].tolist())
            assert not set(told.source[out].tolist()) & set(told.source[~out].tolist())
            assert set(told.label[out].tolist()) == set(told.label[~out].tolist()) == {0, 1, 2}
        assert len({tuple(told.fold[told.source == i].unique().tolist()) for i in range(25)}) == told.folds


def test_there_are_equally_many_of_each_kind_and_pictures_themselves_are_among_them() -> None:
    found = planted(6)
    uneven = dataclasses.replace(
        found,
        images=found.images[4:],
        label=found.label[4:],
        drawing=found.drawing[4:],
        names=found.names[4:],
        drawn=found.drawn[4:],
    )
    told = examples(uneven)
    assert torch.bincount(told.label).tolist() == [EACH] * 3
    own = told.variant == 0
    assert sorted(told.source[own].tolist()) == list(range(14))
    assert torch.equal(told.images[own], uneven.images[told.source[own]])
    assert torch.equal(told.images, examples(uneven).images)  # the same every time
    assert not torch.equal(told.images, examples(uneven, 1).images)


def test_variants_keep_the_thing_whole_its_colour_and_its_shape() -> None:
    picture = shape(2, 3)
    before = measured(picture[None], ["redness", "greenness", "roundness", "parts"])
    sizes, places = [], []
    for number in range(1, 40):
        other = varied(picture, number)
        after = measured(other[None], ["redness", "greenness", "roundness", "parts"])
        assert torch.allclose(after, before, atol=0.08), number
        where = thing(other[None])[0]
        assert int(where[[0, -1]].sum() + where[:, [0, -1]].sum()) == 0
        sizes.append(float(where.float().sum()) ** 0.5 / float(thing(picture[None]).float().sum()) ** 0.5)
        places.append(where.nonzero().float().mean(0))
    assert 0.6 < min(sizes) < 0.72 < 0.85 < max(sizes) < 1.0
    assert torch.stack(places).std(0).min() > 2  # pixels
    assert torch.equal(varied(picture, 0), picture)


def test_a_thing_that_fills_its_picture_is_never_cut_off() -> None:
    full = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    rows, columns = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    full[:, rows**2 + columns**2 <= 31.5**2] = 0
    for number in range(1, 40):
        where = thing(varied(full, number)[None])[0]
        assert where.any(0).sum() == pytest.approx(where.any(1).sum(), abs=2)  # still a disc, nothing cut


def test_some_variants_are_mirrored() -> None:
    arrow = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    arrow[:, 20:44, 10:20] = 0
    arrow[:, 30:34, 20:54] = 0
    sides = [where[:, :].sum(0).argmax() < where.any(0).nonzero().float().mean() for where in
             (thing(varied(arrow, n)[None])[0] for n in range(1, 30))]  # fmt: skip
    assert 5 < sum(map(bool, sides)) < 24


def test_a_kind_whose_pictures_are_all_one_drawing_cannot_be_held_out() -> None:
    one = gather(
        ["fox"] * 3 + ["cat"] * 3, list("123456"), lambda i: shape(1, 0 if i < 3 else i), ["fox", "cat"], "of it"
    )
    with pytest.raises(UserError, match=r"all pictures of 'fox' of it are nearly one drawing.*--drawn 10"):
        examples(one)
    more = with_drawn(one, [torch.stack([shape(2, 3)]), torch.zeros(0, 3, 64, 64, dtype=torch.uint8)])
    told = examples(more)
    assert told.folds == 2
    assert more.drawn.tolist() == [False] * 6 + [True]
    assert (more.label[-1], more.names[-1], more.count(0)) == (0, "fox, drawn", 2)


def test_what_the_shipped_model_carries() -> None:
    model = TextToImage.load()
    found = carried(model, check_kinds(["banana", "tomato", "pea"]))
    assert found.captions == ("banana", "tomato", "pea pod")
    assert found.trained is True
    names = dict(zip(found.names, found.label.tolist(), strict=True))
    assert (names["banana, noto"], names["tomato, twemoji"], names["pea pod, noto"]) == (0, 1, 2)
    of = {name: int(d) for name, d in zip(found.names, found.drawing, strict=True)}
    assert of["banana, fluent-emoji"] == of["banana, fluent-emoji-3d"]  # one drawing, shaded twice
    assert of["banana, noto"] != of["banana, twemoji"]
    yellow, red, green = measured(found.images, ["yellowness", "redness", "greenness"]).T
    assert yellow[found.label == 0].min() > yellow[found.label == 1].max()
    assert red[found.label == 1].min() > red[found.label == 0].max()
    assert green[found.label == 2].min() > green[found.label == 1].max()


def test_a_model_that_carries_nothing_or_damage_says_so(tiny_model: Any) -> None:
    with pytest.raises(UserError, match="carries no pictures of its training"):
        carried(tiny_model, KINDS)
    with pytest.raises(UserError, match=r"copies\.safetensors is damaged"):
        carried(dataclasses.replace(tiny_model, copies=b"nothing"), KINDS)
    shipped = TextToImage.load()
    with pytest.raises(UserError, match="trained on other pictures"):
        carried(dataclasses.replace(tiny_model, copies=shipped.copies), KINDS)
