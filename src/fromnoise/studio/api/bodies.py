"""Which route reads which body, of all routes."""

from __future__ import annotations

from fromnoise.studio.api.fields import Fields
from fromnoise.studio.api.schemas import (
    CheckIn,
    Edit,
    Generation,
    JobIn,
    PictureChange,
    PlotIn,
    RepairIn,
    SpoilIn,
    Watch,
)
from fromnoise.studio.api.schemas_inside import (
    AreaIn,
    ChannelsIn,
    CopiesIn,
    JudgeIn,
    KindsIn,
    KnownIn,
    LevelIn,
    LookAtIn,
    LookIn,
    MapIn,
    NothingIn,
    RoundsIn,
    SumIn,
    WalkIn,
)
from fromnoise.studio.api.schemas_training import TrainIn, TryIn

BODIES: dict[str, type[Fields]] = {
    "/v1/images/generations": Generation,
    "/v1/images/edits": Edit,
    "/api/jobs": JobIn,
    "/api/check": CheckIn,
    "/api/inside/words": LookIn,
    "/api/inside/activations": LookIn,
    "/api/inside/guidance": LookIn,
    "/api/inside/ladder": LookIn,
    "/api/inside/judge": JudgeIn,
    "/api/inside/between": WalkIn,
    "/api/inside/between/sum": SumIn,
    "/api/inside/copies": CopiesIn,
    "/api/inside/copies/known": KnownIn,
    "/api/inside/hidden": LookIn,
    "/api/inside/axes": KindsIn,
    "/api/inside/axes/rounds": RoundsIn,
    "/api/inside/noise": LookAtIn,
    "/api/inside/noise/level": LevelIn,
    "/api/inside/latents": LookAtIn,
    "/api/inside/latents/changed": ChannelsIn,
    "/api/inside/map": MapIn,
    "/api/inside/map/area": AreaIn,
    "/api/inside/learning": NothingIn,
    "/api/inside/learning/lessons": LookAtIn,
    "/api/jobs/{job}/again": Watch,
    "/api/pictures/{picture}": PictureChange,
    "/api/training/start": TrainIn,
    "/api/training/try": TryIn,
    "/api/story/plots": PlotIn,
    "/api/story/spoilt": SpoilIn,
    "/api/story/repairs": RepairIn,
}
