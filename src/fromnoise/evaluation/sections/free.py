"""Prompts as people type them: is what was meant seen in the picture? And all of the pictures, to look at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.free import FreePrompt, free_prompts
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.nouns import real_of
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.words import share, share_interval
from fromnoise.ground.labelled_sheet import labelled

TITLE = "Prompts as people type them"
COLUMNS, FIRST = 8, 5
TEXT = (
    "A fixed list of prompts, as someone types them who has read nothing: bare names, whole phrases, other words for "
    "things, colours, numbers, feelings, places, styles in their own words, nonsense. Each says which concepts would "
    "be right (for a puppy any of three dogs); the judge says which of all these concepts it sees. Prompts for which "
    "nothing is right are drawn and shown only.",
    "It looks for the thing alone, not for its colour, number or company. The ceiling is a real picture of a right "
    "concept, in the styles by turns. The floor is shuffled prompts: whether a drawing is right for the others.",
)


def free_section(bench: Bench) -> Section:
    """Draw every prompt once, judge those that can be judged, show all."""
    prompts = free_prompts(bench.sizes.free)
    drawn = bench.draw([Request(p.text, seed=bench.seed + 1000 * i) for i, p in enumerate(prompts)], "free prompts")
    sheet = Picture(
        "free",
        labelled(drawn, [p.text for p in prompts], COLUMNS),
        f"{len(prompts)} small pictures, each below its prompt: {', '.join(p.text for p in prompts[:8])} and others.",
        "Unselected: every prompt once, with the first seed.",
    )
    known = [[name for name in p.right if real_of(bench, name)] for p in prompts]
    asked = [i for i, names in enumerate(known) if names]
    if len({name for names in known for name in names}) < 2:
        return Section("free", TITLE, (*TEXT, "The data has too few of the concepts to judge."), pictures=(sheet,))
    judged = [prompts[i] for i in asked]
    right = _right(bench, [known[i] for i in asked])
    real = _real(bench, [known[i] for i in asked])
    ranks = _Ranks(bench, right)
    own, ceiling = ranks.best(drawn[asked], [""] * len(asked)), ranks.best(*real)
    found = {"real (ceiling)": ceiling, "drawn": own}
    means = {name: mean_of(r.diagonal() == 0) for name, r in found.items()}
    means["shuffled (floor)"] = mean_of(_shuffled(own, right))
    first = {name: float((r.diagonal() < FIRST).double().mean()) for name, r in found.items()}
    rows = tuple(
        (name, share(m.value), share_interval(m), share(first[name]) if name in first else "", str(m.n))
        for name, m in means.items()
    )
    kinds = _kinds(judged, own.diagonal() == 0, ceiling.diagonal() == 0)
    data = {name: {**m.to_dict(), **({"top5": first[name]} if name in first else {})} for name, m in means.items()}
    m = means["drawn"]
    return Section(
        "free",
        TITLE,
        TEXT,
        (
            Table(("pictures", "meant thing seen", "95 %", f"among the first {FIRST}", "n"), rows,
                  f"Right by the judge's first choice among {len(ranks.keys)} concepts."),
            Table(("kind of prompt", "real", "drawn", "95 %", "n"), kinds),
        ),
        (sheet,),
        data,
        (
            Headline("free prompts: meant thing seen", m.value, means["shuffled (floor)"].value,
                     means["real (ceiling)"].value, m.low, m.high, m.n),
        ),
    )  # fmt: skip


class _Ranks:
    """Where the right concepts stand among the judge's choices.

    Args:
        bench: to judge with.
        right: keys of the concepts that are right for each prompt.
    """

    def __init__(self, bench: Bench, right: Sequence[set[str]]) -> None:
        self.keys = sorted(set().union(*right))
        self._bench, self._gallery = bench, bench.gallery(self.keys)
        self._right = torch.tensor([[key in keys for key in self.keys] for keys in right])  # (Q, K)

    def best(self, pictures: Tensor, styles: Sequence[str]) -> Tensor:
        """How many wrong concepts are nearer to a picture than every right one of a prompt, int64 [N,Q]."""
        near = self._gallery.similarities(self._bench.judge(pictures), styles)[:, None]  # (N, 1, K)
        top = near.masked_fill(~self._right, -torch.inf).amax(-1, keepdim=True)
        return ((near >= top) & ~self._right).sum(-1)


def _right(bench: Bench, names: Sequence[Sequence[str]]) -> list[set[str]]:
    return [{bench.records[i].key for name in of for i in real_of(bench, name).values()} for of in names]


def _real(bench: Bench, names: Sequence[Sequence[str]]) -> tuple[Tensor, list[str]]:
    """A real picture for each prompt, and its style."""
    found = []
    for turn, of in enumerate(names):
        there = real_of(bench, of[turn % len(of)])
        style = list(there)[turn % len(there)]
        found.append((there[style], style))
    return bench.pictures.images[[i for i, _ in found]], [style for _, style in found]


def _shuffled(ranks: Tensor, right: Sequence[set[str]]) -> Tensor:
    """How often each drawing would be right for prompts that share none of its right concepts, [Q]."""
    apart = torch.tensor([[not (a & b) for b in right] for a in right])
    hits = (ranks == 0).double()
    return torch.stack([hits[i, apart[i]].mean() for i in range(len(right)) if bool(apart[i].any())])


def _kinds(prompts: Sequence[FreePrompt], drawn: Tensor, real: Tensor) -> tuple[tuple[str, ...], ...]:
    rows = []
    for kind in dict.fromkeys(p.kind for p in prompts):
        of = torch.tensor([p.kind == kind for p in prompts])
        m: Mean = mean_of(drawn[of])
        rows.append((kind, share(mean_of(real[of]).value), share(m.value), share_interval(m), str(m.n)))
    return tuple(rows)
