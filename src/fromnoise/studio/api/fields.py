"""What all bodies of requests have in common: kinds of fields, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from fromnoise.drawing.request import MOST_CANDIDATES
from fromnoise.studio.api.naming import meant

MOST_SEED = 2**32 - 1  # of the page and the API; what torch's generator tells apart
MOST_TEXT = 4000
MOST_STORY_STEPS = 60

Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Text = Annotated[str, Field(max_length=MOST_TEXT)]
Name = Annotated[str, Field(max_length=64)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED, description="the same seed draws the same picture; by default any")]
Steps = Annotated[int, Field(ge=1, le=1000, description="how many steps to draw in")]
Guidance = Annotated[
    float, Field(ge=0, le=100, allow_inf_nan=False, description="how closely to follow the words; 1 is off")
]
Strength = Annotated[
    float, Field(gt=0, le=1, allow_inf_nan=False, description="how far the picture may be changed; 1 is altogether")
]
Amount = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
BestOf = Annotated[
    int,
    Field(ge=1, le=MOST_CANDIDATES, description="draw so many candidates and keep the one that fits the words best"),
]
Sentence = Annotated[str, Field(max_length=400)]
Noise = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, description="share of the words that may be wrong")]


def _with_other_names(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Tell the API's document the other names that fields are read by."""
    if issubclass(model, Fields):
        for other, name in model.also.items():
            schema["properties"][other] = {**schema["properties"][name], "description": f"another name of {name}"}


class Fields(BaseModel):
    """What the body of a request may have. Optional fields that are empty or null count as absent.

    Attributes:
        also: other names that fields are read by: those of diffusers, which people know.
        limited: fields whose largest value is one of the server's limits, and which.
        of_drawing: what a setting of a drawing is called here, where that is something else.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=_with_other_names)
    also: ClassVar[Mapping[str, str]] = {}
    limited: ClassVar[Mapping[str, str]] = {}
    of_drawing: ClassVar[Mapping[str, str]] = {}
    _said: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _as_meant(cls, given: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, Mapping):
            return read(given)
        fields, said = meant(given, cls.model_fields, cls.also)
        found = read(fields)
        found._said = said
        return found

    def name_of(self, setting: str | None) -> str | None:
        """What the client called a setting of the drawing."""
        name = self.of_drawing.get(setting or "", setting or "")
        return self._said.get(name, name) or None
