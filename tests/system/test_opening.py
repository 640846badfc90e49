"""Where models are looked for: on this machine first, and on the hub only what cannot be a place here."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from fromnoise.drawing.opened import _lora
from fromnoise.ground.errors import UserError
from fromnoise.system import defaults, opening
from fromnoise.system.opening import find_model, is_local
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights.lora_file import read_lora


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the hub was asked for, in a folder that holds "models/" with one file."""
    names: list[str] = []

    def fetch(name: str) -> Path:
        names.append(name)
        raise UserError("asked the hub")

    monkeypatch.setattr(opening, "fetch", fetch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sd15.safetensors").touch()
    return names


@pytest.mark.parametrize(
    "name",
    [
        "models/sd51.safetensors", "nowhere/sd15.safetensors", "nowhere/sd15.ckpt", "nowhere/sd15.GGUF",
        "nowhere/sd15.safetensor", "nowhere/sd15.bin", "models/sd15", "models/stable-diffusion", "./models/x", "./x",
        "../x/y", "../x", "~/models/x", "~/x.safetensors", "/nowhere/x", "a/b/c", "C:/models/x", "C:\\models\\x",
        "models\\x.safetensors", "models\\x", "sd15.safetensors", ".hidden",
    ],
)  # fmt: skip
def test_a_place_on_this_machine_is_not_asked_of_the_hub(asked: list[str], name: str) -> None:
    with pytest.raises(UserError, match="there is no file") as caught:
        find_model(name)
    assert asked == []
    assert "\n" not in str(caught.value)
    assert "hub" not in str(caught.value)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_shipped_model(asked: list[str], name: str) -> None:
    with pytest.raises(UserError, match="name is empty"):
        find_model(name)
    assert not asked


@pytest.mark.parametrize("name", ["owner/name", "stabilityai/stable-diffusion-2.1", "a/dreamshaper-v1.5", "o/x.v2"])
def test_names_of_the_hub_are_asked_for(asked: list[str], name: str) -> None:
    assert not is_local(name)
    with pytest.raises(UserError, match="asked the hub"):
        find_model(name)
    assert asked == [name]


def test_what_is_nearly_there_is_offered(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean models.sd15\.safetensors"):
        find_model("models/sd51.safetensors")
    with pytest.raises(UserError, match="no folder modles"):
        find_model("modles/sd15.safetensors")
    assert find_model("~/models/sd15.safetensors") == tmp_path / "models" / "sd15.safetensors"
    with pytest.raises(UserError, match="is not a model: no model_index"):
        find_model("models")
    with pytest.raises(UserError, match="shipped models"):
        find_model("no-such-name")


@pytest.mark.parametrize(
    "name", ["loras/ink.safetensors", "models/ink.safetensors", "~/ink.safetensors", "C:\\ink.safetensors"]
)
@pytest.mark.parametrize("weight", ["", ":0.8"])
def test_a_lora_that_is_not_there(asked: list[str], name: str, weight: str) -> None:
    file, factor = _lora(name + weight)
    assert factor == (0.8 if weight else 1.0)
    with pytest.raises(UserError, match="there is no file") as caught:
        read_lora(file)
    assert Path(name).name in str(caught.value)
    with pytest.raises(UserError, match="file:weight"):
        _lora("ink.safetensors:strong")


def test_errors_of_the_hub_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    from fromnoise.weights.hub import fetch

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("nobody/nothing", "a--b/c", "x/y..z", f"a/{'b' * 120}"):
        with pytest.raises(UserError) as caught:
            fetch(name)
        assert str(caught.value).isprintable()
        assert f"'{name}'" in str(caught.value)
        assert "run again" not in str(caught.value)  # that would not help


def test_a_folder_that_says_its_prediction_is_not_read_otherwise(tiny_model_folder: Path) -> None:
    assert TextToImage.load(tiny_model_folder, prediction="v").prediction == "v"
    with pytest.raises(UserError, match="its prediction is v, not epsilon; leave out --prediction"):
        TextToImage.load(tiny_model_folder, prediction="epsilon")


def test_a_changed_network_has_another_name_once_the_old_one_is_dropped(tiny_model: TextToImage) -> None:
    changed = copy.deepcopy(tiny_model.unet)
    next(changed.parameters()).add_(1)
    assert replace(tiny_model, unet=changed, identity="").hash != tiny_model.hash
    assert replace(tiny_model, identity="").hash == tiny_model.hash


def test_all_that_a_model_of_ours_is_opened_with_comes_from_the_hub() -> None:
    from fromnoise.weights.hub import BESIDE, chosen

    assert {defaults.COPIES, defaults.MAP, defaults.LEARNING} == set(BESIDE)
    folder = find_model(None)
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert sorted(chosen(files)) == files
    single = ["v1-5-pruned.safetensors", "v1-5-pruned.ckpt", "unet/a.ckpt", "README.md"]
    assert sorted(chosen([*files, *single])) == files
