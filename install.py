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

    def make(self) -> bool:
        """Make it, unless it is there. Whether it went well; Python itself says what did not."""
        if self.python.exists():
            return True
        well = subprocess.run([sys.executable, "-m", "venv", str(self.folder)]).returncode == 0
        if not well:  # half of one would be taken for a whole one next time
            shutil.rmtree(self.folder, ignore_errors=True)
        return well

    def pip(self, *arguments: str, quiet: bool = False) -> bool:
        """Run ``pip install``; whether it went well. ``quiet`` keeps its errors to itself."""
        command = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, stderr=subprocess.DEVNULL if quiet else None, cwd=ROOT).returncode == 0

    def torch(self) -> str:
        """The version of PyTorch that is installed, with its build ("2.13.0+cpu"), or ""."""
        return subprocess.run(
            [str(self.python), "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout.strip()

    def choice(self) -> str:
        """What TORCH says now, or said when the environment was made last; "" leaves it to us."""
        note = self.folder / "torch-choice"
        said = os.environ.get("TORCH", "").strip()
        if said:
            note.write_text(said + "\n", encoding="utf-8")
        return said or (note.read_text(encoding="utf-8").strip() if note.exists() else "")


def wants_cpu_build() -> bool:
    """Whether this machine is better off with the CPU build: Linux without an NVIDIA card."""
    return sys.platform == "linux" and shutil.which("nvidia-smi") is None and not Path("/dev/nvidia0").exists()


def pinned_torch(constraints: str) -> str:
    """The version of PyTorch that constraints.txt names."""
    found = re.search(r"^torch==(\S+)$", constraints, re.MULTILINE)
    assert found, "constraints.txt names no version of torch"
    return found[1]


def install_torch(environment: Environment, pin: str) -> bool:
    """Install PyTorch as TORCH says, or the build that fits this machine. Whether it went well."""
    choice, there = environment.choice(), environment.torch()
    if choice == "skip":
        return True
    if choice:
        print(f"PyTorch as TORCH says: {choice}", flush=True)
        return environment.pip("-q", *shlex.split(choice))
    if there.split("+")[0] == pin or not wants_cpu_build():
        return True  # it is there; or pip's usual build, which comes with the rest, is the right one
    print(f"PyTorch {pin}, CPU build: there is no NVIDIA card here (TORCH=... takes another)", flush=True)
    patience = ("--timeout", "15", "--retries", "1")  # an index that cannot be reached must not hold anyone up
    if not environment.pip("--no-deps", *patience, "--index-url", CPU_INDEX, f"torch=={pin}+cpu", quiet=True):
        print(f"{CPU_INDEX} does not give it now. pip takes PyTorch from where it looks otherwise: that may be the")
        print("CUDA build, some gigabytes, which draws on the CPU just as well.", flush=True)
    return True


def install_rest(environment: Environment, constraints: str, extras: str) -> bool:
    """Install fromnoise and what it needs; PyTorch stays as it is, if it is there. Whether it went well."""
    there, skipped = environment.torch(), environment.choice() == "skip"
    if there or skipped:
        line = f"torch=={there}" if there else "torch"
        constraints = re.sub(r"^torch==\S+$", line, constraints, flags=re.MULTILINE)
    file = environment.folder / "constraints.txt"
    file.write_text(constraints, encoding="utf-8")
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
    if not environment.make():
        return 1
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    well = install_torch(environment, pinned_torch(constraints))
    print("fromnoise and what it needs, which takes some minutes the first time", flush=True)
    return 0 if well and install_rest(environment, constraints, "[dev]" if options.dev else "") else 1


if __name__ == "__main__":
    sys.exit(main())
