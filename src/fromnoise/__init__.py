"""fromnoise: a text-to-image system that people can train, run and see through.

>>> import fromnoise
>>> model = fromnoise.load()
>>> model("a red apple", style="noto", seed=7)[0].save("apple.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fromnoise.ground.collecting import without_collecting

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fromnoise.diffusion.samplers import Step
    from fromnoise.drawing.generate import Finished
    from fromnoise.drawing.pipeline import Pipeline, load
    from fromnoise.drawing.plan import Plan
    from fromnoise.drawing.request import Request, Towards
    from fromnoise.ground.errors import UserError
    from fromnoise.system.text_to_image import TextToImage

__all__ = ["Finished", "Pipeline", "Plan", "Request", "Step", "TextToImage", "Towards", "UserError", "load"]

# Where the public names are: found when they are first asked for, so that importing fromnoise does not import torch.
_HOMES = {
    "Finished": "fromnoise.drawing.generate",
    "Pipeline": "fromnoise.drawing.pipeline",
    "Plan": "fromnoise.drawing.plan",
    "Request": "fromnoise.drawing.request",
    "Step": "fromnoise.diffusion.samplers",
    "TextToImage": "fromnoise.system.text_to_image",
    "Towards": "fromnoise.drawing.request",
    "UserError": "fromnoise.ground.errors",
    "load": "fromnoise.drawing.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fromnoise' has no attribute '{name}'")
    with without_collecting():
        return vars(import_module(_HOMES[name]))[name]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
