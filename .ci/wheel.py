"""The package as people get it: built, installed into an empty environment away from the sources, and used there.

First with what ``pip install fromnoise`` brings: draw, sheet, story, studio, the library; then with the extra
``train``: data from npm, packed data, a tiny training of each kind and what can be done with it. Ends with code 1 at
the first thing that goes wrong, and says which.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from install import ROOT, Environment, install_torch, pinned_torch

LARGEST = 90 * 2**20
PATIENCE = 600  # seconds for one command
SAME_PIXELS = (
    "import sys; from PIL import Image; a, b = map(Image.open, sys.argv[1:]); assert a.tobytes() == b.tobytes()"
)
LIBRARY = """
import fromnoise
model = fromnoise.load()
model("red apple", style="noto", seed=7)[0].save("library.png")
"""
# A whole build takes minutes; one small set goes the same way: npm, names, fixes.json, drawing, splits, credits.
STICKERS = """
from fromnoise.data.stickers import StickersConfig, build
from fromnoise.data.stickers.sets import SETS
if __name__ == "__main__":
    summary = build(StickersConfig("stickers", pixels=16), tuple(s for s in SETS if s.style == "fxemoji"))
    assert summary.pictures > 800, summary
"""
SHORT = tuple(f"{task}.loop.{what}" for task in ("clip", "vae", "diffusion") for what in ("pictures=64", "warmup=32"))
SHORT_STORY = ("vocabulary=6000", "loop.pictures=512", "loop.warmup=256")


class Failed(Exception):
    """What went wrong, for a person to read."""


class Installed:
    """The package in an environment of its own, used from an empty folder.

    Attributes:
        environment: where it is installed.
        folder: where commands run.
    """

    def __init__(self, folder: Path) -> None:
        self.environment = Environment(folder / "environment")
        self.environment.make()
        self.folder = folder / "use"
        self.folder.mkdir()
        self.variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FROMNOISE"))}
        self.variables["XDG_DATA_HOME"] = str(folder / "data")

    def python(self, *arguments: str, code: int = 0) -> str:
        """Run Python there; what it printed. Fails if it ends with another code."""
        done = subprocess.run(
            [str(self.environment.python), *arguments], cwd=self.folder, env=self.variables, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode != code:
            raise Failed(f"code {done.returncode} instead of {code}: {' '.join(arguments)}\n{done.stdout[-3000:]}")
        return done.stdout

    def fromnoise(self, *arguments: str, code: int = 0) -> str:
        """Run the command ``fromnoise`` there, as pip installed it."""
        start = time.monotonic()
        printed = self.python(str(self.environment.python.with_name("fromnoise")), *arguments, code=code)
        print(f"  {time.monotonic() - start:5.1f} s  fromnoise {' '.join(arguments)[:90]}", flush=True)
        return printed

    def has(self, *files: str) -> None:
        """Fail unless these files are there and hold something."""
        for file in files:
            if not (self.folder / file).is_file() or not (self.folder / file).stat().st_size:
                raise Failed(f"{file} was not written")


def build(folder: Path) -> Path:
    """Build the source archive, and the wheel from that archive alone."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True, stdout=sys.stderr)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Fail unless the wheel holds what git knows of src/fromnoise and recipes, nothing else, and is small enough."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "src/fromnoise", "recipes"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split("\0")
    wanted = {re.sub(r"^recipes/", "fromnoise/recipes/", name.removeprefix("src/")) for name in listed if name}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    if held != wanted:
        raise Failed(f"not in the wheel: {sorted(wanted - held)}; only in the wheel: {sorted(held - wanted)}")
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size / 2**20:.1f} MiB, {len(held)} files", flush=True)
    if size >= LARGEST:
        raise Failed(f"the wheel has {size:,} bytes, more than {LARGEST:,}")


