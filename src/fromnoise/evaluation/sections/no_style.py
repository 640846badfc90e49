"""Prompts without a style: is the thing found as often, and is the picture as crisp, as in the best style?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.edges import Crispness, crispness, edge_widths
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.style import style_features
from fromnoise.evaluation.words import WIDTHS, share, share_interval, width_cells
from fromnoise.inspection.sheet import contact_sheet
from fromnoise.system.defaults import ANY_STYLE

REAL, MEAN, PLAIN, BARE = (
    "real (ceiling)",
    "all styles' real ones, averaged (floor)",
    "no style named",
    "no style at all",
)
VAE, EACH = "real through the VAE", "drawn in each style"
SHOWN = 12
TEXT = (
    "The main questions' things are drawn again with prompts that name no style. A model that mixes the hands of all "
    "its styles draws them soft. Three measures say so: whether the judge finds the thing, how wide the strongest "
    "edges are (in pixels, beside the same thing's real pictures), and how sure the judge of styles is of whichever "
    "style it names.",
    "The judge chooses among the main concepts without having seen the style asked for; a picture without one is "
    "judged so for each style in turn, and has found its thing by the share of those. The ceiling is the real "
    "pictures. The floor is their average over all styles, pixel by pixel: what the worst mixture would be; for "
    "how sure the judge of styles is it is a toss, since that judge may be sure of a mixture too.",
    "A model may have a style of its own choice, which drawing adds to such prompts. Then the row for no style named "
    "is drawn in that, and the row for no style at all without it.",
)


@dataclass(frozen=True)
class Found:
    """What is measured of one way of asking.

    Attributes:
        top1: how often the thing is the judge's first choice.
        crisp: edges' width, beside the real pictures'.
        sure: of the judge of styles.
    """

    top1: Mean
    crisp: Crispness
    sure: Mean

    @property
    def means(self) -> dict[str, Mean]:
        """All figures by name."""
        return {"found": self.top1, "edges": self.crisp.width, "edges ratio": self.crisp.ratio, "style sure": self.sure}


def no_style_section(bench: Bench) -> Section:
    """Retrieval, edges' width and the style judge's confidence, without a style and in each."""
    drawn = plain_drawings(bench)
    found = ways_of(bench, drawn)
    best = best_style(bench, found)
    rows = tuple((name, share(f.top1.value), share_interval(f.top1), share(f.sure.value), str(f.top1.n))
                 for name, f in found.items())  # fmt: skip
    widths = tuple((name, *width_cells(f.crisp)) for name, f in found.items())
    own, top = found[PLAIN], found[best]
    said = f"{bench.model.default_style} is this model's own choice. " if bench.model.default_style else ""
    return Section(
        "no_style",
        "Without a style: found as often, and as crisp?",
        TEXT,
        (
            Table(("pictures", "thing found", "95 %", "style judge sure", "n"), rows, f"{said}Best style: {best}."),
            Table(("pictures", *WIDTHS), widths, "How wide their edges are, beside the real pictures'."),
        ),
        (_sheet(bench, drawn[PLAIN], best),),
        {name: {k: m.to_dict() for k, m in f.means.items()} for name, f in found.items()} | {"best style": best},
        (
            Headline("no style: thing found, of the best style's", own.top1.value, found[MEAN].top1.value,
                     top.top1.value, own.top1.low, own.top1.high, own.top1.n),
            *_crisp_headlines(own, found),
            Headline("no style: style judge sure", own.sure.value, 1 / len(bench.styles), found[REAL].sure.value,
                     own.sure.low, own.sure.high, own.sure.n),
        ),
    )  # fmt: skip


def plain_drawings(bench: Bench) -> dict[str, Tensor]:
    """The main concepts drawn without a style, with the seeds they have in the first one, by the way of asking."""
    asked = bench.asked_requests(bench.main.questions)[:: len(bench.styles)]
    ways: dict[str, str | None] = {PLAIN: None} | ({BARE: ANY_STYLE} if bench.model.default_style else {})
    return {name: bench.draw([replace(r, style=style) for r in asked], name) for name, style in ways.items()}


def ways_of(bench: Bench, drawn: dict[str, Tensor]) -> dict[str, Found]:
    """Every way of asking: real pictures, their averages, without a style, and in each style."""
    styles, shown, every = len(bench.styles), bench.main.shown, slice(None)
    real = shown["real"].unflatten(0, (-1, styles))  # (concepts, styles, 3, P, P)
    widths = edge_widths(shown["real"])
    plain = {MEAN: real.double().mean(1).round().to(torch.uint8), **drawn}
    found = {name: _styled(bench, shown[kind], every, widths) for name, kind in ((REAL, "real"), (VAE, "again"))}
    found |= {name: _plain(bench, pictures, widths) for name, pictures in plain.items()}
    found[EACH] = _styled(bench, shown["drawn"], every, widths)
    for i, style in enumerate(bench.styles):
        found[style] = _styled(bench, shown["drawn"], slice(i, None, styles), widths)
    return found


def best_style(bench: Bench, found: dict[str, Found]) -> str:
    """The style in which most things are found; of equal ones the crispest."""

    def goodness(style: str) -> tuple[float, float]:
        ratio = found[style].crisp.ratio
        return found[style].top1.value, -abs(ratio.value - 1) if ratio.n else -1.0

    return max(bench.styles, key=goodness)


def _styled(bench: Bench, pictures: Tensor, of: slice, widths: Tensor) -> Found:
    """Pictures of the main questions, of those in one style or all."""
    questions, own = bench.main.questions[of], pictures[of]
    ranks = bench.main_gallery.ranks(bench.judge(own), questions)
    sure = bench.main_style_judge.sure(style_features(own))
    return Found(mean_of(ranks == 0), crispness(edge_widths(own), widths[of]), mean_of(sure))


def _plain(bench: Bench, pictures: Tensor, widths: Tensor) -> Found:
    """Pictures of the main concepts in no style: judged as if they had been asked for in each style in turn."""
    questions, styles = bench.main.questions, len(bench.styles)
    each = bench.judge(pictures).repeat_interleave(styles, 0)
    hits = (bench.main_gallery.ranks(each, questions) == 0).double().unflatten(0, (-1, styles)).mean(1)
    sure = bench.main_style_judge.sure(style_features(pictures))
    crisp = crispness(edge_widths(pictures), widths.unflatten(0, (-1, styles)).nanmean(1))
    return Found(mean_of(hits), crisp, mean_of(sure))


def _crisp_headlines(own: Found, found: dict[str, Found]) -> list[Headline]:
    """How wide edges are without a style; nothing where no picture has any."""
    ratio, floor = own.crisp.ratio, found[MEAN].crisp.ratio
    if not ratio.n:
        return []
    said = "no style: edges' width, of real pictures'"
    end = floor.value if floor.n else None
    return [Headline(said, ratio.value, end, 1.0, ratio.low, ratio.high, ratio.n, "0.8 to 1.2", "times")]


def _sheet(bench: Bench, plain: Tensor, best: str) -> Picture:
    styles, at = len(bench.styles), bench.styles.index(best)
    shown = [bench.main.shown["real"][at::styles], bench.main.shown["drawn"][at::styles], plain]
    pictures = torch.stack([of[:SHOWN] for of in shown], 1).flatten(0, 1)
    names = [q.text for q in bench.main.questions[::styles][:SHOWN]]
    sheet = contact_sheet(pictures, names, (f"real, {best}", f"drawn, {best}", PLAIN), zoom=1)
    alt = f"Three columns: real and drawn in {best}, drawn with no style named. Rows: {', '.join(names)}."
    return Picture("no_style", sheet, alt, "Unselected: the first concepts.")
