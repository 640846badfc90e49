"""``fromnoise convert``: what is written, what is refused, and that a full disk leaves nothing behind."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from checkpoints import pipeline
from conftest import few_steps_changes, make_tiny_model
from fromnoise.cli.convert import convert
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import COPIES
from fromnoise.system.own_lora import save_lora
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights import files, single_file_out
from planted_kinds import with_pictures


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("convert")
    pipeline("sd1").to(torch.float16).save_pretrained(place / "sd1")
    TextToImage.load(place / "sd1", None).save_file(place / "sd1.safetensors")
    return place / "sd1.safetensors"


def test_a_suffix_in_any_case_is_a_file(single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OUT.SAFETENSORS", "b.Safetensors"):
        convert(str(single), Path(name))
        assert Path(name).read_bytes() == single.read_bytes()
    for name in ("x.ckpt", "x.CKPT", "x.pth", "x.gguf", "x.safetensor"):
        with pytest.raises(UserError, match="safetensors only"):
            convert(str(single), Path(name))
        assert not Path(name).exists()


@pytest.mark.parametrize(("dtype", "expected"), [(None, "F16"), ("fp32", "F32"), ("bf16", "BF16")])
def test_eight_bits_become_float16_or_what_is_asked_for(
    single: Path, tmp_path: Path, dtype: str | None, expected: str
) -> None:
    state = {name: x.to(torch.float8_e4m3fn) for name, x in load_file(single).items()}
    save_file(state, tmp_path / "f8.safetensors", metadata={"format": "pt"})
    convert(str(tmp_path / "f8.safetensors"), tmp_path / "folder", dtype)
    convert(str(tmp_path / "f8.safetensors"), tmp_path / "x.safetensors", dtype)
    for file in (tmp_path / "x.safetensors", tmp_path / "folder" / "unet" / "diffusion_pytorch_model.safetensors"):
        with safe_open(file, "pt") as reader:
            assert {reader.get_slice(name).get_dtype() for name in reader.keys()} == {expected}  # noqa: SIM118
    written = load_file(tmp_path / "x.safetensors")
    assert all(torch.equal(written[name].float(), x.float()) for name, x in state.items() if name in written)


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", FULL, ids=["python", "safetensors"])
@pytest.mark.parametrize("target", ["out", "out.safetensors"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, target: str
) -> None:
    def full(state: Any, file: Path, **_: Any) -> None:
        Path(file).write_bytes(b"half")
        raise error

    for module in (files, single_file_out):
        monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(UserError, match="No space left") as caught:
        convert(str(single), tmp_path / target)
    assert target in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_at_the_tokenizer(single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.write_text

    def full(self: Path, *text: Any, **more: Any) -> int:
        if self.name == "tokenizer.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, *text, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"cannot write the model .* No space left"):
        convert(str(single), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_tokenizers_file_is_as_the_library_writes_it(single: Path, tmp_path: Path) -> None:
    convert(str(single), tmp_path / "out")
    tokenizer = TextToImage.load(single).tokenizer
    tokenizer._backend.save(str(tmp_path / "peer.json"))
    assert (tmp_path / "out" / "tokenizer" / "tokenizer.json").read_bytes() == (tmp_path / "peer.json").read_bytes()


def test_a_model_with_a_lora_fused_has_no_files_that_know_other_pictures_than_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = make_tiny_model()
    with_pictures(tiny).save(tmp_path / "mine")
    save_lora(tmp_path / "ink.safetensors", few_steps_changes(tiny), tiny, "ink", "linocut")
    convert(str(tmp_path / "mine"), tmp_path / "plain")
    assert (tmp_path / "plain" / COPIES).read_bytes() == (tmp_path / "mine" / COPIES).read_bytes()
    assert capsys.readouterr().err == ""
    convert(str(tmp_path / "mine"), tmp_path / "fused", lora=[f"{tmp_path / 'ink.safetensors'}:0.5"])
    said = capsys.readouterr().err
    assert said.startswith(f"left out: {COPIES}, since a LoRA was trained on other pictures; make an index with: ")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "fused" / COPIES).exists()
    fused = TextToImage.load(tmp_path / "fused")
    assert "linocut" in fused.styles
    assert fused.copies is None
    open_model(Opening(tmp_path / "mine", (str(tmp_path / "ink.safetensors"),), "as stored"))[1].save(tmp_path / "api")
    assert not (tmp_path / "api" / COPIES).exists()  # from Python, too
