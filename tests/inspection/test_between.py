"""Walks and sums between words: exact ends, exact rules, and figures that say whether it works."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from checkpoints import pipeline
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.inspection import arithmetic, between
from fromnoise.inspection.arithmetic import (
    AS_SAID,
    EVERYWHERE,
    IN_PLACE,
    TARGET,
    Drawn,
    Equation,
    equation_of,
    in_clip,
    shifted,
    sums,
)
from fromnoise.inspection.arithmetic_figure import arithmetic_figure, outcome, verdict
from fromnoise.inspection.between import Goal, stops_of, walk
from fromnoise.inspection.between_figure import between_figure
from fromnoise.inspection.captions import Captions, captions_of, directions
from fromnoise.inspection.guidance_figure import guidance_figure
from fromnoise.inspection.noise import Looked
from fromnoise.inspection.noise_figure import noise_figure
from fromnoise.inspection.subject import Subject
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage

APPLE = Subject("red apple", style="noto", seed=3, steps=3)


@pytest.mark.parametrize(
    ("goal", "end"),
    [
        (Goal("blue house"), Request("blue house", style="noto", seed=3, steps=3)),
        (Goal("blue house", 8), Request("blue house", style="noto", seed=8, steps=3)),
        (Goal(seed=8), Request("red apple", style="noto", seed=8, steps=3)),
    ],
)
def test_the_ends_are_the_pictures_drawn_alone_and_the_middle_is_the_walk(
    tiny_model: TextToImage, goal: Goal, end: Request
) -> None:
    stops = list(stops_of(tiny_model, walk(tiny_model, APPLE, goal, 3)))
    assert [stop.amount for stop in stops] == [0.0, 0.5, 1.0]
    assert torch.equal(stops[0].picture, draw(tiny_model, APPLE.request)[0])
    assert torch.equal(stops[2].picture, draw(tiny_model, end)[0])
    half = Towards(0.5, end.seed, goal.prompt, style="noto" if goal.prompt else None)
    halfway = Request("red apple", style="noto", seed=3, steps=3, towards=half)
    assert torch.equal(stops[1].picture, draw(tiny_model, halfway)[0])
    for stop in stops:  # what is handed out draws it again
        assert torch.equal(stop.picture, draw(tiny_model, stop.request)[0])


def test_changes_and_matches_along_the_way(tiny_model: TextToImage) -> None:
    way = walk(tiny_model, APPLE, Goal("blue house", both="red house"), 4)
    stops = list(stops_of(tiny_model, way))
    assert stops[0].moved == 0.0
    expected = [(a.picture.double() - b.picture.double()).div(255).square().mean().sqrt() for a, b in
                itertools.pairwise(stops)]  # fmt: skip
    assert [stop.moved for stop in stops[1:]] == pytest.approx([float(e) for e in expected])
    assert all(len(stop.matches) == 3 for stop in stops)
    assert [made.words.prompt for made in way.told] == ["red apple", "blue house", "red house"]
    assert [made.words.prompt for made in walk(tiny_model, APPLE, Goal(seed=8), 4).told] == ["red apple"]


def test_only_what_is_asked_for_is_drawn(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    real = between.drawn
    monkeypatch.setattr(between, "drawn", lambda model, made: drawn.append(made.amount) or real(model, made))
    stops = stops_of(tiny_model, walk(tiny_model, APPLE, Goal(seed=5), 5))
    next(stops)
    next(stops)
    assert drawn == [0.0, 0.25]
    stops.close()  # type: ignore[attr-defined]
    assert drawn == [0.0, 0.25]


@pytest.mark.parametrize(
    ("goal", "stops", "problem"),
    [
        (Goal(), 7, "somewhere to go"),
        (Goal("red apple", 3), 7, "somewhere to go"),
        (Goal("blue house"), 1, "2…200 pictures, not 1"),
        (Goal("blue house"), 201, "not 201"),
        (Goal("blue house", -1), 5, "seed"),
    ],
)
def test_walks_that_cannot_be(tiny_model: TextToImage, goal: Goal, stops: int, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        walk(tiny_model, APPLE, goal, stops)


def test_the_command_walks_and_says_how_again(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    options = ("--model", tiny_model_folder, "--steps", 2, "--steps-between", 3)
    done = run("inspect", "between", "red apple", "blue house", *options, "--out", "b.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "b.json").read_text())
    assert facts["command"].startswith("fromnoise inspect between 'red apple' 'blue house' --seed 0 --steps 2")
    assert facts["asked"]["prompt"] == "red apple blue house"
    assert [stop["amount"] for stop in facts["stops"]] == [0.0, 0.5, 1.0]
    assert run("inspect", "between", "red apple", *options, "--to-seed", 4, "--out", "b.gif").code == 0
    with Image.open(tmp_path / "b.gif") as film:
        assert getattr(film, "n_frames", 1) == 3
    assert run("inspect", "between", "red apple", *options, "--to-seed", 4, "--out", "s.json").code == 0
    seeds = json.loads((tmp_path / "s.json").read_text())
    assert seeds["title"] == 'Between: "red apple", seed 0 to seed 4'
    assert seeds["asked"] is None
    assert [list(stop["matches"]) for stop in seeds["stops"]] == [["red apple"]] * 3
    nowhere = run("inspect", "between", "red apple", *options)
    assert nowhere.code == 2
    assert "give a second prompt, or another seed (--to-seed 5)" in nowhere.err


# --- sums -------------------------------------------------------------------------------------------------------------

SUM = Equation("red", "blue", "blue apple")


def features(model: TextToImage, subject: Subject, equation: Equation, everywhere: bool) -> torch.Tensor:
    made = subject.plan(model)
    return shifted(model, made, equation, everywhere).embed([made.words.wanted.text])[0]


@pytest.mark.parametrize("everywhere", [False, True])
def test_taking_away_what_is_added_changes_no_bit(tiny_model: TextToImage, everywhere: bool) -> None:
    same = Equation("red", "red", "red apple")
    assert torch.equal(features(tiny_model, APPLE, same, everywhere), tiny_model.embed(["red apple, noto style"])[0])
    found = {(d.way, d.seed): d for d in sums(tiny_model, APPLE, same, 2)}
    way = EVERYWHERE if everywhere else IN_PLACE
    for seed in (3, 4):
        assert torch.equal(found[way, seed].picture, found[AS_SAID, seed].picture)
        assert found[way, seed].distance == 0.0


def test_taking_all_of_a_prompt_away_leaves_what_is_added(tiny_model: TextToImage) -> None:
    plain = Subject("red apple", seed=3, steps=3)
    found = features(tiny_model, plain, Equation("red apple", "blue house", "blue house"), False)
    torch.testing.assert_close(found, tiny_model.embed(["blue house"])[0], rtol=1e-4, atol=1e-5)


def test_everywhere_moves_all_tokens_by_the_difference_of_the_ends(tiny_model: TextToImage) -> None:
    before = tiny_model.embed(["red apple, noto style"])[0]
    moved = features(tiny_model, APPLE, SUM, True) - before
    ids = torch.cat([tiny_model.tokens(word).chunks[0].ids for word in ("red", "blue")])
    red, blue = tiny_model.text_tower(ids).pooled
    torch.testing.assert_close(moved, (blue - red).expand_as(moved), rtol=1e-3, atol=1e-5)
    in_place = features(tiny_model, APPLE, SUM, False) - before
    assert float(in_place[0].abs().max()) < 1e-5  # every text begins alike
    assert float(in_place[1].abs().max()) > 1e-3


def test_other_words_are_read_as_ever(tiny_model: TextToImage) -> None:
    made = APPLE.plan(tiny_model)
    model = shifted(tiny_model, made, SUM, False)
    assert torch.equal(model.embed(["", "blue apple"]), tiny_model.embed(["", "blue apple"]))
    assert not torch.equal(model.embed([made.words.wanted.text]), tiny_model.embed([made.words.wanted.text]))


def test_sums_are_drawn_beside_what_was_meant(tiny_model: TextToImage) -> None:
    found = list(sums(tiny_model, APPLE, SUM, 2))
    assert [(d.way, d.seed) for d in found] == [(w, s) for s in (3, 4) for w in (TARGET, AS_SAID, IN_PLACE, EVERYWHERE)]
    meant = {s: draw(tiny_model, Request("blue apple", style="noto", seed=s, steps=3))[0] for s in (3, 4)}
    for d in found:
        distance = (d.picture.double() - meant[d.seed].double()).div(255).square().mean().sqrt()
        assert d.distance == pytest.approx(float(distance))
        if d.way == TARGET:
            assert torch.equal(d.picture, meant[d.seed])
        if d.way == AS_SAID:
            assert torch.equal(d.picture, draw(tiny_model, Request("red apple", style="noto", seed=d.seed, steps=3))[0])


@pytest.mark.parametrize(
    ("distances", "matches", "said"),
    [
        ((0.1, 0.1), ((0.2, 0.6), (0.2, 0.6)), "It works here: .* in 2 of 2 drawings .*, and .* 2 of 2 show"),
        ((0.1, 0.9), ((0.2, 0.6), (0.6, 0.2)), "It works only in part here: .* in 1 of 2 drawings .*, and .* 1 of 2"),
        ((0.9, 0.8), ((0.6, 0.2), (0.6, 0.2)), "It does not work here: .* in 0 of 2 drawings .*, and .* 0 of 2 show"),
        ((0.1, 0.1), ((0.6, 0.2), (0.6, 0.2)), "It works only in part here: .* in 2 of 2 drawings .*, and .* 0 of 2"),
    ],
)
def test_the_verdict_is_what_was_measured(
    distances: tuple[float, ...], matches: tuple[tuple[float, float], ...], said: str
) -> None:
    none = torch.zeros(3, 2, 2, dtype=torch.uint8)
    found = [Drawn(AS_SAID, seed, none, 0.5, (0.9, 0.1)) for seed in (0, 1)]
    found += [Drawn(IN_PLACE, seed, none, 1.0, (0.9, 0.1)) for seed in (0, 1)]
    found += [Drawn(EVERYWHERE, seed, none, distances[seed], matches[seed]) for seed in (0, 1)]
    outcomes = [outcome(way, found) for way in (AS_SAID, IN_PLACE, EVERYWHERE)]
    assert outcomes[2].distance == pytest.approx(sum(distances) / 2)
    assert outcomes[2].matches == pytest.approx(tuple(sum(m[i] for m in matches) / 2 for i in (0, 1)))
    assert re.match(said, verdict(outcomes, SUM))


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        (("a red apple", "red", "green"), "a green apple"),
        (("Red infrared apple", "red", "green"), "green infrared apple"),
        (("a red apple", "red", ""), "a apple"),
        (("a king", "man", "woman", "a queen"), "a queen"),
        (("c++ logo", "c++", r"\1 rust"), r"\1 rust logo"),
    ],
)
def test_what_a_sum_should_mean(asked: tuple[str, ...], target: str) -> None:
    assert equation_of(*asked).target == target


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (("a red apple", "", ""), "say what is taken away"),
        ((" ", "red", "green"), "begins with a prompt"),
        (("a red apple", "blue", "green"), "'blue' is not in the prompt, so say which"),
        (("a red apple", "", "green"), "nothing is taken away, so say which"),
    ],
)
def test_sums_that_cannot_be(asked: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        equation_of(*asked)


def test_too_many_seeds_or_words_are_refused_before_drawing(tiny_model: TextToImage) -> None:
    with pytest.raises(UserError, match="1…64, not 0"):
        sums(tiny_model, APPLE, SUM, 0)
    with pytest.raises(UserError, match="must not be longer"):
        sums(tiny_model, APPLE, Equation("red", "blue house " * 20, "blue house"), 1)


def test_nearest_captions_in_clip(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    east, north, up = torch.eye(3)
    places = {"red apple": (east + north) / 2**0.5, "red": east, "blue": up, "blue apple": (up + north) / 2**0.5}
    monkeypatch.setattr(arithmetic, "directions", lambda model, texts: torch.stack([places[t] for t in texts]))
    texts = ("car", "sky", "tree")
    captions = Captions(texts, torch.stack([east, up, north]), "planted")
    found = in_clip(tiny_model, APPLE, SUM, captions)
    total = (east + north) / 2**0.5 - east + up
    total = total / total.norm()
    assert [text for text, _ in found.nearest] == ["sky", "tree", "car"]
    assert found.nearest[0][1] == pytest.approx(float(total[2]))
    assert found.before == pytest.approx(0.5)
    assert found.after == pytest.approx(float(total @ places["blue apple"]))
    assert (found.rank, found.count) == (1, 3)


def test_captions_are_those_that_the_model_knows(tiny_model: TextToImage) -> None:
    with pytest.raises(UserError, match="does not say which captions"):
        captions_of(tiny_model)
    knowing = replace(tiny_model, known=KnownWords({"apple": 3, "a": 9, "house": 1, "blue": 3}))
    found = captions_of(knowing, "noto")
    assert found.texts == ("apple", "blue", "house")  # "a" is in no picture
    alone = directions(tiny_model, ["blue, noto style"])[0]
    torch.testing.assert_close(found.vectors[1], alone, rtol=1e-4, atol=1e-5)
    assert found.nearest(alone, 1)[0][0] == "blue"
    assert found.rank(alone, alone) == 1
    assert found.rank(alone, -alone) == 4
    with pytest.raises(UserError, match="this model has none"):
        captions_of(replace(knowing, clip=None))


def test_the_command_calculates(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    options = ("--model", tiny_model_folder, "--steps", 2, "--seeds", 2)
    done = run("inspect", "arithmetic", "red apple", "--minus", "red", "--plus", "blue", *options, "--out", "a.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "a.json").read_text())
    assert facts["target"] == "blue apple"
    assert facts["ways"]["asked for"]["distance"] == 0.0
    assert facts["ways"]["as said"]["of"] == 2
    assert "--minus red --plus blue --target 'blue apple' --seeds 2" in facts["command"]
    wrong = run("inspect", "arithmetic", "red apple", "--minus", "green", *options)
    assert wrong.code == 2
    assert "'green' is not in the prompt, so say which prompt the sum should mean (--target)" in wrong.err


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_models_made_elsewhere_can_be_looked_at_too(family: str, tmp_path: Path) -> None:
    """They have other readers, and no CLIP to compare with."""
    pipeline(family).save_pretrained(tmp_path)
    model = TextToImage.load(tmp_path)
    subject = Subject("a red apple", seed=5, steps=2)
    same = arithmetic_figure(model, subject, Equation("red", "red", "a red apple"), 1)
    assert [way["distance"] for way in same.facts["ways"].values()] == [0.0] * 4
    other = arithmetic_figure(model, subject, Equation("red", "green", "a green apple"), 1)
    assert other.facts["ways"][IN_PLACE]["distance"] > 0
    assert other.facts["clip"] is None
    walked = between_figure(model, subject, Goal("a car"), 2)
    assert [stop["matches"] for stop in walked.facts["stops"]] == [{}, {}]
    guided = guidance_figure(model, subject, scales=[1, 4])
    assert [rung["match"] for rung in guided.facts["scales"]] == [None, None]
    picture = torch.zeros(3, model.pixels, model.pixels, dtype=torch.uint8)
    drowned = noise_figure(model, Looked(picture, "a red apple"), [-1, 500], 1)
    assert drowned.facts["ranked_among"] is None
    assert drowned.facts["levels"][1]["with_words"]["error"] != drowned.facts["levels"][1]["without"]["error"]
