"""Names of fields: others that are read, empty ones that count as absent, and what an unknown one may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import PydanticCustomError

TEXTS = ("negative", "negative_prompt")  # where spaces are something
# What other programs call things, one line for a thing.
SYNONYMS = (
    ("guidance", "guidance_scale", "cfg_scale", "cfg", "scale"),
    ("steps", "num_inference_steps", "num_steps", "sample_steps", "sampling_steps", "inference_steps"),
    ("negative", "negative_prompt", "uncond_prompt"),
    ("n", "count", "num_images_per_prompt", "num_images", "batch_size", "num_outputs", "n_iter", "samples"),
    ("sampler", "scheduler", "sampler_name", "sampler_index"),
    ("size", "width", "height", "aspect_ratio", "resolution", "image_size"),
    ("strength", "denoising_strength", "image_strength", "prompt_strength"),
    ("output_format", "format", "file_format"),
    ("output_compression", "compression"),
    ("seed", "random_seed", "noise_seed", "generator"),
    ("prompt", "text", "input", "description"),
    ("image", "start", "init_image", "input_image", "image_url", "images"),
    ("mask", "mask_image", "mask_url"),
    ("model", "model_id", "checkpoint"),
    ("style", "style_preset"),
)


def is_blank(name: str, value: Any) -> bool:
    """Whether a field says nothing."""
    return value is None or value == "" or (isinstance(value, str) and name not in TEXTS and not value.strip())


def meant(
    given: Mapping[str, Any], fields: Collection[str], also: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What a client's fields mean: empty ones left out, other names read.

    Args:
        given: as the client sent them.
        fields: that there are.
        also: other names of some of them.

    Returns:
        The fields, and for those that came under another name, that name.

    Raises:
        PydanticCustomError: one field under two names with two values.
    """
    there = {k: v for k, v in given.items() if not ((k in fields or k in also) and is_blank(k, v))}
    said: dict[str, str] = {}
    for other, name in also.items():
        if other not in there:
            continue
        value = there.pop(other)
        if there.setdefault(name, value) != value:
            first = said.get(name, name)
            raise PydanticCustomError(
                "two_names",
                "{first} and {other} are two names of one field; send one",
                {"first": first, "other": other},
            )
        if is_blank(name, given.get(name)):
            said.setdefault(name, other)
    return there, said


def hint(name: str, here: str, routes: dict[str, Collection[str]]) -> str:
    """What an unknown field may have meant, as the end of a sentence; "" if nobody knows.

    Args:
        name: of the field.
        here: the route that it was sent to.
        routes: the fields that each route takes, the likeliest first.
    """
    own = [field for field in routes.get(here, ()) if field != name]
    alike = set(next((group for group in SYNONYMS if name.lower() in group), ()))
    if alike & set(own):
        return f"; did you mean {_whole(next(field for field in own if field in alike))}?"
    elsewhere = [route for route, fields in routes.items() if name in fields and route != here]
    if elsewhere:
        return f"; {' and '.join(elsewhere[:2])} {'takes' if len(elsewhere) == 1 else 'take'} it"
    if near := difflib.get_close_matches(name.lower(), own, 1, 0.75):
        return f"; did you mean {_whole(near[0])}?"
    others: dict[str, str] = {}
    for route, fields in routes.items():
        for field in fields:
            if field != name:
                others.setdefault(field, route)
    far = [field for field in others if field in alike] or difflib.get_close_matches(name.lower(), others, 1, 0.75)
    return f"; did you mean {far[0]}, which {others[far[0]]} takes?" if far else ""


def _whole(field: str) -> str:
    return "width and height" if field in ("width", "height") else field
