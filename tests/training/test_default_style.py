"""A recipe names the style that its model draws in where none is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fromnoise.cli.train import load_recipe
from fromnoise.data.record import Record
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.assembling import Networks
from fromnoise.training.continuing import AS_IT_WAS, of_pictures
from fromnoise.training.distilling import recipe_for
from fromnoise.training.run import Run
from fromnoise.training.run_data import styles_of

SMALL = {
    "precision": "fp32", "threads": "1", "data.pixels": "32", "data.styles": "noto", "clip.image.pixels": "32",
    "vae.model.block_out_channels": "16,32,32",
}  # fmt: skip
RECORDS = [Record("a.png", "a", style="noto"), Record("b.png", "b", style=""), Record("c.png", "c", style="fxemoji")]


@pytest.mark.parametrize("style", ["", "noto"])
def test_the_trained_model_has_it(tiny_model: TextToImage, tmp_path: Path, style: str) -> None:
    recipe = load_recipe("first_model").with_overrides({**SMALL, "default_style": style})
    run = Run(recipe, "starter", tmp_path)
    run.tokenizer = tiny_model.tokenizer
    run._save_model(Networks(tiny_model.text_tower, tiny_model.unet, tiny_model.vae, tiny_model.clip), {})
    model = TextToImage.load(tmp_path / "model")
    assert (model.styles, model.default_style) == (("noto",), style)


def test_it_is_one_of_the_models_before_anything_is_written(tiny_model: TextToImage, tmp_path: Path) -> None:
    recipe = load_recipe("first_model").with_overrides({**SMALL, "default_style": "twemoji"})
    with pytest.raises(UserError, match=r"'twemoji' is none of the model's styles: noto$"):
        Run(recipe, "starter", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert styles_of(replace(recipe, default_style="twemoji"), RECORDS, tiny_model) == ("noto", "twemoji", "fxemoji")
    assert styles_of(replace(recipe, default_style=""), RECORDS, None) == ("fxemoji", "noto")


def test_it_may_be_chosen_when_all_is_learnt_and_older_runs_have_none(tmp_path: Path) -> None:
    assert of_pictures(tmp_path)("default_style", "noto") == ""
    assert AS_IT_WAS["default_style"] == ""


def test_a_distillation_does_not_ask_for_the_pictures_of_that_style(tiny_model: TextToImage) -> None:
    recipe = replace(load_recipe("first_model").with_overrides(SMALL), default_style="noto")
    card = {"name": "tiny", "recipe": recipe.to_dict()}
    assert recipe_for(replace(tiny_model, card=card, default_style="noto")).default_style == ""
