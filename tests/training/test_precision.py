"""The number format follows from the machine, not from how busy it is, and stays the run's."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable
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
    # Only this thread's clocks: those of a server that another test has begun in this process must go on.
    here = threading.get_ident()

    def stopped(clock: Callable[[], float]) -> float:
        if threading.get_ident() == here:
            pytest.fail("a run's format must not depend on time")
        return clock()

    for clock in ("perf_counter", "monotonic", "time"):
        monkeypatch.setattr(time, clock, functools.partial(stopped, getattr(time, clock)))
    choice = precision.choose(CPU)
    assert (choice.name, choice.dtype) == (name, {"bf16": torch.bfloat16, "fp32": torch.float32}[name])
    assert reason in choice.reason
    assert [precision.choose(CPU, setting).name for setting in ("bf16", "fp32")] == ["bf16", "fp32"]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UserError, match="auto, bf16 or fp32, not 'fp8'"):
        precision.choose(CPU, "fp8")
    with pytest.raises(UserError, match=r"precision=fp16 is not trained in.*take auto"):
        precision.choose(CPU, "fp16")


@pytest.mark.parametrize("began", ["bf16", "fp32"])
def test_a_run_keeps_the_format_it_began_with_on_any_machine(
    began: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = json.loads(json.dumps(precision.Choice(began, "of that machine", began == "fp32").to_facts()))
    for native in (True, False):
        monkeypatch.setattr(precision, "native_bf16", lambda native=native: native)
        choice = as_begun(tmp_path, facts, CPU)
        assert (choice.name, choice.channels_last) == (began, began == "fp32")
        assert bool(precision.warning(choice, CPU)) == (began == "bf16" and not native)
    with pytest.raises(UserError, match="names no number format"):
        as_begun(tmp_path, {"dtype": "float8", "channels_last": True}, CPU)


def test_a_slow_format_is_said_in_one_line_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda: False)
    said = precision.warning(precision.choose(CPU, "bf16"), CPU)
    assert "\n" not in said
    assert "--set precision=fp32" in said
    elsewhere = precision.Choice("fp32", "as this run began", products="bf16")
    said = precision.warning(elsewhere, CPU)
    assert "\n" not in said
    assert "Muon's products are bf16" in said
    assert precision.warning(elsewhere, CPU, muon=False) == ""
    monkeypatch.setattr(precision, "native_bf16", lambda: True)
    assert precision.warning(elsewhere, CPU) == ""


@pytest.mark.formats
@pytest.mark.parametrize(
    ("facts", "native", "products"),
    [
        ({"dtype": "bfloat16", "why": "this CPU multiplies bf16 in hardware"}, False, "bf16"),
        ({"dtype": "float32", "why": "this CPU does not multiply bf16 in hardware"}, True, "fp32"),
        ({"dtype": "float32", "why": "set by the recipe"}, True, "bf16"),
        ({"dtype": "bfloat16", "why": "set by the recipe"}, False, "fp32"),
        ({"dtype": "bfloat16", "why": "set by the recipe", "muon_products": "bfloat16"}, False, "bf16"),
        ({"dtype": "float32", "why": "set by the recipe", "muon_products": "float32"}, True, "fp32"),
    ],
)
def test_muons_products_stay_in_the_format_they_had(
    facts: dict[str, str], native: bool, products: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of earlier versions did not store it: there it followed the machine that they began on."""
    monkeypatch.setattr(precision, "native_bf16", lambda: native)
    choice = precision.as_begun({**facts, "channels_last": True}, CPU)
    assert choice.products == products
    assert choice.to_facts()["muon_products"] == {"bf16": "bfloat16", "fp32": "float32"}[products]
