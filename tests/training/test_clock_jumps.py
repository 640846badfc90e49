"""Clocks that jump, and processes and machines that stand still for a while, change nothing that is learnt."""

from __future__ import annotations

import itertools
import json
import math
import os
import types
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from fromnoise.training import log, loop
from fromnoise.training.clock import Clock
from fromnoise.training.health.process import NOTE, note_process, process_of
from fromnoise.training.log import Log
from fromnoise.training.loop import Trainer
from fromnoise.training.watch import BEAT, SILENT, Watch
from fromnoise.training.working import STANDSTILL, Working
from training.test_loop import Line, bits, config

JUMPS = (0.0, 3600.0, -7200.0, 1e9, -2e9, 1.0, -math.pi * 1e7)


def jumping(monkeypatch: pytest.MonkeyPatch, jumps: tuple[float, ...]) -> None:
    """A clock of which every second look has jumped, in loop and log; the wall clock jumps with it."""
    jump, now = itertools.cycle(jumps), [1e6]

    def monotonic() -> float:
        now[0] += 0.25 + (next(jump) if int(now[0]) % 2 else 0.0)
        return now[0]

    for module in (loop, log):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr("time.time", monotonic)


def test_a_training_whose_clock_jumps_ends_with_the_same_bits_and_has_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back and forth by up to sixty years between two looks: in one go, and stopped and gone on with."""
    settings = config(save_minutes=0.03, sheet_minutes=0.1)
    expected = bits(Trainer(Line(settings), tmp_path / "whole", seed=5).run())
    jumping(monkeypatch, JUMPS)
    saved = list[int]()
    trainer = Trainer(Line(settings), tmp_path / "broken", 5, on_save=lambda _, clock, hours: saved.append(clock.step))
    trainer.run(25)
    assert len(saved) >= 3  # on the way, not only at the end
    assert trainer.seconds >= 0
    again = Trainer(Line(settings), tmp_path / "broken", 5)
    assert bits(again.run()) == expected
    rows = [json.loads(line) for line in (tmp_path / "broken" / "log.jsonl").read_text().splitlines()]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert all(row["pictures_per_second"] >= 0 for row in rows)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 1e9])
def test_a_pause_is_no_time_of_a_limited_training(jump: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is sixty steps of a second, whatever passes on the clock while the process stands still meanwhile."""
    now, step = [0.0], Trainer.step

    def slow(self: Trainer) -> dict[str, torch.Tensor]:
        now[0] += 1 + (jump if self.clock.step == 30 and jump != 0 else 0)
        return step(self)

    settings = config(pictures=10**6, minutes=1.0)
    monkeypatch.setattr(Trainer, "step", slow)
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    paused = Trainer(Line(settings), tmp_path / "paused", seed=5)
    found, given, jump = bits(paused.run()), paused.clock.step, 0.0
    assert given == 61  # the second of the step in which it stood still is not counted
    assert loop.learning_rate(settings, paused.clock) == 0
    whole = Trainer(Line(settings), tmp_path / "whole", seed=5)
    whole.run()
    assert whole.clock.step == 60
    assert len(found) == len(bits(whole.averaged()))


def test_time_in_which_a_process_works_is_counted_however_long_a_step_is() -> None:
    now, used = [5.0], [0.0]
    worked = Working(lambda: now[0], lambda: used[0])

    def after(seconds: float, computed: float) -> float:
        now[0], used[0] = now[0] + seconds, used[0] + computed
        return worked()

    assert after(STANDSTILL, 0.0) == STANDSTILL  # waiting for others is training, too
    assert after(3600.0, 50.0) == STANDSTILL + 3600  # a slow step
    assert after(3600.0, 1.0) == STANDSTILL + 3600  # Ctrl-Z
    assert after(-1e6, 0.0) == STANDSTILL + 3600
    assert after(2.0, 0.0) == STANDSTILL + 3602


def test_what_is_said_of_rate_and_rest_stays_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(log, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    told = Log(tmp_path, Clock(0, 10, 1000, 0))
    for step in range(1, 40):
        now[0] += 5 + {10: 8 * 3600.0, 20: -1e6}.get(step, 0.0)
        told.show(Clock(step, 10, 1000, 0))
    lines = capsys.readouterr().err.splitlines()[1:]
    assert len(lines) >= 2
    rates = [float(line.split(", ")[1].removesuffix("/s")) for line in lines]
    assert all(2.0 <= rate < 2.3 for rate in rates), lines  # the pictures of the step that was paused took no time


def test_a_training_is_alive_whatever_the_wall_clock_is_set_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems tell when a process began from now and the time since their start: set the clock, and it moves, too."""
    note_process(tmp_path)
    found = process_of(tmp_path)
    assert found is not None
    assert found.alive
    began, machine = psutil.Process.create_time, psutil.boot_time
    for step in (3600.0, -86400.0):
        with monkeypatch.context() as set_by:
            set_by.setattr(psutil.Process, "create_time", lambda self, step=step: began(self) + step)
            set_by.setattr(psutil, "boot_time", lambda step=step: machine() + step)
            assert found.alive
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: began(self) + 3600)  # another, of the same number
    assert not found.alive


def test_notes_of_earlier_versions_and_odd_ones_are_read(tmp_path: Path) -> None:
    begun = psutil.Process().create_time()
    for more in ({}, {"after": None}, {"after": "x"}, {"after": 1e300}):
        (tmp_path / NOTE).write_text(json.dumps({"process": os.getpid(), "begun": begun, **more}))
        found = process_of(tmp_path)
        assert found is not None
        assert found.alive
    for odd in ("[]", "3", "null", '{"process": true, "begun": 1}', '"x"'):
        (tmp_path / NOTE).write_text(odd)
        assert process_of(tmp_path) is None


class _Beating:
    """A store in which one other process beats, as long as it does."""

    def __init__(self) -> None:
        self.beat = 0

    def set(self, key: str, value: str) -> None:
        pass

    def check(self, keys: list[str]) -> bool:
        return keys[0].startswith("beat")

    def get(self, key: str) -> bytes:
        return str(self.beat).encode()


def test_nobody_is_called_gone_because_all_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks a night has passed for all processes: the other has had no time to say anything."""
    watch: Any = Watch.__new__(Watch)
    watch.index, watch.count, watch._others, watch._beats, watch._beating = 0, 2, range(1, 2), 0, _Beating()
    heard = {1: (b"", 0)}
    for night in range(3):
        watch._beating.beat += 1
        assert watch._look(heard) == ""
        monkeypatch.setattr("time.monotonic", lambda night=night: 1e6 * (night + 1))
        assert watch._look(heard) == ""
    said = [watch._look(heard) for _ in range(int(SILENT / BEAT) + 1)]  # and who really is silent is missed
    assert said[-1] == watch.lost(1)
    assert said[:-2] == [""] * (len(said) - 2)
