"""The line that a chapter prints opens the studio's own model, with its LoRAs, and draws the very same picture."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from PIL import Image

from conftest import few_steps_changes, make_tiny_model
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import from_image
from fromnoise.inspection.figure import KEY
from fromnoise.studio.desk.models import Models
from fromnoise.system.known_words import KnownWords
from fromnoise.system.own_lora import save_lora
from fromnoise.system.text_to_image import TextToImage
from planted_kinds import KINDS, with_pictures
from studio.conftest import running
from studio.test_inside_hidden import image_in
from studio.test_inside_noise import seen_in, told

LOOK = {"prompt": "red apple", "style": "linocut", "seed": 7, "steps": 2}
DRAWN = {"prompt": "red apple", "style": "linocut", "seed": 7}
VIEWS = {
    "words": LOOK, "activations": LOOK, "guidance": {**LOOK, "guidance": 3}, "ladder": LOOK, "judge": LOOK,
    "hidden": LOOK, "between": {**LOOK, "to": "blue house", "stops": 2},
    "between/sum": {**LOOK, "minus": "red", "plus": "blue", "seeds": 1},
    "noise": DRAWN, "latents": DRAWN, "learning/lessons": DRAWN, "map": {"prompts": ["red apple"]},
    "map/area": {"prompts": ["red apple"], "pictures": 2, "steps": 1}, "axes": {"kinds": list(KINDS)},
}  # fmt: skip


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """A self-trained model, with pictures of its training, and a LoRA with a style of its own."""
    root = tmp_path_factory.mktemp("own model")
    tiny = replace(make_tiny_model(), known=KnownWords.of(["red apple", "blue house", "green tree"]))
    with_pictures(tiny).save(root / "model")
    save_lora(root / "ink.safetensors", few_steps_changes(tiny), tiny, "ink", "linocut")
    return Opening(str(root / "model"), (f"{root / 'ink.safetensors'}:0.5",), "fp32")


@pytest.fixture(scope="module")
def client(opening: Opening, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    models = Models(*open_model(opening), opened=opening)
    with running(models, tmp_path_factory.mktemp("gallery")) as live, live.client() as found:
        yield found


@pytest.mark.parametrize("view", VIEWS)
def test_every_command_names_the_model_its_lora_and_the_precision(
    client: httpx.Client, opening: Opening, view: str
) -> None:
    news = told(client, view, VIEWS[view])
    assert news[-1]["type"] != "problem", news[-1]
    (line,) = {each["command"] for each in news if "command" in each}
    parts = shlex.split(line)
    assert parts[parts.index("--model") + 1] == opening.place
    assert parts[parts.index("--lora") + 1] == opening.loras[0]
    assert parts[parts.index("--precision") + 1] == "fp32"


def test_the_film_is_the_models_and_asks_for_no_lora(client: httpx.Client, opening: Opening) -> None:
    (news,) = told(client, "learning", {})
    assert news["command"] == shlex.join(
        ["fromnoise", "inspect", "learning", "--model", str(opening.place), "--out", "learning.html"]
    )


def test_a_hidden_picture_is_drawn_again_by_its_command_and_not_without_the_lora(
    client: httpx.Client, run: Any
) -> None:
    page = told(client, "hidden", LOOK)[-2]["page"]
    line = image_in(page).text[KEY]  # type: ignore[attr-defined]
    assert run(*shlex.split(line)[1:]).code == 0
    assert torch.equal(seen_in(page), _opened(Path("hidden.png")))
    bare = shlex.split(line)[1:]
    del bare[bare.index("--lora") :][:2]
    for left_out in ("--lora", "--style"):
        at = bare.index(left_out)
        del bare[at : at + 2]
    assert run(*bare).code == 0
    assert not torch.equal(seen_in(page), _opened(Path("hidden.png")))


@pytest.mark.parametrize("view", ["axes", "map", "between"])
def test_numbers_are_those_of_the_command(client: httpx.Client, run: Any, view: str) -> None:
    news = told(client, view, VIEWS[view])
    (line,) = {each["command"] for each in news if "command" in each}
    parts = shlex.split(line)[1:]
    parts[parts.index("--out") + 1] = "out.json"
    assert run(*parts).code == 0
    facts = json.loads(Path("out.json").read_text())
    if view == "axes":
        assert facts["sets"] == news[-1]["sets"]
    elif view == "map":
        assert facts["prompts"][0]["captions"] == news[1]["captions"]
    else:
        assert [stop["moved"] for stop in facts["stops"]] == [each["moved"] for each in news[1:-1]]


def _opened(file: Path) -> torch.Tensor:
    with Image.open(file) as picture:
        return from_image(picture.convert("RGB"))


def test_a_lora_changes_nothing_about_whose_the_index_is(opening: Opening) -> None:
    bare, with_lora = TextToImage.load(opening.place), open_model(opening)[1]
    assert with_lora.styles == (*bare.styles, "linocut")
    assert with_lora.trained_on == bare.trained_on
