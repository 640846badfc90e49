"""Opens what was mutated, in processes that may die: what is not opened must be refused in one line.

A process tries one mutant after the other and tells of each by a line; where it dies or takes too long, the mutant
that it had before it is the one to blame, and another process goes on behind it.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fromnoise.ground.errors import UserError
from mutants import mutated_json, mutated_weights

SECONDS = 20.0  # of its CPU that a mutant may take
WAITING = 300.0  # seconds without a word after which a process is given up
MEMORY = 1 << 30  # bytes beyond what the process has when it begins
LONGEST = 600  # characters of a refusal


@dataclass(frozen=True)
class Subject:
    """Something that is opened.

    Attributes:
        name: for the table.
        folder: of its files; mutants are made of them in place, and each is put back.
        use: opens the folder, and draws with what it holds.
        files: what is mutated.
    """

    name: str
    folder: Path
    use: Callable[[Path], object]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Tried:
    """What became of a mutant: "opened", "refused" or "crash", and what was said, in so many seconds and bytes."""

    subject: str
    kind: str
    outcome: str
    said: str
    seconds: float
    memory: int


def json_files(folder: Path) -> tuple[Path, ...]:
    """All JSON files of a folder; vocabularies of thousands are left to smaller ones."""
    return tuple(file for file in sorted(folder.rglob("*.json")) if file.stat().st_size < 2**17)


def weights_files(folder: Path) -> tuple[Path, ...]:
    """All files of weights of a folder."""
    return tuple(sorted(folder.rglob("*.safetensors")))


def torture(subject: Subject, count: int, seed: int, weights: bool = False) -> Iterator[Tried]:
    """Try ``count`` mutants of a subject; equal seeds give equal ones."""
    done, whole = 0, {file: file.read_bytes() for file in subject.files}
    while done < count:
        reader, writer = os.pipe()
        process = os.fork()
        if not process:
            os.close(reader)
            _child(subject, range(done, count), seed, weights, writer)
        os.close(writer)
        try:
            for found in _told(reader, process):
                yield found
                done += found.outcome != "begun"
        finally:
            os.close(reader)
            for file, data in whole.items():  # as it may have died before it put a file back
                file.unlink(missing_ok=True)
                file.write_bytes(data)


def _told(reader: int, process: int) -> Iterator[Tried]:
    """What a process tells, and of what it died."""
    rest, now = b"", Tried("", "", "begun", "", 0.0, 0)
    while True:
        ready, _, _ = select.select([reader], [], [], WAITING)
        data = os.read(reader, 1 << 16) if ready else b""
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            now = Tried(**json.loads(line))
            if now.outcome != "begun":
                yield now
    if not ready:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if now.outcome == "begun" and now.subject:
        slow = not ready or os.waitstatus_to_exitcode(status) == -signal.SIGPROF
        why = f"took over {SECONDS:.0f} s" if slow else f"the process died: {os.waitstatus_to_exitcode(status)}"
        yield Tried(now.subject, now.kind, "crash", why, SECONDS, now.memory)


def _child(subject: Subject, indices: Iterable[int], seed: int, weights: bool, writer: int) -> None:
    code = 1
    try:
        torch.set_num_threads(1)
        _bound_memory()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        for index in indices:
            _try(subject, random.Random(f"{subject.name}-{seed}-{index}"), weights, writer)
        code = 0
    finally:
        os._exit(code)


def _try(subject: Subject, rng: random.Random, weights: bool, writer: int) -> None:
    file = rng.choice(subject.files)
    before = file.read_bytes()
    if weights:
        kind = mutated_weights(file, before, rng)
    else:
        kind, after = mutated_json(before, rng)
        file.write_bytes(after)
    said = (f"{subject.name}/{file.name}", kind)
    _tell(writer, Tried(*said, "begun", "", 0.0, 0))
    begin, least = time.process_time(), _peak(anew=True)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # ends the process, whatever it is busy with
    outcome, words = _outcome(subject)
    signal.setitimer(signal.ITIMER_PROF, 0)
    file.unlink()
    file.write_bytes(before)
    seconds, memory = time.process_time() - begin, _peak() - least
    if seconds > SECONDS or memory > MEMORY:
        outcome, words = "crash", f"{seconds:.1f} s, {memory >> 20} MiB ({outcome}: {words})"
    _tell(writer, Tried(*said, outcome, words, seconds, memory))


def _outcome(subject: Subject) -> tuple[str, str]:
    try:
        subject.use(subject.folder)
    except UserError as error:
        said = str(error)
        if len(said) > LONGEST or not said.isprintable():
            return "crash", f"no one line to read: {said[:300]!r}, {len(said)} characters"
        return "refused", said
    except BaseException as error:  # SystemExit would be as bad
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "fromnoise" in frame.filename]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        return "crash", f"{type(error).__name__} at {where}: {str(error)[:200]}"
    return "opened", ""


def _tell(writer: int, tried: Tried) -> None:
    os.write(writer, json.dumps(vars(tried)).encode() + b"\n")


def _bound_memory() -> None:
    """So much of addresses that nobody's machine is brought down; what torch maps needs many."""
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 3 * MEMORY, size + 3 * MEMORY))


