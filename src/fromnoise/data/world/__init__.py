"""The world: pictures without end whose captions are exactly true, made from single drawings."""

from fromnoise.data.world.choose import World, WorldMix
from fromnoise.data.world.description import Description, Ground, Thing
from fromnoise.data.world.drawing import Drawing, read_drawings
from fromnoise.data.world.stream import WorldBatch, WorldStream, world_stream

__all__ = [
    "Description",
    "Drawing",
    "Ground",
    "Thing",
    "World",
    "WorldBatch",
    "WorldMix",
    "WorldStream",
    "read_drawings",
    "world_stream",
]
