"""Files and folders are written whole or not at all: the old one stays whatever goes wrong, and no draft is left."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import draft_of, sweep, whole_file, whole_folder, write_atomically

FULL = OSError(errno.ENOSPC, "No space left on device")
TROUBLES = [FULL, KeyboardInterrupt(), RuntimeError("a fault of ours"), SystemExit(3), GeneratorExit()]


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Every name and byte below a folder is afterwards what it was before."""
    before = content(folder)
    yield
    assert content(folder) == before


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(f.relative_to(folder)): f.read_bytes() if f.is_file() else None for f in sorted(folder.rglob("*"))}


def write_file(target: Path, trouble: BaseException | None = None) -> None:
    with whole_file(target) as draft:
        draft.write_bytes(b"half")
        if trouble is not None:
            raise trouble
        draft.write_bytes(b"whole")


def write_folder(target: Path, trouble: BaseException | None = None) -> None:
    with whole_folder(target, "mark.json") as draft:
        (draft / "inner").mkdir()
        (draft / "mark.json").write_bytes(b"new")
        if trouble is not None:
            raise trouble
        (draft / "inner" / "a").write_bytes(b"whole")


NEW_FOLDER = {"inner": None, "inner/a": b"whole", "mark.json": b"new"}
Write = Callable[..., None]


@pytest.fixture(params=["new", "there"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Write], Path]:
    """A target that does not exist yet, or one that holds something older."""

    def make(write: Write) -> Path:
        (tmp_path / "beside").write_bytes(b"precious")
        target = tmp_path / ("file.png" if write is write_file else "model")
        if request.param == "there":
            if write is write_file:
                target.write_bytes(b"old")
            else:
                (target / "old").mkdir(parents=True)
                (target / "mark.json").write_bytes(b"old")
        return target

    return make


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_what_is_whole_takes_the_place_and_leaves_nothing_beside_it(write: Write, place: Callable[..., Path]) -> None:
    target = place(write)
    write(target)
    assert {path.name for path in target.parent.iterdir()} == {"beside", target.name}
    assert (target.read_bytes() if write is write_file else content(target)) == (
        b"whole" if write is write_file else NEW_FOLDER
    )


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: type(trouble).__name__)
@pytest.mark.parametrize("write", [write_file, write_folder])
def test_trouble_while_writing_leaves_everything_as_it_was(
    write: Write, trouble: BaseException, place: Callable[..., Path]
) -> None:
    target = place(write)
    with unchanged(target.parent), pytest.raises(type(trouble)) as said:
        write(target, trouble)
    assert said.value is trouble


