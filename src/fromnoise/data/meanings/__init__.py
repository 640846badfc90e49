"""What words mean, for the text tower to learn from: phrases with and without pictures, each with a vector."""

from fromnoise.data.meanings.builder import build
from fromnoise.data.meanings.table import Meanings

__all__ = ["Meanings", "build"]
