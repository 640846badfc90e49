"""The film of a training: single pictures cut out of a run's sample sheets, at moments that say most.

A training learns fast at first and then ever more slowly, so the moments are spread evenly over the logarithm of the
pictures seen. Sheets always show the same prompts and seeds; where somebody changed the prompts on the way, the film
begins with those that the newest sheet has.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.ground.pictures import UNREADABLE, opened_file
from fromnoise.ground.whole import write_atomically
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.defaults import FACTS, LEARNING, MOST_LEARNING, read_facts
from fromnoise.system.learning_file import (
    MOST_MOMENTS,
    MOST_PROMPTS,
    SIDE,
    Learning,
    Moment,
    learning_bytes,
    webp,
)
from fromnoise.training.continuing import RUN
from fromnoise.training.sheet import cut_apart, noted
from fromnoise.training.tasks import lora as lora_sheets
from fromnoise.training.tasks.diffusion import COLUMNS, EACH

FEWEST_MOMENTS, FEWEST_PROMPTS = 6, 4  # down to which pictures are left out where the file would be too large
LOOKED_AT = 8 * MOST_MOMENTS  # sheets of a run
LEVEL = "loss_log_snr_"
TRUSTED = 64 * 2**20  # bytes of a log that are read, from its end


@dataclass(frozen=True)
class Drawer:
    """Who drew a run's sheets.

    Attributes:
        task: folder of the network in the run.
        called: in messages.
        columns: most pictures beside each other.
        each: pictures of every prompt.
    """

    task: str
    called: str
    columns: int
    each: int


UNET = Drawer("diffusion", "U-Net", COLUMNS, EACH)
LORA = Drawer("lora", "LoRA", lora_sheets.AT_ONCE, 1)


@dataclass(frozen=True)
class Sheet:
    """One sheet of a run.

    Attributes:
        file: the .png.
        seen: pictures seen when it was drawn.
    """

    file: Path
    seen: int


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (folder / RUN).is_file()


def keep_learning(run: Path) -> tuple[Path, Learning]:
    """Write the film of a run into the folder of its model.

    Returns:
        The file, and what is in it.

    Raises:
        UserError: see :func:`learning_of_run`; or there is no model yet.
    """
    folder = run / "model"
    if is_run(run) and not (folder / FACTS).is_file():
        raise UserError(f"{run} has no model yet; one appears with the first checkpoint of its U-Net")
    made = learning_of_run(run)
    file, stored = folder / LEARNING, learning_bytes(made)
    if not file.is_file() or file.read_bytes() != stored:  # a finished run that is asked again changes nothing
        write_atomically(file, stored)
    return file, made


def learning_of_run(run: Path) -> Learning:
    """The film of a run so far, also while it is still training.

    Raises:
        UserError: no run, too few sheets, or sheets that do not say what they show.
    """
    if not is_run(run):
        raise UserError(f"{run} is no run's folder (as given to fromnoise train --out)")
    drawer = LORA if (run / LORA.task).is_dir() and not (run / UNET.task).is_dir() else UNET
    sheets = _alike(run, drawer)
    if len(sheets) < 2:
        raise UserError(
            f"{run} has {'one sheet' if sheets else 'no sheets'} of its {drawer.called} that can be used so far; a "
            "film needs two or more, and they come by themselves every few minutes"
        )
    return _fitted(run, drawer, sheets)


def spread(seen: Sequence[int], count: int) -> list[int]:
    """Which of rising numbers to keep, so that ``count`` are left, as evenly on the logarithm as they allow.

    Both ends are kept. Of all choices it is the one whose gaps have the least sum of squares, found place by place.

    >>> spread([1, 2, 4, 8, 9, 16], 5)
    [0, 1, 2, 3, 5]
    """
    count = max(2, count)
    if len(seen) <= count:
        return list(range(len(seen)))
    at = np.log(np.maximum(1, seen))
    later = np.tri(len(at), k=-1, dtype=bool).T  # [from, to]
    gaps, costs, ways = np.where(later, (at - at[:, None]) ** 2, np.inf), np.full(len(at), np.inf), []
    costs[0] = 0
    for _ in range(count - 1):
        ways.append((costs[:, None] + gaps).argmin(0))
        costs = (costs[:, None] + gaps).min(0)
    kept = [len(at) - 1]
    for way in reversed(ways):
        kept.append(int(way[kept[-1]]))
    return kept[::-1]


def _sheets(folder: Path) -> list[Sheet]:
    """The sheets of a task, rising; of very many only so many that the film has a wide choice."""
    files = (folder / "sheets").glob("*.png")
    found = sorted((Sheet(f, int(f.stem)) for f in files if f.stem.isdecimal()), key=lambda sheet: sheet.seen)
    if len(found) <= LOOKED_AT:
        return found
    seen = np.log([max(1, sheet.seen) for sheet in found])
    nearest = np.abs(seen[:, None] - np.linspace(seen[0], seen[-1], LOOKED_AT)).argmin(0)
    return [found[i] for i in np.unique(nearest)]


def _alike(run: Path, drawer: Drawer) -> dict[Sheet, tuple[str, ...]]:
    """The sheets that show what the newest one does, and what that is; those that cannot be read are left out."""
    told = _told_prompts(run, drawer)
    known: dict[Sheet, tuple[tuple[str, ...], tuple[int, int]]] = {}
    for sheet in _sheets(run / drawer.task):
        try:
            with opened_file(sheet.file, ("PNG",)) as opened:
                texts = noted(opened) or (told if told and _was_asked(opened, told, drawer) else None)
                if texts:
                    known[sheet] = texts, opened.size
        except UNREADABLE:
            continue
    newest = known.get(max(known, key=lambda sheet: sheet.seen)) if known else None
    return {sheet: said[0] for sheet, said in known.items() if said == newest}


def _told_prompts(run: Path, drawer: Drawer) -> tuple[str, ...]:
    """The prompts of the run's recipe; () where it has none of its own, or cannot be read."""
    try:
        prompts = json.loads((run / RUN).read_bytes())["recipe"][drawer.task]["prompts"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(prompts) if isinstance(prompts, list) and all(isinstance(p, str) for p in prompts) else ()


def _was_asked(sheet: Image.Image, texts: tuple[str, ...], drawer: Drawer) -> bool:
    """Whether a sheet without a note shows these texts: laid out anew, its pictures make the very same sheet."""
    plain = sheet.convert("RGB")
    pictures = torch.stack([_numbers(each) for each in cut_apart(plain, texts, drawer.columns, drawer.each)])
    again = labelled(pictures, texts, drawer.columns)
    return again.size == plain.size and again.tobytes() == plain.tobytes()


def _numbers(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


class _Cutter:
    """The pictures of sheets as files, each cut and packed once."""

    def __init__(self, texts: tuple[str, ...], drawer: Drawer) -> None:
        self.texts, self.drawer, self.drawn_at, self.size = texts, drawer, 0, (0, 0)
        self._cut: dict[tuple[Sheet, int], bytes] = {}

    def files(self, sheets: Sequence[Sheet], prompts: Sequence[int]) -> tuple[bytes, ...]:
        """For each sheet the first drawing of each of these prompts."""
        for sheet in sheets:
            missing = [prompt for prompt in prompts if (sheet, prompt) not in self._cut]
            if missing:
                self._take(sheet, missing)
        return tuple(self._cut[sheet, prompt] for sheet in sheets for prompt in prompts)

    def _take(self, sheet: Sheet, prompts: Sequence[int]) -> None:
        with opened_file(sheet.file, ("PNG",)) as opened:
            pictures = cut_apart(opened.convert("RGB"), self.texts, self.drawer.columns, self.drawer.each)
        for prompt in prompts:
            picture = pictures[prompt * self.drawer.each]
            self.drawn_at = max(picture.size)
            kept = picture.reduce(-(-self.drawn_at // SIDE)) if self.drawn_at > SIDE else picture
            self.size = kept.height, kept.width
            self._cut[sheet, prompt] = webp(kept)


def _fitted(run: Path, drawer: Drawer, alike: Mapping[Sheet, tuple[str, ...]]) -> Learning:
    """The film, with as many prompts and moments as its file has room for: prompts go first, then moments."""
    sheets, texts = list(alike), next(iter(alike.values()))
    cutter, log, whose = _Cutter(texts, drawer), _log(run / drawer.task), _trained_on(run)
    of_prompts, of_moments = min(MOST_PROMPTS, len(texts)), min(MOST_MOMENTS, len(sheets))
    spread_prompts = [i * len(texts) // of_prompts for i in range(of_prompts)]
    while True:
        chosen = [sheets[i] for i in spread([sheet.seen for sheet in sheets], of_moments)]
        prompts = spread_prompts[:of_prompts]
        files = cutter.files(chosen, prompts)
        said = tuple(texts[i][: 2**11] for i in prompts)
        moments = tuple(_moment(log, sheet.seen) for sheet in chosen)
        made = Learning(said, moments, files, cutter.size, cutter.drawn_at, whose)
        if len(learning_bytes(made)) <= MOST_LEARNING:
            return made
        if of_prompts > FEWEST_PROMPTS or (of_moments <= FEWEST_MOMENTS and of_prompts > 1):
            of_prompts -= 1
        else:
            of_moments -= 1


def _trained_on(run: Path) -> str:
    """Whose film it is, as the model in the run's folder says; "" where there is none yet."""
    if not (run / "model" / FACTS).is_file():
        return ""
    facts = read_facts(run / "model")
    return pictures_of(facts.styles, facts.card)


def _log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a task's log, rising; a row that is not whole yet, or makes no sense, is left out."""
    file, rows = folder / "log.jsonl", []
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - TRUSTED))
            lines = opened.read(TRUSTED).splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("pictures"), int):
            rows.append(row)
    return sorted(rows, key=lambda row: row["pictures"])  # one that was trained again stands last


def _moment(log: Sequence[Mapping[str, Any]], seen: int) -> Moment:
    """What the log says of a sheet."""
    own: dict[str, Any] = {}
    for row in log:
        if row["pictures"] == seen:
            own.update(row)
    before = [row["loss"] for row in log if row["pictures"] <= seen and "loss" in row]
    levels = {key.removeprefix(LEVEL): _number(value) for key, value in own.items() if key.startswith(LEVEL)}
    known = {name: value for name, value in itertools.islice(levels.items(), 16) if value is not None}
    held_out, hours = _number(own.get("held_out_loss")), _number(own.get("hours"))
    return Moment(seen, hours, held_out, _number(before[-1]) if before else None, known)


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if good else None


def told_after_training(run: Path) -> str:
    """Keep the film with a run's model at the end of a training; returns why there is none, or "".

    A model without its film is a model, too.
    """
    try:
        keep_learning(run)
    except (OSError, UserError) as error:
        return f"no film of this training is kept with the model: {one_line(str(error))}"
    return ""
