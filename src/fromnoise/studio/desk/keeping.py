"""Files that the studio keeps for its clients, and what it says where there is no room for them."""

from __future__ import annotations

from pathlib import Path

from fromnoise.ground.whole import whole_file
from fromnoise.studio.desk.problem import Problem


def keep_file(file: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        Problem: 507, the disk is full or cannot be written.
    """
    try:
        with whole_file(file) as draft:
            draft.write_bytes(data)
    except OSError as error:
        raise no_room(error) from None


def no_room(error: OSError) -> Problem:
    """What to say where a picture could not be written down; where on the server that was is nobody's business."""
    reason = error.strerror or type(error).__name__
    return Problem(507, f"the server has nowhere to put the picture ({reason}); make room on its disk, and try again")
