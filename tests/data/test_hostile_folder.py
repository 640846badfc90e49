"""A folder that somebody made to lead out of it, to break lines, or to be too much: nothing beside it is touched."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fromnoise.data.folders import read_folder
from fromnoise.data.pack import pack
from fromnoise.data.pictures import load_folder

SECRET = "the secret"
# As they may lie on a disk of Linux: lines, signs for the terminal, dots, an option, markup, bytes that are no UTF-8.
NAMES = (
    b"new\nline.png", b"a\r\nleft out b.png", b"\x1b[2Jclear.png", b"..png", b"...png", b"a..b.png", b"-rf.png",
    b"<img src=x onerror=alert(1)>.png", b"%2e%2e%2fup.png", b"..\\up.png", b"$(touch x).png", b"caf\xe9.png",
    "\u202egnp.exe.png".encode(), b" .png", b"con.png", b"~.png", "\u2028.png".encode(),
)  # fmt: skip
SAID = ("../secret.png", "/etc/hostname", "sub/../../secret.png", "..", ".", "", "/", "\n", "a\nb.png", "file:///etc/x",
        "http://127.0.0.1:1/x.png", "\\\\host\\x.png", "C:\\x.png", "~/x.png", "\x00", "\ud800.png",
        "x" * 300)  # fmt: skip

_HEARD: list[str] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _HEARD is not None and (event in ("open", "connect") or event.startswith(("os.", "shutil.", "socket.connect"))):
        _HEARD.extend(os.fsdecode(x) for x in arguments if isinstance(x, str | bytes | os.PathLike))


sys.addaudithook(_hear)  # for good, but silent outside of the block below


@contextmanager
def heard() -> Iterator[list[str]]:
    """Every path that is opened, listed, made or removed by this process inside the block."""
    global _HEARD
    _HEARD = found = []
    try:
        yield found
    finally:
        _HEARD = None


def tree(folder: Path) -> dict[str, bytes]:
    return {os.fsdecode(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file() and not f.is_symlink()}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A data folder beside a secret; half of its pictures have captions beside them, half are listed."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    (tmp_path / "secret.txt").write_text(SECRET)
    data, buffer = tmp_path / "data", io.BytesIO()
    for sub in ("beside", "listed"):
        (data / sub).mkdir(parents=True)
    for i, name in enumerate(NAMES):
        Image.new("RGB", (8, 8), (i, 99, 7)).save(buffer := io.BytesIO(), "PNG")
        file = os.fsencode(data / "beside") + b"/" + name
        Path(os.fsdecode(file)).write_bytes(buffer.getvalue())
        Path(os.fsdecode(file[:-4] + b".txt")).write_text("one\nof many")
    Path(os.fsdecode(os.fsencode(data / "beside") + b"/lost\xe9.png")).write_bytes(buffer.getvalue())  # no caption
    Image.new("RGB", (8, 8), "blue").save(data / "listed" / "good.png")
    rows = [{"file_name": name, "text": "x"} for name in (*SAID, "good.png")]
    (data / "listed" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (data / "listed" / "loop").symlink_to(data, target_is_directory=True)
    (data / "round.png").symlink_to(data / "round.png")
    return data


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_nothing_is_read_or_written_outside(hostile: Path, tmp_path: Path, run: Any) -> None:
    """Looked through, learnt from, packed and reported: what lies beside the folder is never opened."""
    before, out = tree(tmp_path), tmp_path / "out"
    out.mkdir()
    with heard() as paths:
        found = load_folder(hostile, 8)
        _, left_out = pack(str(hostile), out / "packed.parquet")
        report = run("data", "check", hostile, "--out", out / "report", "--workers", "1")
    touched = {os.path.abspath(path) for path in paths if path.startswith(str(tmp_path))}
    inside = (str(hostile), str(out))
    assert len(touched) > 2 * len(NAMES)  # it hears
    assert {path for path in touched if not path.startswith(inside)} <= {str(tmp_path)}
    assert {name: data for name, data in tree(tmp_path).items() if not name.startswith(str(out))} == before
    assert len(found.records) == sum(not name.startswith(b".") for name in NAMES) + 1
    assert len(found.quarantine) == len(SAID) + 2
    for record in found.records:
        record.file_name.encode()  # for lists, pages, answers and whatever else is written of it
    assert all(SECRET not in record.text for record in found.records)
    assert report.code == 0, report.err
    assert len(left_out) == len(SAID) + 2
    for line in (report.out + report.err).splitlines():
        assert line.isprintable(), line
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page


def test_members_of_a_tar_are_never_unpacked_to_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that lead out, links and devices in a shard: pictures are read where they lie, the others are left."""
    Image.new("RGB", (8, 8), "red").save(buffer := io.BytesIO(), "PNG")
    (tmp_path / "secret.txt").write_text(SECRET)
    shard = tmp_path / "data" / "a.tar"
    shard.parent.mkdir()
    with tarfile.open(shard, "w") as tar:

        def add(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(data), kind, link
            tar.addfile(member, io.BytesIO(data))

        for name in ("../../up", "/tmp/fromnoise-was-here", "in\nlines", "good"):
            add(f"{name}.png", buffer.getvalue())
            add(f"{name}.txt", b"a thing")
        add("link.png", kind=tarfile.SYMTYPE, link=str(tmp_path / "secret.txt"))
        add("link.txt", kind=tarfile.LNKTYPE, link="../secret.txt")
        add("device.png", kind=tarfile.CHRTYPE)
    before = tree(tmp_path)
    with heard() as paths:
        found = load_folder(shard.parent, 8)
    assert tree(tmp_path) == before
    assert not [path for path in paths if "secret" in path or "fromnoise-was-here" in path]
    assert {record.text for record in found.records} == {"a thing"}
    assert SECRET not in str(found.quarantine)


def test_a_list_in_each_of_many_folders_is_asked_about_its_own(tmp_path: Path) -> None:
    """Many lists, and pictures that none of them names: the time grows with their sum, not with their product."""

    def seconds(folders: int) -> float:
        place = tmp_path / str(folders)
        for i in range(folders):
            (place / f"{i:04d}" / "deep").mkdir(parents=True)
            (place / f"{i:04d}" / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}')
            (place / f"{i:04d}" / "a.png").touch()
            for j in range(3):
                (place / f"{i:04d}" / "deep" / f"{j}.png").touch()
        begin = time.process_time()
        found = read_folder(place)
        assert [len(found.entries), len(found.left_out)] == [folders, 3 * folders]
        assert {reason for _, reason in found.left_out} == {"no line of metadata.jsonl names it"}
        return time.process_time() - begin

    few = seconds(30)
    assert seconds(300) < 25 * max(few, 0.02)
