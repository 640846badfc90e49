"""Can the judge tell which caption a picture was drawn for?"""

from __future__ import annotations

from fromnoise.evaluation.bench import NAMES, Asked, Bench
from fromnoise.evaluation.retrieval import Gallery, Score, score, share_of_the_way
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.inspection.sheet import contact_sheet

COLUMNS = ("pictures", "top-1", "95 %", "top-5", "n")
KINDS = ("real", "again", "drawn", "noise")
TARGET = "at least 35% of the way"


def retrieval_section(bench: Bench) -> Section:
    """Score the pictures of the main questions among all concepts."""
    asked = bench.main
    scores = scores_of(bench, bench.main_gallery, asked)
    text = (
        f"{len(asked.keys)} concepts that every style has were chosen by the seed. For each concept and style one "
        "picture was drawn (unselected). The judge, a network that saw neither these pictures nor their captions, "
        "knows each concept from real pictures in all other style families, and says which concept it sees.",
        "Top-1 is how often its first choice is right, top-5 how often the right one is among its first five. The "
        "ceiling is the real picture of the same concept and style; the VAE row is the best that this model's decoder "
        "could show; the floor is random pixels.",
    )
    own, floor, ceiling = (scores[k] for k in ("drawn", "noise", "real"))
    return Section(
        "retrieval",
        f"Which of {len(asked.keys)} captions is it?",
        text,
        (Table(COLUMNS, rows_of(scores), f"Caption found by the judge, among {len(asked.keys)}."),),
        (_sheet(bench, asked),),
        {**{NAMES[k]: s.to_dict() for k, s in scores.items()}, "share": _way(scores), "concepts": len(asked.keys)},
        (
            Headline(f"caption found among {len(asked.keys)}", own.top1, floor.top1, ceiling.top1,
                     own.low, own.high, own.n, target=TARGET),
        ),
    )  # fmt: skip


def scores_of(bench: Bench, gallery: Gallery, asked: Asked, kinds: tuple[str, ...] = KINDS) -> dict[str, Score]:
    """Score of each kind of picture."""
    return {kind: score(gallery.ranks(bench.judge(asked.shown[kind]), asked.questions)) for kind in kinds}


def rows_of(scores: dict[str, Score], names: dict[str, str] | None = None) -> tuple[tuple[str, ...], ...]:
    """Rows of a table of scores."""
    names = names or NAMES
    return tuple(
        (names.get(k, k), f"{s.top1:.1%}", f"{s.low:.1%}–{s.high:.1%}", f"{s.top5:.1%}", str(s.n))
        for k, s in scores.items()
    )


def _way(scores: dict[str, Score]) -> float:
    tops = {kind: s.top1 for kind, s in scores.items()}
    return share_of_the_way(tops["drawn"], tops["noise"], tops["real"])


def _sheet(bench: Bench, asked: Asked) -> Picture:
    names = [q.text for q in asked.questions[:: len(bench.styles)]][:24]
    pictures = asked.shown["drawn"][: len(names) * len(bench.styles)]
    sheet = contact_sheet(pictures, names, bench.styles, zoom=1)
    alt = f"Drawings of {len(names)} concepts in rows, the styles {', '.join(bench.styles)} in columns."
    return Picture("sheet", sheet, alt, "Unselected drawings: the first concepts of the list, one picture each.")
