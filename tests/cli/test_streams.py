"""Commands do their work whether or not anybody reads what they print."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from fromnoise.cli.streams import Forgiving

# Each: the arguments, and the file that shows that the work was done ("" for commands that only print).
COMMANDS = {
    "info": (["info", "{model}"], ""),
    "generate": (["generate", "sun", "--steps", "1", "--model", "{model}", "--out", "a.png"], "a.png"),
    "film": (["film", "run", "--out", "f.gif"], "f.gif"),
    "convert": (["convert", "{model}", "copy"], "copy/model_index.json"),
    "story": (["story", "--model", "{story}", "--seed", "1", "--steps", "2"], ""),
    "pack": (["data", "pack", "pictures", "p.parquet"], "p.parquet"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a run's sheets, and some pictures."""
    sheets = tmp_path / "run" / "diffusion" / "sheets"
    for place, names in ((sheets, ("0000000001", "0000000002")), (tmp_path / "pictures", ("a", "b"))):
        place.mkdir(parents=True)
        for shade, name in enumerate(names):
            Image.new("RGB", (16, 16), (90 * shade, 0, 0)).save(place / f"{name}.png")
    for name in ("a", "b"):
        (tmp_path / "pictures" / f"{name}.txt").write_text(name)
    return tmp_path


def started(arguments: list[str], ending: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", f'"$@" {ending}', "sh", sys.executable, "-m", "fromnoise", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)


# Runs every command in one process, each with its streams closed and absent, as Python finds them after ``>&-``.
ALL_OF_THEM = """
import json, os, sys
from fromnoise.cli.entry import main
with open("commands.json") as file:
    commands = json.load(file)
codes = {}
for name, arguments in commands.items():
    for number in (0, 1, 2):
        try:
            os.close(number)
        except OSError:
            pass
    sys.stdin = sys.stdout = sys.stderr = sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None
    sys.argv = ["fromnoise", *arguments]
    try:
        main()
    except SystemExit as end:
        codes[name] = end.code
with open("codes.json", "w") as file:
    json.dump(codes, file)
"""


def test_commands_work_without_output_and_error(folder: Path, tiny_model_folder: Path, tiny_story_folder: Path) -> None:
    places = {"model": tiny_model_folder, "story": tiny_story_folder}
    commands = {name: [word.format(**places) for word in words] for name, (words, _) in COMMANDS.items()}
    assert started(commands["generate"], ">&- 2>&- <&-", folder).returncode == 0
    (folder / "a.png").rename(folder / "first.png")
    (folder / "commands.json").write_text(json.dumps(commands))
    done = subprocess.run([sys.executable, "-c", ALL_OF_THEM], cwd=folder, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "codes.json").read_text()) == dict.fromkeys(COMMANDS, 0)
    for name, (_, file) in COMMANDS.items():
        assert not file or (folder / file).stat().st_size > 0, name
    Image.open(folder / "a.png").load()  # nothing was printed into it
    Image.open(folder / "first.png").load()


@pytest.mark.parametrize("ending", [">&-", "2>&-"])
def test_what_is_closed_does_not_land_in_the_other_or_in_a_file(
    ending: str, folder: Path, tiny_model_folder: Path
) -> None:
    wrong = started(["generate", "sun", "--model", "none"], ending, folder)
    assert wrong.returncode == 2
    assert wrong.stdout == b""
    assert wrong.stderr.count(b"\n") == (ending == ">&-")
    right = started(["sheet", "--prompt", "sun", "--steps", "1", "--model", str(tiny_model_folder), "--out", "s.png"],
                    ending, folder)  # fmt: skip
    assert right.returncode == 0
    assert bool(right.stdout) == (ending == "2>&-")
    Image.open(folder / "s.png").load()  # nothing was printed into it


def test_a_reader_that_leaves_does_not_stop_the_work(folder: Path, tiny_model_folder: Path) -> None:
    lines = '"$0" -m fromnoise info "$1" 2>err; echo $? >rc'
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        command = ["sh", "-c", lines, sys.executable, str(tiny_model_folder)]
        subprocess.run(command, cwd=folder, stdout=pipe, stderr=pipe, timeout=120, check=False)
    assert ((folder / "rc").read_text(), (folder / "err").read_text()) == ("0\n", "")


def test_a_stream_drops_what_a_closed_pipe_does_not_take() -> None:
    reader, writer = os.pipe()
    stream = io.TextIOWrapper(io.BufferedWriter(Forgiving(writer, BrokenPipeError)), "utf-8")  # type: ignore[arg-type]
    print("first", file=stream, flush=True)
    assert os.read(reader, 99) == b"first\n"
    os.close(reader)
    for _ in range(3):
        print("x" * 100_000, file=stream, flush=True)
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_told_and_behind_the_errors_is_not(
    folder: Path, tiny_model_folder: Path
) -> None:
    told = started(["info", str(tiny_model_folder)], ">/dev/full", folder)
    assert told.returncode == 2
    assert b"cannot write to standard output" in told.stderr
    assert told.stderr.count(b"\n") == 1
    assert started(["info", str(tiny_model_folder)], "2>/dev/full", folder).returncode == 0


def test_a_disk_that_is_full_elsewhere_is_not_told_as_the_output() -> None:
    """The name of a file that was open already is not in the error."""
    code = (
        "import errno, os, fromnoise.cli.entry as entry\n"
        "def full(**_): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "entry.app = full\n"
        "entry.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = "fromnoise: a disk is full (No space left on device): free some space and run again\n"
    assert (done.returncode, done.stderr) == (2, said)
