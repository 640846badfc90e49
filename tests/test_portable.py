"""Not only on Linux: what macOS, WSL's mounted disks or Windows lack is not used, or has something in its place."""

from __future__ import annotations

import ast
import ctypes
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil  # noqa: F401  (it reads its own part for this system, before the system is said to be another)
import pytest
import torch
from PIL import Image

import fromnoise
from fromnoise.cli.train import load_recipe
from fromnoise.drawing.picture_file import as_tensor
from fromnoise.ground.whole import allow, write_atomically
from fromnoise.models.layers import packed
from fromnoise.training.checkpoint import Checkpoint, newest, save
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.run import train

ROOT = Path(__file__).parents[1]
SOURCE = Path(fromnoise.__file__).parent
FILES = [*sorted(SOURCE.rglob("*.py")), *sorted((ROOT / "recipes").glob("*.py")), ROOT / "install.py"]

# Modules and names of the standard library that are not everywhere (its documentation: "Availability").
UNIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "crypt", "syslog", "curses"}
LINUX_ONLY = {
    *("sched_getaffinity", "sched_setaffinity", "posix_fadvise", "posix_fallocate", "memfd_create", "pipe2", "splice"),
    *("copy_file_range", "eventfd", "pidfd_open", "getrandom", "getxattr", "setxattr", "setns", "unshare"),
}
NOT_EVERYWHERE = {
    "os": {
        *LINUX_ONLY,
        *("fork", "forkpty", "getuid", "geteuid", "getgid", "setsid", "killpg", "nice", "uname", "sysconf", "statvfs"),
        *("mkfifo", "chown", "getloadavg", "wait3", "wait4", "waitid", "fchmod", "fchown", "lchown", "getpgid"),
    },
    "signal": {
        "SIGKILL",
        "SIGHUP",
        "SIGALRM",
        "SIGUSR1",
        "SIGUSR2",
        "SIGCHLD",
        "SIGSTOP",
        "alarm",
        "setitimer",
        "pause",
    },
    "time": {"tzset", "clock_gettime", "pthread_getcpuclockid"},
    "socket": {"AF_UNIX", "AF_NETLINK", "SO_REUSEPORT", "socketpair"},
}
LINUX_PATHS = re.compile(r"[\"'](/proc|/sys|/dev|/tmp|/etc|/var|/usr|/bin)\b[^\"']*[\"']")


