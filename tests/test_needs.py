""".ci/needs.py: what tests need is installed, or what is not tested is said. Nothing is installed here."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / ".ci" / "needs.py"


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, on a Debian machine that lacks a program called tool."""
    spec = importlib.util.spec_from_file_location("needs", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "needs", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.delenv("CI", raising=False)
    return module


def lacking(module: Any, monkeypatch: pytest.MonkeyPatch, cure: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Let ``tool`` be missing until the command ``cure`` has run; the commands that run from now on."""
    ran: list[tuple[str, ...]] = []

    def quietly(*command: str) -> bool:
        ran.append(command)
        return command[:1] != ("sudo",)

    need = module.Need("Tool", lambda: "/tool" if cure in ran else None, "tool-deb", ("fetch", "tool"), "the tool")
    monkeypatch.setattr(module, "quietly", quietly)
    monkeypatch.setattr(module, "NEEDS", (need,))
    return ran


INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "tool-deb")


def test_root_installs_debians_package(needs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ran = lacking(needs, monkeypatch, INSTALL)
    assert needs.main() == 0
    assert ran == [("apt-get", "update"), INSTALL]


def test_others_without_sudo_take_the_other_way(needs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ran = lacking(needs, monkeypatch, ("fetch", "tool"))
    assert needs.main() == 0
    assert ran == [("sudo", "-n", "true"), ("fetch", "tool")]


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_what_is_still_missing_is_said_and_fails_under_ci(
    needs: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, code: int
) -> None:
    monkeypatch.setenv("CI", ci)
    lacking(needs, monkeypatch, ("never",))
    assert needs.main() == code
    assert "not tested: the tool, for there is no Tool (Debian: apt-get install tool-deb)" in capsys.readouterr().out


def test_nothing_runs_where_everything_is_there(needs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = lacking(needs, monkeypatch)
    need = needs.NEEDS[0]
    monkeypatch.setattr(needs, "NEEDS", (needs.Need(need.name, lambda: "/tool", "tool-deb", None, "the tool"),))
    assert (needs.main(), ran) == (0, [])


def test_a_browser_that_does_not_start_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import chromium

    for name, code in (("stub", 1), ("real", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(chromium, "NAMES", (str(tmp_path / "stub"), str(tmp_path / "real")))
    assert chromium.find_chromium() == str(tmp_path / "real")
