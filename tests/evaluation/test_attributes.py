"""Attributes: rules on pixels that known pictures pass and fail, and a section beside an exact oracle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.world.held_out import held_out_colour, held_out_relation
from fromnoise.drawing.request import Request
from fromnoise.evaluation.attributes import IN_A_STYLE, KINDS, NO_STYLE, NUMBERS, Attribute, asked, attributes
from fromnoise.evaluation.composed import RELATIONS, SIDES, SIZES, composed, on_colour, tinted
from fromnoise.evaluation.section import Section
from fromnoise.evaluation.sections.attributes import attributes_section, fits, rightness, shuffled
from fromnoise.evaluation.seen import is_at, parts, seen
from fromnoise.evaluation.sizes import Sizes
from fromnoise.system.text_to_image import TextToImage
from made_world import STYLES, World, real, world_of

COLOURS = {"red", "orange", "yellow", "green", "blue", "purple", "pink", "black"}
ANSWERS = {
    "count": set(NUMBERS), "colour": COLOURS, "relation": set(RELATIONS), "size": set(SIZES), "place": set(SIDES),
    "background": COLOURS, NO_STYLE: {""},
}  # fmt: skip


def canvas(*boxes: tuple[int, int, int, int, str], side: int = 64) -> Tensor:
    """Rectangles (top, left, height, width, colour) on white."""
    picture = torch.full((3, side, side), 255, dtype=torch.uint8)
    for top, left, height, width, colour in boxes:
        wanted = torch.tensor(PALETTE[colour], dtype=torch.uint8)[:, None, None]
        picture[:, top : top + height, left : left + width] = wanted
    return picture


def test_every_question_can_be_answered() -> None:
    every = attributes()
    assert tuple(dict.fromkeys(q.kind for q in every)) == KINDS
    assert len({q.text for q in every}) == len(every)
    for q in every:
        assert len(q.things) == (2 if q.kind in ("two colours", "relation") else 1), q
        if q.kind == "two colours":
            first, second = q.answer.split(", ")
            assert first != second
            assert {first, second} <= COLOURS
        elif q.kind == "expression":
            assert (q.answer,) == q.things
        else:
            assert q.answer in ANSWERS[q.kind], q
    for kind in ("count", "colour", "two colours", "relation"):  # seen and held-out ones stand beside each other
        held_out = [q.held_out for q in every if q.kind == kind]
        assert min(sum(held_out), len(held_out) - sum(held_out)) >= 4, kind
    assert {q.answer for q in every if q.kind == "count"} == set(NUMBERS)


def test_what_is_held_out_is_the_worlds_rule_whatever_a_thing_is_called() -> None:
    # As they were when the first pictures were made: another rule would let a model see what it is asked.
    for kind, answer, things, held_out in (
        ("count", "four", ("cookie",), True),
        ("count", "five", ("cookie",), False),
        ("colour", "green", ("cat",), True),
        ("colour", "red", ("cat",), False),
        ("colour", "green", ("closed book",), held_out_colour("green", "book")),
        ("two colours", "red, yellow", ("cat", "pear"), True),
        ("two colours", "red, red", ("cat", "car"), False),
        ("relation", "left", ("key", "guitar"), held_out_relation("left of", "key", "guitar")),
        ("relation", "right", ("guitar", "key"), held_out_relation("left of", "key", "guitar")),
        ("relation", "below", ("umbrella", "rocket"), True),
        ("relation", "above", ("rocket", "umbrella"), True),
        ("size", "small", ("cat",), False),
    ):
        assert Attribute(kind, "", answer, things).held_out == held_out, (kind, answer, things)


def test_what_is_seen_in_pixels() -> None:
    found = seen(canvas((0, 8, 16, 32, "blue")))
    assert (found.count, found.colour, found.border) == (1, "blue", "")
    assert found.centre == (24 / 64, 8 / 64)
    assert found.extent == 0.5
    assert seen(canvas()).count == 0
    assert seen(canvas((0, 0, 64, 64, "blue"), (16, 16, 32, 32, "red"))).border == "blue"
    assert seen(canvas((0, 0, 64, 20, "blue"))).border == ""  # less than half of the border


@pytest.mark.parametrize(
    ("top", "left", "place"), [(24, 0, "left"), (24, 48, "right"), (0, 24, "top"), (48, 24, "bottom"), (24, 24, "")]
)
def test_a_place_is_where_the_centre_is_furthest_from_the_middle(top: int, left: int, place: str) -> None:
    found = seen(canvas((top, left, 16, 16, "red")))
    assert [name for name in SIDES if is_at(found, name)] == ([place] if place else [])
    assert not is_at(seen(canvas((26, 20, 16, 16, "red"))), "left")  # by 4 of 64: not enough


def test_parts_come_in_order_alone_and_with_the_gap_between_them() -> None:
    apart = canvas((20, 36, 24, 24, "green"), (20, 2, 24, 24, "red"))
    cut = parts(apart, down=False)
    assert cut is not None
    assert [seen(part).colour for part in cut[:2]] == ["red", "green"]
    assert cut[2] == pytest.approx(10 / 64)
    assert parts(apart, down=True) is None  # they lie rather beside each other
    assert parts(canvas(), down=False) is None
    touching = canvas((4, 20, 24, 24, "red"), (28, 20, 24, 24, "green"))  # one piece: cut in the middle of its box
    cut = parts(touching, down=True)
    assert cut is not None
    assert [seen(part).colour for part in cut[:2]] == ["red", "green"]
    assert cut[2] == 0
    crumb = canvas((4, 20, 20, 20, "red"), (34, 20, 20, 20, "green"), (57, 24, 4, 4, "blue"))
    cut = parts(crumb, down=True)
    assert cut is not None
    assert cut[2] == pytest.approx(10 / 64)  # a crumb is part of what it is nearest to


def test_what_is_composed_of_real_pictures_is_what_was_asked() -> None:
    starter = load_folder("starter", 64)
    pictures = {name: next(p for p, r in zip(starter.images, starter.records, strict=True) if r.text == name)
                for name in ("strawberry", "cloud")}  # fmt: skip
    thing = pictures["strawberry"]
    for kind in ("count", "colour", "size", "place", "background"):
        for answer in ANSWERS[kind] - ({"black"} if kind == "colour" else set()):
            question = Attribute(kind, "", answer, ("strawberry",))
            found = seen(composed(question, thing[None]))
            assert fits(question, found), (kind, answer, found)
            other = [replace(question, answer=a) for a in ANSWERS[kind] - {answer}]
            assert not any(fits(q, found) for q in other), (kind, answer, found)
    grey = thing.float().mean(0)
    red = tinted(thing, "red").float()
    inside = (thing < 250).any(0)
    assert torch.equal((red[0][inside]).argsort(stable=True).sort().values, torch.arange(int(inside.sum())))
    assert (red[0][inside & (grey > 150)].mean() > red[0][inside & (grey < 100)].mean()) or not (grey < 100).any()
    assert torch.equal(on_colour(canvas(), "blue"), canvas((0, 0, 64, 64, "blue")))


def test_shuffled_captions_are_those_of_another_answer() -> None:
    questions = [Attribute("size", "", a, (t,)) for a, t in (("small", "x"), ("small", "y"), ("large", "x"))]
    right = torch.tensor([[True, True, False], [True, True, True], [True, False, True]])
    assert shuffled(right, questions).tolist() == [0.0, 1.0, 0.5]
    plain = [Attribute(NO_STYLE, "", "", (t,)) for t in "xyx"]  # without an answer it is the thing that differs
    assert shuffled(right, plain).tolist() == [1.0, 1.0, 0.0]
    assert len(shuffled(right, [questions[0]] * 3)) == 0


# --- the section ------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures() -> PictureSet:
    names = list(dict.fromkeys(thing for q in attributes() for thing in q.things))
    return world_of(names)


@pytest.fixture
def model(tiny_model: TextToImage) -> TextToImage:
    return replace(tiny_model, styles=STYLES, card={})


def world(model: TextToImage, pictures: PictureSet, good: bool) -> World:
    """Every question is answered perfectly, or by a blue square."""
    made = World(model, pictures, lambda r: answered(r) if good else canvas((8, 8, 12, 12, "blue"), side=32))
    made.sizes = Sizes(attributes=15, seeds=1)
    by_text = {q.text: q for q in attributes()}
    place: dict[str, int] = {}
    for questions in asked(made).values():
        place |= {q.text: i for i, q in enumerate(questions)}

    def answered(request: Request) -> Tensor:
        question = by_text[request.prompt]
        style = request.style or STYLES[place[question.text] % 3]
        return composed(question, torch.stack([real(pictures, thing, style) for thing in question.things]))

    return made


def figures(section: Section) -> dict[str, tuple[float, ...]]:
    return {h.name.removesuffix(" as asked"): (h.value, h.floor or 0.0, h.ceiling or 0.0) for h in section.headlines}


def test_a_perfect_model_reaches_the_ceiling_and_another_the_floor(model: TextToImage, pictures: PictureSet) -> None:
    perfect = figures(attributes_section(world(model, pictures, True)))
    assert tuple(perfect) == (*KINDS, IN_A_STYLE)
    for kind, (value, floor, ceiling) in perfect.items():
        if kind not in ("two colours", "relation"):  # this judge knows whole pictures only
            assert (value, ceiling) == (1.0, 1.0), kind
            assert floor < (0.3 if kind == "size" else 0.05), kind
    always = figures(attributes_section(world(model, pictures, False)))
    counts = [q.answer for q in asked(world(model, pictures, False))["count"]]
    one = counts.count("one")
    assert always["count"][:2] == (pytest.approx(one / len(counts)), pytest.approx(one / len(counts)))
    assert always["background"][:2] == (0, 0)
    assert always["expression"][0] < 0.2


def test_seen_and_held_out_combinations_stand_beside_each_other(model: TextToImage, pictures: PictureSet) -> None:
    made = world(model, pictures, True)
    perfect = made.drawn_by
    held_out = {q.text for q in attributes() if q.held_out}
    made.drawn_by = lambda r: canvas(side=32) if r.prompt in held_out else perfect(r)
    found = attributes_section(made)
    for kind in ("count", "colour"):
        assert found.data[kind]["seen"]["value"] == 1.0
        assert found.data[kind]["held out"]["value"] == 0.0
        assert found.data[kind]["seen"]["n"] + found.data[kind]["held out"]["n"] == found.data[kind]["drawn"]["n"]
    assert "held out" not in found.data["size"]
    assert [row[0] for row in found.tables[1].rows] == ["count", "colour", "two colours", "relation"]


def test_relations_and_pairs_of_colours_ask_for_the_right_thing_in_the_right_place(
    model: TextToImage, pictures: PictureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge that knows a thing by its colour: cats are red, cars green."""
    names, made = ["cat", "automobile"], World(model, pictures, lambda _: canvas())
    ink = {"red": 0, "green": 1}

    class ByColour:
        def similarities(self, features: Tensor, styles: list[str]) -> Tensor:
            return features

    def judge(shown: Tensor) -> Tensor:
        return torch.eye(2)[[ink[seen(p).colour] for p in shown]]

    module = "fromnoise.evaluation.sections.attributes"
    monkeypatch.setattr(f"{module}._gallery", lambda bench, of: ByColour() if of == names else pytest.fail(str(of)))
    monkeypatch.setattr(f"{module}.FIRST", 1)
    monkeypatch.setattr(made, "judge", judge)
    left = canvas((20, 2, 24, 24, "red"), (20, 38, 24, 24, "green"))
    right = left.flip(2)
    above = canvas((2, 20, 24, 24, "red"), (38, 20, 24, 24, "green"))
    on = canvas((6, 20, 24, 24, "red"), (30, 20, 24, 24, "green"))
    same = canvas((20, 2, 24, 24, "red"), (20, 38, 24, 24, "red"))
    shown = torch.stack([left, right, above, above.flip(1), on, same])

    def answers(kind: str, *wanted: str) -> list[list[int]]:
        questions = [Attribute(kind, "", a, ("cat", "automobile")) for a in wanted]
        return [row.nonzero().flatten().tolist() for row in rightness(made, questions, shown, ["noto"] * 6)]

    found = answers("relation", "left", "right", "above", "below", "on")
    assert found == [[0], [1], [2, 4], [3], [4]]
    assert answers("two colours", "red, green", "green, red") == [[0, 1, 2, 3, 4], []]


def test_what_the_training_never_showed_is_left_out_and_said(model: TextToImage, pictures: PictureSet) -> None:
    faces = {q.things[0] for q in attributes() if q.kind == "expression"}
    made = world(model, pictures, True)
    made.records = [replace(r, split="not asked") if r.text in faces else r for r in made.records]
    found = attributes_section(made)
    assert "expression" not in found.data
    assert found.text[-1] == "Left out, since the training showed none of these things: expression."
    made.records = []
    assert attributes_section(made).headlines == ()
