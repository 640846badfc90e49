"""All measurements, in the order of the page.

A new one is a module with a function that takes the :class:`~fromnoise.evaluation.bench.Bench` and returns a section,
and a line here. Those in ``ON_REQUEST`` need more than the bench, or much longer, and are measured when asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.section import Section
from fromnoise.evaluation.sections.attributes import attributes_section
from fromnoise.evaluation.sections.colours import colours_section
from fromnoise.evaluation.sections.composition import composition_section
from fromnoise.evaluation.sections.copies import drawn_copies_section
from fromnoise.evaluation.sections.counts import counts_section
from fromnoise.evaluation.sections.curves import curves_section
from fromnoise.evaluation.sections.distance import distances_section
from fromnoise.evaluation.sections.film import film_section
from fromnoise.evaluation.sections.free import free_section
from fromnoise.evaluation.sections.no_style import no_style_section
from fromnoise.evaluation.sections.pairs import pairs_section
from fromnoise.evaluation.sections.reconstruction import reconstruction_section
from fromnoise.evaluation.sections.retrieval import retrieval_section
from fromnoise.evaluation.sections.second_style import second_style_section
from fromnoise.evaluation.sections.specificity import specificity_section
from fromnoise.evaluation.sections.style import style_section
from fromnoise.evaluation.sections.words import words_section
from fromnoise.ground.errors import UserError

Measurement = Callable[[Bench], Section]

MEASUREMENTS: dict[str, Measurement] = {
    "retrieval": retrieval_section,
    "style": style_section,
    "second_style": second_style_section,
    "no_style": no_style_section,
    "reconstruction": reconstruction_section,
    "distances": distances_section,
    "composition": composition_section,
    "words": words_section,
    "colours": colours_section,
    "counts": counts_section,
    "pairs": pairs_section,
    "attributes": attributes_section,
    "free": free_section,
    "specificity": specificity_section,
    "curves": curves_section,
    "film": film_section,
}
# Those that ask the main questions.
ON_ALL_CONCEPTS = {"retrieval", "style", "second_style", "no_style", "distances", "specificity", "curves", "copies"}
ON_REQUEST: dict[str, Measurement] = {"copies": drawn_copies_section}  # measured with --copies, shown once stored


def chosen(only: str | None, more: tuple[str, ...] = ()) -> list[str]:
    """The names of what is to be measured.

    Args:
        only: "retrieval,style", or None for all of :data:`MEASUREMENTS`.
        more: of :data:`ON_REQUEST`.

    Raises:
        UserError: a name that no measurement has.
    """
    every = [*MEASUREMENTS, *ON_REQUEST]
    if only is None:
        return [*MEASUREMENTS, *more]
    names = [name.strip() for name in only.split(",") if name.strip()]
    wrong = [name for name in names if name not in every]
    if wrong or not names:
        raise UserError(f"--only takes names of sections ({', '.join(every)}), not '{', '.join(wrong) or only}'")
    return [name for name in every if name in {*names, *more}]


def function_of(name: str) -> Measurement:
    """What measures a section."""
    return {**MEASUREMENTS, **ON_REQUEST}[name]
