"""What is installed: every file of the package that is no Python travels in the wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "fromnoise"
MADE_WHILE_RUNNING = {".pyc", ".pyo"}


def test_every_file_that_is_no_python_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = settings["tool"]["setuptools"]["package-data"]["fromnoise"]
    packaged = {file for pattern in globs for file in PACKAGE.glob(pattern)}
    files = {f for f in PACKAGE.rglob("*") if f.is_file() and f.suffix not in {".py", *MADE_WHILE_RUNNING}}
    assert PACKAGE / "data" / "stickers" / "fixes.json" in files
    assert sorted(files - packaged) == []


def test_every_folder_with_python_is_a_package_that_setuptools_finds() -> None:
    folders = {f.parent for f in PACKAGE.rglob("*.py")}
    assert [f for f in sorted(folders) if not (f / "__init__.py").is_file()] == []
