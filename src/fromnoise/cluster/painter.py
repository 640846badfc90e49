"""What one worker does: it opens the model once, then draws shard after shard."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fromnoise import __version__
from fromnoise.cluster.job import ClusterJob, Piece, begun, prompts_of
from fromnoise.cluster.shard import Draft, Sample, is_whole, longest_draft, others_of, samples_in, shard_name
from fromnoise.drawing.generate import Finished, finish_plans
from fromnoise.drawing.matte import told_of
from fromnoise.drawing.opened import Opening, open_model, origin_of
from fromnoise.drawing.picture_file import png_bytes
from fromnoise.drawing.plan import Plan, plans
from fromnoise.drawing.start import Start
from fromnoise.ground.cores import use_at_most
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import read_object
from fromnoise.ground.whole import write_atomically
from fromnoise.system.text_to_image import TextToImage

MOST_DEATHS = 5  # of workers over one batch, in one run
LINE, MOST_REASON = re.compile("[0-9]{1,9}"), 300  # what a list of failed lines holds, and so much of each reason
AT_ONCE = 8  # pictures per batch: what a worker that dies can lose


@dataclass(frozen=True)
class Work:
    """What every worker is told.

    Attributes:
        folder: of the job, the same for all machines.
        job: what is drawn.
        opening: how the model is opened; places are absolute.
        start: a picture to begin with.
        cores: that a worker may take.
        version: of fromnoise where the command was given.
        command: a name of this call of it, which no other has.
    """

    folder: Path
    job: ClusterJob
    opening: Opening
    start: Start | None = None
    cores: int = 1
    version: str = __version__
    command: str = "0"


@dataclass(frozen=True)
class Done:
    """What became of a shard.

    Attributes:
        number: of the shard.
        drawn: pictures that were drawn now.
        taken: pictures that had been drawn before.
        failed: lines that could not be drawn.
        error: what stopped it, for a person to read; "" if nothing did.
        worker: machine and process.
        began: when, in seconds as :func:`time.time` counts them.
        seconds: that it took.
    """

    number: int
    drawn: int = 0
    taken: int = 0
    failed: int = 0
    error: str = ""
    worker: str = ""
    began: float = 0.0
    seconds: float = 0.0


class Painter:
    """A worker. What it raises would reach a person with a traceback of two machines, so a sentence for people is
    handed over as a value.

    Args:
        work: what it is told.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self._opened: tuple[str, TextToImage] | None = None

    def paint(self, piece: Piece) -> Done:
        """Draw a shard, or what is missing of it."""
        began, at, worker = time.time(), time.perf_counter(), f"{socket.gethostname()}-{os.getpid()}"
        done = self._told(piece)
        return replace(done, worker=worker, began=began, seconds=time.perf_counter() - at)

    def _told(self, piece: Piece) -> Done:
        try:
            return self._painted(piece)
        except UserError as error:
            return Done(piece.number, error=str(error))
        except OSError as error:
            place = error.filename or self.work.folder
            return Done(piece.number, error=f"{place}, seen from {socket.gethostname()}: {error.strerror or error}")

    def _painted(self, piece: Piece) -> Done:
        folder = self.work.folder
        if is_whole(folder / shard_name(piece.number)):
            return Done(piece.number, taken=piece.count)
        name, model = self.opened()
        made = self._plans(model, piece)
        failed = failed_in(folder, piece.number)
        before, lines = longest_draft(folder, piece.number)
        known = _whole_batches(piece, {*lines, *failed})
        others = others_of(folder, piece.number)
        mark = f"{self.work.command}-{known}"
        _not_again_and_again(piece, known, sum(f".{mark}." in other.name for other in others))
        draft = Draft(folder, piece.number, mark)
        try:
            for sample in samples_in(before) if before else ():
                if sample.line < piece.first + known:
                    draft.add([sample])
            drawn = 0
            for first in range(known, piece.count, AT_ONCE):
                samples, missed = self._batch(model, name, piece.first + first, made[first : first + AT_ONCE])
                failed |= missed
                if missed:
                    _write_failed(folder, piece.number, failed)
                draft.add(samples)
                drawn += len(samples)
            draft.finish()
        finally:
            draft.abandon()
        for other in others:
            if other != draft.target:
                other.unlink(missing_ok=True)
        taken = piece.count - drawn - len(failed)
        return Done(piece.number, drawn, taken, len(failed))

    def opened(self) -> tuple[str, TextToImage]:
        """The model's name and the model, opened the first time.

        Raises:
            UserError: this machine has another model, another fromnoise, or does not see the job's folder.
        """
        if self._opened is None:
            work, here = self.work, socket.gethostname()
            if work.version != __version__:
                raise UserError(f"{here} has fromnoise {__version__}, the command {work.version}; install the same one")
            if not work.folder.is_dir() or begun(work.folder) != work.job:
                raise UserError(
                    f"{here} does not see the job in '{work.folder}'; name an --out that all machines of the cluster "
                    "share, and a --model that all of them have"
                )
            use_at_most(work.cores)
            name, model = open_model(work.opening)
            if model.hash != work.job.model_hash:
                raise UserError(f"on {here}, {work.opening.place or name} is another model ({model.hash})")
            self._opened = name, model
        return self._opened

    def _plans(self, model: TextToImage, piece: Piece) -> list[Plan]:
        asked, prompts = self.work.job.request, prompts_of(self.work.folder, piece)
        first = asked.seed + piece.first
        return plans(model, [replace(asked, prompt=line, seed=first + i) for i, line in enumerate(prompts)])

    def _batch(
        self, model: TextToImage, name: str, first: int, made: Sequence[Plan]
    ) -> tuple[list[Sample], dict[int, str]]:
        """The pictures of neighbouring lines, and why those that are missing could not be drawn."""
        try:
            drawn = self.draw(model, made)
        except UserError as error:
            if len(made) == 1:
                return [], {first: str(error)}
            alone = [self._batch(model, name, first + i, [each]) for i, each in enumerate(made)]
            return [s for samples, _ in alone for s in samples], {k: v for _, f in alone for k, v in f.items()}
        return [self._sample(model, name, first + i, each, drawn, i) for i, each in enumerate(made)], {}

    def draw(self, model: TextToImage, made: Sequence[Plan]) -> Finished:
        """One batch."""
        return finish_plans(model, made, self.work.start)

    def _sample(self, model: TextToImage, name: str, line: int, made: Plan, drawn: Finished, i: int) -> Sample:
        picture, choice = drawn.pictures[i], drawn.choices[i]
        origin = origin_of(made, name, model, self.work.opening, self.work.start, line, choice)
        notes = [*made.notes, *(choice.notes if choice else ()), *told_of(picture)]
        request = origin.request
        facts: dict[str, Any] = {"prompt": request.prompt, "style": request.style or "", "seed": request.seed}
        facts |= {"notes": notes, "fromnoise": origin.to_dict()}
        return Sample(self.work.job.key(line), png_bytes(picture, origin), made.words.wanted.text, facts)


