"""Lines for the story game: one-line plots by genre and place, and real sentences."""

from fromnoise.data.plots.builder import HELD_OUT, TRAIN, PlotsConfig, Summary, build, read
from fromnoise.data.plots.grammar import Line, genres, places

__all__ = ["HELD_OUT", "TRAIN", "Line", "PlotsConfig", "Summary", "build", "genres", "places", "read"]
