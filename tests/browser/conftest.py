"""Fixtures of the tests of the page in a real browser.

``FROMNOISE_SCREENSHOTS`` names a folder for pictures of every view; otherwise they go into pytest's own.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("playwright") is None:  # .ci/needs.py says so
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import Browser, sync_playwright

    from browser.visiting import CHROMIUM, FLAGS, Server, Visitors


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One studio for all tests."""
    running = Server(tmp_path_factory.mktemp("gallery"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the views go."""
    named = os.environ.get("FROMNOISE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visitors]:
    """Opens pages; at the end no page may have said an error or asked another host."""
    visitors = Visitors(browser, server)
    yield visitors
    for context in visitors.contexts:
        context.close()
    assert visitors.troubles == []
