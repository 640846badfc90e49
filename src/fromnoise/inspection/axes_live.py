"""The lesson of kinds and axes as messages for a page: JSON, with pictures inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fromnoise.drawing.opened import Opening
from fromnoise.inspection.axes import axes_of
from fromnoise.inspection.axes_figure import measured_facts
from fromnoise.inspection.axes_panels import busiest
from fromnoise.inspection.kinds import examples
from fromnoise.inspection.kinds_found import found_kinds
from fromnoise.inspection.live import as_url
from fromnoise.inspection.rounds import ROUNDS, rounds
from fromnoise.inspection.separating import Accuracy
from fromnoise.inspection.subject import command, named
from fromnoise.system.text_to_image import TextToImage

WINDOW = 8  # pixels of side of the square whose numbers are shown


def axes_news(
    model: TextToImage, kinds: Sequence[str] | None = None, opened: Opening = Opening()
) -> Iterator[dict[str, Any]]:
    """ "sheet" at once, with one whole picture of each kind and why these kinds, "measured" with all but the network.

    A page can compute every guess again from the second: values, folds, all sets' scores, CLIP's points and the
    pictures themselves are in it.

    Args:
        model: whose pictures are told apart, and whose CLIP is asked.
        kinds: see :func:`fromnoise.inspection.kinds_found.found_kinds`.
        opened: how the model was opened, for the command.

    Raises:
        UserError: a kind is not there.
    """
    chosen = found_kinds(model, kinds)
    found = chosen.drawings
    firsts = [found.images[found.label == k][0] for k in range(len(found.kinds))]
    pictures = [
        {"kind": kind, "picture": as_url(each), "corner": list(busiest(each, WINDOW))}
        for kind, each in zip(found.kinds, firsts, strict=True)
    ]
    yield {"type": "sheet", "pictures": pictures, "window": WINDOW, "why": chosen.why}
    axes = axes_of(model, examples(found))
    space = axes.space
    clip = {} if space is None else {"middle": told(space.middle), "caption": told(space.caption)}
    data = chosen.data if model.copies is not None else None  # else the command finds them by itself
    line = command("axes", [], {"kinds": ",".join(found.kinds), "data": data, **named(opened), "out": "axes.html"})
    yield {"type": "measured", **measured_facts(axes), "clip_scores": clip, "command": line}


def rounds_news(model: TextToImage, kinds: Sequence[str] | None = None, seed: int = 0) -> Iterator[dict[str, Any]]:
    """ "round" for the network before it has learnt anything, and after each round; closing the iterator ends it.

    Args:
        model: whose pictures are learnt from: the very ones of :func:`axes_news`.
        kinds: as there.
        seed: of the network's first weights, and of the order in which it sees pictures.

    Raises:
        UserError: as :func:`axes_news`.
    """
    for each in rounds(examples(found_kinds(model, kinds).drawings), seed):
        yield {
            "type": "round",
            "round": each.number,
            "rounds": ROUNDS,
            "loss": round(each.loss, 4),
            "right": told(each.accuracy),
            "chances": [[round(chance, 3) for chance in row] for row in each.chances.tolist()],
            "guesses": each.guesses.tolist(),
        }


def told(score: Accuracy) -> dict[str, Any]:
    """A score as a message."""
    return {name: round(value, 4) for name, value in score.to_dict().items()}
