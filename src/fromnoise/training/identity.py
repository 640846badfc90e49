"""What a run is: written down when it begins, and compared when it goes on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from fromnoise import __version__
from fromnoise.data.pictures import PictureSet
from fromnoise.ground.errors import UserError
from fromnoise.ground.mapped import parts
from fromnoise.training import machine, precision
from fromnoise.training.continuing import restored
from fromnoise.training.recipe import Recipe
from fromnoise.training.run_folder import as_known, write_run


@dataclass(frozen=True)
class Going:
    """What a run is told beside its recipe.

    Attributes:
        stored: what ``run.json`` says, None for a new run.
        changed: settings that this call changes by request, a line each.
        tasks: those that this call trains.
        deadline: ``time.monotonic()`` after which it pauses.
        verbose: tell every figure.
        self_test: see first whether a network can learn at all.
        model: hash of the model that is distilled, where that is all the run does.
    """

    stored: dict[str, Any] | None = None
    changed: list[str] = field(default_factory=list)
    tasks: tuple[str, ...] = ()
    deadline: float = math.inf
    verbose: bool = False
    self_test: bool = False
    model: str = ""


def fingerprint(pictures: PictureSet) -> str:
    """16 hex digits that name pictures and their captions."""
    digest = hashlib.sha256()
    for part in parts(pictures.images, 1024):
        digest.update(part.contiguous().numpy().data)
    for record in pictures.records:
        digest.update(json.dumps(record.to_dict(), sort_keys=True).encode())
    return digest.hexdigest()[:16]


class Identity:
    """A run's recipe, pictures and number format, and the models it was made from.

    Args:
        recipe: every number of the run.
        data: where its pictures are, for messages.
        out: its folder.
        going: what ``run.json`` says of it, and what this call changes.
        pictures: names its pictures.
    """

    def __init__(self, recipe: Recipe, data: str, out: Path, going: Going, pictures: str) -> None:
        self.recipe, self.data, self.out, self.going, self.pictures = recipe, data, out, going, pictures
        self.made_from: dict[str, str] = {}

    def check(self, base: str, clip_is_made: bool) -> None:
        """Refuse to go on with other pictures, or from another model or table of meanings than the run began with.

        Args:
            base: hash of the model that the run begins with, "" without one.
            clip_is_made: whether its CLIP has learnt all; what words mean matters no more then.

        Raises:
            UserError: one of them is another.
        """
        self.made_from = {"start_from": base, "meanings": self._meanings(), "model": self.going.model}
        stored = self.going.stored or {}
        if stored.get("pictures", self.pictures) != self.pictures:
            raise UserError(
                f"{self.out} was started with other pictures ({stored.get('data')}): "
                f"give the --data that it began with, or a new --out"
            )
        before = stored.get("made_from", {})
        names = {"start_from": self.recipe.start_from, "meanings": self.recipe.clip.meanings}
        if before.get("model", self.going.model) != self.going.model:
            raise UserError(f"{self.out} was started with another model; use a new --out")
        for what in names:
            now = self.made_from[what]
            forgotten = what == "meanings" and clip_is_made
            if before.get(what) and now and before[what] != now and not forgotten:
                raise UserError(
                    f"{names[what]} is not what it was when {self.out} was started: bring that back, or use a new --out"
                )

    def format(self, device: torch.device, console: Console) -> precision.Choice:
        """The number formats that the run began with; a new run takes what the machine is fast in.

        Raises:
            UserError: the stored one is none that this version knows.
        """
        stored = self.going.stored
        if stored is None:
            choice = precision.choose(device, self.recipe.precision)
        else:
            choice = as_begun(self.out, stored, device)
        loops = self.recipe.loops()
        muon = any(loops[task].optimizer == "muon" for task in self.going.tasks or loops)
        tell_format(choice, device, muon, console)
        return choice

    def write(self, choice: precision.Choice, device: torch.device, console: Console) -> None:
        """Store what the run is, when it begins; later what this call changes in it by request, on what it goes on,
        and what it was made from as soon as that is known: the first call that trains CLIP reads its meanings.
        """
        recipe, stored = self.recipe.to_dict(), self.going.stored
        if stored is None:
            about = {"version": __version__, "data": self.data, "pictures": self.pictures, "made_from": self.made_from}
            facts = {**choice.to_facts(), **about, **machine.seen({}, device, console)}
            write_run(self.out, {**facts, "recipe": recipe}, [])
            return
        if self.going.changed:
            tell_changes(self.out, self.going.changed, console)
        before = stored.get("made_from", {})
        news = {what: self.made_from[what] for what in ("start_from", "meanings") if not before.get(what)}
        made_from = {"made_from": {**before, **news}} if any(news.values()) else {}
        facts = {**choice.to_facts(), **stored, **made_from, **machine.seen(stored, device, console)}
        if self.going.changed or facts != stored:
            as_it_was = restored(self.out, stored["recipe"], Recipe).to_dict()
            known = as_known(recipe, as_it_was, stored["recipe"])
            write_run(self.out, {**facts, "recipe": known}, self.going.changed)

    def _meanings(self) -> str:
        file = Path(self.recipe.clip.meanings)
        read = self.recipe.clip.meanings and {"text", "clip"} & set(self.going.tasks) and file.is_file()
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if read else ""


def as_begun(out: Path, stored: dict[str, Any], device: torch.device) -> precision.Choice:
    """The number formats that a run in ``out`` has stored, for going on on a device.

    Raises:
        UserError: none that this version knows.
    """
    try:
        return precision.as_begun(stored, device)
    except KeyError as error:
        raise UserError(f"{out}/run.json names no number format ({error}); use a new --out") from None


def tell_format(choice: precision.Choice, device: torch.device, muon: bool, console: Console) -> None:
    """Say in which format a run computes, and if that is slow on its device; arguments as of ``precision.warning``."""
    console.print(f"training in {choice.name}: {choice.reason}", highlight=False)
    if slow := precision.warning(choice, device, muon):
        console.print(slow, style="yellow", highlight=False, soft_wrap=True)


def tell_changes(out: Path, changed: list[str], console: Console) -> None:
    """Say what a call changes in a run; nothing in ``run.json`` is ever changed in silence."""
    said = f"changed in {out}/run.json, as asked: {'; '.join(changed)}"
    console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)