def _not_again_and_again(piece: Piece, known: int, deaths: int) -> None:
    """Give up where one worker after the other was killed over the same batch.

    Raises:
        UserError: over which lines, and what may help.
    """
    if deaths >= MOST_DEATHS:
        first = piece.first + known
        raise UserError(
            f"{deaths} workers died one after the other over lines {first + 1:,} to {first + AT_ONCE:,}; what is drawn "
            "is kept. If they ran out of memory, take fewer --workers"
        )


def _whole_batches(piece: Piece, lines: set[int]) -> int:
    """How many of a shard's lines, from its first on, are done batch by batch: a GPU's bits depend on the batch."""
    missing = next((i for i in range(piece.count) if piece.first + i not in lines), piece.count)
    return missing if missing == piece.count else missing - missing % AT_ONCE


def failed_file(folder: Path, number: int) -> Path:
    """Where a shard's lines stand that could not be drawn: "00012.failed.json"."""
    return folder / f"{number:05d}.failed.json"


def failed_in(folder: Path, number: int) -> dict[int, str]:
    """Which lines of a shard could not be drawn, and why.

    Raises:
        UserError: the file that says it is damaged.
    """
    file = failed_file(folder, number)
    if not file.exists():
        return {}
    said = read_object(file)
    wrong = next((line for line, why in said.items() if not LINE.fullmatch(line) or not isinstance(why, str)), None)
    if wrong is not None:
        raise UserError(
            f"{file} is damaged ('{one_line(wrong)[:40]}' should be the number of a line, with the reason); remove it, "
            "and its lines are drawn"
        )
    return {int(line): one_line(reason)[:MOST_REASON] for line, reason in said.items()}


def _write_failed(folder: Path, number: int, failed: dict[int, str]) -> None:
    write_atomically(failed_file(folder, number), json.dumps(failed, indent=1, sort_keys=True) + "\n")


def absolute(opening: Opening) -> Opening:
    """An opening whose files are found from any folder; names of models stay names."""
    place = opening.place
    if place is not None and Path(place).expanduser().exists():
        place = os.path.realpath(Path(place).expanduser())
    return replace(opening, place=place, loras=tuple(map(_absolute_lora, opening.loras)))


def _absolute_lora(text: str) -> str:
    file, colon, weight = text.rpartition(":")
    if not colon or Path(text).is_file():
        return os.path.abspath(text)
    return f"{os.path.abspath(file)}:{weight}"
