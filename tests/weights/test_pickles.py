"""Old .ckpt files: tensors come out, no code of theirs runs, and what is refused is named in plain words."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fromnoise.ground.errors import UserError
from fromnoise.weights import pickles
from fromnoise.weights.pickles import as_safetensors

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes classes of packages that are not installed; they are gone again before a file is opened."""
    made: list[str] = []

    def make(path: str, base: type = object) -> Any:
        module, _, name = path.rpartition(".")
        parts = module.split(".")
        for i in range(len(parts)):
            part = ".".join(parts[: i + 1])
            if part not in sys.modules:
                monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
                made.append(part)
        kind = type(name, (base,), {"__module__": module})
        monkeypatch.setattr(sys.modules[module], name, kind, raising=False)
        return kind

    make.forget = lambda: [sys.modules.pop(name, None) for name in made]  # type: ignore[attr-defined]
    return make


def opened(file: Path) -> dict[str, torch.Tensor]:
    with as_safetensors(file, allow_pickle=True) as copy:
        return load_file(copy)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_lightning_saves_beside_the_weights_is_left_out(tmp_path: Path, trainer: Any, zipped: bool) -> None:
    callback = trainer("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")
    settings = trainer("lightning_fabric.utilities.data.AttributeDict", dict)
    config = trainer("omegaconf.dictconfig.DictConfig")()
    config.content = {"a": 1}
    whole = {
        "state_dict": WEIGHTS,
        "global_step": 3,
        "callbacks": {callback: {"best": torch.tensor(0.1)}, "Timer": {"x": 1}},
        "hyper_parameters": settings(a=1, b=[1, 2]),
        "config": config,
        "optimizer_states": [],
    }
    file = tmp_path / "x.ckpt"
    torch.save(whole, file, _use_new_zipfile_serialization=zipped)
    trainer.forget()
    found = opened(file)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], x) and found[name].dtype == x.dtype for name, x in WEIGHTS.items())


class Evil:
    """Unpickling this would make a folder."""

    def __reduce__(self) -> Any:
        return (os.mkdir, (os.environ["EVIL"],))


@pytest.mark.parametrize("zipped", [True, False])
def test_other_objects_are_named_without_advice(
    tmp_path: Path, trainer: Any, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    stranger = trainer("somebody.else.Thing")
    lightning = trainer("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")
    for found, name in ((Evil(), "mkdir"), (stranger, "somebody.else.Thing"), ({lightning: 1, "x": Evil()}, "mkdir")):
        file = tmp_path / "x.ckpt"
        torch.save({"state_dict": WEIGHTS, "x": found}, file, _use_new_zipfile_serialization=zipped)
        with pytest.raises(UserError, match=name) as caught:
            opened(file)
        said = str(caught.value)
        assert "holds more than tensors" in said
        assert said.isprintable()
        assert not any(word in said for word in ("?[", "two options", "weights_only", "allowlist", "trust"))
    assert not (tmp_path / "evil").exists()


def test_damaged_and_empty_files_are_one_plain_line(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "whole.ckpt")
    data = (tmp_path / "whole.ckpt").read_bytes()
    for content in (b"", b"hello" * 9, data[: len(data) // 2], b"\x80\x02}q\x00", b"\x80\x02cos\nsystem\n"):
        (tmp_path / "x.ckpt").write_bytes(content)
        with pytest.raises(UserError) as caught:
            opened(tmp_path / "x.ckpt")
        assert str(caught.value).isprintable()
        assert "two options" not in str(caught.value)
    for found in ([1, 2], {"state_dict": [1]}, {"state_dict": {}}, {"a": 1}):
        torch.save(found, tmp_path / "x.ckpt")
        with pytest.raises(UserError, match="holds no weights"):
            opened(tmp_path / "x.ckpt")


def test_a_full_temporary_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, place = tmp_path / "x.ckpt", tmp_path / "tmp"
    torch.save(WEIGHTS, file)
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(pickles.tempfile, "tempdir", None)

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(pickles, "save_file", full)
    with pytest.raises(UserError, match="TMPDIR") as caught:
        opened(file)
    assert str(place) in str(caught.value)
    assert "No space left" in str(caught.value)
    assert not list(place.iterdir())

    def none(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(pickles.tempfile, "TemporaryDirectory", none)
    with pytest.raises(UserError, match="No usable temporary directory"):
        opened(file)


def test_an_error_of_whoever_uses_the_copy_is_his_own(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "x.ckpt")
    with pytest.raises(OSError, match="mine"), as_safetensors(tmp_path / "x.ckpt", True):
        raise OSError("mine")


@pytest.mark.parametrize("name", ["a.safetensors", "A.SafeTensors", "a.png", "a.json", "a.ckpt", "a"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_of_any_name_runs_nothing_at_any_door(
    name: str, zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a model, a LoRA, a pickle that is allowed, a picture with settings and a picture to learn from."""
    from fromnoise.data.pictures import load_folder
    from fromnoise.drawing.picture_file import read_origin
    from fromnoise.system.text_to_image import TextToImage
    from fromnoise.weights.lora_file import read_lora

    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    data = tmp_path / "data"
    data.mkdir()
    file = data / name
    torch.save({"state_dict": WEIGHTS, "x": Evil()}, file, _use_new_zipfile_serialization=zipped)
    (data / "a.txt").write_text("a thing")

    def learnt(_: Path) -> None:
        if not load_folder(data, 8).records:
            raise UserError("nothing can be learnt from it")

    doors = (TextToImage.load, read_lora, opened, read_origin, learnt)
    for door in doors:
        with pytest.raises((UserError, SafetensorError)):
            door(file)
    assert not (tmp_path / "evil").exists()


def test_a_torch_whose_safe_reader_is_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2025-32434: before 2.6, weights_only could be made to run code."""
    torch.save(WEIGHTS, tmp_path / "a.ckpt")
    assert opened(tmp_path / "a.ckpt").keys() == WEIGHTS.keys()
    for version in ("2.5.1+cpu", "2.0", "1.13.1"):
        monkeypatch.setattr(torch, "__version__", version)
        with pytest.raises(UserError, match=r"cannot read pickles safely; update it to 2\.6"):
            opened(tmp_path / "a.ckpt")
