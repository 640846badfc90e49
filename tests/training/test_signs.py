"""Warnings while a training goes on: made-up histories that must warn, and those that must not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fromnoise.training.clock import Clock
from fromnoise.training.health.beside import Beside, detail
from fromnoise.training.health.history import History, Point, read_rows
from fromnoise.training.health.signs import SIGNS
from fromnoise.training.log import Log

BATCH = 64
CHANCE = math.log(BATCH)
Curve = Callable[[float], float]


def history(rows: int = 60, until: float = 0.6, noise: float = 0.02, **curves: Curve) -> History:
    """Rows of which each figure is a function of the share of the rows, 0…1, with noise of that share of it.

    What begins with "held_out", "near" or "vae" is told every sixth row only, and exactly.
    """
    rng = random.Random(7)
    points = []
    for i in range(rows):
        at = i / (rows - 1)
        values = {}
        for name, curve in curves.items():
            seldom = name.startswith(("held_out", "near", "vae"))
            if not seldom or i % 6 == 0:
                values[name] = curve(at) * (1.0 if seldom else 1 + noise * rng.gauss(0, 1))
        points.append(Point(640 * (i + 1), until * at, values))
    return History(points, BATCH)


def falling(at: float) -> float:
    return 0.2 + 0.8 * math.exp(-3 * at)


def healthy(**changed: Curve) -> History:
    """A training as it should be, but for what is changed."""
    curves: dict[str, Curve] = {
        "loss": falling, "contrast": lambda at: CHANCE * falling(at), "gradient_norm": lambda at: 0.5 + 0.3 * at,
        "held_out_loss": lambda at: 0.05 + falling(at), "near_training": lambda at: 0.55 + 0.05 * at,
        "detail": lambda at: 0.4 + 0.5 * at, "vae_detail": lambda at: 0.6,
    }  # fmt: skip
    return history(**{**curves, **changed})


def bowl(at: float) -> float:
    return 0.3 + (at - 0.4) ** 2


SICK = {
    "guessing": healthy(contrast=lambda at: CHANCE, loss=lambda at: CHANCE),
    "flat": healthy(loss=lambda at: max(0.5, 1 - 2 * at)),
    "rising": healthy(loss=lambda at: falling(at) if at < 0.7 else falling(0.7) + 2 * (at - 0.7)),
    "exploding": healthy(gradient_norm=lambda at: 0.5 * math.exp(6 * at)),
    "memorising": healthy(held_out_loss=bowl),
    "copying": healthy(near_training=lambda at: min(1.0, 0.5 + 0.6 * at)),
    "blurry": healthy(detail=lambda at: 0.2 + 0.1 * at),
    "blurred_before": healthy(vae_detail=lambda at: 0.3),
}


@pytest.mark.parametrize("kind", SIGNS)
def test_a_sick_training_is_told_and_a_healthy_one_is_left_alone(kind: str) -> None:
    sign = SIGNS[kind]
    assert sign(healthy()) is None
    said = sign(SICK[kind])
    assert said is not None
    assert "\n" not in said
    assert said.endswith(".")


@pytest.mark.parametrize("kind", SIGNS)
def test_one_fault_gives_one_warning(kind: str) -> None:
    assert [name for name, sign in SIGNS.items() if sign(SICK[kind])] == [kind]


@pytest.mark.parametrize("kind", SIGNS)
def test_nothing_is_said_before_anybody_can_know(kind: str) -> None:
    empty = History([], BATCH)
    first = History(SICK[kind].points[:1], BATCH)
    assert SIGNS[kind](empty) is None
    assert kind == "blurred_before" or SIGNS[kind](first) is None


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("guessing", history(until=0.05, contrast=lambda at: CHANCE)),  # it has hardly begun
        ("guessing", history(noise=0.005, contrast=lambda at: CHANCE * (1 - 0.02 * at))),  # slowly, but it learns
        ("exploding", history(loss=falling, gradient_norm=lambda at: 0.5 * math.exp(4 * at))),  # it learns all the same
        ("flat", history(noise=0.3, loss=lambda at: 0.5)),  # so noisy that nobody can tell
        ("flat", history(until=1.0, loss=lambda at: 0.5)),  # at the end it may be
        ("rising", history(noise=0.3, loss=lambda at: 0.5)),
        ("exploding", history(gradient_norm=lambda at: 40.0)),  # large, and always so
        ("memorising", history(held_out_loss=bowl, loss=lambda at: 0.3 + at)),  # both rise: that is another fault
        ("memorising", history(held_out_loss=lambda at: 0.3 + 0.01 * at, loss=falling)),  # hardly anything
        ("copying", history(near_training=lambda at: 0.95)),  # its own captions are drawn, from the beginning on
        ("blurry", history(until=0.3, detail=lambda at: 0.4)),  # it is still learning
    ],
)
def test_what_looks_like_a_fault_and_is_none(kind: str, changed: History) -> None:
    assert SIGNS[kind](changed) is None


def test_a_loss_with_a_floor_is_measured_from_there() -> None:
    """CLIP's loss cannot fall below its targets' entropy: the last bit above that is a lot."""
    assert SIGNS["flat"](history(noise=0.001, loss=lambda at: 1 + 0.1 * falling(at), floor=lambda at: 1.0)) is None
    assert SIGNS["flat"](history(noise=0.001, loss=lambda at: 1 + 0.005 * falling(at))) is not None


def test_a_curriculum_may_become_harder() -> None:
    sick = SICK["rising"]
    assert SIGNS["rising"](History(sick.points, BATCH, steady=False)) is None


def test_a_warning_is_told_once_in_terminal_and_file_also_by_the_next_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for begin in (0, 30):
        log = Log(folder, Clock(10 * begin, BATCH, 1000 * BATCH, 0))
        for step in range(10 * begin + 10, 10 * begin + 301, 10):
            log.record(Clock(step, BATCH, 1000 * BATCH, 0), {"loss": CHANCE, "contrast": CHANCE})
        log.close()
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    given = [row for row in rows if "warning" in row]
    told = capsys.readouterr().err
    assert [row["warning"] for row in given] == ["guessing"]
    assert given[0]["pictures"] == 200 * BATCH  # a fifth of the run
    assert told.count("warning: CLIP still only guesses which caption belongs to which picture") == 1
    assert given[0]["text"] in told
    assert len(rows) == 61


def test_what_a_killed_run_trained_twice_counts_once(tmp_path: Path) -> None:
    rows = [{"pictures": n, "loss": 1.0} for n in (10, 20, 30, 40)]
    rows.insert(3, {"pictures": 30, "warning": "flat", "text": "…"})
    again = [{"pictures": n, "loss": 2.0} for n in (30, 40, 50)]
    file = tmp_path / "log.jsonl"
    half = '{"pictures": 60, "lo'
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *again]) + half)
    found = read_rows(file)
    assert [(row["pictures"], row.get("loss")) for row in found] == [
        (10, 1.0), (20, 1.0), (30, None), (30, 2.0), (40, 2.0), (50, 2.0)
    ]  # fmt: skip


# --- figures that are computed for it ------------------------------------------------------------------------------


def test_detail_is_what_a_blur_takes_and_noise_does_not_bring() -> None:
    rng = torch.Generator().manual_seed(0)
    pictures = torch.rand(4, 3, 32, 32, generator=rng) * 2 - 1
    assert detail(pictures, pictures) == pytest.approx(1.0)
    assert detail(0.5 * pictures, pictures) == pytest.approx(0.5)
    noise = torch.rand(4, 3, 32, 32, generator=rng) * 2 - 1
    assert detail(pictures + noise, pictures) == pytest.approx(1.0, abs=0.05)
    assert detail(noise, pictures) == pytest.approx(0.0, abs=0.05)
    blurred = F.avg_pool2d(F.pad(pictures, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    assert detail(blurred, pictures) < 0.3
    plain = torch.zeros(1, 3, 8, 8)
    assert detail(plain, plain) == 1.0


def test_copies_lie_nearer_to_the_training_pictures_and_strangers_to_neither() -> None:
    rng = torch.Generator().manual_seed(0)

    def made(count: int) -> torch.Tensor:
        return (
            torch.randint(0, 256, (count, 3, 4, 4), generator=rng, dtype=torch.uint8)
            .repeat_interleave(8, 2)
            .repeat_interleave(8, 3)
        )

    training, held_out = made(300), made(40)
    beside = Beside(training, held_out)
    assert beside.near_training(beside._training[:8])["near_training"] == 1.0
    assert beside.near_training(held_out[:8])["near_training"] == 0.0
    assert 0.3 < beside.near_training(made(200))["near_training"] < 0.7
    assert Beside(training, held_out[:3]).near_training(made(2)) == {}  # three pictures say nothing
    assert Beside(training, held_out[:0]).near_training(made(2)) == {}
