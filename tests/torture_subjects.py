"""What is tortured, tiny and made anew: models, runs, tokenizers, pictures, prompts."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from fromnoise.ground.errors import UserError
from mutants import mutated_weights
from picture_mutants import mutated_picture, pictures
from prompt_mutants import odd_prompt
from torturing import Subject


def json_files(folder: Path) -> tuple[Path, ...]:
    """All JSON files of a folder; vocabularies of thousands are left to smaller ones."""
    return tuple(file for file in sorted(folder.rglob("*.json")) if file.stat().st_size < 2**17)


def weights_files(folder: Path) -> tuple[Path, ...]:
    """All files of weights of a folder."""
    return tuple(sorted(folder.rglob("*.safetensors")))


def draw(folder: Path) -> None:
    """Open a model and draw one small step."""
    from fromnoise.drawing.pipeline import Pipeline
    from fromnoise.system.text_to_image import TextToImage

    model = TextToImage.load(folder)
    Pipeline("tiny", model)("red apple", seed=0, steps=1, guidance=1.0)  # which looks for no exact batches


def use_tokenizer(folder: Path) -> None:
    """Open a tokenizer and read a prompt."""
    from fromnoise.models.clip.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder)
    ids = tokenizer.encode(["a red apple, cut off"])
    tokenizer.named(ids[0].tolist())


def use_story(folder: Path) -> None:
    """Open a story model and draw a sentence in one step."""
    from fromnoise.story.draw import StoryRequest, draw_stories
    from fromnoise.story.model import StoryModel

    draw_stories(StoryModel.load(folder), StoryRequest(steps=1, seed=0))


def use_run(folder: Path) -> None:
    """Watch a run, and go on with it as far as reading goes."""
    from fromnoise.studio.runs.folder import RunFolder
    from fromnoise.training import checkpoint
    from fromnoise.training.continuing import restored, stored_run
    from fromnoise.training.recipe import Recipe

    seen: Any = RunFolder(folder)
    json.dumps([seen.standing(), seen.curves("diffusion"), str(seen.opening())])
    stored = stored_run(folder)
    if stored is not None:
        restored(folder, stored["recipe"], Recipe)
    checkpoint.newest(folder / "diffusion")


def make_run(folder: Path) -> None:
    """A run's folder as a training leaves it, without the training."""
    from fromnoise.training import checkpoint
    from fromnoise.training.checkpoint import Checkpoint
    from fromnoise.training.recipe import Recipe

    (folder / "diffusion").mkdir(parents=True)
    facts = {"recipe": Recipe("tiny").to_dict(), "data": "starter", "made_from": {"start_from": ""}, "shards": 1}
    (folder / "run.json").write_text(json.dumps(facts, indent=1))
    rows = [
        {"pictures": 32 * i, "loss": 1 / i, "progress": i / 9, "warning": "flat", "text": "so"} for i in range(1, 9)
    ]
    (folder / "diffusion" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    weights = {"w": torch.ones(2)}
    checkpoint.save(folder / "diffusion", 8, Checkpoint({"weights": weights}, {"step": 8, "batch": 4, "elapsed": 1.0}))


def use_picture(folder: Path) -> None:
    """Read the picture of a folder through every door by which pictures come in."""
    from fromnoise.data.pictures import load_folder
    from fromnoise.drawing.provenance import provenance_of
    from fromnoise.ground.pictures import PictureError, glimpse
    from fromnoise.studio.desk.problem import Problem
    from fromnoise.studio.desk.uploads import opened

    (file,) = (file for file in folder.iterdir() if file.suffix != ".txt")
    data = file.read_bytes()
    doors = (
        lambda: provenance_of(file),
        lambda: glimpse(data, 16),
        lambda: opened(data, 10**6),  # which takes fewer kinds
    )
    for door in doors:
        try:
            door()
        except UserError as error:
            said = error.message
        except (PictureError, Problem) as error:
            said = str(error)
        else:
            said = ""
        assert said.isprintable()
    for _, reason in load_folder(folder, 16).quarantine:
        raise UserError(reason)


@cache
def _opened(folder: Path) -> Any:
    from fromnoise.drawing.pipeline import load
    from fromnoise.story.model import StoryModel

    return load(folder / "tiny"), StoryModel.load(folder / "story")


def use_prompt(folder: Path) -> None:
    """Draw a prompt in one step, and read out of the picture what it was; play the story game with it."""
    from fromnoise.drawing.picture_file import origin_in
    from fromnoise.story.draw import StoryRequest, draw_stories
    from fromnoise.story.repair import repair

    prompt = (folder / "prompt.txt").read_bytes().decode("utf-8", "surrogatepass")
    model, story = _opened(folder.parent)
    for play in (lambda: draw_stories(story, StoryRequest(start=prompt, steps=1)), lambda: repair(story, prompt)):
        with contextlib.suppress(UserError):
            play()
    file = folder.with_name("drawn.png")
    model.save(model(prompt, seed=0, steps=1)[0], file)
    assert origin_in(file.read_bytes(), "it").request.prompt == prompt


def subjects(folder: Path) -> list[Subject]:
    """Everything of ours that is opened, tiny and made anew, in a folder."""
    from conftest import make_tiny_story

    make_smallest_model().save(folder / "tiny")
    make_tiny_story().save(folder / "story")
    make_run(folder / "run")
    shutil.copytree(folder / "tiny" / "tokenizer", folder / "tokenizer")
    shutil.copytree(folder / "tiny" / "tokenizer", folder / "tokenizer_5")
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):  # transformers 5 writes none of them
        (folder / "tokenizer_5" / name).unlink()
    uses = {"tiny": draw, "story": use_story, "run": use_run, "tokenizer": use_tokenizer, "tokenizer_5": use_tokenizer}
    shares = {"tiny": 0.3}  # it takes ten times as long as the others
    return [
        Subject(name, folder / name, use, json_files(folder / name), share=shares.get(name, 1.0))
        for name, use in uses.items()
    ]