@pytest.mark.parametrize("trouble", [FULL, KeyboardInterrupt()], ids=["full", "ctrl-c"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("write", [write_file, write_folder])
def test_trouble_at_a_rename_leaves_the_old_one_or_the_new_one(
    write: Write,
    number: int,
    moment: str,
    trouble: BaseException,
    place: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first or second rename fails, or is done and Ctrl-C comes right after it."""
    target, real, calls = place(write), os.replace, iter(range(100))
    old = content(target.parent)

    def replace(source: Path, to: Path) -> None:
        hit = next(calls) == number
        if hit and moment == "before":
            raise trouble
        real(source, to)
        if hit:
            raise trouble

    monkeypatch.setattr(os, "replace", replace)
    try:
        write(target)
    except (OSError, KeyboardInterrupt) as error:
        assert error is trouble  # noqa: PT017
    found = content(target.parent)
    monkeypatch.undo()
    write(target)
    assert found in (old, content(target.parent))


@pytest.mark.parametrize("data", [b"\x00\xff", "ünï 🍎\r\n"], ids=["bytes", "text"])
def test_bytes_and_text_are_written_as_they_are(data: bytes | str, tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == (data if isinstance(data, bytes) else data.encode())


def test_a_full_disk_is_told_in_one_line_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.json"
    file.write_text("old")

    def full(draft: Path, data: bytes) -> None:
        draft.touch()
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", full)
    with unchanged(tmp_path), pytest.raises(UserError, match=rf"^cannot write {file}: No space left on device$"):
        write_atomically(file, b"new")


def test_a_file_whose_folder_is_missing_is_told_and_no_folder_is_made(tmp_path: Path) -> None:
    with unchanged(tmp_path), pytest.raises(UserError, match=r"cannot write .*/missing/a: No such file or directory"):
        write_atomically(tmp_path / "missing" / "a", b"new")


@pytest.mark.parametrize("kind", ["a folder", "no ordinary file"])
def test_what_is_no_file_is_not_replaced_by_one(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = Path("target")
    target.mkdir() if kind == "a folder" else os.mkfifo(target)
    with pytest.raises(UserError, match=f"^cannot write target: that is {kind}$"):
        write_file(target)
    assert target.is_dir() if kind == "a folder" else target.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(write: Write, there: bool, tmp_path: Path) -> None:
    real, link = tmp_path / "disk" / "real.png", tmp_path / "here" / "link.png"
    real.parent.mkdir()
    link.parent.mkdir()
    if there:
        write(real)
    link.symlink_to(real)
    write(link)
    assert link.is_symlink()
    assert link.resolve() == real
    assert (real.read_bytes() if write is write_file else content(real)) == (
        b"whole" if write is write_file else NEW_FOLDER
    )
    assert [path.name for path in (*real.parent.iterdir(), *link.parent.iterdir())] == ["real.png", "link.png"]


def test_the_folder_one_stands_in_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path / "model")
    write_folder(Path())
    assert content(tmp_path) == {"model": None} | {f"model/{name}": data for name, data in NEW_FOLDER.items()}


def test_a_missing_folder_above_is_made(tmp_path: Path) -> None:
    write_folder(tmp_path / "a" / "b" / "model")
    assert content(tmp_path / "a" / "b" / "model") == NEW_FOLDER


@pytest.mark.parametrize("mark", ["mark.json", "inner/mark.json"])
def test_a_folder_of_something_else_is_refused_untouched(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = Path("photos")
    (photos / "inner").mkdir(parents=True)
    (photos / "holiday.png").write_bytes(b"precious")
    message = "^photos holds something that is not a story; give a story an empty or new folder"
    with unchanged(tmp_path), pytest.raises(UserError, match=message), whole_folder(photos, mark, "a story"):
        raise AssertionError("nothing may be written")
    (photos / mark).touch()
    with whole_folder(photos, mark, "a story") as draft:
        (draft / "new").touch()
    assert content(tmp_path) == {"photos": None, "photos/new": b""}


def test_an_empty_folder_and_one_without_a_mark_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_folder(tmp_path / "model")
    with whole_folder(tmp_path / "model") as draft:
        (draft / "other").touch()
    assert content(tmp_path) == {"model": None, "model/other": b""}


def test_a_file_in_a_folders_place_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"precious")
    with unchanged(tmp_path), pytest.raises(UserError, match="model is a file; give a model another folder"):
        write_folder(tmp_path / "model")


def test_a_draft_lies_beside_its_file_hidden_and_with_its_suffix(tmp_path: Path) -> None:
    draft = draft_of(tmp_path / "a.png")
    assert (draft.parent, draft.suffix, draft.name[0]) == (tmp_path, ".png", ".")
    assert draft_of(tmp_path / "a.png") != draft


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_two_threads_that_write_the_same_do_not_meet(write: Write, tmp_path: Path) -> None:
    """Both are in the middle at once; then each is done, and what is there is whole."""
    target, both = tmp_path / "same", threading.Barrier(2, timeout=240)
    troubles: list[BaseException] = []

    def work() -> None:
        try:
            with whole_file(target) if write is write_file else whole_folder(target) as draft:
                both.wait()
                (draft if write is write_file else draft / "a").write_bytes(b"whole")
                both.wait()
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if write is write_file:
        assert troubles == []
    assert [path.name for path in tmp_path.iterdir()] == ["same"]
    assert (target if write is write_file else target / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("write", ["write_file", "write_folder"])
def test_kill_minus_nine_while_writing_leaves_the_old_one(write: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_whole import write_file, write_folder
target = Path({str(target)!r})
{write}(target)
with __import__("fromnoise.ground.whole", fromlist=["x"]).{write.replace("write", "whole")}(target) as draft:
    (draft if {write == "write_file"} else draft / "half").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    found = target.read_bytes() if write == "write_file" else content(target)
    assert found == (b"whole" if write == "write_file" else NEW_FOLDER)


KILLED = """
import os, signal, sys
from pathlib import Path
from fromnoise.ground.whole import whole_file, whole_folder
target = Path(sys.argv[1])
with whole_folder(target / "model", "mark.json") as folder, whole_file(target / "run.json") as file:
    (folder / "half").write_bytes(b"half")
    file.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="asks after processes")
def test_what_kill_leaves_is_swept_and_what_is_being_written_stays(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert sorted(f.name.split(".")[1] for f in tmp_path.iterdir()).count("model") == 1
    assert len(list(tmp_path.iterdir())) == 2
    others = [
        ".model.tmp",
        ".modelling.1-0.tmp.d",
        ".notes",
        f".model.{os.getpid()}-7.tmp",
        ".model.4000000-deadbeef-0.tmp",
    ]
    for name in others:  # of no process, of this one, and of another machine
        (tmp_path / name).mkdir()
    write_folder(tmp_path / "model")  # sweeps its own
    assert [f.name for f in tmp_path.glob(".*.tmp.run.json")]
    sweep(tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted([*others, "model"])
    assert content(tmp_path / "model") == NEW_FOLDER
