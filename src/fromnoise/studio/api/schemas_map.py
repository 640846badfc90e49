"""What the chapter on the map sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from fromnoise.studio.api.schemas import Fields, Name, Seed, Text


class MapIn(Fields):
    """What to drop on the map."""

    prompts: Annotated[list[Text], Field(default_factory=list, max_length=12, description="what is dropped on the map")]
    nearest: Annotated[int, Field(ge=1, le=24, description="captions, and pictures, named beside each")] = 8
    points: Annotated[bool, Field(description="send all points of the map, too")] = True


class AreaIn(Fields):
    """Prompts whose pictures are drawn, with the same seeds for each, to see how much room they take."""

    also: ClassVar[Mapping[str, str]] = {"num_inference_steps": "steps"}
    prompts: Annotated[list[Text], Field(min_length=1, max_length=6, description="from general to narrow")]
    style: Annotated[Name | None, Field(description="one of the model's styles, or any for none")] = None
    seed: Seed | None = None
    steps: Annotated[int | None, Field(ge=1, le=200, description="how many steps to draw in")] = None
    pictures: Annotated[int, Field(ge=2, le=32, description="pictures of each prompt")] = 8
