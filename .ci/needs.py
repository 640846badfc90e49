"""Install the programs that the tests need and pip cannot bring, or say in a line what is not tested without them.

A Debian package where apt-get may be used (root, or sudo without a password); for the browser also Playwright's own.
Under CI a program that is still missing is a failure: a check that nobody ran must not look like one that passed.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from chromium import find_chromium


@dataclass(frozen=True)
class Need:
    """A program.

    Attributes:
        name: what people call it.
        find: where it is, or None.
        debian: its Debian package.
        otherwise: a command that installs it without a package manager, or None.
        untested: what is not tested without it.
    """

    name: str
    find: Callable[[], str | None]
    debian: str
    otherwise: tuple[str, ...] | None
    untested: str


NEEDS = (
    Need(
        "Chromium", find_chromium, "chromium", (sys.executable, "-m", "playwright", "install", "chromium"),
        "the page in a browser",
    ),
    Need("npm", lambda: shutil.which("npm"), "npm", None, "building pictures from npm packages"),
)  # fmt: skip


def quietly(*command: str) -> bool:
    """Run a command that asks nothing; whether it went well."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
    except OSError:
        return False
    return done.returncode == 0


@functools.cache
def apt() -> tuple[str, ...] | None:
    """How apt-get is called here, its lists brought up to date; None where there is none or it may not be used."""
    if shutil.which("apt-get") is None:
        return None
    prefix = () if os.geteuid() == 0 else ("sudo", "-n")
    if prefix and not quietly(*prefix, "true"):
        return None
    quietly(*prefix, "apt-get", "update")  # without the network, old lists may still do
    return (*prefix, "apt-get")


def install(need: Need) -> None:
    """Try to install a program."""
    print(f"installing {need.name} for the tests", flush=True)
    command = apt()
    if command is not None:
        quietly(*command, "install", "-y", "--no-install-recommends", need.debian)
    if need.find() is None and need.otherwise is not None:
        quietly(*need.otherwise)


def main() -> int:
    """Install what is missing; the exit code."""
    for need in NEEDS:
        if need.find() is None:
            install(need)
    missing = [need for need in NEEDS if need.find() is None]
    for need in missing:
        print(f"not tested: {need.untested}, for there is no {need.name} (Debian: apt-get install {need.debian})")
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
