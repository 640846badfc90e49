"""Does the model put together what it has only seen apart? Concepts in styles in which they were never shown."""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.evaluation.bench import NAMES, Asked, Bench
from fromnoise.evaluation.intervals import Mean, bootstrapped
from fromnoise.evaluation.retrieval import Question, held_out_questions, score
from fromnoise.evaluation.section import Headline, Section, Table
from fromnoise.evaluation.sections.retrieval import COLUMNS, rows_of
from fromnoise.evaluation.words import number, number_interval, share

TEXT = (
    "Some (concept, style) pairs were kept from the training: the model has seen a whale, and pictures in the "
    "style of twemoji, but never the whale of twemoji. It is asked for exactly those, and, for comparison, for "
    "the same concepts in another style in which it did see them. The judge chooses among the same concepts both "
    "times.",
    "The share of the way is (drawn − floor) / (ceiling − floor). The ratio of the two shares is 1 for a model "
    "that puts concept and style together freely, and 0 for one that can only repeat pairs that it has seen.",
)
KINDS = ("real", "drawn", "noise")


def composition_section(bench: Bench) -> Section:
    """Compare held-out pairs with seen pairs of the same concepts."""
    title = "Concepts in styles in which they were never shown"
    keys, questions = held_out_questions(bench.records, bench.styles, bench.sizes.held_out, bench.seed)
    if not questions:
        return Section("composition", title, ("The data holds no held-out pairs of concept and style.",))
    gallery = bench.gallery(keys)
    unseen = Asked(keys, questions, bench.shown_for(questions, "pairs never seen"))
    partners = seen_partners(bench, keys, questions)
    seen = Asked(keys, list(partners.values()), bench.shown_for(list(partners.values()), "pairs seen"))
    ranks = {k: gallery.ranks(bench.judge(unseen.shown[k]), questions) for k in KINDS}
    ranks_seen = {k: gallery.ranks(bench.judge(seen.shown[k]), seen.questions) for k in KINDS}
    scores = {f"never seen: {NAMES[k]}": score(r) for k, r in ranks.items()}
    scores |= {f"seen: {NAMES[k]}": score(r) for k, r in ranks_seen.items()}
    paired = {k: (r == 0)[list(partners)] for k, r in ranks.items()}
    ratio, ways = ratio_of_ways(paired, {k: r == 0 for k, r in ranks_seen.items()})
    data = {name: s.to_dict() for name, s in scores.items()}
    own, floor, ceiling = (score(ranks[k]) for k in ("drawn", "noise", "real"))
    return Section(
        "composition",
        title,
        TEXT,
        (
            Table(COLUMNS, rows_of(scores, {}), f"Caption found by the judge, among {len(keys)}."),
            _ratio_table(ratio, ways),
        ),
        (),
        {**data, "ways": ways, "ratio": ratio.to_dict(), "concepts": len(keys)},
        (
            Headline(f"caption found, pairs never seen (of {len(keys)})", own.top1, floor.top1, ceiling.top1,
                     own.low, own.high, own.n),
            Headline("pairs never seen against seen: ratio of the shares", ratio.value, 0.0, 1.0, ratio.low, ratio.high,
                     ratio.n, unit=""),
        ),
    )  # fmt: skip


def seen_partners(bench: Bench, keys: list[str], questions: list[Question]) -> dict[int, Question]:
    """For each question, by its place: the same concept in a style of the training; the styles take turns."""
    place = {(r.key, r.style): i for i, r in enumerate(bench.records) if r.split == "train"}
    found = {}
    for turn, q in enumerate(questions):
        there = [s for s in bench.styles if (keys[q.concept], s) in place]
        if there:
            real = place[keys[q.concept], there[turn % len(there)]]
            found[turn] = Question(q.concept, bench.records[real].text, bench.records[real].style, real)
    return found


def ratio_of_ways(unseen: dict[str, Tensor], seen: dict[str, Tensor]) -> tuple[Mean, dict[str, float]]:
    """Ratio of the shares of the way, with its interval over pairs of pictures, and the two shares.

    Args:
        unseen, seen: whether the caption was found, bool [N], by kind of picture; the n-th belong together.
    """
    rows = torch.stack([hits[k] for hits in (unseen, seen) for k in ("drawn", "noise", "real")], 1).double()

    def way(m: Tensor, at: int) -> Tensor:
        return (m[..., at] - m[..., at + 1]) / (m[..., at + 2] - m[..., at + 1])

    means = rows.mean(0)
    ways = {"never seen": float(way(means, 0)), "seen": float(way(means, 3))}
    return bootstrapped(rows, lambda m: way(m, 0) / way(m, 3)), ways


def _ratio_table(ratio: Mean, ways: dict[str, float]) -> Table:
    rows = (
        ("share of the way, pairs never seen", share(ways["never seen"]), "", str(ratio.n)),
        ("share of the way, the same concepts in a style seen", share(ways["seen"]), "", str(ratio.n)),
        ("ratio", number(ratio.value), number_interval(ratio), str(ratio.n)),
    )
    return Table(("figure", "value", "95 %", "n"), rows, "Pairs that have a seen partner; floor 0, ceiling 1.")
