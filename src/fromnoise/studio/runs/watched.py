"""The training that a studio watches, and what its owner may do with it: begin, pause, go on, draw with its model."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from fromnoise.drawing.generate import draw
from fromnoise.drawing.opened import open_model
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError, one_line
from fromnoise.studio.desk.problem import Problem, problem_of
from fromnoise.studio.runs.folder import RunFolder, is_distillation
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.health.process import process_of

SAID = ".said.txt"  # what a training that was begun here said last; a dot keeps it out of the run
MOST_SAID = 4096  # bytes of that which are read
HUB = re.compile(r"hf:[\w-][\w.-]*/[\w-][\w.-]*(/[\w.-]+)?")  # as the command takes it, which says if there is none
OWN, BESIDE = "finetune", "lora"
COMMAND = (sys.executable, "-m", "fromnoise")
STOPPED = (130, -signal.SIGINT)  # how a training ends that was asked to
STEPS = 12  # of a trial drawing: good enough to see, and soon over


class Watched:
    """A run, whoever trains in it.

    A training that is begun here is a process of its own session, like one from another terminal: it lives on when
    the studio ends.

    Args:
        path: the run's folder.

    Attributes:
        key: who shows it is the owner: it is told in the terminal only.
        aside: the one thread for drawing with the newest model.
    """

    def __init__(self, path: Path) -> None:
        self.folder, self.path, self.key = RunFolder(path), path, secrets.token_urlsafe(18)
        self._begun: subprocess.Popen[bytes] | None = None
        self._asked: Any = None  # the process that was asked to stop
        self._lock = threading.Lock()
        self.aside = ThreadPoolExecutor(1, "fromnoise-trial", initializer=_modest)
        self._model: tuple[str, TextToImage] | None = None

    def standing(self) -> dict[str, Any]:
        """As of the folder; "state" may also be "beginning" and "pausing", and "said" is why it ended in trouble."""
        found, mine = self.folder.standing(), self.begun_here
        code = None if self._begun is None else self._begun.returncode
        if found["state"] == "running" and self._asked is not None and process_of(self.path) == self._asked:
            found["state"] = "pausing"
        elif mine and found["state"] != "running":
            found["state"] = "beginning"
        failed = code not in (None, 0, *STOPPED)
        return {**found, "said": self._said() if mine or failed else "", "failed": failed}

    @property
    def begun_here(self) -> bool:
        """Whether a training that was begun from this studio is still working."""
        return self._begun is not None and self._begun.poll() is None

    def begin(self, data: str, minutes: float | None = None, recipe: str = OWN, trigger: str = "") -> None:
        """Let the model that comes with fromnoise learn from a folder of pictures.

        Args:
            data: the folder, or another place that the command takes.
            minutes: of training; None takes what suits.
            recipe: "finetune" or "lora".
            trigger: a name for the pictures' look, or "".

        Raises:
            Problem: there is no such folder, something began already, or somebody trains.
        """
        asked = data.strip()
        pictures = Path(asked).expanduser()
        if not asked or not (_is_named(asked) or pictures.exists()):
            raise Problem(400, f"there is no folder {one_line(data) or '(empty)'} on this machine", "data")
        if self.folder.facts() is not None:
            raise Problem(
                409, "a training has begun here already; go on with it, or start the studio with another --run"
            )
        length = [] if minutes is None else ["--minutes", f"{minutes:g}"]
        named = ["--trigger", trigger.strip()] if trigger.strip() else []
        place = asked if _is_named(asked) else str(pictures.resolve())
        self._spawn("--data", place, *length, *named, recipe=recipe)

    def go_on(self) -> None:
        """Go on with the recipe, the pictures and the length that the run began with.

        Raises:
            Problem: nothing began, its pictures are gone, it is a distillation, or somebody trains.
        """
        facts = self.folder.facts()
        if facts is None:
            raise Problem(409, "no training has begun here yet")
        if is_distillation(facts):
            raise Problem(409, "this is a distillation; go on with it by 'fromnoise distill' in a terminal")
        data = facts.get("data")
        if not isinstance(data, str) or not (_is_named(data) or Path(data).exists()):
            raise Problem(
                409, f"the pictures are not at {one_line(str(data))}; begin the studio where the training began"
            )
        # The stored recipe counts, and nothing of the one that is named. What a folder says is never run as a program,
        # as a recipe's file would be.
        recipe = BESIDE if facts["recipe"].get("tasks") == [BESIDE] else OWN
        self._spawn("--data", data, "--as-before", recipe=recipe)

    def pause(self) -> None:
        """Ask the training to save and stop, as Ctrl-C does; once, since twice would stop it without saving.

        Raises:
            Problem: nobody trains, or it was asked already.
        """
        with self._lock:
            found = process_of(self.path)
            if found is None or not found.alive:
                raise Problem(409, "no training is running here")
            if found == self._asked:
                raise Problem(409, "it is being saved already; that takes a moment")
            self._asked = found
            found.ask_to_stop()

    def try_model(self, prompt: str, seed: int) -> tuple[Tensor, int | None]:
        """Draw with the newest model of the run, or the newest LoRA beside its model, uint8 [3,H,W]; and how many
        pictures that model has seen. To be called in ``aside``, one at a time and behind the training.

        Raises:
            Problem: there is none yet, or the words cannot be drawn.
        """
        model = self._newest()
        try:
            picture = draw(model, Request(prompt=prompt, seed=seed, steps=STEPS))[0]
        except UserError as error:
            raise problem_of(error) from None
        seen = None if self.folder.opening().loras else model.card.get("pictures_seen")
        return picture, seen if isinstance(seen, int) else None

    def _newest(self) -> TextToImage:
        stamp = self.folder.model_stamp()
        if stamp is None:
            raise Problem(409, "there is no model yet; it appears with the first checkpoint of the U-Net")
        if self._model is None or self._model[0] != stamp:
            try:
                self._model = stamp, open_model(self.folder.opening())[1]
            except (UserError, OSError) as error:
                raise Problem(409, f"the model cannot be read now ({one_line(str(error))}); try again") from None
        return self._model[1]

    def _spawn(self, *arguments: str, recipe: str = OWN) -> None:
        with self._lock:
            if self.begun_here or self.folder.alive:
                raise Problem(409, "a training is running here already")
            command = [*COMMAND, "train", recipe, "--out", str(self.path), *arguments]
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / SAID).open("wb") as said:
                self._begun = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
                )

    def _said(self) -> str:
        """The last line of what the training said."""
        try:
            with (self.path / SAID).open("rb") as opened:
                opened.seek(max(0, (self.path / SAID).stat().st_size - MOST_SAID))
                lines = opened.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return next((one_line(line) for line in reversed(lines) if line.strip()), "")


def _is_named(data: str) -> bool:
    """Whether pictures have a name and no place here: those that come with fromnoise, or a set on the hub."""
    return data == "starter" or HUB.fullmatch(data) is not None


def _modest() -> None:
    """Let a training go first: this thread takes what is left of the cores, where the system has that for threads."""
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
