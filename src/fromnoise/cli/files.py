"""Which files a drawing command reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """Which files are read and written: a picture to start from and its mask, pictures, films, prompts."""

    image: Path | None = None
    mask: Path | None = None
    out: Path | None = None
    film: Path | None = None
    prompts: Path | None = None
    again: Path | None = None
