"""The endless world's raw material: openly licensed drawings, each with a true name, from npm packages."""

from fromnoise.data.drawings.builder import DrawingsConfig, build
from fromnoise.data.drawings.summary import Summary

__all__ = ["DrawingsConfig", "Summary", "build"]
