"""What an answer says of its pictures beside their pixels: seeds, how they were chosen, and what else is to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fromnoise.drawing.matte import told_of
from fromnoise.drawing.picture_file import Origin
from fromnoise.studio.desk.engine import Drawn


def facts_of(origin: Origin) -> dict[str, Any]:
    """A picture's own seed; whether its pixels are marked and who signed it, where that is so; and of one that was
    chosen among candidates, which was kept, and all their scores."""
    found: dict[str, Any] = {"seed": origin.request.seed}
    found |= {"watermark": True} if origin.watermark else {}
    found |= {"signer": origin.signer} if origin.signer else {}
    if origin.choice is not None:
        choice = origin.choice.to_dict()
        found["best_of"] = {name: choice[name] for name in ("kept", "scores", "copies")}
    return found


def warnings_of(drawn: Sequence[Drawn]) -> list[str]:
    """What drawing has to say of each picture, in sentences; numbered where there are several pictures."""
    several = len(drawn) > 1
    notes = [(*(each.choice.notes if each.choice else ()), *told_of(each.picture)) for each in drawn]
    return [f"picture {i}: {note}" if several else note for i, told in enumerate(notes, 1) for note in told]
