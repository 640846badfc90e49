"""The command line: ``fromnoise generate | sheet | train | data | evaluate | info``."""

from fromnoise.cli.main import app, main

__all__ = ["app", "main"]
