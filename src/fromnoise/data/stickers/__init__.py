"""The default training pictures: openly licensed emoji and clip art, aligned by what they show."""

from fromnoise.data.stickers.builder import StickersConfig, Summary, build

__all__ = ["StickersConfig", "Summary", "build"]
