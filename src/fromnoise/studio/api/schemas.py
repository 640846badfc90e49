"""What the page and the API may send, body by body."""

# ruff: noqa: RUF012 - pydantic copies lists that are defaults

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.studio.api.fields import (
    MOST_SEED,
    MOST_STORY_STEPS,
    MOST_TEXT,
    Amount,
    BestOf,
    Fields,
    Guidance,
    Id,
    Name,
    Noise,
    Seed,
    Sentence,
    Steps,
    Strength,
    Text,
)
from fromnoise.studio.desk.encode import Format
from fromnoise.studio.desk.engine import Show
from fromnoise.studio.settings import Limits


class OtherIn(Fields):
    """The picture at the other end of a way; without a prompt, the same words with another seed."""

    also: ClassVar[Mapping[str, str]] = {"negative_prompt": "negative"}
    seed: Seed
    prompt: Text | None = None
    negative: Text = ""
    style: Name | None = None


class Watch(Fields):
    """How a job is watched."""

    client: Annotated[Name, Field(description="name of the page that is sent the previews")] = ""
    show: Annotated[Show, Field(description="what to show of every step")] = "clean"
    every: Annotated[int, Field(ge=1, le=1000, description="show every so many steps")] = 1
    keep: Annotated[bool, Field(description="put the pictures into the gallery")] = True


class JobIn(Watch):
    """What the page asks for: ``count`` pictures, or with ``towards`` one per amount and other seed."""

    also: ClassVar[Mapping[str, str]] = {
        "num_inference_steps": "steps",
        "guidance_scale": "guidance",
        "negative_prompt": "negative",
        "num_images_per_prompt": "count",
    }
    limited: ClassVar[Mapping[str, str]] = {"count": "count"}
    prompt: Annotated[Text, Field(description="what the pictures show")] = ""
    negative: Annotated[Text, Field(description="what they should not show")] = ""
    style: Annotated[Name | None, Field(description="one of the model's styles, or any for none")] = None
    seed: Seed | None = None
    count: Annotated[int, Field(ge=1, description="how many pictures")] = 1
    steps: Steps | None = None
    guidance: Guidance | None = None
    rescale: Annotated[Amount | None, Field(description="how far contrast that guidance adds is taken back")] = None
    sampler: Annotated[Name | None, Field(description="how noise is taken away")] = None
    width: Annotated[int | None, Field(ge=16, le=MOST_SIDE, description="in pixels")] = None
    height: Annotated[int | None, Field(ge=16, le=MOST_SIDE, description="in pixels")] = None
    interval: Annotated[tuple[int, int] | None, Field(description="lowest and highest t with guidance")] = None
    spacing: Annotated[Name | None, Field(description="how the steps are spread over t")] = None
    sigmas: Annotated[Name | None, Field(description="how the noise levels fall")] = None
    free: Annotated[bool, Field(description="draw without words")] = False
    transparent: Annotated[bool, Field(description="cut the thing out of its white background")] = False
    best_of: BestOf = 1
    fast: Annotated[bool, Field(description="draw in a few steps, if the model can")] = False
    start: Annotated[Id | None, Field(description="id of an upload to start from")] = None
    mask: Annotated[Id | None, Field(description="id of an upload that says what may change")] = None
    strength: Strength | None = None
    towards: Annotated[OtherIn | None, Field(description="a picture to go part of the way to")] = None
    amounts: Annotated[list[Amount], Field(min_length=1, max_length=32, description="how far to go")] = [0.3]


class PictureChange(Fields):
    """What may be changed about a kept picture."""

    favourite: bool


