"""What the chapters send: what is looked into, body by body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from fromnoise.inspection.judge import MOST_DECOYS, STRONGEST
from fromnoise.studio.api.fields import (
    Fields,
    Guidance,
    Id,
    Name,
    Seed,
    Text,
)


class LookIn(Fields):
    """What to draw while somebody looks inside."""

    also: ClassVar[Mapping[str, str]] = {
        "num_inference_steps": "steps",
        "guidance_scale": "guidance",
        "negative_prompt": "negative",
    }
    prompt: Annotated[Text, Field(description="what the picture shows")] = ""
    negative: Annotated[Text, Field(description="what it should not show")] = ""
    style: Annotated[Name | None, Field(description="one of the model's styles, or any for none")] = None
    seed: Seed | None = None
    steps: Annotated[int | None, Field(ge=1, le=200, description="how many steps to draw in")] = None
    guidance: Guidance | None = None


class JudgeIn(LookIn):
    """What to draw while another network judges every step."""

    decoys: Annotated[
        list[Text] | None, Field(description=f"other captions, up to {MOST_DECOYS}; by default three things")
    ] = None  # how many is said by the view itself, in plainer words
    clip_guidance: Annotated[
        float, Field(ge=0, le=STRONGEST, allow_inf_nan=False, description="how strongly it steers; 0 is off")
    ] = 0.0


class WalkIn(LookIn):
    """Where a walk begins, and where it ends; what is left out of the end is as where it begins."""

    to: Annotated[Text | None, Field(description="what the last picture shows")] = None
    to_seed: Annotated[Seed | None, Field(description="of the last picture")] = None
    both: Annotated[Text, Field(description="what may lie between, drawn beside the walk; empty for nothing")] = ""
    stops: Annotated[int, Field(ge=2, le=33, description="pictures, both ends included")] = 7


class CopiesIn(LookIn):
    """What to draw, and how often."""

    seeds: Annotated[int, Field(ge=1, le=8, description="pictures, each with a seed of its own")] = 4


class KnownIn(Fields):
    """One of the training pictures."""

    name: Annotated[str, Field(min_length=1, max_length=400, description="its file, as the index names it")]


class SumIn(LookIn):
    """A prompt, and what is taken from it and added to it."""

    minus: Annotated[Text, Field(description="words to take away")] = ""
    plus: Annotated[Text, Field(description="words to add")] = ""
    target: Annotated[Text | None, Field(description="the prompt that it should mean")] = None
    seeds: Annotated[int, Field(ge=1, le=8, description="how many noises to try it with")] = 3


class KindsIn(Fields):
    """What is to be told apart."""

    kinds: Annotated[
        list[Name] | None,
        Field(max_length=12, description="two to six, as captions call them; else usual things, or the most frequent"),
    ] = None


class RoundsIn(KindsIn):
    """The same for a network that is to learn it."""

    seed: Annotated[Seed, Field(description="of its first weights")] = 0


class LookAtIn(Fields):
    """Which picture to look into: one that is drawn first, or an upload."""

    prompt: Annotated[Text, Field(description="what to draw; of an upload, what is in it")] = ""
    style: Annotated[Name | None, Field(description="one of the model's styles, or any for none")] = None
    seed: Seed | None = None
    start: Annotated[Id | None, Field(description="id of an upload to look into instead of drawing")] = None


class LevelIn(LookAtIn):
    """A picture, and one noise level of it."""

    start: Annotated[Id, Field(description="id of the upload that is looked into")]
    t: Annotated[int, Field(ge=-1, le=9999, description="the level, -1 is no noise")]


class NothingIn(Fields):
    """Nothing is asked: the model itself is looked at."""


class ChannelsIn(Fields):
    """An upload, and how strong each channel of its latents is to be."""

    start: Annotated[Id, Field(description="id of the upload")]
    gains: Annotated[
        list[Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]],
        Field(min_length=1, max_length=64, description="one factor for each channel: 0 mutes it, 1 leaves it"),
    ]


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
