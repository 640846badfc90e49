"""How many of a model's drawings are copies: the part of the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.drawing.low_pixels import squared
from fromnoise.evaluation.copies.check import Verdict, check, index_of, side_by_side, training_pictures, trust
from fromnoise.evaluation.copies.index import Index
from fromnoise.evaluation.copies.statistics import Share, excess, share
from fromnoise.evaluation.copies.trials import Collapse, TwoSample, collapses, two_sample
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.ground.pictures import from_bytes
from fromnoise.system.text_to_image import TextToImage

WORST = 16  # rows of the sheet
PLANTED = 48  # training pictures through the VAE: what the check would find if all were copies

METHOD = (
    "Each drawing is compared with all training pictures, as it is and mirrored, by the features of a network that "
    "has nothing to do with the model, and by coarse pixels. It is called a copy when one training picture is far "
    "nearer than the next fifty: when the ratio of the two distances is below what real pictures set that are no "
    "copies. Pictures that are nearly the same count as one."
)
READING = (
    "What counts is the excess over the floor, the real pictures that are called copies and are none. The ceiling is "
    "what the check finds where every picture is a copy as faithful as the model's VAE can make it. A drawing that is "
    "not called a copy can still borrow a part of a picture; one that is called a copy can be a plain thing that has "
    "only one look."
)


def copies_section(
    model: TextToImage, drawings: Tensor, prompts: list[str], pictures: PictureSet, seed: int
) -> Section:
    """Look for copies among drawings, and try the model for others.

    Args:
        model: what drew them; 250 more pictures are drawn with it.
        drawings: uint8 [N,3,H,W], unselected.
        prompts: the whole prompt of each ("red apple, noto style").
        pictures: all splits of the data the model was trained on.
        seed: of the further drawings.

    Raises:
        UserError: these are not the pictures of the model's training, or packages are missing.
    """
    pictures = training_pictures(model.card, pictures)
    index = index_of(model, pictures)
    drawings = squared(drawings, index.side)
    verdicts = check(index, drawings)
    rows = {
        "drawn": _shares(verdicts),
        "training pictures through the VAE (ceiling)": _shares(check(index, _planted(model, pictures))),
        "real, no copies (floor)": (share(*index.limits.counts), share(*index.limits.close_counts)),
    }
    (drawn, close), (floor, usual) = rows["drawn"], rows["real, no copies (floor)"]
    more, more_close = excess(drawn, floor), excess(close, usual)
    pairs = two_sample(model, index, pictures, seed)
    asked, collapsed = collapses(model, index, prompts, seed)
    order = sorted(range(len(verdicts)), key=lambda i: _alarm(index, verdicts[i]))
    return Section(
        "copies",
        "Is it a copy?",
        (METHOD, f"{trust(index)}. {READING}", _summary((drawn, more), (close, more_close), pairs, asked, collapsed)),
        (_table(rows, index), _trial_table(pairs)),
        (_sheet(index, drawings, verdicts, order[:WORST], (prompts, pictures)),),
        {
            "copies": {name: found[0].to_dict() for name, found in rows.items()},
            "close": {name: found[1].to_dict() for name, found in rows.items()},
            "excess": dict(zip(("value", "low", "high"), more, strict=True)),
            "excess_close": dict(zip(("value", "low", "high"), more_close, strict=True)),
            "limits": index.limits.to_dict(),
            "two_sample": asdict(pairs),
            "collapses": {"prompts": asked, "found": [asdict(c) for c in collapsed]},
            "cases": [
                {"prompt": prompts[i], **verdicts[i].to_dict("any training picture")}
                for i in order
                if verdicts[i].close
            ],
        },
        (
            Headline(
                "copies beyond real pictures' rate", more[0], low=more[1], high=more[2], n=drawn.n, target="at most 1 %"
            ),
        ),
    )


def _planted(model: TextToImage, pictures: PictureSet) -> Tensor:
    """Some training pictures, encoded and decoded."""
    training = [i for i, r in enumerate(pictures.records) if r.split == "train"]
    chosen = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))[:PLANTED].tolist()
    images = squared(pictures.images[[training[i] for i in chosen]], model.pixels)
    with torch.inference_mode():
        again = [model.decode(model.vae.encode(from_bytes(part)).mean) for part in images.split(16)]
    return squared(torch.cat(again), pictures.images.shape[3])


def _shares(verdicts: list[Verdict]) -> tuple[Share, Share]:
    """Of copies, and of all that is close to a training picture, copies among them."""
    return share(sum(v.copy for v in verdicts), len(verdicts)), share(sum(v.close for v in verdicts), len(verdicts))


def _alarm(index: Index, verdict: Verdict) -> float:
    """How far below a threshold a drawing is; the smallest first is the worst first."""
    return min(verdict.features / max(index.limits.features, 1e-6), verdict.pixels / max(index.limits.pixels, 1e-6))


def _table(rows: dict[str, tuple[Share, Share]], index: Index) -> Table:
    cells = [
        (name, *(part for s in found for part in (f"{s.value:.1%}", f"{s.low:.1%}–{s.high:.1%}")), str(found[0].n))
        for name, found in rows.items()
    ]
    limits = index.limits
    caption = (
        f"Copies: ratio below {limits.features:.3f} by features or {limits.pixels:.3f} by pixels; close: below "
        f"{limits.close_features:.3f} or {limits.close_pixels:.3f}, as one real picture in twenty."
    )
    return Table(("pictures", "called copies", "95 %", "close", "95 %", "n"), tuple(cells), caption)


def _trial_table(pairs: TwoSample) -> Table:
    rows = [
        (f"nearest by {name}", f"{s.value:.1%}", f"{s.low:.1%}–{s.high:.1%}", f"{p:.2g}", str(s.n))
        for name, s, p in (
            ("features", pairs.features, pairs.p_features),
            ("pixels", pairs.pixels, pairs.p_pixels),
        )
    ]
    caption = (
        "Captions of held-out pictures and of as many like training pictures, drawn once each: how often the nearest "
        "of all these pictures is one of the training. 50 % for a model that remembers none; p: so many by chance."
    )
    return Table(("drawings", "training picture", "95 %", "p", "n"), tuple(rows), caption)


Excess = tuple[float, float, float]


def _summary(
    copies: tuple[Share, Excess], close: tuple[Share, Excess], pairs: TwoSample, asked: int, collapsed: list[Collapse]
) -> str:
    listed = ": " + "; ".join(f"“{c.prompt}” ({c.suspect})" for c in collapsed) if collapsed else ""
    return (
        f"{copies[0]} of the drawings are called copies, {_points(copies[1])} more than of real pictures; "
        f"{close[0]} are at least close to one training picture, {_points(close[1])} more than of real pictures. The "
        f"nearest of equally many training and held-out pictures is one of the training for "
        f"{pairs.features.value:.0%} of {pairs.features.n} drawings. Of {asked} prompts drawn from several seeds, "
        f"{len(collapsed)} always end in one training picture{listed}."
    )


def _points(more: Excess) -> str:
    return f"{more[0]:.1%} (95 %: {more[1]:.1%} to {more[2]:.1%})"


def _sheet(
    index: Index, drawings: Tensor, verdicts: list[Verdict], worst: list[int], about: tuple[list[str], PictureSet]
) -> Picture:
    prompts, pictures = about
    known = {r.file_name: image for r, image in zip(pictures.records, pictures.images, strict=True)}
    labels = [f"{_ratios(verdicts[i])} {prompts[i]}" for i in worst]
    sheet: Any = side_by_side(index, drawings[worst], [verdicts[i] for i in worst], labels, known)
    return Picture(
        "copies",
        sheet,
        "Drawings beside the training pictures that are nearest to them by features and by pixels",
        "The drawings most like one training picture, the worst first; * marks those called copies. The two figures "
        "are the ratios by features and by pixels.",
    )


def _ratios(verdict: Verdict) -> str:
    return f"{'* ' if verdict.copy else ''}{verdict.features:.2f} {verdict.pixels:.2f}"
