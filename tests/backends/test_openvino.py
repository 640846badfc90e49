"""The OpenVINO backend: nearly torch's pictures, from graphs that are exported once."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise import backends
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

pytest.importorskip("openvino")

from fromnoise.backends.openvino import openvino_model

REQUEST = Request("red apple", style="noto", steps=4, seed=3, count=3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _in_own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROMNOISE_CACHE", str(cache))


def psnr(a: Tensor, b: Tensor) -> float:
    error = (a.double() - b.double()).pow(2).mean().item()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def test_it_draws_nearly_the_same_pictures(tiny_model: TextToImage) -> None:
    pytest.importorskip("nncf")
    exact = draw(tiny_model, REQUEST)
    assert psnr(draw(backends.apply(tiny_model, "openvino"), REQUEST), exact) > 35
    assert psnr(draw(backends.apply(tiny_model, "openvino-int8"), REQUEST), exact) > 30


def test_in_fp32_it_is_exact_to_rounding_at_sizes_that_halve_and_that_do_not(tiny_model: TextToImage) -> None:
    drawing = openvino_model(tiny_model, precision="fp32")
    t = torch.tensor([500])
    words = tiny_model.read(["a blue house"])
    for height, width in ((8, 8), (8, 12), (9, 7)):
        x = torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(0))
        found, exact = drawing.denoiser()(x, t, words), tiny_model.denoiser()(x, t, words)
        assert (found - exact).abs().max() < 1e-4, (height, width)


@pytest.mark.parametrize("name", ["openvino", "openvino-int8"])
def test_every_compilation_computes_the_same(tiny_model: TextToImage, name: str) -> None:
    # With two streams and weights in 8 bits, OpenVINO 2026.4.1 compiles about every second graph wrongly.
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    t, words = torch.tensor([500, 500]), tiny_model.read(["a blue house", "red apple"])
    exact = tiny_model.denoiser()(x, t, words)
    found = [backends.apply(tiny_model, name).denoiser()(x, t, words) for _ in range(8)]
    assert (found[0] - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(torch.equal(one, found[0]) for one in found)


def test_a_picture_does_not_depend_on_its_batch(tiny_model: TextToImage) -> None:
    drawing = backends.apply(tiny_model, "openvino")
    together = draw(drawing, REQUEST)
    for i in range(3):
        assert torch.equal(draw(drawing, replace(REQUEST, seed=3 + i, count=1))[0], together[i])


def test_words_are_read_as_before(tiny_model: TextToImage) -> None:
    drawing = backends.apply(tiny_model, "openvino")
    assert torch.equal(drawing.read(["a blue house"]), tiny_model.read(["a blue house"]))
    assert drawing.hash == tiny_model.hash
    kept, whole = (sum(p.numel() for p in m.unet.parameters()) for m in (drawing, tiny_model))
    assert kept < whole / 4


def test_graphs_are_exported_once_and_again_after_damage(
    tiny_model: TextToImage, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = draw(backends.apply(tiny_model, "openvino"), REQUEST)
    with monkeypatch.context() as patched:
        patched.setattr("fromnoise.backends.openvino._converted", lambda *_: pytest.fail("exported again"))
        assert torch.equal(draw(backends.apply(tiny_model, "openvino"), REQUEST), expected)
    weights, sums = sorted(cache.rglob("*unet-float32-1/graph.bin"))[0], sorted(cache.rglob("*vae*/sums.json"))[0]
    weights.write_bytes(weights.read_bytes()[:-1000])
    sums.write_text("{", encoding="utf-8")
    assert torch.equal(draw(backends.apply(tiny_model, "openvino"), REQUEST), expected)
    (weights.parent / "sums.json").unlink()
    assert torch.equal(draw(backends.apply(tiny_model, "openvino"), REQUEST), expected)
    assert not [f for f in cache.rglob("*") if f.name.endswith((".tmp", ".old"))]


def test_what_cannot_be_used_is_one_line(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert backends.apply(tiny_model, "torch") is tiny_model
    with pytest.raises(UserError, match=r"^--backend must be one of torch, openvino, openvino-int8, not 'onnx'$"):
        backends.apply(tiny_model, "onnx")
    monkeypatch.setattr("fromnoise.backends.openvino.ov", None)
    with pytest.raises(UserError, match=r"pip install 'fromnoise\[openvino\]'"):
        backends.apply(tiny_model, "openvino")


def test_a_packed_model_is_refused(tiny_model: TextToImage) -> None:
    from fromnoise.backends.graph_layers import graph_copy

    packed = tiny_model.for_drawing("fp32").unet
    if any("Packed" in type(layer).__name__ for layer in packed.modules()):
        with pytest.raises(ValueError, match="as it was loaded"):
            graph_copy(packed)


def test_doubling_and_smoothing_is_a_transposed_convolution() -> None:
    from fromnoise.backends.doubling import transposed_weights

    x, weight = torch.randn(1, 3, 5, 4), torch.randn(2, 3, 3, 3)
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)
    wide = torch.from_numpy(transposed_weights(weight.numpy()))
    assert torch.allclose(F.conv_transpose2d(x, wide, stride=2, padding=1), expected, atol=1e-5)


def test_a_picture_remembers_its_engine_and_is_redrawn_by_it(
    tiny_model: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from fromnoise.cli import entry
    from fromnoise.drawing.picture_file import as_tensor, read_origin

    monkeypatch.chdir(tmp_path)
    tiny_model.save("tiny")
    common = ["--model", "tiny"]
    made = CliRunner().invoke(
        entry.app, ["generate", "sun", "--backend", "openvino", "--steps", "3", *common, "--out", "a.png"]
    )
    assert made.exit_code == 0, made.output
    assert read_origin(tmp_path / "a.png").backend == "openvino"
    again = CliRunner().invoke(entry.app, ["generate", "--again", "a.png", *common, "--out", "b.png"])
    assert again.exit_code == 0, again.output
    assert as_tensor(tmp_path / "a.png").equal(as_tensor(tmp_path / "b.png"))


def test_what_openvino_computes_in_is_asked_of_it_and_not_of_the_hint() -> None:
    """As on AVX2: there it takes a hint of bf16, computes in float32, and says so of the compiled graph alone."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("ONEDNN_MAX_CPU_ISA is for x86")
    asked = "from fromnoise.backends.openvino import computed_in as c; print(c('bf16'), c('f32'))"
    env = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    found = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["f32", "f32"]
