"""The documentation is true: quoted code, links, commands, and the pages that a newcomer follows word by word."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

import fromnoise
from fromnoise.cli import entry
from fromnoise.drawing.picture_file import read_origin

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
WALKS = [ROOT / "docs" / name for name in ("1_prompt_to_picture.md", "2_picture_to_gradient.md")]
LESSONS = [ROOT / "docs" / name for name in ("add_a_sampler.md", "add_a_loss.md", "add_a_view.md")]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"# ((?:src|recipes|tests|benchmarks)/\S+\.py)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LEFT_OUT = ("...", "…")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fences(page: Path, kinds: Sequence[str] = ("", "sh", "bash", "console")) -> list[str]:
    """The blocks of a page in the given languages."""
    return [body for kind, body in FENCE.findall(text_of(page)) if kind in kinds]


# --- quoted code ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quote:
    """Lines of a source file as a page shows them."""

    page: str
    file: str
    lines: tuple[str, ...]

    def parts(self) -> list[list[str]]:
        """The lines between those that stand for something left out, without the indentation that they share."""
        parts: list[list[str]] = [[]]
        for line in self.lines:
            if line.strip() in LEFT_OUT:
                parts.append([])
            else:
                parts[-1].append(line)
        return [plain(part) for part in parts if "".join(part).strip()]

    def is_true(self) -> bool:
        """Whether all parts stand in the file, in this order."""
        source, at = (ROOT / self.file).read_text(encoding="utf-8").splitlines(), 0
        for part in self.parts():
            places = (i for i in range(at, len(source)) if plain(source[i : i + len(part)]) == part)
            place = next(places, None)
            if place is None:
                return False
            at = place + len(part)
        return True


def plain(lines: Sequence[str]) -> list[str]:
    """Lines without the indentation that they share, and without empty lines around them."""
    return textwrap.dedent("\n".join(lines)).strip("\n").split("\n")


def quotes(page: Path) -> Iterator[Quote]:
    for body in fences(page, ["python"]):
        first, *lines = body.rstrip("\n").split("\n")
        if found := QUOTED.fullmatch(first):
            yield Quote(page.name, found[1], tuple(lines))


QUOTES = [quote for page in PAGES for quote in quotes(page)]


@pytest.mark.parametrize("quote", QUOTES, ids=lambda q: f"{q.page}:{Path(q.file).name}")
def test_quoted_code_is_the_code(quote: Quote) -> None:
    assert (ROOT / quote.file).is_file(), f"{quote.page} quotes {quote.file}, which does not exist"
    assert quote.is_true(), f"{quote.page}: these are no longer the lines of {quote.file}\n" + "\n".join(quote.lines)


def test_a_changed_line_is_noticed() -> None:
    for quote in QUOTES:
        for i, line in enumerate(quote.lines):
            if line.strip() not in ("", *LEFT_OUT):
                other = (*quote.lines[:i], f"{line}!", *quote.lines[i + 1 :])
                assert not Quote(quote.page, quote.file, other).is_true(), (quote.page, quote.file, line)


def test_lines_in_another_order_or_depth_are_noticed() -> None:
    file = "src/fromnoise/diffusion/loss.py"
    right = ("mix.check()", "...", "anywhere = torch.randint(schedule.steps, (n,), generator=generator)")
    assert Quote("", file, right).is_true()
    assert not Quote("", file, right[::-1]).is_true()
    assert not Quote("", file, ("def check(self) -> None:", "raise UserError")).is_true()


@pytest.mark.parametrize("page", WALKS, ids=lambda p: p.name)
def test_a_walk_quotes_at_every_stop(page: Path) -> None:
    assert len(list(quotes(page))) == len(fences(page, ["python"])) >= 10
    stops = re.split(r"^## ", text_of(page), flags=re.MULTILINE)[1:]
    assert [stop.split("\n")[0] for stop in stops if "```python" not in stop] == []


# --- links ------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", text_of(page)), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = "".join(c for c in words if c in " -_" or unicodedata.category(c)[0] in "LN")
        slug = kept.replace(" ", "-")
        found.add(slug if slug not in found else next(s for i in range(1, 99) if (s := f"{slug}-{i}") not in found))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.name} links to {link}"
        assert target.is_relative_to(ROOT), f"{page.name} links out of the project: {link}"
        if anchor:
            assert target.suffix == ".md", link
            assert anchor in anchors(target), f"{page.name} links to {link}; there are {sorted(anchors(target))}"


NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_test_that_is_named_is_one() -> None:
    named = NAMED_TEST.findall(text_of(ROOT / "docs" / "reliability.md"))
    assert len(named) > 60
    for file, test in named:
        assert (ROOT / file).is_file(), f"there is no {file}"
        source = (ROOT / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in source, f"{file} has no {test}"


# --- commands ---------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every ``fromnoise …`` in a page's blocks."""
    for body in fences(page):
        for line in body.replace("\\\n", " ").splitlines():
            yield from commands_in(line)


def commands_in(line: str) -> Iterator[list[str]]:
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    words.whitespace_split, words.commenters = True, "#"
    try:
        found = list(words)
    except ValueError:  # a drawing, not a command
        return
    current: list[str] = []
    for word in [*found, ";"]:
        if set(word) <= set("|&;"):
            if current and re.fullmatch(r"(\S*/)?fromnoise", current[0]):
                yield [w.strip("[]") for w in current[1:] if w != "…"]
            current = []
        elif current or not re.fullmatch(r"[A-Z_]+=\S*|\$", word):
            current.append(word)


