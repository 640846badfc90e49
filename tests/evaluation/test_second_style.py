"""The second judge of styles: each of its measures by hand, and that it shares nothing with the first."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fromnoise.data.pictures import load_folder
from fromnoise.evaluation import second_style, style
from fromnoise.evaluation.second_style import HandJudge, hand_features, palette, spectrum
from fromnoise.evaluation.sections import second_style as section
from fromnoise.evaluation.sections.second_style import HELD_OUT, fresh, learnt_from, second_style_section
from fromnoise.system.text_to_image import TextToImage
from made_world import STYLES, World, real, world_of


def test_it_shares_no_code_and_no_network_with_the_first() -> None:
    file = Path(second_style.__file__)
    names = {n.module for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)}
    assert not [name for name in names if name and name.startswith("fromnoise.evaluation")]
    own = {name for name in vars(second_style) if getattr(vars(second_style)[name], "__module__", "") == file.stem}
    assert not own & set(vars(style))


def test_a_wave_is_found_at_its_frequency() -> None:
    """A cosine of the transform's own basis, one of eight windows long: all its strength is in one coefficient."""
    wave = 20 * np.cos(np.pi * (2 * (np.arange(64) % 8) + 1) * 2 / 16)
    planes = np.zeros((64, 64, 3), np.float32)
    planes[..., 0] = wave[None, :]
    found = spectrum(planes)[:192].reshape(3, 8, 8)
    assert np.unravel_index(found.argmax(), found.shape) == (0, 0, 2)
    assert np.abs(found[1:]).max() == 0  # no colour
    assert spectrum(planes + 50)[:192] == pytest.approx(found.ravel(), abs=1e-3)  # brightness is none of it


def test_patterns_tell_flat_from_edge_and_spot() -> None:
    flat = np.zeros((16, 16), np.float32)
    assert (second_style._patterns(flat, 1) ** 2).tolist() == [1, *[0] * 9]
    spot = flat.copy()
    spot[8, 8] = 100  # eight pixels see one brighter neighbour; the spot itself sees none
    shares = second_style._patterns(spot, 1) ** 2 * 14 * 14
    assert shares == pytest.approx([14 * 14 - 8, 8, *[0] * 8])
    edge = flat.copy()
    edge[:, 8:] = 100  # the column before the edge sees three brighter ones in a piece
    assert second_style._patterns(edge, 1)[3] ** 2 == pytest.approx(1 / 14)
    faint = flat.copy()
    faint[8, 8] = 3
    assert second_style._patterns(faint, 1)[0] == 1


def test_a_palette_is_that_of_the_thing() -> None:
    picture = np.full((8, 8, 3), 255, np.uint8)
    assert not palette(picture).any()
    picture[:, :4] = (200, 30, 30)
    found = palette(picture) ** 2
    assert sorted(found[found > 0]) == pytest.approx([1, 1])  # one lightness, one hue and chroma; white is not counted
    grey = np.full((8, 8, 3), 120, np.uint8)
    assert (palette(grey)[24:] ** 2).sum() == pytest.approx(1)


def test_it_decides_as_fishers_discriminant_does() -> None:
    """Two clouds that differ along one direction and spread along another: the spread must not decide."""
    rng = torch.Generator().manual_seed(0)
    wide = torch.randn(400, generator=rng) * 10
    own = (torch.arange(400) % 2).float()
    x = torch.stack([wide + own, wide - own], 1) + 0.1 * torch.randn(400, 2, generator=rng)
    names = ["ab"[int(o)] for o in own]
    judge = HandJudge(x[:300], names[:300], ("a", "b"))
    assert float(judge.right(x[300:], names[300:]).double().mean()) > 0.95
    assert torch.equal(judge.named(x[300:]), own[300:].long()) or judge.right(x[300:], names[300:]).sum() >= 95


def test_real_styles_of_other_concepts_are_recognised() -> None:
    pictures = load_folder("starter", 64)
    names = tuple(sorted({r.style for r in pictures.records}))
    known = set(sorted({r.key for r in pictures.records})[::2])
    split = [[i for i, r in enumerate(pictures.records) if (r.key in known) == side] for side in (True, False)]
    features, styles = hand_features(pictures.images), [r.style for r in pictures.records]
    judge = HandJudge(features[split[0]], [styles[i] for i in split[0]], names)
    found = float(judge.right(features[split[1]], [styles[i] for i in split[1]]).double().mean())
    assert found > 0.45, found  # of four styles, two of them by the same hand, learnt from 240 pictures


@pytest.mark.parametrize("held_out", [True, False])
def test_the_section(held_out: bool, tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"thing {i}" for i in range(8)]
    others = [f"other {i}" for i in range(8)]
    kept = {f"other {i}": STYLES[i % 3] for i in range(4)} if held_out else {}
    pictures = world_of([*names, *others], kept)
    looks = {p.numpy().tobytes(): r.style for p, r in zip(pictures.images, pictures.records, strict=True)}

    def features(shown: Tensor) -> Tensor:
        return torch.tensor([[float(looks.get(p.contiguous().numpy().tobytes()) == s) for s in STYLES] for p in shown])

    monkeypatch.setattr(section, "hand_features", features)
    monkeypatch.setattr(section, "damaged", lambda images, which: images)
    model = replace(tiny_model, styles=STYLES, card={})
    bench = World(model, pictures, lambda r: real(pictures, r.prompt, "noto"))  # whatever is asked
    learnt = [bench.records[i] for i in learnt_from(bench)]
    assert {r.split for r in learnt} == {"train"}
    assert not {r.key for r in learnt} & set(bench.main.keys)
    assert not {r.file_name for r in learnt} & {bench.records[i].file_name for i in fresh(bench)}
    found = second_style_section(bench)
    headline = found.headlines[0]
    assert (headline.value, headline.floor, headline.ceiling) == (
        pytest.approx(1 / 3), pytest.approx(1 / 3), 1.0,
    )  # fmt: skip
    rows = {row[0]: row[1] for row in found.tables[0].rows}
    assert rows["real, asked for"] == rows["real through the VAE"] == "100.0%"
    assert found.data[HELD_OUT]["n"] == len(fresh(bench))
