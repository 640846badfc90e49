"""How much is lost before anything is drawn? Pictures through the VAE and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.edges import Crispness, crispness, edge_widths
from fromnoise.evaluation.fidelity import psnr, ssim
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.words import WIDTHS, number, number_interval, width_cells
from fromnoise.inspection.sheet import contact_sheet

TEXT = (
    "The VAE turns pictures into the small latents in which the model draws, and back. What it cannot bring back, "
    "no drawing can show. Here it rebuilds pictures that it was never trained on.",
    "PSNR says how large the error of the pixels is (dB, higher is better; 30 is good, 20 is visibly soft). SSIM "
    "compares small windows by brightness, contrast and pattern: 1 is equal. The judge's distance is the cosine "
    "distance, 0 to 2, of what an independent network sees in both pictures: 0 is equal.",
    "The ceiling is the picture itself. The floor is another picture. Half as sharp, the picture made half as "
    "large and large again, is there as a measure of size; the trained pictures show how much was learnt by "
    "heart.",
    "Edges' width is the way on which brightness rises from 10 % to 90 % at the strongest edges of a picture, in its "
    "pixels: a crisp one is 1 to 1.6 wide. It is measured on the pixels alone; its floor is half as sharp.",
)
SHOWN = 12
FLOOR, CEILING, SOFT = "another picture (floor)", "the picture itself (ceiling)", "half as sharp"
TARGET = "0.8 to 1.2"  # of edges' width


def reconstruction_section(bench: Bench) -> Section:
    """Measure PSNR, SSIM and the judge's distance on held-out pictures."""
    chosen = bench.some(bench.held_out() or bench.trained(), bench.sizes.rebuilt, salt=1)
    real = bench.pictures.images[chosen]
    known = bench.pictures.images[bench.some(bench.trained(), bench.sizes.rebuilt, salt=2)]
    again = bench.rebuilt(real)
    pairs = {
        "held-out pictures": (real, again),
        "pictures of the training": (known, bench.rebuilt(known)),
        SOFT: (real, _half_as_sharp(real)),
        FLOOR: (real, real.roll(1, 0)),
        CEILING: (real, real),
    }
    found = {kind: _measure(bench, *pair) for kind, pair in pairs.items()}
    crisp = {
        kind: crispness(edge_widths(b), edge_widths(a)) for kind, (a, b) in pairs.items() if kind != FLOOR
    }  # whose edges say nothing
    rows = tuple((kind, *_cells(f), str(f["psnr"].n)) for kind, f in found.items())
    columns = ("pictures", "PSNR, dB", "95 %", "SSIM", "95 %", "judge's distance", "95 %", "n")
    own, floor = found["held-out pictures"], found[FLOOR]
    return Section(
        "reconstruction",
        "How well does the VAE rebuild pictures?",
        TEXT,
        (
            Table(columns, rows, "Rebuilt pictures against the originals."),
            Table(("pictures", *WIDTHS), tuple((kind, *width_cells(f)) for kind, f in crisp.items()),
                  "How wide their edges are, beside the originals'."),
        ),
        (_sheet(bench, chosen, real, again),),
        {kind: {name: mean.to_dict() for name, mean in (f | _widths(crisp.get(kind))).items()}
         for kind, f in found.items()},
        (
            Headline("rebuilt by the VAE: PSNR", own["psnr"].value, floor["psnr"].value, None,
                     own["psnr"].low, own["psnr"].high, own["psnr"].n, unit="dB"),
            Headline("rebuilt by the VAE: SSIM", own["ssim"].value, floor["ssim"].value, 1.0,
                     own["ssim"].low, own["ssim"].high, own["ssim"].n, unit=""),
            *_edges_headline(crisp),
        ),
    )  # fmt: skip


def _measure(bench: Bench, a: Tensor, b: Tensor) -> dict[str, Mean]:
    distance = 1 - F.cosine_similarity(bench.judge(a), bench.judge(b))
    return {"psnr": mean_of(psnr(a, b)), "ssim": mean_of(ssim(a, b)), "judge": mean_of(distance.clamp(min=0))}


def _widths(found: Crispness | None) -> dict[str, Mean]:
    return {} if found is None else {"edges": found.width, "edges ratio": found.ratio}


def _edges_headline(crisp: dict[str, Crispness]) -> list[Headline]:
    """The figure for the summary; none where no picture has edges."""
    own, soft = crisp["held-out pictures"].ratio, crisp[SOFT].ratio
    if not own.n:
        return []
    floor = soft.value if soft.n else None
    said = "rebuilt by the VAE: edges' width, of the originals'"
    return [Headline(said, own.value, floor, 1.0, own.low, own.high, own.n, TARGET, "times")]


def _cells(found: dict[str, Mean]) -> tuple[str, ...]:
    psnr_cells = ("equal", "–") if found["psnr"].value >= 99 else ()
    cells = [cell for m in found.values() for cell in (number(m.value), number_interval(m))]
    return (*psnr_cells, *cells[len(psnr_cells) :])


def _half_as_sharp(pictures: Tensor) -> Tensor:
    size = pictures.shape[2:]
    small = F.interpolate(pictures.float(), scale_factor=0.5, mode="area")
    large = F.interpolate(small, size, mode="bicubic", align_corners=False)
    return large.clamp(0, 255).round().to(torch.uint8)


def _sheet(bench: Bench, chosen: list[int], real: Tensor, again: Tensor) -> Picture:
    count = min(SHOWN, len(chosen))
    pictures = torch.stack([real[:count], again[:count]], 1).flatten(0, 1)
    names = [bench.records[i].text for i in chosen[:count]]
    sheet = contact_sheet(pictures, names, ("original", "rebuilt"), zoom=2)
    alt = f"Two columns of {count} drawings: originals, and what the VAE made of them. {', '.join(names)}."
    return Picture("reconstruction", sheet, alt, "Unselected held-out pictures and their reconstructions.")
