"""Packages through the npm client, so that the user's registry, proxy and cache settings apply."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from rich.console import Console

from fromnoise.ground.errors import UserError


def install(folder: Path, packages: dict[str, str]) -> Path:
    """Install pinned packages (without running any of their scripts) and return ``node_modules``.

    Args:
        folder: where to install; packages that are there already are kept.
        packages: name → version.

    Raises:
        UserError: npm is missing, or the install failed.
    """
    modules = folder / "node_modules"
    missing = [f"{name}@{version}" for name, version in packages.items() if _version(modules / name) != version]
    if not missing:
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            "npm was not found; it fetches what is needed. Install Node.js (https://nodejs.org, or your system's "
            "package 'npm') and run this again, or train on --data starter, which needs nothing"
        )
    folder.mkdir(parents=True, exist_ok=True)
    Console(stderr=True).print(f"fetching {len(missing)} npm packages")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"]
    wanted = [f"{name}@{version}" for name, version in packages.items()]
    done = subprocess.run([npm, "install", *options, "--prefix", str(folder), *wanted], capture_output=True, text=True)
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if "error" in line.lower()), done.stderr[:200])
        raise UserError(f"npm could not fetch the packages: {reason.strip()}; check the network and run this again")
    return modules


def _version(package: Path) -> str | None:
    try:
        found: str = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    except (OSError, ValueError, KeyError):
        return None
    return found
