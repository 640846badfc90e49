"""How much of a copy must be left for the check to find it, and how often does it accuse a real picture?

    python benchmarks/copies.py [MODEL] --data data/stickers [--planted 100] [--drawn 200]

Plants changed copies of training pictures of a model and counts those that are found, and found as the right picture;
beside them real pictures that are no copies, and what the model draws for captions of its training, unselected. Uses
the model's index, so that ``fromnoise inspect index`` must have been run. ``--sheet FILE.png`` keeps the drawings
most like a training picture beside their neighbours.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.evaluation.copies.check import Verdict, check, index_of, side_by_side, training_pictures
from fromnoise.evaluation.copies.index import Index
from fromnoise.evaluation.copies.statistics import share
from fromnoise.evaluation.trained import reading_of
from fromnoise.ground.pictures import from_bytes
from fromnoise.system.text_to_image import TextToImage

Change = Callable[[Tensor], Tensor]


def tensor(picture: Image.Image) -> Tensor:
    """A Pillow picture as uint8 [3,H,W]."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()


def jpeg(quality: int) -> Change:
    """Compress."""

    def change(x: Tensor) -> Tensor:
        buffer = io.BytesIO()
        to_image(x).save(buffer, "JPEG", quality=quality)
        return tensor(Image.open(buffer))

    return change


def shift(pixels: int) -> Change:
    """Move right and down."""
    return lambda x: F.pad(x.float(), (pixels, 0, pixels, 0), value=255)[:, :-pixels, :-pixels].to(torch.uint8)


def hue(degrees: float) -> Change:
    """Turn all colours."""

    def change(x: Tensor) -> Tensor:
        values = np.array(to_image(x).convert("HSV")).astype(int)
        values[..., 0] = (values[..., 0] + round(degrees * 256 / 360)) % 256
        return tensor(Image.fromarray(values.astype(np.uint8), "HSV"))

    return change


def smaller(side: int) -> Change:
    """Lose detail."""
    return lambda x: tensor(to_image(x).resize((side, side), Image.Resampling.BOX).resize(x.shape[1:], 2))


def through_vae(model: TextToImage) -> Change:
    """As faithfully as the model could draw it."""
    return lambda x: model.decode(model.vae.encode(from_bytes(x[None])).mean)[0]


def changes(model: TextToImage) -> dict[str, Change]:
    """What is done to the planted copies."""
    return {
        "nothing": lambda x: x,
        "JPEG, quality 50": jpeg(50),
        "JPEG, quality 20": jpeg(20),
        "moved by 1 pixel": shift(1),
        "moved by 2 pixels": shift(2),
        "moved by 4 pixels": shift(4),
        "colours turned by 10°": hue(10),
        "colours turned by 40°": hue(40),
        "mirrored": lambda x: x.flip(2),
        "half of the pixels": smaller(32),
        "through the VAE": through_vae(model),
        "mirrored, VAE, moved by 1": lambda x: shift(1)(through_vae(model)(x.flip(2))),
    }


def planted(table: Table, model: TextToImage, index: Index, pictures: PictureSet, count: int) -> None:
    """A row for each change."""
    rng = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(index.known), generator=rng)[:count].tolist()
    place = {r.file_name: i for i, r in enumerate(pictures.records)}
    number = {known: i for i, known in enumerate(index.known)}
    originals = pictures.images[[place[index.known[i].name] for i in chosen]]
    for name, change in track(changes(model).items(), "planting", console=Console(stderr=True), transient=True):
        verdicts = check(index, torch.stack([change(x) for x in originals]))
        right = [
            v.copy and index.cluster[number[v.suspect]] == index.cluster[i]
            for v, i in zip(verdicts, chosen, strict=True)
        ]
        _row(table, f"training pictures, {name}", _counts(verdicts), len(verdicts), f"{np.mean(right):.0%}")


def drawn(table: Table, model: TextToImage, index: Index, pictures: PictureSet, options: argparse.Namespace) -> None:
    """What the model draws for captions it was trained on, and for captions of pairs it never saw."""
    for split, name in (("train", "drawn, captions of the training"), ("test_pair", "drawn, pairs never seen")):
        known = [r for r in pictures.records if r.split == split]
        order = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[: options.drawn].tolist()
        asked = [
            Request(prompt=known[i].text, style=known[i].style or None, seed=1000 * n) for n, i in enumerate(order)
        ]
        parts = [asked[i : i + 16] for i in range(0, len(asked), 16)]
        shown = track(parts, f"drawing {split}", console=Console(stderr=True), transient=True)
        images = torch.cat([draw_all(model, part) for part in shown])
        verdicts = check(index, images)
        _row(table, name, _counts(verdicts), len(verdicts))
        if options.sheet and split == "train":
            limits = index.limits
            alarm = [min(v.features / limits.features, v.pixels / limits.pixels) for v in verdicts]
            worst = sorted(range(len(verdicts)), key=alarm.__getitem__)[:24]
            labels = [f"{'* ' if verdicts[i].copy else ''}{asked[i].prompt}, {asked[i].style}" for i in worst]
            named = {r.file_name: x for r, x in zip(pictures.records, pictures.images, strict=True)}
            sheet = side_by_side(index, images[worst], [verdicts[i] for i in worst], labels, named)
            sheet.save(options.sheet)


def _row(table: Table, name: str, hits: tuple[int, int], n: int, right: str = "") -> None:
    cells = [part for s in (share(h, n) for h in hits) for part in (f"{s.value:.1%}", f"{s.low:.1%}–{s.high:.1%}")]
    table.add_row(name, *cells, right, str(n))


def _counts(verdicts: list[Verdict]) -> tuple[int, int]:
    return sum(v.copy for v in verdicts), sum(v.close for v in verdicts)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--drawn", type=int, default=200)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    model = TextToImage.load(options.model)
    pictures = training_pictures(model.card, load_folder(options.data, model.pixels, reading=reading_of(model.card)))
    index, limits = index_of(model, None), index_of(model, None).limits
    table = Table(
        title=f"called copies: ratio below {limits.features:.3f} by features or {limits.pixels:.3f} by pixels",
        caption=machine(),
    )
    for name in ("pictures", "called copies", "95 %", "close", "95 %", "of the right picture", "n"):
        table.add_column(name, justify="left" if name == "pictures" else "right")
    if options.planted:
        planted(table, model, index, pictures, options.planted)
    _row(
        table,
        "real: training pictures left out with their cluster",
        (limits.real_flagged, limits.real_close),
        limits.real,
    )
    _row(table, "real: held out", (limits.held_out_flagged, limits.held_out_close), limits.held_out)
    if options.drawn:
        drawn(table, model.for_drawing(), index, pictures, options)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
