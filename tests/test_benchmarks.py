"""The benchmarks end on every CPU, and name its class beside their figures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
PARTS = ("formats", "other_engines", "scaling_paper", "story_plots", "trigram")  # of scripts
SCRIPTS = [file for file in sorted(FOLDER.glob("*.py")) if file.stem not in PARTS]


@pytest.fixture
def formats() -> ModuleType:
    spec = importlib.util.spec_from_file_location("formats_of_benchmarks", FOLDER / "formats.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_a_cpu_computes_in_software_is_left_out_and_named(
    formats: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "cpu_class", lambda: "AVX2")
    monkeypatch.setattr(formats, "native_bf16", lambda: False)
    assert formats.measurable(["peer fp32", "peer bf16", "ours bf16, Muon"]) == ["peer fp32"]
    assert capsys.readouterr().err == "left out, since AVX2 computes bf16 in software: peer bf16; ours bf16, Muon\n"
    assert formats.measurable(["peer fp32"]) == ["peer fp32"]
    monkeypatch.setattr(formats, "native_bf16", lambda: True)
    assert formats.measurable(["peer fp32", "peer bf16"]) == ["peer fp32", "peer bf16"]
    assert capsys.readouterr().err == ""
    assert formats.machine().startswith("AVX2, ")


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_every_script_goes_by_the_one_rule(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "native_bf16" not in text
    assert "machine()" in text or "cpu_class()" in text
