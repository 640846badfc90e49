"""The starter set: a few hundred pictures that come with fromnoise, so that nothing has to be fetched to begin."""

from __future__ import annotations

from pathlib import Path


def starter_path() -> Path:
    """Folder of the starter set inside the installed package."""
    return Path(__file__).parent.parent / "assets" / "starter"
