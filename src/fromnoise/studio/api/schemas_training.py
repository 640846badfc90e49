"""What the room of a training sends."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fromnoise.studio.api.fields import Fields, Seed, Text


class TrainIn(Fields):
    """What to train on, and for how long."""

    data: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4000,
            description='folder of pictures on the server\'s machine, or "hf:owner/name" on the hub',
        ),
    ]
    minutes: Annotated[
        float | None,
        Field(ge=0.1, le=100_000, allow_inf_nan=False, description="of training; by default what suits"),
    ] = None
    recipe: Annotated[
        Literal["finetune", "lora"],
        Field(description='"finetune" makes a model of its own, "lora" a small file beside the model'),
    ] = "finetune"
    trigger: Annotated[str, Field(max_length=40, description="a name for the pictures' look; none without it")] = ""


class TryIn(Fields):
    """What to draw with the newest model."""

    prompt: Annotated[Text, Field(description="what the picture shows")] = ""
    seed: Seed | None = None
