"""Make the environment that fromnoise runs in: ``python3 install.py [--dev] [FOLDER]``; ``make`` calls it.

The versions are those of constraints.txt. PyTorch comes first: on Linux without an NVIDIA card the CPU build, since
the usual one brings gigabytes of CUDA packages. The variable TORCH chooses another, in pip's own words:

    make picture TORCH="torch==2.11.0"
    make picture TORCH="torch --index-url https://download.pytorch.org/whl/rocm6.4"
    make picture TORCH=skip                     # leave PyTorch to me: whatever is there stays

The choice is remembered in the environment's folder; ``make clean`` forgets it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OLDEST = (3, 11)
ASK = "import importlib.metadata as m; print(m.version('torch'))"


class Environment:
    """A virtual environment and its pip.

    Attributes:
        folder: where it is; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.note = self.folder / "torch-choice"

    def make(self) -> bool:
        """Make it, or finish one that was interrupted. Whether it went well; Python itself says what did not."""
        if self.python.exists() and shutil.which("pip", path=str(self.python.parent)):  # pip's command comes last
            return True
        return subprocess.run([sys.executable, "-m", "venv", str(self.folder)]).returncode == 0

    def pip(self, *arguments: str, quiet: bool = False) -> bool:
        """Run ``pip install``; whether it went well. ``quiet`` keeps its errors to itself."""
        # -I: what PYTHONPATH offers is not installed, though pip would take it for that
        command = [str(self.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, stderr=subprocess.DEVNULL if quiet else None, cwd=ROOT).returncode == 0

    def torch(self) -> str:
        """The version of PyTorch that is installed, with its build ("2.13.0+cpu"), or ""."""
        return subprocess.run(
            [str(self.python), "-I", "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout.strip()

    def choice(self) -> str:
        """What TORCH says now, or said when it was last installed; "" leaves it to us."""
        said = os.environ.get("TORCH", "").strip()
        return said or (self.note.read_text(encoding="utf-8").strip() if self.note.exists() else "")

    def remember(self, choice: str) -> None:
        """Keep what TORCH said for the next time, when pyproject.toml or constraints.txt has changed."""
        self.note.write_text(choice + "\n", encoding="utf-8")


def has_nvidia_card() -> bool:
    """Whether there is an NVIDIA card, by its driver's traces."""
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def lacks_torch() -> bool:
    """Whether PyTorch has no builds for this machine, or for the Python on it: Macs with Intel's processors."""
    return sys.platform == "darwin" and platform.machine() == "x86_64"


def pinned_torch(constraints: str) -> str:
    """The version of PyTorch that constraints.txt names."""
    found = re.search(r"^torch==(\S+)$", constraints, re.MULTILINE)
    assert found, "constraints.txt names no version of torch"
    return found[1]


def install_torch(environment: Environment, pin: str) -> bool:
    """Install PyTorch as TORCH says, or the build that fits this machine. Whether it went well."""
    choice, there = environment.choice(), environment.torch()
    if choice:
        print(f"PyTorch as TORCH says: {choice}", flush=True)
        well = choice == "skip" or environment.pip("-q", *shlex.split(choice))
        if well:
            environment.remember(choice)
        return well
    if there.split("+")[0] == pin or sys.platform != "linux" or has_nvidia_card():
        return True  # it is there; or pip's usual build, which comes with the rest, is the right one
    print(f"PyTorch {pin}, CPU build: there is no NVIDIA card here (TORCH=... takes another)", flush=True)
    patience = ("--timeout", "15", "--retries", "1")  # an index that cannot be reached must not hold anyone up
    if not environment.pip("--no-deps", *patience, "--index-url", CPU_INDEX, f"torch=={pin}+cpu", quiet=True):
        print(f"{CPU_INDEX} does not give it now. pip takes PyTorch from where it looks otherwise: that may be the")
        print("CUDA build, some gigabytes, which draws on the CPU just as well.", flush=True)
    return True


def held_torch(environment: Environment, pin: str) -> str:
    """The constraint on PyTorch for everything else: the very build that is there, if it is the one that is wanted."""
    there = environment.torch()
    if environment.choice():
        return f"torch=={there}" if there else "torch"
    return f"torch=={there if there.split('+')[0] == pin else pin}"


def install_rest(environment: Environment, constraints: str, extras: str) -> bool:
    """Install fromnoise and what it needs; PyTorch stays as it is. Whether it went well."""
    held = held_torch(environment, pinned_torch(constraints))
    file = environment.folder / "constraints.txt"
    file.write_text(re.sub(r"^torch==\S+$", held, constraints, flags=re.MULTILINE), encoding="utf-8")
    return environment.pip("-q", "-c", str(file), "-e", f".{extras}")


def main() -> int:
    """Install; the exit code."""
    parser = argparse.ArgumentParser(description="Make the environment that fromnoise runs in.")
    parser.add_argument("folder", nargs="?", default=".venv", type=Path, help="the environment's folder")
    parser.add_argument("--dev", action="store_true", help="with everything that the tests need")
    options = parser.parse_args()
    if sys.version_info < OLDEST:
        print(f"fromnoise needs Python 3.11 or newer, not {sys.version.split()[0]}: make picture PYTHON=python3.11")
        return 1
    environment = Environment(options.folder)
    if lacks_torch() and not environment.choice():
        print(
            "PyTorch is no longer built for Intel Macs. On a Mac with an M processor, use a Python for arm64, not one"
        )
        print('that runs under Rosetta; a PyTorch of your own is taken with: make picture TORCH="..." (see install.py)')
        return 1
    if not environment.make():
        return 1
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    if not install_torch(environment, pinned_torch(constraints)):
        return 1
    print("fromnoise and what it needs, which takes some minutes the first time", flush=True)
    return 0 if install_rest(environment, constraints, "[dev]" if options.dev else "") else 1


if __name__ == "__main__":
    sys.exit(main())