def make_smallest_model() -> Any:
    """A model with every kind of part, in as few modules as there can be: opening it is what a campaign does most."""
    from conftest import CAPTIONS
    from fromnoise.diffusion.schedule import ScheduleConfig
    from fromnoise.models.clip.clip import CLIPConfig
    from fromnoise.models.clip.image_tower import ImageConfig
    from fromnoise.models.clip.text_tower import TextConfig
    from fromnoise.models.clip.tokenizer import Tokenizer
    from fromnoise.models.unet import UNetConfig
    from fromnoise.models.vae import VAEConfig
    from fromnoise.system.text_to_image import TextToImage

    torch.manual_seed(0)
    tokenizer = Tokenizer.train(CAPTIONS * 3, vocab_size=560, context=12)
    text = TextConfig(
        vocab_size=tokenizer.vocab_size, width=16, layers=1, heads=2, context=12, eos_token_id=tokenizer.eos_id
    )
    clip = CLIPConfig(text, ImageConfig(pixels=16, patch=8, width=16, layers=1, heads=2), projection=8).build()
    unet = UNetConfig(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 16), layers_per_block=1,
        attention=(False, True), cross_attention_dim=16, head_dim=8, norm_num_groups=8,
    ).build()  # fmt: skip
    vae = VAEConfig(latent_channels=4, block_out_channels=(8, 8), norm_num_groups=8).build()
    for network in (clip, unet, vae):
        network.eval().requires_grad_(False)
    styles = ("noto", "twemoji")
    return TextToImage(tokenizer, clip.text, unet, vae, ScheduleConfig().build(), "v", styles, {"name": "tiny"}, clip)


def with_weights(subject: Subject) -> Subject:
    """The same, where the weights are spoilt."""
    return replace(subject, files=weights_files(subject.folder), spoil=mutated_weights)


def picture_subjects(folder: Path) -> list[Subject]:
    """A picture of each kind in a folder of its own."""
    found = []
    for file in pictures(folder):
        place = folder / f"{file.name} alone"
        place.mkdir()
        file = file.rename(place / file.name)
        file.with_suffix(".txt").write_text("a cat")
        found.append(Subject(file.name, place, use_picture, (file,), mutated_picture))
    return found


def prompt_subject(folder: Path) -> Subject:
    """Prompts, for the tiny model and the tiny story model that lie in the same folder."""
    (folder / "prompt").mkdir()
    (folder / "prompt" / "prompt.txt").write_text("a cat")
    return Subject("prompt", folder / "prompt", use_prompt, (folder / "prompt" / "prompt.txt",), odd_prompt)
