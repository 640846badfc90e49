"""The command line: ``fromnoise generate | sheet | train | data | evaluate | inspect | info | studio | story``."""

from fromnoise.ground import busy  # noqa: F401, I001  (first: it sees what other programs do while the rest is read)
from fromnoise.cli.entry import app, main

__all__ = ["app", "main"]
