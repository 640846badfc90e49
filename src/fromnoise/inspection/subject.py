"""What a view looks at: one drawing, said once, for the library, the command and the studio alike."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fromnoise.drawing.opened import Opening
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.ground.config import Config
from fromnoise.system.text_to_image import TextToImage


@dataclass(frozen=True)
class Subject(Config):
    """One drawing. ``None`` takes the model's own default, as :class:`Request` does.

    Attributes:
        prompt: what it shows; "" draws without words.
        style: one of the model's styles.
        negative: what it should not show.
        seed: of its noise.
        steps, guidance, sampler: as in :class:`Request`.
        model: how the model was named; None for the shipped one. It only says so in :meth:`command`.
        lora: its LoRAs, each file or file:weight; likewise.
        precision: the number format that was asked for; None for what suits the machine; likewise.
    """

    prompt: str
    style: str | None = None
    negative: str = ""
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    model: str | None = None
    lora: tuple[str, ...] = ()
    precision: str | None = None

    @property
    def request(self) -> Request:
        """What draws it."""
        return Request(
            prompt=self.prompt,
            style=self.style,
            negative=self.negative,
            seed=self.seed,
            steps=self.steps,
            guidance=self.guidance,
            sampler=self.sampler,
            free=not self.prompt.strip(),
        )

    @property
    def opened(self) -> dict[str, Any]:
        """How its model was named and opened, as options of a :func:`command`."""
        return {"model": self.model, "lora": self.lora, "precision": self.precision}

    def plan(self, model: TextToImage, **other: Any) -> Plan:
        """What will be done to draw it; ``other`` are fields of the request that are to be otherwise.

        Raises:
            UserError: see :func:`fromnoise.drawing.plan.plan`.
        """
        return plan(model, replace(self.request, **other))

    def command(
        self, view: str, options: Mapping[str, Any] | None = None, out: str = "", more: Sequence[str] = ()
    ) -> str:
        """The line that shows the same in a terminal.

        >>> Subject("a red fox", style="noto", seed=7).command("words", {"mute": "red"}, "words.png")
        "fromnoise inspect words 'a red fox' --style noto --seed 7 --mute red --out words.png"

        Args:
            view: name of the command below ``fromnoise inspect``.
            options: the view's own, by their names; None and False are left out, True is a switch, lists repeat.
            out: the file that it writes.
            more: further arguments behind the prompt.
        """
        own: dict[str, Any] = {
            "style": self.style,
            "negative": self.negative or None,
            "seed": self.seed,
            "steps": self.steps,
        }
        own |= {"guidance": self.guidance, "sampler": self.sampler, **self.opened}
        return command(view, [self.prompt, *more], {**own, **(options or {}), "out": out or None})


def named(opened: Opening) -> dict[str, Any]:
    """How a model was opened, as a :class:`Subject` and the options of a :func:`command` call it."""
    precision = opened.precision if opened.precision in ("bf16", "fp32") else None
    place = None if opened.place is None else str(opened.place)
    return {"model": place, "lora": opened.loras, "precision": precision}


def command(view: str, arguments: list[str], options: Mapping[str, Any]) -> str:
    """A line for a terminal: ``fromnoise inspect VIEW ARGUMENTS --options``; see :meth:`Subject.command`."""
    words = ["fromnoise", "inspect", view, *arguments]
    for name, value in options.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is None or each is False:
                continue
            words.append(f"--{name.replace('_', '-')}")
            words += [] if each is True else [f"{each:g}" if isinstance(each, float) else str(each)]
    return shlex.join(words)
