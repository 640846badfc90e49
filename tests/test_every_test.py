"""What holds for every test, tried on a small suite in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from long import FIRST, LONG

SUITE = """
import pytest, torch
@pytest.mark.skipif(True, reason="there is no Chromium: apt install chromium")
@pytest.mark.parametrize("view", ["make", "gallery"])
def test_in_a_browser(view): ...
@pytest.mark.skipif(True, reason="this CPU has one core")
def test_on_two_cores(): ...
def test_threads():
    torch.set_num_threads(3)
    torch.set_default_dtype(torch.float64)
    torch.rand(7)
@pytest.mark.parametrize("i", range(6))
def test_alike(i):
    print("begins", i, torch.get_num_threads(), torch.get_default_dtype(), torch.rand(1).item())
"""
WHY = "there is no Chromium: apt install chromium"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
                                        "from every_test import *\n")  # fmt: skip
    (folder / "test_a.py").write_text(SUITE)
    (folder / "test_b.py").write_text("import pytest\npytest.importorskip('no_such_package_of_ours')\n")
    return folder


def run(suite: Path, *options: str, ci: str = "") -> tuple[int, list[str]]:
    """The exit code and the lines of the small suite."""
    command = [sys.executable, "-m", "pytest", "-sq", "-p", "no:cacheprovider", "--rootdir", ".", *options]
    environment = {**os.environ, "CI": ci, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True)
    return done.returncode, [line.lstrip(".s") for line in done.stdout.splitlines()]


def test_what_is_left_for_later_is_there() -> None:
    for name in (*LONG, *FIRST):
        file, _, test = name.partition("::")
        text = (Path(__file__).parent / file).read_text()
        assert not test or f"def {test}(" in text, name
    assert len({*LONG, *FIRST}) == len(LONG) + len(FIRST)


def begun(lines: list[str]) -> list[list[str]]:
    """What each of the six alike tests said: its number, threads, number format, first random number."""
    return [line.split()[1:] for line in lines if line.startswith("begins")]


def test_skips_are_told_and_in_ci_a_failure_and_every_test_begins_alike_in_any_order(suite: Path) -> None:
    code, lines = run(suite)
    assert code == 0
    assert [line for line in lines if "not tested" in line] == [
        "not tested: test_b.py (1): could not import 'no_such_package_of_ours': "
        "No module named 'no_such_package_of_ours'",
        f"not tested: test_a.py (2): {WHY}",
    ]
    plain = begun(lines)
    assert [line[:3] for line in plain] == [[str(i), "1", "torch.float32"] for i in range(6)]
    assert len({line[3] for line in plain}) == 1

    code, lines = run(suite, "test_a.py", "--shuffle", "1", ci="true")
    assert code == 1
    assert [line for line in lines if "not tested" in line] == [
        f"FAILED, since CI is set: not tested: test_a.py (2): {WHY}"
    ]
    shuffled = begun(lines)
    assert [line[0] for line in shuffled] != sorted(line[0] for line in shuffled)
    assert sorted(line[:3] for line in shuffled) == [line[:3] for line in plain]
    assert len({line[3] for line in shuffled}) == 1
    assert shuffled[0][3] != plain[0][3]

    code, lines = run(suite, "test_a.py", "--shuffle", "1", "-k", "not browser", ci="true")
    assert code == 0  # hardware is nobody's fault
    assert begun(lines) == shuffled  # the order follows from the seed