class Generation(Fields):
    """``POST /v1/images/generations``. Fields that OpenAI has and that mean nothing here are read and ignored."""

    also: ClassVar[Mapping[str, str]] = {
        "num_inference_steps": "steps",
        "guidance_scale": "guidance",
        "negative": "negative_prompt",
        "num_images_per_prompt": "n",
    }
    of_drawing: ClassVar[Mapping[str, str]] = {
        "negative": "negative_prompt",
        "count": "n",
        "width": "size",
        "height": "size",
    }
    limited: ClassVar[Mapping[str, str]] = {"n": "api_count"}
    prompt: Annotated[str, Field(max_length=MOST_TEXT, description="what the pictures show")]
    model: Annotated[str | None, Field(max_length=200, description="the model's name, or left out")] = None
    n: Annotated[int | None, Field(ge=1, description="how many pictures")] = 1
    size: Annotated[
        str | None, Field(max_length=20, description="width x height in pixels; auto is the model's own")
    ] = "auto"
    response_format: Annotated[
        Literal["b64_json", "url"] | None, Field(description="pictures in the answer, or addresses of them")
    ] = None
    output_format: Annotated[Format | None, Field(description="kind of file")] = "png"
    output_compression: Annotated[int | None, Field(ge=0, le=100, description="quality of jpeg and webp")] = 100
    stream: Annotated[bool | None, Field(description="answer with events")] = False
    partial_images: Annotated[int | None, Field(ge=0, le=50, description="pictures on the way, of a stream")] = 0
    user: Annotated[str | None, Field(max_length=512, description="means nothing here")] = None
    quality: Annotated[str | None, Field(max_length=20, description="means nothing here")] = None
    background: Annotated[
        Literal["auto", "opaque", "transparent"] | None,
        Field(description="transparent cuts the thing out of its white background, in png or webp; auto is opaque"),
    ] = None
    moderation: Annotated[str | None, Field(max_length=20, description="means nothing here")] = None
    style: Annotated[Name | None, Field(description="one of the model's styles, or any for none")] = None
    negative_prompt: Annotated[Text | None, Field(description="what the pictures should not show")] = ""
    seed: Seed | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    sampler: Annotated[Name | None, Field(description="how noise is taken away")] = None
    best_of: BestOf | None = 1
    fast: Annotated[bool | None, Field(description="draw in a few steps, if the model can")] = False


class Edit(Generation):
    """The fields of ``POST /v1/images/edits`` beside its pictures."""

    strength: Strength | None = None
    input_fidelity: Annotated[str | None, Field(max_length=20, description="means nothing here")] = None


class PlotIn(Fields):
    """What story to draw, or with ``start`` what sentence to repair."""

    also: ClassVar[Mapping[str, str]] = {"num_inference_steps": "steps", "guidance_scale": "guidance"}
    genre: Name = ""
    place: Name = ""
    start: Sentence = ""
    strength: Noise = 0.9
    keep: Annotated[list[Name], Field(max_length=8)] = []
    steps: Annotated[int, Field(ge=1, le=MOST_STORY_STEPS)] = 30
    guidance: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 2.0
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.8
    revisions: Annotated[int, Field(ge=0, le=100, description="words that may change when it is read again")] = 12
    seed: Annotated[int | None, Field(ge=0, le=MOST_SEED, description="any by default; the answer says which")] = None


class CheckIn(Fields):
    """Words to look at before they are drawn."""

    also: ClassVar[Mapping[str, str]] = {"negative_prompt": "negative"}
    prompt: Text = ""
    negative: Text = ""


class SpoilIn(Fields):
    """Which sentence to spoil, and how much."""

    noise: Noise
    seed: Annotated[int | None, Field(ge=0, le=MOST_SEED, description="any by default; the answer says which")] = None
    number: Annotated[int, Field(ge=0, le=10**6, description="which of the game's sentences")] = 0
    text: Sentence = ""


class RepairIn(Fields):
    """A sentence with wrong words."""

    text: Sentence
    errors: Annotated[int, Field(ge=1, le=40)] = 1
    lengths: Annotated[bool, Field(description="an error may also be a word too many or one too few")] = False


def tell_limits(schema: dict[str, Any], model: type[Fields], limits: Limits) -> dict[str, Any]:
    """Write a server's limits into the JSON schema of a model; returns it."""
    for name, limit in model.limited.items():
        for called in (name, *(other for other, own in model.also.items() if own == name)):
            facts = schema["properties"][called]
            kinds = [kind for kind in facts.get("anyOf", (facts,)) if kind.get("type") == "integer"]
            kinds[0]["maximum"] = getattr(limits, limit)
    return schema
