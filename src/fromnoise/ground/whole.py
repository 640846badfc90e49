"""Files and folders that are written whole or not at all: beside the target, then renamed over it.

Whoever looks at the target meanwhile, or after a full disk, a Ctrl-C or a ``kill -9``, sees the old one or the new one.
A folder that is replaced needs two renames, since no portable call exchanges two folders: a ``kill -9`` in the
microseconds between them leaves the old one beside the target, hidden, with a name that ends in ``.old``.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fromnoise.ground.errors import UserError

_COUNT = itertools.count()
_OWNER = re.compile(
    r"(?:^|\.)(?P<process>[1-9]\d*)-(?:(?P<machine>[0-9a-f]{8})-)?\d+\.tmp(?:\.|$)"
)  # as _own writes it


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a draft to write to, which becomes ``file`` when all is well and is removed otherwise.

    The draft lies in the same folder (a rename across file systems would be a copy) and has its final suffix, because
    some libraries choose the format by it.

    Args:
        file: may exist; then it is replaced. A link stays a link: what it leads to is replaced.

    Raises:
        UserError: a folder or a device (``/dev/null``) has that name; a rename would put a file in its place.
        OSError: of whatever was written; callers say what it was with :class:`UserError`.
    """
    if file.exists() and not file.is_file():
        raise UserError(f"cannot write {file}: that is {'a folder' if file.is_dir() else 'no ordinary file'}")
    file = Path(os.path.realpath(file))
    draft = draft_of(file)
    try:
        yield draft
        os.replace(draft, file)
    finally:  # also after Ctrl-C; once the draft is renamed there is nothing left to remove
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def allow(file: Path, mode: int) -> None:
    """Give a file its permissions, where the file system has any: memory cards and network shares may refuse."""
    with contextlib.suppress(OSError):
        file.chmod(mode)


def draft_of(file: Path) -> Path:
    """A name under which a file is written before it is whole: hidden, and of this process and this call alone."""
    return file.with_name(f".{_own()}.tmp.{file.name}")


def _own() -> str:
    """Two threads, or two machines on a shared disk, must not write into each other's draft."""
    return f"{os.getpid()}-{_machine()}-{next(_COUNT)}"


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def sweep(folder: Path, name: str = "*") -> None:
    """Remove drafts that were left in a folder by processes of this machine that live no more, as after ``kill -9``.

    Args:
        folder: whose files and folders were being written.
        name: which of them; "*" for all.
    """
    if os.name != "posix":  # elsewhere there is no asking after a process that does it no harm
        return
    name = "*" if name == "*" else glob.escape(name)
    with contextlib.suppress(OSError):
        for left in (*folder.glob(f".{name}.*-*.tmp"), *folder.glob(f".*-*.tmp.{name}")):
            owner = _OWNER.search(left.name)
            if owner and owner["machine"] in (None, _machine()) and not _lives(int(owner["process"])):
                _remove(left)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _remove(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def write_atomically(file: Path, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, so that nobody ever sees half a file.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        with whole_file(file) as draft:
            draft.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None


@contextmanager
def whole_folder(target: Path, mark: str = "", what: str = "a model") -> Iterator[Path]:
    """Give a new folder to write to, which takes the place of ``target`` when all is well, whole or not at all.

    Args:
        target: may exist if it is empty or holds ``mark``.
        mark: the file that tells our kind of folder; "": whatever is there may be replaced.
        what: what the folder holds, for messages.

    Raises:
        UserError: the target holds something else.
        OSError: of whatever was written.
    """
    _check_replaceable(target, mark, what)
    target = Path(os.path.realpath(target))  # a link stays a link, and "." has a name
    draft = target.with_name(f".{target.name}.{_own()}.tmp")
    sweep(target.parent, target.name)
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        yield draft
        _swap(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_replaceable(target: Path, mark: str, what: str) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; give {what} another folder")
    if mark and target.is_dir() and any(target.iterdir()) and not (target / mark).exists():
        raise UserError(f"{target} holds something that is not {what}; give {what} an empty or new folder")


def _swap(draft: Path, target: Path) -> None:
    """Put the finished folder in place. The old one is moved aside first and comes back if that fails."""
    if not target.exists():
        os.replace(draft, target)
        return
    old = draft.with_suffix(".old")
    try:
        os.replace(target, old)
        os.replace(draft, target)
    finally:  # also after Ctrl-C
        if not target.exists():
            os.replace(old, target)
        shutil.rmtree(old, ignore_errors=True)
