"""The command line: ``fromnoise generate | sheet | train | data | evaluate | inspect | info | studio | story``."""

from fromnoise.cli.entry import app, main

__all__ = ["app", "main"]
