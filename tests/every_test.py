"""What holds for every test: any order will do, each begins alike, and what could not be tested is told."""

from __future__ import annotations

import gc
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from fromnoise.ground import cores
from long import FIRST, LONG

settings.register_profile("any machine", deadline=None)  # a busy machine is no fault
settings.load_profile("any machine")

HARDWARE = "this CPU"  # how the reason of a skip begins that no installation can mend


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--shuffle SEED`` runs files, and the tests in each, in another order, with other random numbers."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests in each, in another order")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    """What importing makes stays to the end, so no search for rings among it is of use: six seconds of each process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """No test may need another one before it, nor one that has not run; those of ``long.py`` are marked.

    Files that take a minute or so go first: one of them, begun last, would keep a core while the other one waits.
    """
    files = {item.path: Path(os.path.relpath(item.path, Path(__file__).parent)).as_posix() for item in items}
    for item in items:
        if {files[item.path], f"{files[item.path]}::{getattr(item, 'originalname', item.name)}"} & set(LONG):
            item.add_marker(pytest.mark.long)
    seed = config.getoption("shuffle")
    if seed is None:
        order = {name: at for at, name in enumerate((*LONG, *FIRST))}
        items.sort(key=lambda item: order.get(files[item.path], len(order)))
    else:
        rng = random.Random(seed)
        place = {file: rng.random() for file in sorted({item.path for item in items})}
        items.sort(key=lambda item: (place[item.path], rng.random()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Every test begins with the same random numbers, threads, cores and number format, whatever ran before."""
    threads, dtype, most = torch.get_num_threads(), torch.get_default_dtype(), cores._MOST
    torch.manual_seed(item.config.getoption("shuffle") or 0)
    try:
        return (yield)
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        cores._MOST = most  # a painter of a cluster leaves the other cores to others, for good


def not_tested(config: pytest.Config) -> dict[str, Counter[str]]:
    """Reason → file → how many tests (or 1 for a whole file) were skipped for it, hardware apart."""
    found: dict[str, Counter[str]] = {}
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for report in reporter.stats.get("skipped", ()) if reporter else ():
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if not reason.startswith(HARDWARE):
            found.setdefault(reason, Counter())[report.nodeid.split("::")[0]] += 1
    return found


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything should be installed (CI is set), a test that could not run is a failure."""
    if os.environ.get("CI") and not_tested(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line for everything that was not tested: what, how much of it, and why."""
    in_ci = bool(os.environ.get("CI"))
    for reason, files in sorted(not_tested(config).items()):
        where = ", ".join(f"{file} ({count})" for file, count in sorted(files.items()))
        verdict = "FAILED, since CI is set: not tested" if in_ci else "not tested"
        terminalreporter.write_line(f"{verdict}: {where}: {reason}", red=in_ci, yellow=not in_ci)
