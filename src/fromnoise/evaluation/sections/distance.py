"""Do the drawings, taken together, look like the real pictures? KID, density and coverage."""

from __future__ import annotations

from torch import Tensor

from fromnoise.evaluation.bench import NAMES, Bench
from fromnoise.evaluation.distances import density_coverage, kid, mmd2_biased, mmd2_unbiased
from fromnoise.evaluation.section import Headline, Section, Table
from fromnoise.evaluation.words import number, share

TEXT = (
    "These figures compare crowds, not single pictures: all drawings with as many real pictures of other concepts "
    "in the same styles, by what an independent network (the judge) sees in them. Whether a drawing shows what "
    "was asked for plays no part here.",
    "KID is 0 for two crowds of one kind and grows with the difference; it can fall a little below 0 by chance. "
    "It is computed as published, over random subsets, with their spread. Its size has no meaning of its own, so "
    "it is shown beside real pictures against real pictures, and beside noise.",
    "As a multiple of real against real: the real-against-real KID is 0 but for chance, so nothing can be divided "
    "by it. Instead both are computed with the biased estimate, which counts pairs of a picture with itself: it "
    "is what two samples of this size would measure at least, is never 0, and changes little from sample to "
    "sample. 1 would be as good as real. The multiple depends on n: compare it at equal n only.",
    "As a yardstick from life there is also the KID between the real pictures of two styles (of the same concepts).",
    "Density says whether drawings lie where real pictures lie (about 1 for real ones), coverage which share of "
    "the kinds of real pictures has a drawing near it. Both look at the 5 nearest real neighbours.",
)
KINDS = ("real", "again", "drawn", "noise")
TARGET = 8.0


def distances_section(bench: Bench) -> Section:
    """Measure KID, its multiple of real against real, density and coverage."""
    features = {kind: bench.judge(bench.main.shown[kind]) for kind in KINDS}
    real = others(bench, len(features["drawn"]))
    found = {kind: _measure(real, features[kind]) for kind in KINDS}
    biased = {kind: mmd2_biased(real, features[kind]) for kind in KINDS}
    multiple = {kind: value / biased["real"] for kind, value in biased.items()}
    styles = _between_styles(bench)
    n = len(real)
    rows = [
        (NAMES[k], f"{number(f['kid'])} ± {number(f['std'])}", number(f["all"]), f"{multiple[k]:.2f}",
         f"{f['density']:.2f}", share(f["coverage"]), f"{n} + {n}")
        for k, f in found.items()
    ]  # fmt: skip
    per_style = n // len(bench.styles)
    rows += [(f"real {a} against real {b}", "", number(v), "", "", "", f"{per_style} + {per_style}")
             for (a, b), v in styles.items()]  # fmt: skip
    columns = ("pictures", "KID ± spread", "KID of all", "multiple of real", "density", "coverage", "n")
    yardstick = {f"{a} | {b}": v for (a, b), v in styles.items()}
    return Section(
        "distances",
        "Do the drawings as a crowd look like the real pictures?",
        TEXT,
        (Table(columns, tuple(rows), "Distance to real pictures of other concepts, by the judge's features."),),
        (),
        {"kinds": found, "multiple": multiple, "biased": biased, "between styles": yardstick, "n": n},
        (
            Headline("KID as a multiple of real against real", multiple["drawn"], multiple["noise"], 1.0, n=n,
                     target=f"at most {TARGET:g}", unit="times"),
            Headline("coverage of the real pictures", found["drawn"]["coverage"], found["noise"]["coverage"],
                     found["real"]["coverage"], n=n),
        ),
    )  # fmt: skip


def others(bench: Bench, count: int) -> Tensor:
    """Features of real pictures of concepts that are not asked for, the styles in equal parts."""
    asked = set(bench.main.keys)
    chosen = []
    for salt, style in enumerate(bench.styles):
        of_style = [i for i in bench.trained() if bench.records[i].style == style and bench.records[i].key not in asked]
        chosen += bench.some(of_style, count // len(bench.styles), salt=10 + salt)
    return bench.judge(bench.pictures.images[chosen])


def _measure(real: Tensor, drawn: Tensor) -> dict[str, float]:
    found, where = kid(real, drawn), density_coverage(real, drawn)
    return {
        "kid": found.mean,
        "std": found.std,
        "subset": found.size,
        "subsets": found.subsets,
        "all": mmd2_unbiased(real, drawn),
        **where.to_dict(),
    }


def _between_styles(bench: Bench) -> dict[tuple[str, str], float]:
    """KID between the real pictures of the first style and of each other one, of the same concepts."""
    real = bench.judge(bench.main.shown["real"])
    by_style = {s: real[[i for i, q in enumerate(bench.main.questions) if q.style == s]] for s in bench.styles}
    first, *rest = bench.styles
    return {(first, other): mmd2_unbiased(by_style[first], by_style[other]) for other in rest}
