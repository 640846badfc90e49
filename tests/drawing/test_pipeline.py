"""The library call: the same pixels as the command, diffusers' names, and the examples in the documentation."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fromnoise
from fromnoise.drawing import pipeline
from fromnoise.drawing.picture_file import read_origin
from fromnoise.drawing.provenance import provenance_of
from fromnoise.ground.errors import UserError
from fromnoise.provenance.credentials import Seal
from fromnoise.provenance.identity import Identity
from fromnoise.provenance.stamp import Stamp


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> fromnoise.Pipeline:
    return fromnoise.load(tiny_model_folder)


def pixels(picture: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(picture)


def test_the_examples_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for module in (fromnoise, pipeline):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0
    assert (tmp_path / "apple.png").exists()


def test_it_draws_the_pixels_of_the_command(
    model: fromnoise.Pipeline, run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    done = run(*("generate", "red apple", "--style", "noto", "--seed", 7, "-n", 2, "--steps", 4), "--model",
               tiny_model_folder, "--out", tmp_path / "a.png")  # fmt: skip
    assert done.code == 0, done.err
    ours = model("red apple", style="noto", seed=7, n=2, steps=4)
    for i, picture in enumerate(ours):
        assert np.array_equal(pixels(picture), pixels(Image.open(tmp_path / f"a-{i}.png")))


def test_names_of_diffusers_mean_the_same(model: fromnoise.Pipeline) -> None:
    ours = model("red apple", seed=7, steps=3, guidance=4.0, negative="blue", n=2)
    theirs = model(
        "red apple",
        generator=torch.Generator().manual_seed(7),
        num_inference_steps=3,
        guidance_scale=4.0,
        negative_prompt="blue",
        num_images_per_prompt=2,
    )
    assert len(ours) == 2
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(pixels(one), pixels(other))


def test_several_generators_are_several_seeds(model: fromnoise.Pipeline) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (9, 4)]
    drawn = model("red apple", steps=2, n=2, generator=generators)
    assert [picture.info["seed"] for picture in drawn] == [9, 4]
    assert np.array_equal(pixels(drawn[1]), pixels(model("red apple", steps=2, seed=4)[0]))
    with pytest.raises(UserError, match="2 generators for 3"):
        model("red apple", steps=2, n=3, generator=generators)


def test_a_list_of_prompts_gives_a_picture_for_each(model: fromnoise.Pipeline) -> None:
    apple, house = model(["red apple", "a blue house"], seed=3, steps=2)
    assert np.array_equal(pixels(apple), pixels(model("red apple", seed=3, steps=2)[0]))
    assert np.array_equal(pixels(house), pixels(model("a blue house", seed=4, steps=2)[0]))
    assert model([], steps=2) == []


def test_without_a_seed_a_fresh_one_is_taken_and_told(model: fromnoise.Pipeline) -> None:
    first, second = model("red apple", steps=2)[0], model("red apple", steps=2)[0]
    assert first.info["seed"] != second.info["seed"]
    again = model("red apple", steps=2, seed=first.info["seed"])[0]
    assert np.array_equal(pixels(first), pixels(again))


def test_a_saved_picture_says_how_it_was_drawn(model: fromnoise.Pipeline, tmp_path: Path) -> None:
    picture = model("red apple", seed=5, steps=2)[0]
    model.save(picture, tmp_path / "a.png")
    assert read_origin(tmp_path / "a.png").request.seed == 5
    assert np.array_equal(pixels(Image.open(tmp_path / "a.png")), pixels(picture))
    with pytest.raises(UserError, match="no picture that says"):
        model.save(Image.new("RGB", (8, 8)), tmp_path / "b.png")


def test_a_picture_is_marked_and_signed_as_it_is_saved(model: fromnoise.Pipeline, tmp_path: Path) -> None:
    picture = model("red apple", seed=5, steps=1, width=64, height=64)[0]
    signer = Identity.made(tmp_path / "signer", "Museum of Noise")
    model.save(picture, tmp_path / "a.png", Stamp(watermark=True, seal=Seal(signer)))
    found = provenance_of(tmp_path / "a.png", known=signer.root)
    assert (found.signature, found.credentials.known, found.sound) == ("intact", True, True)
    assert found.watermark is not None
    assert found.watermark.found
    model.save(picture, tmp_path / "b.png")
    assert provenance_of(tmp_path / "b.png").signature == "none"


def test_the_stream_ends_with_the_pictures_of_the_call(model: fromnoise.Pipeline) -> None:
    *steps, last = model.stream("red apple", seed=7, steps=3, n=2)
    assert [step.index for step in steps] == [0, 1, 2]
    drawn = model("red apple", seed=7, steps=3, n=2)
    shown = last.pictures.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, np.stack([pixels(picture) for picture in drawn]))
    assert np.array_equal(pixels(model.preview(steps[-1])[1]), pixels(drawn[1]))


def test_a_picture_to_start_from(model: fromnoise.Pipeline) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 32, 3), dtype=np.uint8))
    little = model("red apple", image=photo, strength=0.2, steps=8, seed=1)[0]
    assert little.size == model.plan("red apple", image=photo).size.drawn
    assert little.height > little.width
    kept = [np.abs(pixels(model("red apple", image=photo, strength=s, steps=8, seed=1)[0]).astype(int) - little).mean()
            for s in (0.2, 0.4, 1.0)]  # fmt: skip
    assert 0 == kept[0] < kept[1] < kept[2]
    with pytest.raises(UserError, match="give image"):
        model("red apple", mask=photo)


@pytest.mark.parametrize(
    ("wishes", "error", "message"),
    [
        ({"stepz": 3}, TypeError, "no setting 'stepz'; did you mean steps"),
        ({"xyzzy": 3}, TypeError, "no setting 'xyzzy'; known are: .*guidance"),
        ({"size": 128}, TypeError, "give width and height"),
        ({"steps": 3, "num_inference_steps": 4}, UserError, "say the same"),
        ({"seed": 1, "generator": torch.Generator()}, UserError, "say the same"),
        ({"style": "cubism"}, UserError, "unknown style"),
    ],
)
def test_wishes_that_are_none_are_refused(
    model: fromnoise.Pipeline, wishes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model("red apple", **wishes)


def test_importing_it_is_quick_and_everything_public_is_there() -> None:
    code = "import sys, fromnoise; assert 'torch' not in sys.modules; from fromnoise import load, Plan"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(fromnoise.__all__) <= set(dir(fromnoise))
    with pytest.raises(AttributeError):
        fromnoise.nothing  # noqa: B018
