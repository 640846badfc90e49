"""The whole lesson: CLIP's space against scikit-learn's, facts from which a page can compute everything again, charts
whose points stand where they should, and the command."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.inspection.axes import Axes, axes_of, check_chosen, drawn_by, principal
from fromnoise.inspection.axes_figure import THUMB, axes_figure, facts, frame, scores
from fromnoise.inspection.axes_panels import Look, busiest, followed
from fromnoise.inspection.axes_spaces import confused
from fromnoise.inspection.chart import Marks, Plane, colours_for, limits, ticks, tint, turned
from fromnoise.inspection.figure import Figure
from fromnoise.inspection.kinds import KINDS, check_kinds, examples
from fromnoise.inspection.measures import MEASURES, measured
from fromnoise.inspection.rounds import Round, rounds
from fromnoise.inspection.separating import held_out
from fromnoise.system.text_to_image import TextToImage
from planted_kinds import planted


@pytest.fixture(scope="module")
def axes(tiny_model: TextToImage) -> Axes:
    return axes_of(tiny_model, examples(planted(5)), ["size", "slant"])


@pytest.fixture(scope="module")
def shown(axes: Axes) -> list[Round]:
    return list(rounds(axes.examples, count=2))


def test_the_measures_that_are_asked_for_come_first_and_each_axis_is_scored_by_itself(axes: Axes) -> None:
    assert axes.chosen[:2] == ("size", "slant")
    assert len(set(axes.chosen)) == 3
    told = axes.examples
    for n in (1, 2, 3):
        values = measured(told.images, axes.chosen[:n])
        guesses = held_out(values, told.label, told.fold, 3)
        assert torch.equal(axes.guesses[:, n - 1], guesses)
        assert axes.accuracies[n - 1].share == float((guesses == told.label).double().mean())


def test_yellow_red_and_green_things_are_told_apart_by_colour_not_by_size(axes: Axes) -> None:
    names = list(MEASURES)
    alone = {names[m[0]]: axes.score(axes.tried[0].guesses[:, i]).share for i, m in enumerate(axes.tried[0].sets)}
    assert alone["redness"] == 1
    assert alone["size"] < 0.7
    assert axes.score(axes.tried[0].own).share == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [(["sise"], "no measure 'sise'"), (["size", "Size"], "different"), (["size", "stem", "slant", "holes"], "up to 3")],
)
def test_measures_that_cannot_be_shown(names: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_chosen(names)


def test_measures_are_found_however_they_are_typed() -> None:
    assert check_chosen([" Green-Top", "green top"][:1]) == ("green_top",)
    assert check_chosen([""]) == ()


def test_the_lesson_has_measures_of_its_own(tiny_model: TextToImage) -> None:
    told = examples(planted(3))
    renamed = dataclasses.replace(told, drawings=dataclasses.replace(told.drawings, kinds=KINDS))
    assert axes_of(tiny_model, renamed).chosen == ("yellowness", "roundness", "greenness")
    assert axes_of(tiny_model, renamed, ["stem"]).chosen[0] == "stem"


# --- CLIP's space -----------------------------------------------------------------------------------------------


def test_clip_is_asked_picture_by_picture_and_word_by_word(axes: Axes, tiny_model: TextToImage) -> None:
    neighbors, selection = pytest.importorskip("sklearn.neighbors"), pytest.importorskip("sklearn.model_selection")
    told, space, clip = axes.examples, axes.space, tiny_model.clip
    assert space is not None
    assert clip is not None
    half = torch.nn.functional.interpolate(told.images.float(), (32, 32), mode="bicubic", antialias=True)
    small = half.round().clamp(0, 255) / 127.5 - 1
    with torch.no_grad():
        vectors = torch.cat([clip.embed_image(each[None]) for each in small])
        words = torch.cat([clip.embed_text(tiny_model.tokenizer.encode([c])) for c in told.drawings.captions])
    assert space.by_caption.tolist() == (vectors @ words.T).argmax(1).tolist()
    theirs = selection.cross_val_predict(
        neighbors.NearestCentroid(), vectors.double().numpy(), told.label.numpy(),
        cv=selection.PredefinedSplit(told.fold.numpy()),
    )  # fmt: skip
    assert (torch.from_numpy(theirs) == space.by_middle).double().mean() > 0.99  # but for ties in the last bit
    assert space.middle.share == float((space.by_middle == told.label).double().mean())
    assert space.caption.share == float((space.by_caption == told.label).double().mean())


def test_principal_directions_are_scikit_learns() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    vectors = torch.randn(60, 9, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 10)
    points, spread = principal(vectors)
    theirs = decomposition.PCA(3, svd_solver="full").fit(vectors.double().numpy())
    assert spread == pytest.approx(theirs.explained_variance_ratio_.tolist(), rel=1e-6)
    expected = theirs.transform(vectors.double().numpy())
    assert np.abs(np.abs(points.numpy()) - np.abs(expected)).max() < 1e-4
    assert torch.equal(points, principal(vectors)[0])


def test_a_model_without_clip_still_shows_the_rest(tiny_model: TextToImage) -> None:
    found = axes_of(dataclasses.replace(tiny_model, clip=None), examples(planted(3)), [])
    assert found.space is None
    shown = list(rounds(found.examples, count=1))
    figure = axes_figure(found, shown, "x", moving=False)
    assert "CLIP" not in figure.about
    assert not any("CLIP" in way for way, _ in scores(found, shown))
    assert figure.facts["pictures"][0].keys().isdisjoint({"clip", "clip_guess"})


def test_the_shipped_clip_tells_bananas_peas_and_tomatoes_apart() -> None:
    from fromnoise.inspection.kinds import carried

    model = TextToImage.load()
    found = axes_of(model, examples(carried(model, check_kinds(KINDS))))
    assert found.space is not None
    assert min(found.space.middle.share, found.space.caption.share) > 0.9
    one, two, three = (each.share for each in found.accuracies)
    assert 1 / 3 < one < two < three  # the lesson: yellowness, then roundness, then greenness


def test_pictures_that_the_model_draws(tiny_model: TextToImage) -> None:
    told = planted(3)
    drawn = drawn_by(tiny_model, told, 3, seed=5)
    assert [len(each) for each in drawn] == [3, 3, 3]
    wanted = Request("a disc", style="twemoji", seed=6)  # its second picture: the next seed, the next style
    assert torch.equal(drawn[1][1], draw(tiny_model, wanted)[0])
    with pytest.raises(UserError, match="1 to 64"):
        drawn_by(tiny_model, told, 65)


# --- facts and figure -------------------------------------------------------------------------------------------


def test_a_page_can_compute_every_guess_from_the_facts(axes: Axes, shown: list[Round]) -> None:
    found = json.loads(json.dumps(facts(axes, shown)))
    names = [m["name"] for m in found["measures"]]
    values = torch.tensor([p["values"] for p in found["pictures"]])[:, [names.index(n) for n in found["chosen"]]]
    label = torch.tensor([p["kind"] for p in found["pictures"]])
    fold = torch.tensor([p["fold"] for p in found["pictures"]])
    guesses = held_out(values, label, fold, len(found["kinds"]))
    assert torch.equal(guesses, torch.tensor([p["guesses"][2] for p in found["pictures"]]))
    assert [r["round"] for r in found["rounds"]] == [0, 1, 2]
    assert found["rounds"][1]["guesses"] == shown[1].guesses.tolist()
    single = {tuple(s["measures"]): s["right"] for s in found["sets"]}
    assert single[("redness",)] == 1
    assert len(single) == sum(len(each.sets) for each in axes.tried)
    assert found["chance"] == 1 / 3


def test_small_pictures_are_in_the_order_of_the_pictures(axes: Axes, shown: list[Round]) -> None:
    sheet = facts(axes, shown)["sprites"]
    with Image.open(io.BytesIO(base64.b64decode(sheet["image"].split(",")[1]))) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for i in (0, 17, 50, 107):
        y, x = i // sheet["columns"] * THUMB, i % sheet["columns"] * THUMB
        cell = pixels[y : y + THUMB, x : x + THUMB].mean((0, 1))
        assert cell == pytest.approx(axes.examples.images[i].float().mean((1, 2)).numpy(), abs=6)


def test_every_score_is_in_the_table_with_its_interval(axes: Axes, shown: list[Round]) -> None:
    figure = axes_figure(axes, shown, "fromnoise inspect axes", moving=False)
    rows = {row[0]: row[1:] for row in figure.tables[0].rows}
    assert rows["blind guessing"][0] == "33%"
    assert rows["size"] == (str(axes.accuracies[0]), axes.accuracies[0].interval)
    assert rows["network, untrained"][0] == str(shown[0].accuracy)
    assert {"CLIP, nearest middle", "CLIP, nearest words", "size + slant"} <= set(rows)
    alone = {row[0]: row[1] for row in figure.tables[1].rows}
    assert alone["redness"] == "100%"
    assert [row[:3] for row in figure.tables[2].rows] == [(k, f"a {k}", "5") for k in ("bar", "disc", "square")]


def test_the_spaces_turn_once_around(axes: Axes, shown: list[Round]) -> None:
    look = Look.of(axes, shown)
    first, quarter, full = (np.asarray(frame(look, angle)) for angle in (0, math.pi / 2, 2 * math.pi))
    assert np.abs(first.astype(int) - full).mean() < 0.2 < 1 < np.abs(first.astype(int) - quarter).mean()
    figure: Figure = axes_figure(axes, shown, "x")
    assert len(figure.frames) == 36
    assert len({each.size for each in figure.frames}) == 1
    assert np.array_equal(np.asarray(figure.frames[9]), quarter)


def test_turning_keeps_distances_and_the_third_axis_upright() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    for angle in (0.0, 0.7, 4.0):
        seen = turned(points, angle)
        assert np.linalg.norm(seen, axis=1) == pytest.approx(np.linalg.norm(points, axis=1))
        right, up, _ = turned(np.array([[0.0, 0.0, 1.0]]), angle)[0]
        assert (right, up > 0.9) == (0, True)
    near, far = turned(np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]), 0.0)
    assert near[2] > far[2]
    assert near[1] < far[1]  # seen from above, what is near stands lower


def test_points_areas_and_numbers_of_a_plane_agree() -> None:
    plane = Plane((10, 20, 110, 220), (0.0, 1.0), (-2.0, 2.0))
    assert plane.at(0.0, -2.0) == (10, 220)
    assert plane.at(1.0, 2.0) == (110, 20)
    grid = plane.grid()
    canvas = Image.new("RGB", (130, 240), "white")
    plane.paint(canvas, ((grid[:, 0] > 0.5) & (grid[:, 1] > 0)).astype(int), [(200, 0, 0), (0, 0, 200)])
    x, y = plane.at(0.75, 1.0)
    assert canvas.getpixel((int(x), int(y))) == tint((0, 0, 200))
    for place in ((0.25, 1.0), (0.75, -1.0)):
        x, y = plane.at(*place)
        assert canvas.getpixel((int(x), int(y))) == tint((200, 0, 0))
    assert canvas.getpixel((5, 5)) == (255, 255, 255)


def test_what_is_guessed_wrong_has_a_ring_in_the_colour_of_the_guess() -> None:
    red, blue = (200, 0, 0), (0, 0, 200)
    for guess, ring in ((0, False), (1, True)):
        canvas = Image.new("RGB", (60, 60), "white")
        Marks([None], [0], [guess], [red, blue]).put(canvas, 0, 30, 30)
        colours = {colour for _, colour in canvas.getcolors(999) or []}
        assert (blue in colours) == ring
        assert canvas.getpixel((30, 30)) == red


def test_colours_are_like_the_things() -> None:
    found = planted(3)
    yellow, red, green = colours_for(found.images, found.label, 3)
    assert (yellow, red, green) == ((230, 159, 0), (213, 94, 0), (0, 158, 115))


def test_numbers_along_an_axis_are_few_round_and_inside() -> None:
    for low, high in ((0.0, 1.0), (0.13, 0.17), (-3.0, 41.0), (0.5, 0.5 + 1e-6)):
        found = ticks(low, high)
        assert 1 <= len(found) <= 7
        assert low - 1e-12 <= found[0] <= found[-1] <= high + 1e-12
    assert limits([3.0, 3.0])[0] < 3 < limits([3.0, 3.0])[1]


def test_the_most_frequent_mistake() -> None:
    label = torch.tensor([0, 0, 1, 1, 1, 2])
    assert confused(label, label) is None
    assert confused(torch.tensor([0, 2, 0, 0, 1, 2]), label) == (1, 0, 2)


def test_the_sheet_of_numbers_shows_where_something_happens() -> None:
    picture = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    picture[:, 31:35, 41:45] = 0
    top, left = busiest(picture)
    assert 25 <= top <= 31
    assert 35 <= left <= 41


def test_pictures_that_are_followed_are_of_every_kind_and_differ(axes: Axes, shown: list[Round]) -> None:
    chosen = followed(Look.of(axes, shown))
    assert axes.examples.label[chosen].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(axes.examples.source[chosen].tolist())) == 6


# --- the command ------------------------------------------------------------------------------------------------


def test_the_command_takes_the_starter_set_where_the_model_carries_nothing(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    done = run("inspect", "axes", "--model", tiny_model_folder, "--measures", "redness,longness", "--out", "a.json")
    assert done.code == 0, done.err
    assert done.out.endswith("a.json\n")
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["kinds"] == ["lemon", "tomato", "pear"]
    assert found["chosen"][:2] == ["redness", "longness"]
    assert found["origin"] == "of the starter set"
    again = shlex.split(found["command"])
    assert again[:3] == ["fromnoise", "inspect", "axes"]
    (tmp_path / "a.json").rename(tmp_path / "before.json")
    assert run(*again[1:]).code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "before.json").read_bytes()


def test_the_command_takes_a_folder_and_pictures_that_it_draws(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    found = planted(4, ("bar", "disc"))
    lines = []
    for i, (image, kind) in enumerate(zip(found.images, found.label.tolist(), strict=True)):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": f"a {found.kinds[kind]}"}))
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in tmp_path.glob("*.png"):
        shutil.move(file, folder / file.name)
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = ("inspect", "axes", "--model", tiny_model_folder, "--data", folder, "--kinds", "bar,disc")
    done = run(*said, "--drawn", 1, "--out", "b.json")
    assert done.code == 0, done.err
    pictures = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["pictures"]
    own = [p for p in pictures if p["variant"] == 0]
    assert [p["name"] for p in own if p["drawn"]] == ["bar, drawn", "disc, drawn"]
    assert sum(not p["drawn"] for p in own) == 8
    (folder / "0.png").write_bytes(b"no picture")
    done = run(*said)
    assert done.code == 2
    assert done.err.startswith("fromnoise: 0.png cannot be read as a picture")
    assert not (tmp_path / "axes.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kinds", "banana"), "name 2 to 6 kinds"),
        (("--kinds", "lemon,zebra"), "no picture of the starter set shows 'zebra'"),
        (("--measures", "yellow"), "there is no measure 'yellow'"),
        (("--drawn", "65"), "--drawn is at most 64"),
        (("--data", "nowhere"), "there is no data folder nowhere"),
        (("--out", "a.txt"), "should be a file that ends in"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    options: tuple[str, ...], said: str, run: Any, tiny_model_folder: Path
) -> None:
    done = run("inspect", "axes", "--model", tiny_model_folder, *options)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
