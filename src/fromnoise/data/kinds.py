"""What a file of somebody's folder is by its name: a picture, a caption, a list, or something packed."""

from __future__ import annotations

from pathlib import Path

from fromnoise.ground.pictures import readable_suffixes

METADATA = "metadata.jsonl"
LISTS = (METADATA, "metadata.csv")  # where a folder has both, the first is read
# Pictures too, of kinds that are not read.
UNREADABLE = frozenset(
    (
        *(".heic", ".heif", ".hif", ".jxl", ".svg", ".svgz", ".eps", ".xcf", ".kra", ".exr", ".hdr"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    )
)
PACKED = (".parquet", ".tar")  # suffixes of files that hold many pictures, see :mod:`fromnoise.data.places`
# How the names of files end that are to be unpacked first: pictures cannot be read out of their middle.
ARCHIVES = (
    *(".zip", ".7z", ".rar", ".tgz", ".tbz", ".tbz2", ".txz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4"),
)


def called_picture(file: Path) -> bool:
    """Whether a file has a picture's suffix, also of a kind that is not read."""
    return file.suffix.lower() in readable_suffixes() | UNREADABLE


def is_caption(file: Path) -> bool:
    """Whether a file holds the words to the picture of its name."""
    return file.suffix.lower() == ".txt"


def is_list(file: Path) -> bool:
    """Whether a file speaks for its folder."""
    return file.name.lower() in LISTS


def is_packed(file: Path) -> bool:
    """Whether a file holds many pictures that can be read where they lie."""
    return file.suffix.lower() in PACKED


def is_archive(file: Path) -> bool:
    """Whether a file holds other files, and has to be unpacked."""
    return file.name.lower().endswith(ARCHIVES)