def parse(words: list[str]) -> None:
    """Let the command line read the words, and stop before anything is done."""
    command: Any = typer.main.get_command(entry.app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    if any(word in ("--version", "--help", "-h") for word in words):
        return
    command.make_context("fromnoise", list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_is_one(page: Path) -> None:
    added = re.findall(r"^\+def (\w+)\(", text_of(page), re.MULTILINE)
    for words in commands(page):
        if words[:1] == ["inspect"] and words[1] in added:
            continue  # the page itself adds it
        try:
            parse(words)
        except Exception as error:
            message = getattr(error, "message", error)
            pytest.fail(f"{page.name}: fromnoise {shlex.join(words)}: {message}")


def test_commands_that_are_none_are_noticed() -> None:
    line = 'X=1 .venv/bin/fromnoise generate "a b" --no-such 1 && echo hello | fromnoise info  # fromnoise nothing'
    first, second = commands_in(line)
    assert first == ["generate", "a b", "--no-such", "1"]
    assert second == ["info"]
    parse(second)
    for wrong in (first, ["gnerate"], ["generate", "--steps", "many"], ["inspect", "index"]):
        with pytest.raises(Exception, match=r"(?i)no such|no command|valid integer|missing"):
            parse(wrong)
    assert sum(len(list(commands(page))) for page in PAGES) > 50


# --- README -----------------------------------------------------------------------------------------------------


def test_readme_names_every_room_and_no_other() -> None:
    tree = text_of(README).split("## What is where")[1].split("```")[1]
    named = set(re.findall(r"^  (\w+)/ ", tree.split("src/fromnoise/\n")[1], re.MULTILINE))
    rooms = {d.name for d in (ROOT / "src" / "fromnoise").iterdir() if d.is_dir() and d.name != "__pycache__"}
    assert named == rooms
    for line in tree.splitlines():
        for name in re.findall(r"(?<![\w/.])(\w+\.py)\b", line):
            assert list(ROOT.glob(f"**/{name}")), f"README names {name}"


def test_the_python_in_readme_runs(tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = fromnoise.load(tiny_model_folder)  # the shipped model is drawn with by the examples in docstrings
    monkeypatch.setattr(fromnoise, "load", lambda: tiny, raising=False)
    code = "\n".join(fences(README, ["python"]))
    assert code.startswith("import fromnoise\n")
    exec(code, {})
    written = {file.name for file in tmp_path.iterdir()}
    assert written == {"apple.png", "one.png", *(f"{i:02d}.png" for i in range(8))}
    assert read_origin(tmp_path / "one.png").request.steps == 8


def test_the_python_in_how_it_works_runs(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = fromnoise.load(tiny_model_folder)
    monkeypatch.setattr(fromnoise, "load", lambda: tiny, raising=False)
    (code,) = fences(ROOT / "docs" / "how_it_works.md", ["python"])
    exec(code, {})
    steps = [line.split(" ", 1) for line in re.sub(r"\n +", " ", capsys.readouterr().out).splitlines()]
    assert [int(index) for index, _ in steps] == list(range(tiny.model.defaults.steps))
    for _, shares in steps:
        assert sum(map(float, re.findall(r"\d\.\d+(?:e-\d+)?", shares))) == pytest.approx(1, abs=1e-3)


# --- pages to follow word by word -------------------------------------------------------------------------------

NEW = re.compile(r"^New file `([^`]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHANGE = re.compile(r"^In `([^`]+)`[^\n]*:\n\n```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TESTS = re.compile(r"^python -m (?:pytest|ruff) [^\n#]*", re.MULTILINE)


def follow(page: Path, tree: Path) -> None:
    """Make a page's new files and changes in a copy of the project."""
    for name, body in NEW.findall(text_of(page)):
        assert not (tree / name).exists(), f"{page.name} makes {name}, which is there already"
        (tree / name).write_text(body, encoding="utf-8")
    for name, body in CHANGE.findall(text_of(page)):
        content = (tree / name).read_text(encoding="utf-8")
        for hunk in re.split(r"^@@\n", body, flags=re.MULTILINE):
            lines = [line or " " for line in hunk.removesuffix("\n").split("\n")]
            before, after = ("\n".join(x[1:] for x in lines if x[0] in (" ", sign)) for sign in "-+")
            assert content.count(f"{before}\n") == 1, f"{page.name}: {name} should have once:\n{before}"
            content = content.replace(f"{before}\n", f"{after}\n")
        (tree / name).write_text(content, encoding="utf-8")


def copy_of_the_project(place: Path) -> Path:
    """A copy to change: the same assets, everything else its own."""
    ignore = shutil.ignore_patterns("__pycache__", "assets", "pictures")
    for name in ("src", "tests", "docs", "recipes", "benchmarks"):
        shutil.copytree(ROOT / name, place / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", place)
    (place / "src" / "fromnoise" / "assets").symlink_to(ROOT / "src" / "fromnoise" / "assets")
    return place


@pytest.mark.parametrize("page", LESSONS, ids=lambda p: p.name)
def test_a_newcomer_gets_what_the_page_says(page: Path, tmp_path: Path) -> None:
    tree = copy_of_the_project(tmp_path)
    follow(page, tree)
    commands = [line for body in fences(page) for line in TESTS.findall(body.replace("\\\n", " "))]
    assert {command.split()[2] for command in commands} == {"pytest", "ruff"}
    promised = [int(count) for count in re.findall(r"`(\d+) passed`", text_of(page))]
    for command in commands:
        environment = {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        words = [sys.executable, *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if "pytest" in command:
            passed = re.search(r"(\d+) passed", done.stdout)
            assert passed, done.stdout
            assert int(passed[1]) >= promised.pop(0), f"{page.name} promises more than {passed[0]}"
