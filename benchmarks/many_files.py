"""How long does it take to find the pictures of a folder of very many files, and how much memory?

    python benchmarks/many_files.py --files 1000000

So many files in folders of a thousand: pictures with a caption beside each; pictures with a list in each folder; and
pictures of which no list says anything, in folders that have one. They are empty, and nothing is decoded. Printed:
seconds of CPU, and memory, of a process that finds them. TMPDIR says where they are made (a tmpfs is quickest).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from formats import machine

PER_FOLDER = 1000  # pictures


def fill(folder: Path, pictures: int, listed: bool, named: bool = True) -> None:
    """Make empty pictures, with a caption beside each, or with a list in each folder, which may name none of them."""
    for first in range(0, pictures, PER_FOLDER):
        place = folder / f"{first:07d}"
        place.mkdir(parents=True)
        names = [f"{i:07d}" for i in range(first, min(pictures, first + PER_FOLDER))]
        for name in names:
            (place / f"{name}.png").touch()
            if not listed:
                (place / f"{name}.txt").write_text(f"number {name}")
        if listed:
            shown = names if named else names[:1]
            rows = (json.dumps({"file_name": f"{name}.png", "text": f"number {name}"}) for name in shown)
            (place / "metadata.jsonl").write_text("\n".join(rows))


def read(folder: Path) -> dict[str, float]:
    """What a process of its own needs to find all of them."""
    script = (
        "import json, resource, sys, time; from pathlib import Path; from fromnoise.data.folders import read_folder\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; begin = time.process_time()\n"
        "found = read_folder(Path(sys.argv[1])); seconds = time.process_time() - begin\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(json.dumps([len(found.entries), len(found.left_out), seconds, (after - before) / 1024]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    return dict(zip(("pictures", "left out", "seconds", "MiB"), json.loads(done.stdout), strict=True))


def main() -> None:
    """Fill, read, tell, clear away."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    asked = parser.parse_args()
    print(machine())
    kinds = (
        ("a caption beside each", False, True),
        ("a list in each folder", True, True),
        ("lists that name one of a thousand", True, False),
    )
    for kind, listed, named in kinds:
        place = Path(tempfile.mkdtemp(prefix="fromnoise-many-"))
        try:
            fill(place, asked.files if listed else asked.files // 2, listed, named)
            found = read(place)
        finally:
            shutil.rmtree(place)
        said = f"{found['pictures']:,.0f} pictures, {found['left out']:,.0f} left out"
        print(f"{kind}: {said}, {found['seconds']:.1f} s, {found['MiB']:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
