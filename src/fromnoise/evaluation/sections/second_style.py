"""Is it drawn in the style that was asked for, by a judge that shares nothing with the first?"""

from __future__ import annotations

import torch

from fromnoise.evaluation.bench import NAMES, Bench
from fromnoise.evaluation.damage import damaged
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.second_style import HandJudge, hand_features
from fromnoise.evaluation.section import Headline, Section, Table
from fromnoise.evaluation.words import share, share_interval

HELD_OUT = "real, held out (ceiling)"
TEXT = (
    "A second judge of styles, which shares nothing with the first: no network, no feature, no way of deciding. It "
    "measures frequencies, patterns of neighbouring pixels and the palette, and decides by a linear discriminant. It "
    "learns from pictures of the training split, as they are and a little damaged, and from none of the concepts "
    "that are asked for here.",
    "The ceiling is real pictures that were kept from it and from the model; the VAE row shows what is lost in the "
    "decoder; the floor is random pixels, which it takes for one and the same style. It is right less often than the "
    "first, so compare shares of the way; what pleases only one of the two is not to be trusted.",
)


def second_style_section(bench: Bench) -> Section:
    """Style accuracy of every kind of picture, by the second judge."""
    wanted = [q.style for q in bench.main.questions]
    known, held_out = learnt_from(bench), fresh(bench)
    images = bench.pictures.images
    features = torch.cat([hand_features(images[known]), hand_features(damaged(images[known], known))])
    judge = HandJudge(features, 2 * [bench.records[i].style for i in known], bench.styles)
    right = {NAMES[kind]: judge.right(hand_features(bench.main.shown[kind]), wanted) for kind in NAMES}
    right = {"real, asked for": right.pop(NAMES["real"]), **right}
    top = judge.right(hand_features(images[held_out]), [bench.records[i].style for i in held_out])
    found: dict[str, Mean] = {name: mean_of(hits) for name, hits in {HELD_OUT: top, **right}.items()}
    own, floor, ceiling = (found[name] for name in (NAMES["drawn"], NAMES["noise"], HELD_OUT))
    rows = tuple((name, share(m.value), share_interval(m), str(m.n)) for name, m in found.items())
    return Section(
        "second_style",
        "Is it in that style also to a judge that shares nothing with the first?",
        TEXT,
        (Table(("pictures", "style right", "95 %", "n"), rows, f"Among {len(bench.styles)} styles."),),
        (),
        {name: mean.to_dict() for name, mean in found.items()} | {"learnt from": len(known)},
        (Headline("style, second judge", own.value, floor.value, ceiling.value, own.low, own.high, own.n),),
    )


def learnt_from(bench: Bench) -> list[int]:
    """Indices of pictures of the training split, of concepts that are not asked for, at most so many of each style."""
    asked, found = set(bench.main.keys), []
    for salt, style in enumerate(bench.styles):
        of = [i for i, r in enumerate(bench.pictures.records) if r.style == style and r.split == "train"]
        of = [i for i in of if bench.pictures.records[i].key not in asked]
        found += bench.some(of, bench.sizes.per_style, salt=60 + salt)
    return found


def fresh(bench: Bench, most: int = 800) -> list[int]:
    """Indices of real pictures kept from the judge: held-out ones, or else those of the concepts asked for."""
    held_out = bench.some(bench.held_out(), most, salt=59)
    return held_out or [q.real for q in bench.main.questions]
