"""A whole training run of the story game, with the same loop, checkpoints and clock as pictures."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fromnoise.data.plots import HELD_OUT, TRAIN, Line, read
from fromnoise.data.plots.grammar import KINDS
from fromnoise.data.plots.meanings import FILE as MEANINGS
from fromnoise.data.plots.meanings import meanings_of
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file
from fromnoise.models.story.denoiser import WordDenoiser, WordDenoiserConfig
from fromnoise.story.model import StoryModel
from fromnoise.story.vocabulary import END, UNKNOWN, Vocabulary, words_of
from fromnoise.training import machine, precision
from fromnoise.training.clock import Clock
from fromnoise.training.continuing import Call, begun, of_story, restored, settled, stored_run, story_checkpoints
from fromnoise.training.identity import as_begun, tell_changes, tell_format
from fromnoise.training.log import Telling
from fromnoise.training.loop import Trainer
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.run_folder import accelerator, as_known, curves, locked, write_run
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.story import Lines, StoryStage, StoryTask

VOCABULARY, MEANING = "vocabulary.json", "meaning.safetensors"
MOST_UNKNOWN = 1  # words that a line may have which the vocabulary has not


@dataclass(frozen=True)
class StoryRecipe(Config):
    """Every number of a story model's training.

    Attributes:
        name: name of the model it makes.
        seed: everything random follows from it.
        precision: "auto" takes bf16 where the hardware multiplies it, else fp32; "bf16" or "fp32" decide.
        threads: CPU threads to train with (0: all).
        vocabulary: entries of the vocabulary, at most; fewer where the lines have fewer words.
        network: its sizes; vocabulary and labels follow from the lines.
        words: how it is taught.
        loop: how long and how fast; its "pictures" are lines.
    """

    name: str = "story"
    seed: int = 0
    precision: str = "auto"
    threads: int = 0
    vocabulary: int = 6000
    network: WordDenoiserConfig = field(default_factory=WordDenoiserConfig)
    words: StoryStage = field(default_factory=StoryStage)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        precision.check(self.precision)
        if not 16 <= self.vocabulary <= 30_000:
            raise UserError(f"vocabulary must be 16 to 30,000, not {self.vocabulary}")


def train_story(recipe: StoryRecipe, data: Path | str, out: Path, call: Call | None = None) -> Path:
    """Train the story game's network, or go on where an earlier call was stopped.

    Args:
        recipe: every number of the run.
        data: a folder of lines, as ``fromnoise data plots`` makes it.
        out: the run's folder.
        call: how long to train at most, and what this call changes in a run that has begun.

    Returns:
        The folder of the model (``out/model``), which can be drawn with from the first checkpoint on.

    Raises:
        UserError: unusable data, a run of another recipe in ``out``, a loss that is not a number, a full disk.
        Paused: the minutes are over.
    """
    call = call or Call()
    deadline = time.monotonic() + 60 * call.minutes
    keep_freed_memory()
    stored = stored_run(out, "story")
    before = None if stored is None else stored["story"]
    recipe, changed = settled(out, before, recipe, call, of_story(out))
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    train_lines, held_out = read(Path(data), TRAIN), read(Path(data), HELD_OUT)
    stamp = stamp_of(train_lines)
    if stored is not None and stored.get("lines", stamp) != stamp:
        raise UserError(f"{out} was started with other lines; give the same --data or a new --out")
    vocabulary = _vocabulary(recipe, train_lines, out)
    lines = tuple(as_numbers(some, vocabulary, recipe.network.context) for some in (train_lines, held_out))
    lock = locked(out)
    try:
        accelerated = accelerator(out)
        choice = _begin(recipe, out, (stored, stamp, changed), accelerated.device)
        vocabulary.save(out / VOCABULARY)
        network = _network(recipe, vocabulary, Path(data), out)
        task = _task(recipe, (vocabulary, network), lines, choice, accelerated.device)
        telling = Telling(curves(accelerated), verbose=call.verbose)
        how = telling, _Keeper(recipe, task, out).save, deadline, choice.of_muon
        Trainer(task, story_checkpoints(out), recipe.seed, *how).run()
    finally:
        lock.release()
    return out / "model"


def as_numbers(lines: Sequence[Line], vocabulary: Vocabulary, longest: int) -> Lines:
    """Lines as numbers; those that are too long or of whose words too many are unknown are left out.

    Raises:
        UserError: nothing is left.
    """
    rows, labels, kinds = [], [], []
    lengths: dict[str, list[int]] = {"": [0] * (longest + 1)}
    for line in lines:
        ids = vocabulary.ids(words_of(line.text))
        if not 2 <= len(ids) <= longest or ids.count(UNKNOWN) > MOST_UNKNOWN:
            continue
        rows.append(ids)
        labels.append(_labels(vocabulary, line))
        kinds.append(KINDS.index(line.kind))
        for genre in {"", line.genre} if not line.real else {line.genre}:
            lengths.setdefault(genre, [0] * (longest + 1))[len(ids)] += 1
    if not rows:
        raise UserError(f"no line has 2 to {longest} words of which the vocabulary knows all but one")
    if not any(lengths[""]):
        lengths[""] = [sum(column) for column in zip(*lengths.values(), strict=True)]
    table = torch.full((len(rows), longest), END, dtype=torch.int16)
    for row, found in zip(table, rows, strict=True):
        row[: len(found)] = torch.tensor(found, dtype=torch.int16)
    return Lines(table, torch.tensor(labels, dtype=torch.int16), torch.tensor(kinds, dtype=torch.int8), lengths)


def _labels(vocabulary: Vocabulary, line: Line) -> tuple[int, int]:
    return vocabulary.known_label(line.genre, line.place)


def _vocabulary(recipe: StoryRecipe, lines: Sequence[Line], out: Path) -> Vocabulary:
    """The run's; before its first checkpoint: all words of made plots, then real sentences' by how often they come."""
    if (out / VOCABULARY).is_file() and begun(out, story_checkpoints(out).name):
        return Vocabulary.load(out / VOCABULARY)
    made = [words_of(line.text) for line in lines if not line.real]
    real = [words_of(line.text) for line in lines if line.real]
    labels = {line.genre for line in lines if line.genre}, {line.place for line in lines if line.place}
    return Vocabulary.collect(made, real, recipe.vocabulary, *labels, empty=recipe.words.empty > 0)


def _network(recipe: StoryRecipe, vocabulary: Vocabulary, data: Path, out: Path) -> WordDenoiser:
    """The network at its beginning. What words mean is kept in the run's folder, and so the same when it goes on; where
    the lines come without meanings, all features are learnt.

    Raises:
        UserError: the file of meanings is damaged.
    """
    torch.manual_seed(recipe.seed)
    config = replace(recipe.network, vocab_size=len(vocabulary), labels=vocabulary.labels)
    table: Tensor | None = None
    if config.fixed and (out / MEANING).is_file() and begun(out, story_checkpoints(out).name):
        table = load_file(out / MEANING)["meaning"]
    elif config.fixed and (table := meanings_of(list(vocabulary.words), data)) is not None:
        with whole_file(out / MEANING) as draft:
            save_file({"meaning": table}, draft)
    elif config.fixed:
        Console(stderr=True).print(f"{data} has no {MEANINGS}: all features of words are learnt", soft_wrap=True)
    network = replace(config, fixed=0 if table is None else table.shape[1]).build()
    if table is not None:
        network.take_meaning(table)
    return network


def _begin(
    recipe: StoryRecipe, out: Path, begun: tuple[dict[str, Any] | None, str, list[str]], device: torch.device
) -> precision.Choice:
    """Settle the number format and write down what the run is, once, and what this call changes in it.

    Args:
        recipe: every number of the run.
        out: its folder.
        begun: what ``run.json`` says (None for a new run), the name of the lines, and what this call changes.
        device: where it trains.
    """
    (stored, stamp, changed), console = begun, Console(stderr=True)
    known = stored is not None and "dtype" in stored  # runs of earlier versions measured it anew at every start
    choice = as_begun(out, stored, device) if stored and known else precision.choose(device, recipe.precision)
    tell_format(choice, device, recipe.loop.optimizer == "muon", console)
    if changed:
        tell_changes(out, changed, console)
    facts = {**choice.to_facts(), **(stored or {"lines": stamp})}
    here = machine.seen(facts, device, console)
    if changed or {**facts, **here} != stored:
        said = recipe.to_dict()
        if stored is not None:
            said = as_known(said, restored(out, stored["story"], StoryRecipe).to_dict(), stored["story"])
        write_run(out, {**facts, **here, "story": said}, changed)
    return choice


def _task(
    recipe: StoryRecipe,
    parts: tuple[Vocabulary, WordDenoiser],
    lines: tuple[Lines, ...],
    choice: precision.Choice,
    device: torch.device,
) -> StoryTask:
    vocabulary, network = parts
    Console(stderr=True).print(f"{len(lines[0].ids):,} lines, {len(vocabulary):,} words")
    network = network.to(device, choice.dtype)
    compute = Compute(device, choice.dtype, torch.contiguous_format)
    stages = recipe.words, recipe.loop.suited(len(lines[0].ids))
    return StoryTask(stages, (lines[0], lines[1]), vocabulary, network, compute, recipe.seed)


def stamp_of(lines: Sequence[Line]) -> str:
    """Twelve digits that name the training lines."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(repr((line.text, line.genre, line.place)).encode())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class _Keeper:
    """Writes the model beside every checkpoint."""

    recipe: StoryRecipe
    task: StoryTask
    out: Path

    def save(self, network: nn.Module, clock: Clock, hours: float) -> None:
        card = {
            "name": self.recipe.name,
            "lines_seen": clock.pictures,
            "hours": round(hours, 3),
            "hardware": platform.processor() or platform.machine(),
            "parameters": sum(p.numel() for p in network.parameters()),
            "recipe": self.recipe.to_dict(),
        }
        counts: Tensor = self.task.counts
        plain: Any = network.cpu()
        task = self.task
        StoryModel(task.vocabulary, plain, counts, task.lines.lengths, task.taught, card).save(self.out / "model")
