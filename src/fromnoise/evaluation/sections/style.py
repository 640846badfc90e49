"""Is it drawn in the style that was asked for?"""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.evaluation.bench import NAMES, Bench
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.section import Headline, Section, Table
from fromnoise.evaluation.style import StyleJudge, style_features
from fromnoise.evaluation.words import share, share_interval

SETS = ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji-3d", "fluent-emoji", "emojione", "noto-v1", "fxemoji")
KINDS = ("real", "again", "drawn", "noise")
TEXT = (
    "A judge of styles learns from real pictures how each style looks: "
    "its textures, its paint box and its edges. It sees every picture twice, as it is and a little damaged "
    "(blurred, compressed, scaled or noisy), or else it would go by pixel-exact edges that no drawing has. The "
    "concepts asked for here are kept from it. Then it names the style of each picture.",
    "The ceiling is real pictures of the same concepts; the VAE row shows what is lost in the decoder; the floor is "
    "random pixels, which it takes for one and the same style.",
)


def style_section(bench: Bench) -> Section:
    """Style accuracy of every kind of picture, the drawings' confusions, and the judge's own figures on more styles."""
    wanted = [q.style for q in bench.main.questions]
    judge = bench.main_style_judge
    features = {kind: style_features(bench.main.shown[kind]) for kind in KINDS}
    right = {kind: judge.right(f, wanted) for kind, f in features.items()}
    found = {kind: mean_of(hits) for kind, hits in right.items()}
    sets = [s for s in SETS if any(r.style == s for r in bench.pictures.records)]
    wider = _wider(bench, tuple(sets)) if set(sets) > set(bench.styles) else {}
    columns = ("pictures", "style right", "95 %", "n")
    tables = [
        Table(columns, tuple(_row(NAMES[k], m) for k, m in found.items()), f"Among {len(bench.styles)} styles."),
        _confusions(judge, features["drawn"], wanted, "drawings"),
        _confusions(judge, features["real"], wanted, "real pictures"),
    ]
    if wider:
        rows = tuple(_row(name, mean) for name, mean in wider.items())
        tables.append(Table(columns, rows, f"The same judge on real pictures of {len(sets)} styles of the data."))
    own, floor, ceiling = found["drawn"], found["noise"], found["real"]
    data = {NAMES[k]: m.to_dict() for k, m in found.items()} | {"learnt from": len(bench.others_of(bench.styles))}
    data |= {"real pictures of more styles": {k: m.to_dict() for k, m in wider.items()}}
    return Section(
        "style",
        "Is it in the style that was asked for?",
        TEXT,
        tuple(tables),
        (),
        data,
        (Headline("style as asked", own.value, floor.value, ceiling.value, own.low, own.high, own.n),),
    )


def _wider(bench: Bench, styles: tuple[str, ...]) -> dict[str, Mean]:
    """How well the judge tells real pictures of more styles apart: of all, and style by style."""
    asked = set(bench.main.keys)
    fresh = [i for i, r in enumerate(bench.pictures.records) if r.style in styles and r.key in asked]
    judge = bench.style_judge(bench.others_of(styles), styles)
    names = [bench.pictures.records[i].style for i in fresh]
    right = judge.right(bench.styled(fresh), names)
    by_style = {s: mean_of(right[torch.tensor([name == s for name in names])]) for s in styles}
    return {f"all {len(styles)} styles": mean_of(right), **by_style}


def _confusions(judge: StyleJudge, features: Tensor, wanted: list[str], what: str) -> Table:
    named = judge.named(features)
    rows = []
    for style in judge.names:
        of = named[torch.tensor([w == style for w in wanted])]
        rows.append((style, *(share(float((of == i).double().mean())) for i in range(len(judge.names)))))
    return Table(("asked for", *judge.names), tuple(rows), f"Which style the {what} are taken for.")


def _row(name: str, mean: Mean) -> tuple[str, ...]:
    return name, share(mean.value), share_interval(mean), str(mean.n)
