"""Data sets of Hugging Face ``datasets``: saved on disk, or from the hub. Their pictures stay in files that the library
maps into memory, so that a set may be larger than it.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fromnoise.data.columns import picture_column
from fromnoise.data.packed import take
from fromnoise.data.record import Found
from fromnoise.ground.errors import UserError, missing_packages, one_line

HUB = "hf:"  # stands before the id of a data set on the hub
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(/[\w.-]+)?")


def is_saved(folder: Path) -> bool:
    """Whether a folder holds what ``save_to_disk`` of Hugging Face ``datasets`` writes."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def read_saved(place: str) -> Found:
    """All pictures of a folder that ``datasets`` saved, or of "hf:owner/name", not decoded, and what is left out.

    Raises:
        UserError: no such data set, no pictures or captions in it, the hub cannot be reached, or datasets is missing.
    """
    found = Found()
    for split, data in _splits(place).items():
        column = picture_column(data.column_names)
        if column is None:
            has = ", ".join(data.column_names)
            raise UserError(f"{place} has no column with pictures, such as 'image'; it has {has}")
        for number, facts in enumerate(_facts(data, column)):
            name = str(facts.get("file_name") or f"{split or 'row'} {number + 1}")
            of = facts.get("split") or ("" if split == "all" else split)
            take(found, {**facts, "split": of}, name, SavedPicture(place, split, column, number))
    return found.or_nothing(place)


@dataclass(frozen=True)
class SavedPicture:
    """A picture in a data set of ``datasets``.

    Attributes:
        place: a folder or "hf:owner/name".
        split, column, row: where in it.
    """

    place: str
    split: str
    column: str
    row: int

    def read_bytes(self) -> bytes:
        """The picture file's bytes."""
        image = _pictures(self.place, self.split, self.column)[self.row][self.column]
        if isinstance(image, dict):
            path, image = image.get("path"), image.get("bytes")
            if image is None and path:
                return Path(path).read_bytes()
        if not isinstance(image, bytes):
            raise ValueError("the row has no picture")
        return image

    def stamp(self) -> str:
        """Changes when the data set does."""
        return f"{getattr(_splits(self.place)[self.split], '_fingerprint', '')} {self.row}"


@functools.lru_cache(maxsize=8)
def _pictures(place: str, split: str, column: str) -> Any:
    """The column of pictures alone, as files rather than decoded."""
    from datasets import Image

    data = _splits(place)[split].select_columns([column])
    return data.cast_column(column, Image(decode=False)) if isinstance(data.features[column], Image) else data


def _facts(data: Any, column: str) -> Iterator[dict[str, Any]]:
    """What each row says beside its picture; classes by their names."""
    others = data.remove_columns([column])
    if not others.column_names:
        yield from ({} for _ in range(len(data)))
    yield from (classes_named(row, others.features) for row in others)


def classes_named(row: dict[str, Any], features: Any) -> dict[str, Any]:
    """A row whose classes are called by their names."""
    names = {name: kind for name, kind in features.items() if name in row and hasattr(kind, "int2str")}
    known = ((name, kind) for name, kind in names.items() if row[name] is not None and row[name] >= 0)
    return {**row, **{name: kind.int2str(row[name]).replace("_", " ") for name, kind in known}}


@functools.lru_cache(maxsize=4)
def _splits(place: str) -> dict[str, Any]:
    """The splits of a data set by their names; "all" where it has but one that is not named."""
    try:
        import datasets
    except ImportError as error:
        raise missing_packages("such data sets need datasets", "train") from error
    try:
        found = _from_hub(datasets, place) if place.startswith(HUB) else datasets.load_from_disk(place)
    except UserError:
        raise
    except Exception as error:  # of a dozen kinds
        said = one_line(str(error) or type(error).__name__)[:200]
        raise UserError(f"{place} cannot be opened with Hugging Face datasets: {said}") from None
    return dict(found) if isinstance(found, dict) else {"all": found}


def hub_id(place: str) -> tuple[str, list[str]]:
    """ "owner/name" of a place on the hub, and its configuration in a list, or none.

    Raises:
        UserError: it names none.
    """
    name = place.removeprefix(HUB)
    if not _ID.fullmatch(name):
        raise UserError(f"'{place}' names no data set on the hub; write hf:owner/name, or hf:owner/name/configuration")
    owner, kind, *configuration = name.split("/")
    return f"{owner}/{kind}", configuration


def quiet_hub() -> None:
    """Let the hub's library say errors only: each try again would be a line, and what became of all is told by us."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _from_hub(datasets: Any, place: str) -> Any:
    name, configuration = hub_id(place)
    quiet_hub()
    try:
        return datasets.load_dataset(name, *configuration)
    except (ConnectionError, OSError) as error:
        if isinstance(error, FileNotFoundError) and "hub" not in str(error).lower():
            raise
        raise UserError(
            f"the data set {name} cannot be fetched ({one_line(str(error))[:120]}): check its name and the connection, "
            "or give a folder that is here"
        ) from None
