"""Averages whose length is chosen afterwards: the mathematics, what a run stores of them, and the model made of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import ema
from fromnoise.training.averaging import Average, averaged_model, chosen
from fromnoise.training.clock import Clock
from fromnoise.training.long_averages import LongAverages, stored_averages
from fromnoise.training.loop import Trainer
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.tasks.base import Task

WIDTHS = (0.05, 0.1)


class Line(Task):
    """Fit y = 3x, and keep long averages."""

    name = "line"

    def __init__(self, widths: tuple[float, ...]) -> None:
        torch.manual_seed(1)
        self.network = nn.Linear(4, 4)
        self.config = LoopConfig(pictures=640, batch=16, warmup=64, learning_rate=1e-2)
        self.widths, self.snapshots = widths, 100

    def batch(self, clock: Clock) -> Tensor:
        return torch.randn(clock.batch, 4, generator=clock.generator("x"))

    def losses(self, batch: Tensor, clock: Clock) -> dict[str, Tensor]:
        return {"loss": (self.network(batch) - 3 * batch).square().mean()}

    def samples_for_log(self, network: nn.Module) -> Any:
        return None


def profile(moves: int, width: float) -> np.ndarray:
    """How much of each of so many moves' weights a running average holds, by its definition."""
    decays = np.array([ema.power_decay_at(m, ema.exponent_of(width)) for m in range(1, moves + 1)])
    after = np.append(np.cumprod(decays[::-1])[::-1][1:], 1.0)
    shares: np.ndarray = (1 - decays) * after
    return shares


@pytest.mark.parametrize("width", [0.01, 0.03, 0.05, 0.1, 0.2, 0.28])
def test_a_width_is_the_deviation_of_the_profile_as_a_share_of_the_training(width: float) -> None:
    moves = 20_000
    shares, when = profile(moves, width), np.arange(1, moves + 1) / moves
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    mean = float(shares @ when)
    assert float(shares @ (when - mean) ** 2) ** 0.5 == pytest.approx(width, rel=2e-3)
    exponent = ema.exponent_of(width)
    assert mean == pytest.approx((exponent + 1) / (exponent + 2), abs=1e-4)  # of τ^γ up to 1


def test_the_widest_profile_is_nearly_the_plain_mean() -> None:
    assert ema.exponent_of(12**-0.5) == pytest.approx(0, abs=1e-9)
    assert ema.power_decay_at(1, 5.0) == 0


@pytest.mark.parametrize(("width", "error"), [(0.03, 5e-3), (0.05, 1e-9), (0.07, 1e-3), (0.15, 1e-3), (0.2, 5e-3)])
def test_any_width_is_a_mixture_of_what_was_stored_of_two(width: float, error: float) -> None:
    """Weights that walk at random for 4,000 moves, stored every 200: measured against the average itself."""
    moves, every = 4000, 200
    walk = np.cumsum(np.random.default_rng(0).standard_normal((moves, 40)), axis=0)
    times = [(t, w) for t in range(every, moves + 1, every) for w in WIDTHS]
    stored = np.stack([profile(t, w) @ walk[:t] for t, w in times])
    shares = ema.mixture([(t, ema.exponent_of(w)) for t, w in times], (moves, ema.exponent_of(width)))
    exact = profile(moves, width) @ walk
    assert shares.sum() == pytest.approx(1, abs=1e-9)
    assert np.linalg.norm(shares @ stored - exact) <= error * np.linalg.norm(exact)


def test_the_running_average_has_that_profile() -> None:
    walk = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kept = LongAverages((0.1,), 1, [walk[0]])
    for step, weights in enumerate(walk):
        kept.update([weights], step)
    assert torch.allclose(kept.kept[0.1][0], torch.from_numpy(profile(50, 0.1)) @ walk)


def line(folder: Path, widths: tuple[float, ...] = WIDTHS) -> Trainer:
    return Trainer(Line(widths), folder, seed=5)


def weights_in(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted((folder / "averages").iterdir())}


@pytest.mark.formats
def test_a_run_that_was_stopped_stores_the_same_bits_at_the_same_times(tmp_path: Path) -> None:
    line(tmp_path / "whole").run()
    for steps in (7, 13, None):
        line(tmp_path / "broken").run(steps)
    found = stored_averages(tmp_path / "whole")
    assert [each.pictures for each in found[::2]] == [112, 208, 304, 400, 512, 608, 640]  # and at the end
    assert {each.width for each in found} == set(WIDTHS)
    assert weights_in(tmp_path / "broken") == weights_in(tmp_path / "whole")


def test_averages_change_nothing_that_is_learnt(tmp_path: Path) -> None:
    with_them, without = line(tmp_path / "with").run(), line(tmp_path / "without", ()).run()
    assert all(torch.equal(a, b) for a, b in zip(with_them.parameters(), without.parameters(), strict=True))
    assert not (tmp_path / "without" / "averages").exists()