def _peak(anew: bool = False) -> int:
    """Bytes that this process had in memory at most, since it was asked for anew."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def draw(folder: Path) -> None:
    """Open a model and draw one small step."""
    from fromnoise.drawing.pipeline import Pipeline
    from fromnoise.system.text_to_image import TextToImage

    model = TextToImage.load(folder)
    Pipeline("tiny", model)("red apple", seed=0, steps=1)


def use_tokenizer(folder: Path) -> None:
    """Open a tokenizer and read a prompt."""
    from fromnoise.models.clip.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder)
    ids = tokenizer.encode(["a red apple, cut off"])
    tokenizer.named(ids[0].tolist())


def use_story(folder: Path) -> None:
    """Open a story model and draw a sentence in one step."""
    from fromnoise.story.draw import StoryRequest, draw_stories
    from fromnoise.story.model import StoryModel

    draw_stories(StoryModel.load(folder), StoryRequest(steps=1, seed=0))


def use_run(folder: Path) -> None:
    """Watch a run, and go on with it as far as reading goes."""
    from fromnoise.studio.runs.folder import RunFolder
    from fromnoise.training import checkpoint
    from fromnoise.training.continuing import restored, stored_run
    from fromnoise.training.recipe import Recipe

    seen: Any = RunFolder(folder)
    json.dumps([seen.standing(), seen.curves("diffusion"), str(seen.opening())])
    stored = stored_run(folder)
    if stored is not None:
        restored(folder, stored["recipe"], Recipe)
    checkpoint.newest(folder / "diffusion")


def make_run(folder: Path) -> None:
    """A run's folder as a training leaves it, without the training."""
    from fromnoise.training import checkpoint
    from fromnoise.training.checkpoint import Checkpoint
    from fromnoise.training.recipe import Recipe

    (folder / "diffusion").mkdir(parents=True)
    facts = {"recipe": Recipe("tiny").to_dict(), "data": "starter", "made_from": {"start_from": ""}, "shards": 1}
    (folder / "run.json").write_text(json.dumps(facts, indent=1))
    rows = [
        {"pictures": 32 * i, "loss": 1 / i, "progress": i / 9, "warning": "flat", "text": "so"} for i in range(1, 9)
    ]
    (folder / "diffusion" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    weights = {"w": torch.ones(2)}
    checkpoint.save(folder / "diffusion", 8, Checkpoint({"weights": weights}, {"step": 8, "batch": 4, "elapsed": 1.0}))


FAMILIES = ("sd1", "sdxl")  # tiny checkpoints of Stable Diffusion, by diffusers; they take seconds to make


def subjects(folder: Path, families: Collection[str] = ()) -> list[Subject]:
    """Everything that is opened, tiny and made anew, in a folder.

    Args:
        folder: new.
        families: which of :data:`FAMILIES` besides.
    """
    from conftest import make_tiny_model, make_tiny_story

    make_tiny_model().save(folder / "tiny")
    make_tiny_story().save(folder / "story")
    make_run(folder / "run")
    shutil.copytree(folder / "tiny" / "tokenizer", folder / "tokenizer")
    shutil.copytree(folder / "tiny" / "tokenizer", folder / "tokenizer_5")
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):  # transformers 5 writes none of them
        (folder / "tokenizer_5" / name).unlink()
    uses = {"tiny": draw, "story": use_story, "run": use_run, "tokenizer": use_tokenizer, "tokenizer_5": use_tokenizer}
    for family in families:
        from checkpoints import pipeline

        pipeline(family).save_pretrained(folder / family)
        uses[family] = draw
    return [Subject(name, folder / name, use, json_files(folder / name)) for name, use in uses.items()]
