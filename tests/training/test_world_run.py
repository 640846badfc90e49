"""A run whose data are drawings: from words to a model, on the endless world."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F

from fromnoise.cli.train import load_recipe
from fromnoise.data.meanings import Meanings
from fromnoise.data.world import Drawing
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.evaluation.copies.check import loaded, training_pictures
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.continuing import Call
from fromnoise.training.distillation import distill
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import train
from fromnoise.training.run_examples import captions_of, pictures_of

NAMES = ("apple", "pear", "ball", "cup", "lamp", "bowl", "wheel", "drum")
SMALL = {
    "precision": "fp32", "threads": "1", "data.pixels": "16", "data.styles": "", "default_style": "",
    "data.world.sample": "40", "vae.crop": "0",
    "data.world.shard": "64", "data.world.shards": "2", "data.world.repeats": "2", "data.world.workers": "0",
    "data.world.mix.silhouettes": "0.2", "clip.image.pixels": "16", "clip.image.patch": "8", "clip.vocabulary": "700",
    "clip.text.width": "32", "clip.text.layers": "1", "clip.text.heads": "2", "clip.image.width": "32",
    "clip.image.layers": "1", "clip.image.heads": "2", "clip.projection": "16", "clip.loop.pictures": "64",
    "clip.loop.batch": "32", "text.loop.pictures": "256", "text.loop.batch": "64", "vae.loop.pictures": "64",
    "vae.loop.batch": "32", "vae.model.block_out_channels": "16,16", "vae.model.norm_num_groups": "8",
    "vae.model.latent_channels": "4", "diffusion.model.sample_size": "8", "diffusion.model.in_channels": "4",
    "diffusion.model.out_channels": "4", "diffusion.model.block_out_channels": "16,16",
    "diffusion.model.attention": "false,true", "diffusion.model.cross_attention_dim": "32",
    "diffusion.model.head_dim": "16", "diffusion.model.norm_num_groups": "8", "diffusion.sheet_steps": "1",
    "diffusion.loop.pictures": "512", "diffusion.loop.batch": "32",
}  # fmt: skip


def drawing(name: str, style: str) -> Drawing:
    body = '<circle cx="32" cy="32" r="24" fill="#dd2e32"/>'
    return Drawing(
        name=name, noun=name, style=style, key=f"name:{name}", group="food-drink", subgroup="food-fruit", body=body,
        box=(0, 0, 64, 64), colours=("red",), licence="MIT", author=f"author of {name}",
    )  # fmt: skip


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    folder = tmp_path / "drawings"
    folder.mkdir()
    rows = [dataclasses.asdict(drawing(name, style)) for name in NAMES for style in ("noto", "twemoji")]
    pq.write_table(pa.Table.from_pylist(rows), folder / "drawings.parquet")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    words = (*NAMES, "fruit", "thing")
    vectors = F.normalize(torch.randn(len(words), 16, generator=torch.Generator().manual_seed(0)), dim=1)
    file = tmp_path / "meanings.safetensors"
    Meanings(words, vectors.half(), torch.ones(len(words))).save(file)
    return load_recipe("stickers_cpu").with_overrides({**SMALL, "clip.meanings": str(file)})


def test_from_drawings_to_a_model_that_draws(drawings: Path, recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    model = TextToImage.load(train(recipe, drawings, out))
    assert model.pixels == 16
    assert model.styles == ("noto", "twemoji")
    assert model.clip is not None
    assert draw(model, Request(prompt="a red apple", steps=2, style="noto")).shape[-1] == 16
    # 512 pictures in a pool whose newest shard changes after 128: shards 0 to 3 were made, the last two are kept.
    assert sorted(p.name for p in (out / "pool").glob("[0-9]*")) == ["00000002.safetensors", "00000003.safetensors"]
    authors = {author for _, _, author in model.card["sources"]}
    assert {f"author of {name}" for name in NAMES} <= authors  # of everything that may be seen, not of the sample alone
    assert model.known is not None
    assert not model.known.unknown("a red drum and a wheel")
    stored = json.loads((out / "run.json").read_text())
    assert stored["recipe"]["data"]["world"]["shard"] == 64


def test_a_run_that_was_stopped_ends_with_the_same_bits(drawings: Path, recipe: Recipe, tmp_path: Path) -> None:
    first = ("text", "vae", "diffusion")
    # a learning rate that does not depend on how long the run will be
    recipe = recipe.with_overrides({"diffusion.loop.decay": "0", "diffusion.loop.warmup_most": "0"})
    for pictures in ("256", "512"):
        length = {"diffusion.loop.pictures": pictures}
        train(recipe.with_overrides(length), drawings, tmp_path / "parts", first, Call(settings=length))
    train(recipe, drawings, tmp_path / "unbroken", first)
    a, b = (TextToImage.load(tmp_path / name / "model").unet for name in ("parts", "unbroken"))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_other_drawings_are_refused_and_an_unused_sample_of_others_is_made_again(
    drawings: Path, recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(recipe.with_overrides({"data.limit": "3"}), drawings, out, ("text",))
    before = (out / "world.parquet").read_bytes()
    for left in [path for path in out.iterdir() if "world.parquet" not in path.name]:
        shutil.rmtree(left) if left.is_dir() else left.unlink()  # as if it had failed before it began
    train(recipe, drawings, out, ("text",))
    assert (out / "world.parquet").read_bytes() != before
    file = drawings / "drawings.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    with pytest.raises(UserError, match="started with other drawings"):
        train(recipe, drawings, out, ("text",))


def test_a_style_that_the_drawings_lack_is_told_before_anything_is_drawn(
    drawings: Path, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="crayon"):
        train(recipe.with_overrides({"default_style": "crayon"}), drawings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_captions_of_the_world_stay_exact(drawings: Path, recipe: Recipe) -> None:
    mix = recipe.with_overrides({"data.captions.colour": "0.5", "data.captions.article": "0.5"})
    assert (captions_of(mix, str(drawings)).colour, captions_of(mix, str(drawings)).article) == (0, 0)
    assert (captions_of(mix, "starter").colour, captions_of(mix, "starter").article) == (0.5, 0.5)


def test_copies_of_its_pictures_can_be_found_and_the_model_can_be_distilled(
    drawings: Path, recipe: Recipe, tmp_path: Path
) -> None:
    folder = train(recipe, drawings, tmp_path / "run")
    card = TextToImage.load(folder).card
    sample = loaded(card, pictures_of(str(drawings), tmp_path / "run"))
    records = training_pictures(card, sample).records
    assert [r for r in records if r.split == "train"] == [r for r in sample.records if r.split == "train"]
    singles = loaded(card, drawings)  # what the index of copies is made of
    assert training_pictures(card, singles).records == singles.records
    assert len(singles.records) == 16
    with pytest.raises(UserError, match=r"trained on 15 drawings, and .* has 16"):
        loaded({**card, "drawings": 15}, drawings)
    assert (card["drawings"], card["pictures"]) == (16, sum(r.split == "train" for r in sample.records))
    small = {"distill.loop.pictures": "64", "distill.loop.batch": "32", "distill.rank": "2", "distill.steps": "1"}
    assert (distill(folder, drawings, tmp_path / "fast", small) / "few_steps").is_dir()


def test_drawings_of_no_style_that_is_asked_for_are_one_line(drawings: Path, recipe: Recipe, tmp_path: Path) -> None:
    wrong = recipe.with_overrides({"data.styles": "crayon"})
    with pytest.raises(UserError, match="no drawings of these styles and groups"):
        train(wrong, drawings, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_the_second_stage_begins_with_the_networks_of_the_first() -> None:
    first, second = load_recipe("stickers_first"), load_recipe("stickers_second")
    whole, model = load_recipe("stickers_cpu"), dataclasses.replace(first.diffusion.model, sample_size=16)
    assert model == second.diffusion.model == whole.diffusion.model
    assert (
        (first.vae.model, first.clip.text) == (second.vae.model, second.clip.text) == (whole.vae.model, whole.clip.text)
    )
    assert (first.data.styles, first.default_style) == (second.data.styles, second.default_style)
    assert (first.clip.vocabulary, first.text) == (second.clip.vocabulary, whole.text)
    assert (
        first.data.pixels * second.diffusion.model.sample_size == second.data.pixels * first.diffusion.model.sample_size
    )


def test_two_stages_make_one_model_whose_words_are_the_first_ones(
    drawings: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """``stickers_first``, then ``stickers_second``, at an eighth of their sides: the commands of the README."""
    meanings = {"clip.meanings": recipe.clip.meanings}
    halved = {"data.pixels": "8", "clip.image.pixels": "8", "diffusion.model.sample_size": "4"}
    shapes = train(
        load_recipe("stickers_first").with_overrides({**SMALL, **meanings, **halved}), drawings, tmp_path / "1"
    )
    small = {**SMALL, "start_from": str(shapes), "clip.redrawn": "8"}
    second, out = load_recipe("stickers_second").with_overrides(small), tmp_path / "2"
    begun = TextToImage.load(shapes)
    assert begun.clip is None
    train(second, drawings, out, ("diffusion",))
    assert TextToImage.load(out / "model").clip is None  # the U-Net came first, and CLIP may follow
    model = TextToImage.load(train(second, drawings, out))
    assert (begun.pixels, model.pixels) == (8, 16)
    assert model.clip is not None
    for words in (model.text_tower, model.clip.text):
        for name, weight in begun.text_tower.state_dict().items():
            assert torch.equal(words.state_dict()[name], weight), name
    with torch.random.fork_rng():
        torch.manual_seed(0)
        seen = model.clip.image(torch.randn(4, 3, 16, 16))
    assert not torch.allclose(seen[0], seen[1])
    assert draw(model, Request(prompt="a red apple", steps=2, style="noto")).shape[-1] == 16
    longer = {"diffusion.loop.pictures": "576"}
    again = TextToImage.load(train(second.with_overrides(longer), drawings, out, ("diffusion",), Call(settings=longer)))
    assert again.clip is not None  # kept where the U-Net goes on
    eyes = zip(model.clip.image.parameters(), again.clip.image.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in eyes)
    early = train(second, drawings, tmp_path / "3", ("clip",))  # or CLIP before, and redrawn by what it began with
    assert TextToImage.load(early).clip is not None


def test_words_are_kept_as_they_are_or_not_at_all(drawings: Path, recipe: Recipe, tmp_path: Path) -> None:
    shapes = train(recipe, drawings, tmp_path / "run", ("text", "vae", "diffusion"))
    begins = {**SMALL, "start_from": str(shapes), "clip.meanings": ""}
    second = load_recipe("stickers_second").with_overrides(
        {**begins, "clip.text.layers": "2", "clip.vocabulary": "800"}
    )
    said = (
        r"other sizes than the recipe's: .*\(--set clip.vocabulary=700 --set clip.text.layers=1\), or leave clip.locked"
    )
    with pytest.raises(UserError, match=said):
        train(second, drawings, tmp_path / "other")
    free = load_recipe("stickers_cpu").with_overrides(begins)
    with pytest.raises(UserError, match=r"has no clip network; .*keep its words, .*--set clip.locked=true"):
        train(free, drawings, tmp_path / "other", ("clip",))
    assert not (tmp_path / "other").exists()
    train(free, drawings, tmp_path / "late", ("diffusion",))
    with pytest.raises(UserError, match="has learnt with the CLIP of"):
        train(free, drawings, tmp_path / "late", ("clip",))
    locked = {"clip.locked": "true"}
    train(free.with_overrides(locked), drawings, tmp_path / "late", ("clip",), Call(settings=locked))
    assert TextToImage.load(tmp_path / "late" / "model").clip is not None
