"""Where a Chromium is that the tests of the page can drive."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAMES = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The system's Chromium or Chrome, else the one that ``playwright install chromium`` fetched; None without."""
    for name in NAMES:
        found = shutil.which(name)
        if found and _starts(found):
            return found
    return _playwrights_own()


def _starts(program: str) -> bool:
    # Ubuntu's "chromium-browser" may be a script that only says to install something else.
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwrights_own() -> str | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and _starts(path) else None
