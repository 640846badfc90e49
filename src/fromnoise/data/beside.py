"""Captions in ``.txt`` files beside pictures: of ``tom.jpg`` it is ``tom.txt``, or else ``tom.jpg.txt``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fromnoise.data.kinds import called_picture, is_archive, is_caption, is_list, is_packed
from fromnoise.data.record import MOST_SAID, Found, record_of, too_long
from fromnoise.ground.pictures import is_picture, open_picture
from fromnoise.ground.text import decoded, mark_of

SECOND = "not read, for another picture has its caption; give it a picture's suffix to use it, too"


class Captions:
    """The captions among some files, and whose they are.

    Args:
        files: sorted.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._named: dict[str, list[Path]] = {}
        for file in filter(is_caption, files):
            self._named.setdefault(_bare(file), []).append(file)

    def all_of(self, picture: Path) -> list[Path]:
        """Every caption of a picture; the first is the one that counts."""
        bare, whole = _bare(picture), str(picture)
        return [*self._named.get(bare, ()), *(self._named.get(whole, ()) if whole != bare else ())]

    def of(self, picture: Path) -> Path | None:
        """The caption of a picture; None where it has none."""
        return next(iter(self.all_of(picture)), None)

    def lonely(self, others: Iterable[Path]) -> list[Path]:
        """Captions that are of none of some other files."""
        known = {name for file in others for name in (_bare(file), str(file))}
        return sorted(file for name, files in self._named.items() if name not in known for file in files)


def _bare(file: Path) -> str:
    """The path without the last suffix; as text, for without theirs "..png" and "..txt" are no names of files."""
    return str(file).removesuffix(file.suffix)


def pictures_among(files: Sequence[Path], captions: Captions) -> tuple[list[Path], list[Path]]:
    """What has a picture's suffix, and what else has a caption that no such picture has; and files of any other suffix
    whose caption such a picture has, which may be pictures, too."""
    pictures = {f for f in files if called_picture(f)}
    owned = {caption for f in pictures for caption in captions.all_of(f)}
    others: list[Path] = []
    second: list[Path] = []
    for file in files:
        if file not in pictures and not (is_caption(file) or is_list(file) or is_packed(file) or is_archive(file)):
            caption = captions.of(file)
            if caption is not None:
                (second if caption in owned else others).append(file)
    return sorted([*pictures, *others]), second


def add_captioned(folder: Path, pictures: Sequence[Path], captions: Captions, found: Found) -> None:
    """Take in pictures with captions beside them.

    Args:
        folder: that they are named from.
        pictures: in it, as :func:`pictures_among` finds them.
        captions: all of the folder.
        found: takes them in, and what is left out.
    """
    for file in pictures:
        name = file.relative_to(folder).as_posix()
        try:
            if not file.is_file():
                raise ValueError("it is no file, or a link that leads nowhere")
            text, mark = _read(file, captions.of(file))
            if not called_picture(file):
                open_picture(file)  # notes.md beside notes.txt is no captioned picture
            facts = {"file_name": name, "text": text, "key": f"name:{text.lower()}"}
            found.add(facts, record_of(facts), file)
            if mark:
                found.noted.append((name, f"its caption is read, though it has {mark}"))
        except (OSError, ValueError) as error:
            found.left_out.append((name, getattr(error, "strerror", None) or str(error)))


def note_second(
    folder: Path, pictures: Sequence[Path], second: Sequence[Path], captions: Captions, found: Found
) -> None:
    """Note second captions of pictures, and second pictures of captions that are called as no picture is.

    Args:
        folder: that they are named from.
        pictures, second: as :func:`pictures_among` finds them.
        captions: all of the folder.
        found: takes the notes in.
    """
    told: dict[Path, str] = dict.fromkeys(filter(is_picture, second), SECOND)
    used = {captions.of(f) for f in pictures}
    for file in pictures:
        own = captions.all_of(file)
        told |= {caption: f"not read, for there is a {own[0].name}" for caption in own[1:] if caption not in used}
    found.noted.extend((file.relative_to(folder).as_posix(), why) for file, why in sorted(told.items()))


def _read(picture: Path, file: Path | None) -> tuple[str, str]:
    """The caption of a file, on one line, and how it is written where that is no plain UTF-8."""
    if file is None:
        raise ValueError(f"no caption: {picture.with_suffix('.txt').name} is missing")
    if not file.is_file():
        raise ValueError(f"its caption {file.name} is no file")
    with file.open("rb") as stream:
        data = stream.read(MOST_SAID + 1)
    if len(data) > MOST_SAID:
        raise ValueError(too_long(max(len(data), file.stat().st_size), f"its caption {file.name}"))
    try:
        return " ".join(decoded(data).split()), mark_of(data)
    except ValueError:
        raise ValueError(f"its caption {file.name} is no text in UTF-8") from None
