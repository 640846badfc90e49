"""``python -m fromnoise`` is the command ``fromnoise``."""

from fromnoise.cli import main

main()
