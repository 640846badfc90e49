"""fromnoise: a text-to-image system that people can train, run and see through."""

__version__ = "0.1.0"
