"""Whose training pictures a picture of this studio is compared with: the only door to the check for copies.

What finds copies needs packages that drawing does not (``fromnoise[evaluate]``), so it is opened when it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import Origin
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.inspection.subject import Subject
from fromnoise.studio.desk.models import Models
from fromnoise.system.opening import DEFAULT_MODEL
from fromnoise.system.text_to_image import TextToImage

if TYPE_CHECKING:
    from fromnoise.evaluation.copies.asking import Question, Witnesses

HERE, SHIPPED = "here", "shipped"  # the model that is served, and the one that comes with fromnoise
DRAWN = Path("picture.png")  # what a picture is called that has no file yet


class Copies:
    """The check for copies, on the model that is served.

    Args:
        models: what is served.
    """

    def __init__(self, models: Models) -> None:
        self.models, self._lock = models, threading.Lock()
        self._known: Witnesses | None = None

    def of_file(self, file: Path) -> dict[str, Any]:
        """What is said of a picture that fromnoise drew: ``answers``, ``not_asked``; ``why`` where nobody can tell.

        Raises:
            FileNotFoundError: it is gone.
        """
        data = file.read_bytes()
        try:
            from fromnoise.evaluation.copies.answers import answers, origin_of
            from fromnoise.evaluation.copies.live import as_page

            origin = origin_of(data, "this picture")
            question = self._question(Path("this picture"), origin)
            return {**as_page(answers(question, data)), "why": "", "command": self._line(origin)}
        except UserError as error:
            return {"answers": [], "not_asked": [], "why": error.message, "command": ""}

    def news(self, subject: Subject, made: Plan, seeds: int) -> Iterator[dict[str, Any]]:
        """Draw a subject with several seeds, each with its verdict (:func:`live.copies_news`).

        Raises:
            UserError: packages are missing.
        """
        from fromnoise.evaluation.copies.live import copies_news

        return copies_news(self.models.base, subject, seeds, self._of(self.models.origin(made, None, False, 0, None)))

    def changes(self, name: str) -> Iterator[dict[str, Any]]:
        """Put a training picture through the check (:func:`live.changed_news`).

        Raises:
            UserError: packages are missing.
        """
        from fromnoise.evaluation.copies.live import changed_news

        return changed_news(name, self._of(None), self.models.opened)

    def _line(self, origin: Origin | None) -> str:
        """The command that compares a downloaded picture with the same models' training pictures."""
        from fromnoise.evaluation.copies.live import line_of

        with self._lock:
            drawn_by = self._drawn_by(origin)
        if drawn_by is None:
            return line_of(Opening(), self.models.opened.place or DEFAULT_MODEL)
        return line_of(self.models.opened if drawn_by == HERE else Opening())

    def _drawn_by(self, origin: Origin | None) -> str | None:
        """Which model drew a picture: the served one, the shipped one, or None for another; what nobody drew is
        taken for the served one's."""
        if origin is None:
            return HERE
        for place, name in ((HERE, HERE), (None, SHIPPED)):
            if origin.model_hash == self._open(place, False, origin.fast)[1].hash:
                return name
        return None

    def _of(self, origin: Origin | None) -> Callable[[], Question]:
        return lambda: self._question(DRAWN, origin)

    def _question(self, file: Path, origin: Origin | None) -> Question:
        """Whom to ask about a picture; one that nobody here drew is compared with the model that is served.

        Raises:
            UserError: the model has no index.
        """
        with self._lock:
            asked = self._witnesses()
            drawn_by = self._drawn_by(origin)
            if drawn_by != HERE:
                asked = replace(asked, model=None, against=() if drawn_by == SHIPPED else (HERE,))
            return asked.question(file, origin)

    def _witnesses(self) -> Witnesses:
        from fromnoise.evaluation.copies.asking import Witnesses

        self._known = self._known or Witnesses(self._opened, HERE)
        return self._known

    def _open(self, place: str | None, loras: bool, fast: bool) -> tuple[str, TextToImage]:
        return self._witnesses()._open(place, loras, fast)

    def _opened(self, place: str | None, loras: bool, fast: bool) -> tuple[str, TextToImage]:
        if place == HERE or self.models.shipped:
            return self.models.name, self.models.get(fast and self.models.can_be_fast)
        return open_model(Opening(None, (), "as stored", fast=fast))
