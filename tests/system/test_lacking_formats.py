"""On a CPU without bf16 and float16 nothing is computed in them unless that is asked for, and then it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fromnoise.drawing.picture_file import read_origin
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.system import defaults
from fromnoise.system.text_to_image import TextToImage

pytestmark = pytest.mark.formats
SLOW = "drawing in bf16, which this CPU computes in software, many times slower than fp32"


def be(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(defaults, "native_bf16", lambda: native)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("native", "loaded", "precision", "drawn", "read"),
    [
        (False, "bfloat16", "auto", "float32", "float32"),
        (False, "bfloat16", "fp32", "float32", "float32"),
        (False, "bfloat16", "bf16", "bfloat16", "bfloat16"),
        (False, "float16", "auto", "float32", "float32"),
        (False, "float16", "bf16", "bfloat16", "float32"),
        (False, "float32", "auto", "float32", "float32"),
        (True, "bfloat16", "auto", "bfloat16", "bfloat16"),
        (True, "bfloat16", "fp32", "bfloat16", "bfloat16"),
        (True, "float16", "auto", "bfloat16", "float32"),
    ],
)
def test_weights_in_a_format_that_the_cpu_lacks_are_drawn_with_in_another(
    native: bool, loaded: str, precision: str, drawn: str, read: str, keep: bool,
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    be(monkeypatch, native)
    model = TextToImage.load(tiny_model_folder).to("cpu", getattr(torch, loaded))
    drawing = model.for_drawing(precision, keep=keep)
    assert drawing.dtype == getattr(torch, drawn)
    assert next(drawing.text_tower.parameters()).dtype == getattr(torch, read)
    assert drawing.hash == model.hash
    if keep:
        assert {p.dtype for part in model.networks().values() for p in part.parameters()} == {getattr(torch, loaded)}


def test_drawing_in_software_is_said_in_one_line(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    for native, precision, expected in ((False, "bf16", (SLOW,)), (True, "bf16", ()), (False, "fp32", ())):
        be(monkeypatch, native)
        notes = plan(tiny_model.for_drawing(precision), Request("red apple")).notes
        assert tuple(note for note in notes if "bf16" in note) == expected
    assert defaults.slow_format("bf16", torch.device("cuda")) == ""


def test_the_commands_say_it_once(
    run: Any, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ("--model", tiny_model_folder)
    be(monkeypatch, False)
    for command in (("sun", "--steps", 1, "--precision", "bf16", "-n", 2), ("--again", "a-0.png")):
        done = run("generate", *command, *model, "--out", "a.png" if "sun" in command else "b.png")
        assert done.code == 0, done.err
        assert done.err.count(SLOW) == 1
    assert SLOW not in run("info", tiny_model_folder).err
    assert SLOW not in run("generate", "sun", "--steps", 1, *model, "--out", "c.png").err
    be(monkeypatch, True)
    assert SLOW not in run("generate", "--again", "a-0.png", *model, "--out", "d.png").err


def test_where_openvino_has_no_bf16_it_is_not_said_to_have_been_used(
    run: Any, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    from fromnoise.backends import openvino

    try:
        openvino.compiled_for("bf16")
    except RuntimeError:
        pytest.skip("this CPU has bf16 and only plays one without, which OpenVINO refuses (tested unplayed)")
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / "cache"))
    model, asked = ("--model", tiny_model_folder), ("--backend", "openvino", "--precision", "bf16")
    monkeypatch.setattr(openvino, "computed_in", lambda hint: hint)
    assert run("generate", "sun", "--steps", 1, *model, *asked, "--out", "a.png").code == 0
    assert read_origin(tmp_path / "a.png").precision == "bf16"
    monkeypatch.setattr(openvino, "computed_in", lambda hint: "f32")
    for command in (("sun", "--steps", 1, *asked), ("--again", "a.png")):
        done = run("generate", *command, *model, "--out", "b.png")
        assert done.code == 0, done.err
        assert done.err.count(openvino.NO_BF16) == 1
        assert SLOW not in done.err
        assert read_origin(tmp_path / "b.png").precision == "fp32"
        (tmp_path / "b.png").unlink()
    assert openvino.NO_BF16 not in run("generate", "sun", "--steps", 1, *model, *asked[:2], "--out", "b.png").err
