"""The default training pictures: openly licensed emoji and clip art, aligned by what they show."""

from fromnoise.data.stickers.builder import StickersConfig, build
from fromnoise.data.stickers.summary import Summary

__all__ = ["StickersConfig", "Summary", "build"]
