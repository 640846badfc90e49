"""The model that is served: as it is, and with its few steps, which are loaded when somebody wants them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fromnoise import __version__
from fromnoise.drawing.choice import Choice, kept_plan
from fromnoise.drawing.opened import Opening, names_of
from fromnoise.drawing.picture_file import Origin
from fromnoise.drawing.plan import Plan
from fromnoise.drawing.start import Start
from fromnoise.provenance.marks import Made
from fromnoise.studio.desk.problem import Problem
from fromnoise.system.text_to_image import TextToImage


@dataclass(eq=False)
class Models:
    """One model, ready to draw.

    Attributes:
        name: what the API calls it.
        base: the model.
        load_fast: opens it with its few steps; None if it has none.
        load_plain: opens it as it is stored, to look inside; by default it is looked at as it draws.
        opened: how it was named, with its LoRAs; by itself the model that comes with fromnoise.
    """

    name: str
    base: TextToImage
    load_fast: Callable[[], TextToImage] | None = None
    load_plain: Callable[[], TextToImage] | None = None
    opened: Opening = field(default_factory=Opening)

    def __post_init__(self) -> None:
        self._fast: TextToImage | None = None
        self._lock = threading.Lock()

    @property
    def loras(self) -> tuple[str, ...]:
        """What was added to it, each as file:weight or file, for the pictures' files."""
        return names_of(self.opened.loras)

    @property
    def shipped(self) -> bool:
        """Whether it is the model that comes with fromnoise."""
        return self.opened.place is None

    @property
    def can_be_fast(self) -> bool:
        """Whether it can draw in a few steps."""
        return self.load_fast is not None

    def get(self, fast: bool = False) -> TextToImage:
        """The model to draw with.

        Raises:
            Problem: it has no few steps.
        """
        if not fast:
            return self.base
        if self.load_fast is None:
            raise Problem(400, "this model cannot draw in a few steps; leave out fast", "fast")
        with self._lock:
            if self._fast is None:
                self._fast = self.load_fast()
            return self._fast

    def loaded(self) -> list[TextToImage]:
        """The models that have been drawn with."""
        return [self.base] if self._fast is None else [self.base, self._fast]

    def plain(self) -> TextToImage:
        """The model as it is stored: drawing packs the networks' insides."""
        return self.base if self.load_plain is None else self.load_plain()

    def made(self, plan: Plan, from_a_picture: bool) -> Made:
        """What is said of a picture that is on its way."""
        return Made(plan.request.prompt, f"{self.name} ({self.base.hash})", __version__, from_a_picture)

    def origin(self, plan: Plan, start: Start | None, fast: bool, index: int, choice: Choice | None) -> Origin:
        """What a picture's file says of how it was drawn."""
        model, request = self.get(fast), kept_plan(plan, choice).request
        digest = start.digest if start else None
        return Origin(
            request,
            self.name,
            model.hash,
            __version__,
            index,
            model.precision,
            self.loras,
            digest,
            "torch",
            fast,
            choice,
        )
