"""How many steps, and how much guidance? Retrieval and KID against both, on a fixed smaller set of drawings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.distances import mmd2_unbiased
from fromnoise.evaluation.plots import Axes, Line, line_plot
from fromnoise.evaluation.retrieval import Question, Score, score
from fromnoise.evaluation.section import Picture, Section, Table
from fromnoise.evaluation.sections.distance import others
from fromnoise.evaluation.words import number
from fromnoise.ground.config import Config
from fromnoise.system.text_to_image import TextToImage

TEXT = (
    "The same prompts and noises, drawn with different numbers of steps at the usual guidance, and with different "
    "guidance at the usual number of steps. Caption found: the judge's first choice among all the concepts. KID: "
    "distance of the drawings to real pictures of other concepts, lower is better.",
    "Floor (noise) and ceiling (real pictures) are measured on the same questions. With so few drawings per "
    "point, points whose intervals overlap cannot be told apart.",
)


@dataclass(frozen=True)
class Point(Config):
    """One setting and what was measured.

    Attributes:
        label: of the model; "" for the one that is evaluated.
        at: steps, or guidance.
        top1, low, high: caption found, with its interval.
        kid: unbiased, of all drawings of the point.
        n: drawings.
    """

    label: str
    at: float
    top1: float
    low: float
    high: float
    kid: float
    n: int


def curves_section(bench: Bench) -> Section:
    """Measure points along steps and guidance, and further models at their own settings."""
    questions = bench.main.questions[: bench.sizes.curve]
    steps = [_point(bench, questions, s, {"steps": s}) for s in bench.sizes.steps]
    guidances = [_point(bench, questions, g, {"guidance": g}) for g in bench.sizes.guidances]
    beside = [_point(bench, questions, m.defaults.steps, {}, m, label) for label, m in bench.beside]
    ends = {kind: _judged(bench, bench.main.shown[kind][: len(questions)], questions) for kind in ("noise", "real")}
    default = bench.model.defaults
    pictures = (
        *_plots("steps", [*steps, *beside], ends, Axes("steps", "", tuple(map(float, bench.sizes.steps)), log=True)),
        *_plots("guidance", guidances, ends, Axes("guidance", "", bench.sizes.guidances)),
    )
    tables = (
        _table("steps", [*steps, *beside], ends, f"Guidance {default.guidance:g}, sampler {default.sampler}."),
        _table("guidance", guidances, ends, f"{default.steps} steps, sampler {default.sampler}."),
    )
    data: dict[str, Any] = {
        name: [p.to_dict() for p in points]
        for name, points in (("steps", steps), ("guidance", guidances), ("beside", beside))
    }
    data |= {kind: {**s.to_dict(), "kid": k} for kind, (s, k) in ends.items()}
    return Section("curves", "How many steps, and how much guidance?", TEXT, tables, pictures, data)


def _judged(bench: Bench, pictures: Any, questions: list[Question]) -> tuple[Score, float]:
    features = bench.judge(pictures)
    far = mmd2_unbiased(others(bench, len(bench.main.questions)), features)
    return score(bench.main_gallery.ranks(features, questions)), far


def _point(
    bench: Bench, questions: list[Question], at: float, settings: dict[str, Any], model: TextToImage | None = None,
    label: str = "",
) -> Point:  # fmt: skip
    requests = [replace(request, **settings) for request in bench.asked_requests(questions)]
    what = label or ", ".join(f"{name} {value:g}" for name, value in settings.items())
    found, kid = _judged(bench, bench.draw(requests, what, model), questions)
    return Point(label, float(at), found.top1, found.low, found.high, kid, found.n)


def _plots(name: str, points: list[Point], ends: dict[str, tuple[Score, float]], axes: Axes) -> list[Picture]:
    labels = list(dict.fromkeys(p.label for p in points))
    found, far = [], []
    for label in labels:
        of = [p for p in points if p.label == label]
        at, low, high = [p.at for p in of], [p.low for p in of], [p.high for p in of]
        found.append(Line(label or "this model", at, [p.top1 for p in of], low, high, alone=bool(label)))
        far.append(Line(label or "this model", at, [p.kid for p in of], alone=bool(label)))
    levels = (("real", ends["real"][0].top1), ("noise", ends["noise"][0].top1))
    pictures = []
    for measure, what, lines, level in (
        ("retrieval", "caption found", found, levels),
        ("kid", "KID", far, (("real", ends["real"][1]),)),
    ):
        alt = f"{what} against {name}: " + ", ".join(
            f"{x:g}: {y:.3g}" for x, y in zip(lines[0].x, lines[0].y, strict=True)
        )
        plot = line_plot(lines, replace(axes, y=what, level=level, from_zero=measure == "retrieval"))
        pictures.append(Picture(f"{name}_{measure}", plot, alt, f"{what[0].upper()}{what[1:]} against {name}."))
    return pictures


def _table(name: str, points: list[Point], ends: dict[str, tuple[Score, float]], caption: str) -> Table:
    rows = [
        (f"{p.label} ({p.at:g})" if p.label else f"{p.at:g}", f"{p.top1:.1%}", f"{p.low:.1%}–{p.high:.1%}",
         number(p.kid), str(p.n))
        for p in points
    ]  # fmt: skip
    for kind, (s, kid) in ends.items():
        row = {"noise": "noise (floor)", "real": "real (ceiling)"}[kind]
        rows.append((row, f"{s.top1:.1%}", f"{s.low:.1%}–{s.high:.1%}", number(kid), str(s.n)))
    return Table((name, "caption found", "95 %", "KID", "n"), tuple(rows), caption)