def install(wheel: Path, folder: Path) -> Installed:
    """Install the wheel with what it asks for, and nothing else."""
    made = Installed(folder)
    pin = pinned_torch((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    if not install_torch(made.environment, pin):
        raise Failed("PyTorch cannot be installed")
    add(made, str(wheel))
    where = made.python("-c", "import fromnoise; print(fromnoise.__file__)").strip()
    if not Path(where).is_relative_to(made.environment.folder):
        raise Failed(f"this is not the installed package: {where}")
    return made


def add(made: Installed, what: str) -> None:
    """Install something more, in the versions of constraints.txt."""
    if not made.environment.pip("-q", "-c", str(ROOT / "constraints.txt"), what):
        raise Failed(f"pip cannot install {what}")


def draw(made: Installed) -> None:
    """Pictures and stories, from the command line and from Python; the same pixels as from the sources."""
    made.fromnoise("--help")
    made.python("-m", "fromnoise", "--version")
    made.fromnoise("info")
    apple = ("generate", "red apple", "--style", "noto", "--seed", "7")
    made.fromnoise(*apple, "--out", "apple.png")
    made.fromnoise("generate", "--again", "apple.png", "--out", "again.png")
    made.python("-c", SAME_PIXELS, "apple.png", "again.png")
    subprocess.run([sys.executable, "-m", "fromnoise", *apple, "--out", str(made.folder / "sources.png")], check=True)
    made.python("-c", SAME_PIXELS, "apple.png", "sources.png")
    made.fromnoise("sheet", "--prompt", "sun", "--out", "sheet.png")
    made.fromnoise("story", "--seed", "1", "--quiet")
    made.fromnoise("story", "--repair", "A stubborn detective must find the missing banana.", "--quiet")
    made.has("sheet.png")
    if "fromnoise.load(" in (ROOT / "README.md").read_text(encoding="utf-8"):
        made.python("-c", LIBRARY)
        made.python("-c", SAME_PIXELS, "apple.png", "library.png")


@contextmanager
def studio(made: Installed, *options: str) -> Iterator[str]:
    """A running studio; its address."""
    command = [str(made.environment.python), "-m", "fromnoise", "studio", "--no-browser", "--port", "0", *options]
    with subprocess.Popen(command, cwd=made.folder, env=made.variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
            line = process.stdout.readline() if ready else "nothing"
            found = re.search(r"http://[\d.]+:\d+", line)
            if not found:
                raise Failed(f"the studio did not start; it said {line!r}")
            until_it_answers(found[0])
            yield found[0]
            process.send_signal(signal.SIGINT)
            if process.wait(60) not in (0, 130):
                raise Failed(f"the studio ended with code {process.returncode}")
        finally:
            process.kill()


def until_it_answers(address: str) -> None:
    """Wait for a server that has said its address but may not listen yet."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            get(address + "/")
            return
        except urllib.error.HTTPError as error:
            raise Failed(f"the studio answers {error.code}: {error.read()[:1000]!r}") from error
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def visit(made: Installed) -> None:
    """The studio: every file of its page, one picture through the image API, the gallery; then it stops."""
    with studio(made, "--gallery", "gallery") as address:
        page = get(address + "/").decode()
        for part in set(re.findall(r'(?:src|href)="([^"#:]+\.(?:js|css|svg))"', page)):
            get(f"{address}/{part.lstrip('/')}")
        body = {"prompt": "red apple", "style": "noto", "seed": 7, "n": 1}
        answer = json.loads(get(address + "/v1/images/generations", json.dumps(body).encode()))
        if not answer["data"][0]["b64_json"]:
            raise Failed(f"the image API gave no picture: {answer}")
    print("  the studio's page, its files and one picture through its API", flush=True)


def get(url: str, body: bytes | None = None) -> bytes:
    """What a local server answers; any status but 2xx is an exception."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=PATIENCE) as answer:
        found: bytes = answer.read()
    return found


def learn(made: Installed) -> None:
    """Data and training: what is missing is named, then everything runs with the extra that was named."""
    first = ("train", "first_model", "--out", "runs/first", *settings(SHORT))
    said = made.fromnoise(*first, "--data", "starter", code=2)
    if "fromnoise[train]" not in said:
        raise Failed(f"without its packages, training must name the extra; it said: {said}")
    add(made, "fromnoise[train]")
    made.python("-c", "import shutil; shutil.rmtree('runs', ignore_errors=True)")
    made.fromnoise("data", "pack", "starter", "starter.parquet")
    made.fromnoise(*first, "--data", "starter.parquet")
    made.fromnoise("generate", "red apple", "--model", "runs/first/model", "--seed", "1", "--out", "first.png")
    made.fromnoise("data", "plots", "--no-real", "--lines", "2000")
    made.fromnoise("train", "story", "--data", "data/plots", "--out", "story", *settings(SHORT_STORY))
    made.fromnoise("story", "--model", "story/model", "--quiet")
    made.has("first.png", "data/plots/train.jsonl.gz")
    (made.folder / "build_stickers.py").write_text(STICKERS, encoding="utf-8")
    made.python("build_stickers.py")
    made.has("stickers/metadata.jsonl", "stickers/CREDITS.md")
    print("  one set of stickers from npm", flush=True)


def settings(values: tuple[str, ...]) -> Iterator[str]:
    """Options that set them."""
    for value in values:
        yield from ("--set", value)


def main() -> int:
    """Build, install, use; the exit code."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fromnoise-wheel-") as name:
        folder = Path(name)
        try:
            wheel = build(folder)
            check_contents(wheel)
            made = install(wheel, folder)
            draw(made)
            visit(made)
            learn(made)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            print(f"the installed package: {error}", file=sys.stderr)
            return 1
    print(f"the installed package draws, serves and trains ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
