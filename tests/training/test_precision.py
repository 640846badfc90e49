"""The number format follows from the machine, not from how busy it is, and stays the run's."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from fromnoise.ground.errors import UserError
from fromnoise.training import precision
from fromnoise.training.identity import as_begun

CPU = torch.device("cpu")


@pytest.mark.formats
@pytest.mark.parametrize(("native", "name", "reason"), [(True, "bf16", "in hardware"), (False, "fp32", "does not")])
def test_the_cpu_decides_and_no_stopwatch(
    native: bool, name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda: native)
    for clock in ("perf_counter", "monotonic", "time"):
        monkeypatch.setattr(time, clock, lambda: pytest.fail("a run's format must not depend on time"))
    choice = precision.choose(CPU)
    assert (choice.name, choice.dtype) == (name, {"bf16": torch.bfloat16, "fp32": torch.float32}[name])
    assert reason in choice.reason
    assert [precision.choose(CPU, setting).name for setting in ("bf16", "fp32")] == ["bf16", "fp32"]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UserError, match="auto, bf16 or fp32, not 'fp8'"):
        precision.choose(CPU, "fp8")


@pytest.mark.parametrize("began", ["bf16", "fp32"])
def test_a_run_keeps_the_format_it_began_with_on_any_machine(
    began: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = json.loads(json.dumps(precision.Choice(began, "of that machine", began == "fp32").to_facts()))
    for native in (True, False):
        monkeypatch.setattr(precision, "native_bf16", lambda native=native: native)
        choice = as_begun(tmp_path, facts)
        assert (choice.name, choice.channels_last) == (began, began == "fp32")
        assert bool(precision.warning(choice, CPU)) == (began == "bf16" and not native)
    with pytest.raises(UserError, match="names no number format"):
        as_begun(tmp_path, {"dtype": "float8", "channels_last": True})


def test_a_slow_format_is_said_in_one_line_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda: False)
    said = precision.warning(precision.choose(CPU, "bf16"), CPU)
    assert "\n" not in said
    assert "--set precision=fp32" in said
