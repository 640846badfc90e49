"""What the page and the API may send, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.studio.encode import Format
from fromnoise.studio.engine import Show

MOST_SEED = 2**32 - 1  # of the page and the API; what torch's generator tells apart
MOST_TEXT = 4000

Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Text = Annotated[str, Field(max_length=MOST_TEXT)]
Name = Annotated[str, Field(max_length=64)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Steps = Annotated[int, Field(ge=1, le=1000)]
Guidance = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Strength = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class OtherIn(BaseModel):
    """The picture at the other end of a way; without a prompt, the same words with another seed."""

    model_config = ConfigDict(extra="forbid")
    seed: Seed
    prompt: Text | None = None
    negative: Text = ""
    style: Name | None = None


class JobIn(BaseModel):
    """What the page asks for: ``count`` pictures, or with ``towards`` one per amount and other seed."""

    model_config = ConfigDict(extra="forbid")
    prompt: Text = ""
    negative: Text = ""
    style: Name | None = None
    seed: Seed | None = None
    count: Annotated[int, Field(ge=1, le=64)] = 1
    steps: Steps | None = None
    guidance: Guidance | None = None
    rescale: Amount | None = None
    sampler: Name | None = None
    width: Annotated[int, Field(ge=16, le=MOST_SIDE)] | None = None
    height: Annotated[int, Field(ge=16, le=MOST_SIDE)] | None = None
    interval: Annotated[tuple[int, int], Field(description="lowest and highest t with guidance")] | None = None
    spacing: Name | None = None
    sigmas: Name | None = None
    free: bool = False
    fast: bool = False
    start: Id | None = None
    mask: Id | None = None
    strength: Strength | None = None
    towards: OtherIn | None = None
    amounts: Annotated[list[Amount], Field(min_length=1, max_length=32)] = [0.3]
    client: Name = ""
    show: Show = "clean"
    every: Annotated[int, Field(ge=1, le=1000)] = 1
    keep: bool = True


class PictureChange(BaseModel):
    """What may be changed about a kept picture."""

    model_config = ConfigDict(extra="forbid")
    favourite: bool


class Generation(BaseModel):
    """``POST /v1/images/generations``. Fields that OpenAI has and that mean nothing here are read and ignored."""

    model_config = ConfigDict(extra="forbid")
    prompt: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]
    model: Annotated[str, Field(max_length=200)] | None = None
    n: Annotated[int, Field(ge=1, le=16)] | None = 1
    size: Annotated[str, Field(max_length=20)] | None = "auto"
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Format | None = "png"
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = 100
    stream: bool | None = False
    partial_images: Annotated[int, Field(ge=0, le=50)] | None = 0
    user: Annotated[str, Field(max_length=512)] | None = None
    quality: Annotated[str, Field(max_length=20)] | None = None
    background: Literal["auto", "opaque"] | None = None
    moderation: Annotated[str, Field(max_length=20)] | None = None
    style: Name | None = None
    negative_prompt: Text | None = ""
    seed: Seed | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    sampler: Name | None = None
    fast: bool | None = False


class Edit(Generation):
    """The fields of ``POST /v1/images/edits`` beside its pictures."""

    strength: Strength | None = None
    input_fidelity: Annotated[str, Field(max_length=20)] | None = None


FIELDS = tuple(sorted({name for model in (JobIn, OtherIn, Generation, Edit) for name in model.model_fields}))