def test_what_was_stored_later_than_the_checkpoint_is_forgotten(tmp_path: Path) -> None:
    for steps in (20, 13):
        line(tmp_path).run(steps)
    assert stored_averages(tmp_path)[-1].step == 32
    shutil.rmtree(tmp_path / "step-00000033")
    assert line(tmp_path).clock.step == 20
    assert stored_averages(tmp_path)[-1].step == 19


def test_a_damaged_average_and_a_draft_keep_no_training_from_going_on(tmp_path: Path) -> None:
    line(tmp_path).run(20)
    folder = tmp_path / "averages"
    (folder / "average_0.0500-00000007.safetensors").write_bytes(b"torn")
    draft = folder / f".{2**22 - 3}-0.tmp.average_0.0500-00000025.safetensors"  # of a process that lives no more
    draft.write_bytes(b"half")
    line(tmp_path).run()
    assert not draft.exists()
    with pytest.raises(UserError, match=r"00000007.safetensors is no stored average .* move it away"):
        stored_averages(tmp_path)


def test_averages_may_begin_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """Their time counts from there, so what the weights were before is in none of them."""
    line(tmp_path, ()).run(20)
    trainer = line(tmp_path)
    before = [m.clone() for m in trainer.masters]
    assert all(torch.equal(a, b) for a, b in zip(trainer.long.kept[0.1], before, strict=True))
    trainer.run(1)
    assert all(torch.equal(a, b) for a, b in zip(trainer.long.kept[0.1], trainer.masters, strict=True))
    line(tmp_path).run()
    assert {each.begun for each in stored_averages(tmp_path)} == {20}
    assert {int(each.profile[0]) for each in stored_averages(tmp_path)} == {5, 12, 18, 20}


def test_a_full_disk_leaves_out_a_snapshot_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fromnoise.training.long_averages.save_file", full)
    assert line(tmp_path).run() is not None
    said = " ".join(capsys.readouterr().err.split())
    assert "No space left on device" in said
    assert "it is left out" in said
    assert stored_averages(tmp_path) == []


def run_with_averages(model_folder: Path, run: Path) -> TextToImage:
    """A run whose U-Net moved twice, and averages of those moves."""
    shutil.copytree(model_folder, run / "model")
    model = TextToImage.load(run / "model")
    names = [name for name, _ in model.unet.named_parameters()]
    weights = [p.detach().clone() for p in model.unet.parameters()]
    kept = LongAverages(WIDTHS, 1, weights)
    for step in range(6):
        moved = [w + 0.5 * (step + 1) for w in weights]
        kept.update(moved, step)
        for width, averages in kept.kept.items():
            with torch.no_grad():
                for p, average in zip(model.unet.parameters(), averages, strict=True):
                    p.copy_(average)
            (run / "diffusion").mkdir(exist_ok=True)
            kept.store(run / "diffusion", width, model.unet, names, Clock(step + 1, 10, 60, 0))
    return TextToImage.load(model_folder)


def test_the_model_has_the_average_that_was_asked_for(tiny_model_folder: Path, tmp_path: Path, run: Any) -> None:
    before = run_with_averages(tiny_model_folder, tmp_path / "run")
    made = averaged_model(tmp_path / "run", Average(0.1))
    shift = 0.5 * float(profile(6, 0.1) @ np.arange(1, 7))
    for own, first in zip(made.unet.parameters(), before.unet.parameters(), strict=True):
        assert torch.allclose(own, first + shift, atol=4e-3)  # stored in fp16
    assert made.hash != before.hash
    asked = ("average", tmp_path / "run", "--width", 0.1, "--out", tmp_path / "made")
    found = run(*asked)
    assert (found.code, found.err) == (0, "")
    assert "width 0.1 at 60 pictures" in found.out
    again = TextToImage.load(tmp_path / "made")
    assert again.card["average"] == {"width": 0.1, "pictures": 60, "stored": 12}
    assert again.hash in found.out
    earlier = chosen(tmp_path / "run", 35)
    assert (len(earlier), earlier[-1].pictures) == (6, 30)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--width", 0.5), "width must be 0.01 to 0.28, not 0.5"),
        (("--width", "nan"), "width must be 0.01 to 0.28, not nan"),
        (("--width", 0.1, "--pictures", 5), "the first averages in .* are of 10 pictures, later than 5"),
        (("--width", 0.1, "--pictures", -1), "pictures must be 0"),
    ],
)
def test_what_cannot_be_made_is_said(
    tiny_model_folder: Path, tmp_path: Path, run: Any, options: tuple[Any, ...], said: str
) -> None:
    run_with_averages(tiny_model_folder, tmp_path / "run")
    found = run("average", tmp_path / "run", *options, "--out", tmp_path / "made")
    assert found.code == 2
    assert found.err.count("\n") == 1
    with pytest.raises(UserError, match=said):
        raise UserError(found.err)
    assert not (tmp_path / "made").exists()


def test_a_run_without_averages_says_how_to_get_them(run: Any, tmp_path: Path) -> None:
    found = run("average", tmp_path, "--width", 0.1, "--out", tmp_path / "made")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "--set diffusion.widths=0.05,0.1" in found.err