def names_of(file: Path) -> tuple[set[str], set[tuple[str, str]], set[str]]:
    """Which modules a file imports, which names of them it uses, and which of these it asks for before."""
    modules, used, asked = set(), set(), set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(str(node.module).split(".")[0])
            used |= {(str(node.module), a.name) for a in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.add((node.value.id, node.attr))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            asked.add(ast.unparse(node.args[1]).strip("'\""))
    return modules, used, asked


def missing_elsewhere(file: Path) -> list[str]:
    """What a file uses without asking whether it is there."""
    modules, used, asked = names_of(file)
    found = sorted(modules & UNIX_MODULES)
    return found + [f"{m}.{n}" for m, n in sorted(used) if n in NOT_EVERYWHERE.get(m, ()) and n not in asked]


def test_what_is_not_everywhere_is_asked_for_before_it_is_used() -> None:
    assert {file: found for file in FILES if (found := missing_elsewhere(file))} == {}


def test_no_path_of_linux_is_in_the_code() -> None:
    for file in FILES:
        found = [m[0] for m in LINUX_PATHS.finditer(file.read_text(encoding="utf-8"))]
        assert [path for path in found if "nvidia" not in path] == [], file  # where a card's driver leaves traces


def test_what_is_not_everywhere_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("import os\nfrom signal import SIGKILL\nimport fcntl\nos.kill(os.fork(), SIGKILL)\nos.getpid()\n")
    assert missing_elsewhere(file) == ["fcntl", "os.fork", "signal.SIGKILL"]
    file.write_text("import os\nx = os.getloadavg() if hasattr(os, 'getloadavg') else 0\n")
    assert missing_elsewhere(file) == []


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac, as far as a test can make one: no names of Linux, no oneDNN, no glibc, a disk without permissions."""
    for name in LINUX_ONLY | {"getloadavg"}:
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("there is no glibc"))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    packed.can_pack.cache_clear()
    yield
    packed.can_pack.cache_clear()


def test_it_draws_elsewhere_and_redraws_the_same(
    elsewhere: None, run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    first = run("generate", "sun", "--seed", 1, "--steps", 2, "--model", tiny_model_folder, "--out", "a.png")
    assert (first.code, first.err) == (0, "")
    assert run("generate", "--again", "a.png", "--model", tiny_model_folder, "--out", "b.png").code == 0
    assert as_tensor(tmp_path / "a.png").equal(as_tensor(tmp_path / "b.png"))
    assert run("convert", tiny_model_folder, "copy").code == 0
    assert run("info", "copy").code == 0


def test_it_trains_elsewhere(elsewhere: None, tmp_path: Path) -> None:
    assert not keep_freed_memory()
    small = {
        "precision": "fp32",
        "threads": "1",
        "data.pixels": "32",
        "clip.image.pixels": "32",
        "diffusion.model.sample_size": "4",
    }
    small |= {"clip.loop.pictures": "64", "clip.loop.warmup": "32"}
    for _ in range(2):  # the second finds the checkpoint of the first
        train(load_recipe("first_model").with_overrides(small), "starter", tmp_path / "run", ("clip",))
    assert len(list((tmp_path / "run" / "clip").glob("step-*"))) == 1


def test_a_disk_that_knows_neither_permissions_nor_folders_keeps_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a memory card, a network share or WSL's /mnt/c may do."""
    synced = os.fsync

    def files_only(handle: int) -> None:
        if os.path.isdir(f"/dev/fd/{handle}"):
            raise OSError(22, "Invalid argument")
        synced(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    save(tmp_path, 3, Checkpoint({"x": {"a": torch.ones(2)}}, {"step": 3, "batch": 1}))
    kept, _ = newest(tmp_path)
    assert kept is not None
    assert kept.facts["step"] == 3
    file = tmp_path / "a.txt"
    write_atomically(file, "a")
    monkeypatch.setattr(Path, "chmod", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no")))
    allow(file, 0o644)


# As ``python -m fromnoise``, with another way to begin processes: macOS and Windows begin them anew ("spawn"), where
# they import the command's module again and are told their work, and Linux copies the one that is there ("fork").
BEGUN = """
import atexit, multiprocessing, runpy, sys
multiprocessing.set_start_method(sys.argv.pop(1))
atexit.register(lambda: print(multiprocessing.get_start_method(), file=sys.stderr))
runpy.run_module("fromnoise", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is only one way here")
def test_pictures_are_looked_through_by_processes_that_begin_as_on_macos(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(80):  # two processes are given 32 at a time
        Image.new("RGB", (40, 30 + i % 7), (3 * i, 255 - 3 * i, 90)).save(pictures / f"{i:02}.png")
        (pictures / f"{i:02}.txt").write_text(f"thing {i // 2}")
    shutil.copy(pictures / "07.png", pictures / "twice.png")
    shutil.copy(pictures / "07.txt", pictures / "twice.txt")
    (pictures / "torn.png").write_bytes((pictures / "08.png").read_bytes()[:60])
    (pictures / "torn.txt").write_text("nothing")
    said, reports = {}, {}
    for way in ("fork", "spawn"):
        out = tmp_path / way
        command = [sys.executable, "-c", BEGUN, way, "data", "check", str(pictures), "--out", str(out)]
        command += ["--model", str(tiny_model_folder), "--workers", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == way
        said[way] = done.stdout.replace(str(out), "OUT")
        reports[way] = {file.name: file.read_bytes() for file in out.iterdir()}
    assert "80 of 82" in said["fork"]
    assert said["spawn"] == said["fork"]
    assert b"torn.png" in reports["fork"]["left_out.csv"]
    assert b"twice.png" in reports["fork"]["left_out.csv"]
    assert reports["spawn"] == reports["fork"]


# --- make on macOS: GNU make 3.81 and BSD tools -----------------------------------------------------------------

NEWER_MAKE = (".ONESHELL", "$(file ", "::=", "!=", "$(intcmp", "$(let ", ".EXTRA_PREREQS", "--output-sync", "private ")
GNU_TOOLS = re.compile(
    r"\b(sed -i|sed -r|grep -P|readlink -f|date -d|cp --|rm --|mkdir --|xargs -r|stat -c|nproc|realpath|md5sum|timeout|"
    r"taskset|sha256sum|tac|find -|install -D|mktemp --|sort -V|head -c|\[\[)"
)


def test_the_makefile_asks_for_nothing_that_macos_lacks() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [word for word in NEWER_MAKE if word in text] == []
    for file in (ROOT / "Makefile", ROOT / ".ci" / "run"):
        assert GNU_TOOLS.findall(file.read_text(encoding="utf-8")) == []
    assert "SHELL" not in re.findall(r"^(\w+) *[:?]?=", text, re.MULTILINE)  # /bin/sh: dash here, bash 3.2 there


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_knows_what_to_do_when_the_variable_is_said_and_when_not(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "install.py"):
        shutil.copy(ROOT / name, tmp_path)
    # `make test` tells whatever make it finds inside that it is not alone (MAKELEVEL, MAKEFLAGS).
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "TORCH"))}
    for said in ([], ["TORCH=torch --index-url https://example.org/whl"]):
        done = subprocess.run(
            ["make", "-n", "picture", *said], cwd=tmp_path, env=alone, capture_output=True, text=True, check=True
        )
        lines = done.stdout.splitlines()
        assert lines[0] == "python3 install.py .venv"
        assert ".venv/bin/fromnoise sheet" in done.stdout
