"""Shared fixtures: a tiny random model, a tiny story model, commands."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from every_test import (  # noqa: F401  (pytest finds them here)
    pytest_addoption,
    pytest_collection,
    pytest_collection_modifyitems,
    pytest_runtest_protocol,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from fromnoise.cli import entry
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.story.denoiser import WordDenoiserConfig
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.story.model import StoryModel
from fromnoise.story.vocabulary import Vocabulary, words_of
from fromnoise.system.few_steps import save_few_steps
from fromnoise.system.text_to_image import TextToImage

CAPTIONS = ["red apple, noto style", "a blue house", "cat face, twemoji style", "green tree", "yellow sun"]


def make_tiny_model(seed: int = 0) -> TextToImage:
    """A model with every part, random weights, and 32×32 pictures."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.train(CAPTIONS * 3, vocab_size=600, context=12)
    text = TextConfig(
        vocab_size=tokenizer.vocab_size, width=32, layers=2, heads=2, context=12, eos_token_id=tokenizer.eos_id
    )
    clip = CLIPConfig(text, ImageConfig(pixels=32, patch=8, width=32, layers=1, heads=2), projection=24).build()
    unet = UNetConfig(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(32, 48), layers_per_block=1,
        attention=(False, True), cross_attention_dim=32, head_dim=16, norm_num_groups=8,
    ).build()  # fmt: skip
    with torch.no_grad():  # the last layers start at zero; random ones make a wrong order of operations visible
        for parameter in unet.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.05)
    vae = VAEConfig(latent_channels=4, block_out_channels=(16, 16, 32), norm_num_groups=8).build()
    for network in (clip, unet, vae):
        network.eval().requires_grad_(False)
    schedule = ScheduleConfig().build()
    styles = ("noto", "twemoji")
    return TextToImage(tokenizer, clip.text, unet, vae, schedule, "v", styles, {"name": "tiny"}, clip)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, saved."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model().save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder: Path) -> TextToImage:
    """The tiny model as it is read from its folder. Tests must not change it."""
    return TextToImage.load(tiny_model_folder)


FEW_STEPS_RANK = 3


def few_steps_changes(model: TextToImage) -> dict[str, tuple[Tensor, Tensor]]:
    """A change of every layer, large enough to be seen, in numbers that float16 holds."""
    rng, found = torch.Generator().manual_seed(0), {}
    for name, layer in model.unet.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            down = torch.randn(FEW_STEPS_RANK, *layer.weight.shape[1:], generator=rng) / layer.weight[0].numel() ** 0.5
            up = 0.2 * torch.randn(len(layer.weight), FEW_STEPS_RANK, generator=rng)
            found[name] = (down.half().float(), up.half().float())
    return found


@pytest.fixture(scope="session")
def few_steps_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with few steps, saved."""
    folder = tmp_path_factory.mktemp("fast") / "tiny"
    shutil.copytree(tiny_model_folder, folder)
    model = TextToImage.load(folder)
    save_few_steps(folder, few_steps_changes(model), model.unet.config, model.schedule, model.prediction)
    return folder


@dataclass
class Result:
    """What a command did."""

    code: Any
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Call ``main()`` as the shell would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["fromnoise", *map(str, arguments)])
        code: Any = 0
        try:
            entry.main()
        except SystemExit as stop:
            code = stop.code or 0
        return Result(code, *capfd.readouterr())

    return call


STORY_LINES = [
    "a stubborn detective must find the missing diamond in France",
    "a shy princess finds a talking crow in the castle",
    "gold stolen in France causes police investigation",
    "two brothers open a bakery, but nobody comes",
]


def make_tiny_story(gaps: float = 0.0) -> StoryModel:
    """A random story model; with ``gaps``, so many places without a word for each word, and given meanings."""
    words = [words_of(line) for line in STORY_LINES]
    vocabulary = Vocabulary.collect(words, [], 200, ["mystery", "fairy_tale"], ["France", "castle"], empty=gaps > 0)
    torch.manual_seed(0)
    config = WordDenoiserConfig(len(vocabulary), vocabulary.labels, 16, 24, 32, 2, 2)
    config = replace(config, fixed=8, ends=False) if gaps else config
    network = config.build().eval().requires_grad_(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.25)
    if gaps:
        network.take_meaning(torch.randint(-127, 128, (len(vocabulary), 8)).to(torch.int8))
    counts = torch.bincount(torch.tensor([i for w in words for i in vocabulary.ids(w)]), minlength=len(vocabulary))
    if gaps:
        counts[vocabulary.empty] = gaps * counts.sum()
    lengths = {"": [0] * 17, "mystery": [0] * 17}
    lengths[""][8] = lengths["mystery"][10] = 1
    return StoryModel(vocabulary, network, counts.float(), lengths, (5.0, 0.1), {"name": "tiny"})


@pytest.fixture(scope="session")
def tiny_story() -> StoryModel:
    return make_tiny_story()


@pytest.fixture(scope="session")
def tiny_story_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story") / "tiny"
    make_tiny_story().save(folder)
    return folder
