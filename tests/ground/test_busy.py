"""Whether others keep the cores busy, and what a command does then."""

from __future__ import annotations

import os
from collections import namedtuple

import psutil
import pytest
from typer.testing import CliRunner

from fromnoise.cli import app
from fromnoise.ground.busy import Reading, others_are_busy

Core = namedtuple("Core", ["user", "system", "idle"])


@pytest.mark.parametrize(
    ("everybody", "own", "busy"),
    [
        (0.1, 0.1, False),  # nobody but this process
        (0.2, 0.1, True),  # the other core is another's
        (0.155, 0.1, False),  # a quarter of the cores, by others
        (0.165, 0.1, True),
        (0.2, 0.2, False),
        (0.0, 0.1, False),  # a system that tells of nothing
    ],
)
def test_only_what_others_take_counts(
    everybody: float, own: float, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Reading(clock=10.0, all=100.0, own=5.0, cores=2)
    after = Reading(before.clock + 0.1, before.all + everybody, before.own + own, 2)
    monkeypatch.setattr(Reading, "now", classmethod(lambda cls: after))
    assert others_are_busy(before) is busy


def test_cores_that_this_process_may_not_use_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [1, 2], raising=False)
    monkeypatch.setattr(
        psutil, "cpu_times", lambda percpu: [Core(100.0, 50.0, 1.0), Core(2.0, 1.0, 9.0), Core(4.0, 0, 0)]
    )
    found = Reading.now()
    assert found is not None
    assert (found.all, found.cores) == (7.0, 2)


def test_where_the_system_does_not_tell_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(percpu: bool) -> None:
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(psutil, "cpu_times", refuse)
    assert Reading.now() is None
    assert others_are_busy(Reading(0.0, 0.0, 0.0, 2)) is False
    assert others_are_busy(None) is False


@pytest.mark.parametrize(("busy", "chosen", "spins"), [(True, "", "1000"), (False, "", None), (True, "active", None)])
def test_a_command_lets_idle_threads_sleep_beside_busy_programs(
    busy: bool, chosen: str, spins: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that what the command sets is taken back afterwards
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if chosen:
        monkeypatch.setenv("OMP_WAIT_POLICY", chosen)
    monkeypatch.setattr("fromnoise.cli.entry.others_are_busy", lambda: busy)
    CliRunner().invoke(app, ["data", "--help"])
    assert os.environ.get("GOMP_SPINCOUNT") == spins
