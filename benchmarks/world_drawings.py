"""How near to held-out pictures of the world is what a model draws for their captions? A score for a running training.

    python benchmarks/world_drawings.py MODEL [MODEL ...] --data runs/stickers-128/world.parquet [--count 96]

MODEL may be a run's ``model`` folder, at any time of its training. Of pictures that were trained on, and of held-out
pairs of concept and hand, concepts and combinations ("a blue dog" where no blue dog was seen), ``--count`` of each are
drawn by their exact captions, with the same seeds for every model, and compared with the real picture:

- found: where the real picture is among all real ones of its kind, ordered by how near they are to the drawing in the
  features of the evaluation's judge (mean rank; 0 % is first, 50 % chance), with its 95 % interval, and how often it is
  first;
- colours: mean difference of 8x8 blocks' colours (0…255), which no network says; beside it the same of drawing and
  another's picture, which is what knowing nothing of the caption gives;
- KID: distance of the features' distributions, times 1,000.

``--sheet FILE`` writes drawings beside real pictures. Nothing of this has a part in training.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.pictures import PictureSet, load_folder, some
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.evaluation.distances import kid
from fromnoise.evaluation.intervals import mean_of
from fromnoise.evaluation.judge import features
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage

KINDS = {"train": "seen", "test_pair": "pairs", "test_concept": "concepts", "combinations": "combinations"}
SPLITS = {"combinations": "test_pair"}  # what packing called the split of a kind, where that is not the kind itself


def chosen(pictures: PictureSet, kind: str, count: int) -> PictureSet:
    """Some pictures of a kind, spread over all of them; packing names files by it."""
    own = [i for i, record in enumerate(pictures.records) if record.file_name.startswith(f"{kind}-")]
    return some(pictures, [own[i * len(own) // count] for i in range(count)] if len(own) > count else own)


def colours(pictures: Tensor) -> Tensor:
    """Means of 8x8 blocks, float [N,192]."""
    return F.adaptive_avg_pool2d(pictures.float(), 8).flatten(1)


def ranks(drawn: Tensor, real: Tensor) -> Tensor:
    """Of each drawing, how many real pictures are nearer to it than its own, by cosine of features [N,D]."""
    near = F.normalize(drawn, dim=1) @ F.normalize(real, dim=1).T
    return (near > near.diagonal()[:, None]).sum(1)


def cells(drawn: Tensor, shown: PictureSet) -> list[str]:
    """The scores of drawings uint8 [N,3,P,P] of pictures."""
    seen, real = features(drawn), features(shown.images)
    places = ranks(seen, real)
    share = mean_of(places / (len(places) - 1))
    own, blocks = colours(drawn), colours(shown.images)
    far = (own - blocks).abs().mean(), (own - blocks.roll(1, 0)).abs().mean()
    distance = kid(seen, real, size=min(50, len(places)))
    return [
        f"{share.value:.1%} ({share.low:.1%}–{share.high:.1%})",
        f"{float((places == 0).float().mean()):.1%}",
        f"{far[0]:.1f} | {far[1]:.1f}",
        f"{1000 * distance.mean:.1f} ± {1000 * distance.std:.1f}",
    ]


def main() -> None:
    """Draw, compare and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    models = {name: TextToImage.load(find_model(name)).for_drawing("auto") for name in options.models}
    kinds, pixels = options.kinds.split(","), next(iter(models.values())).pixels
    sets = {s: load_folder(options.data, pixels, split=s) for s in {SPLITS.get(kind, kind) for kind in kinds}}
    table = Table(title=f"{options.count} drawings of each kind, {machine()}")
    for column in ("model", "pictures seen", "kind", "found: rank", "first", "colours | another's", "KID × 1000", "s"):
        table.add_column(column, justify="left" if column in ("model", "kind") else "right")
    rows, labels = [], []
    for kind in kinds:
        shown = chosen(sets[SPLITS.get(kind, kind)], kind, options.count)
        for name, model in models.items():
            how = {"steps": options.steps, "guidance": options.guidance}
            wishes = [Request(r.text, style=r.style or "any", seed=i, **how) for i, r in enumerate(shown.records)]
            begin = time.perf_counter()
            drawn = torch.cat([draw_all(model, wishes[i : i + 16]) for i in range(0, len(wishes), 16)])
            took = time.perf_counter() - begin
            seen = f"{model.card.get('pictures_seen', 0):,}"
            table.add_row(name, seen, KINDS[kind], *cells(drawn, shown), f"{took:.0f}")
            rows += [[to_image(p) for pair in zip(drawn[i : i + 4], shown.images[i : i + 4], strict=True) for p in pair]
                     for i in range(0, min(16, len(drawn) // 4 * 4), 4)]  # fmt: skip
            labels += [f"{KINDS[kind]}, {seen}"] * min(4, len(drawn) // 4)
    Console(width=170).print(table)
    if options.sheet:
        contact_sheet(rows, labels, ("drawn", "real") * 4).save(options.sheet)


if __name__ == "__main__":
    main()
