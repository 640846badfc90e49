"""What is left of real pictures that went through a VAE, at a size of one's choice, beside other VAEs.

    python benchmarks/latents.py MODEL [MODEL ...] --data data/stickers-128 [--pixels 128] [--count 64] [--styles 0]

On held-out pictures (split "test_pair"), spread over all of them: mean PSNR in dB, edges' width beside the originals'
(10-90 % rise of the strongest edges, 1 is as crisp), how alike neighbouring latents are (their correlation), and the
latents' shape. A VAE without attention draws any size, so one that learnt 64 pixels can be asked about 128.

``--styles N`` lets both judges of styles (docs/evaluation.md) learn from N training pictures of each style, and
says how many of the held-out pictures they still take for their own style afterwards, beside the originals.
"""

from __future__ import annotations

import argparse

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.pictures import PictureSet, load_folder, some, thinned
from fromnoise.data.record import Record
from fromnoise.evaluation.damage import damaged
from fromnoise.evaluation.edges import crispness, edge_widths
from fromnoise.evaluation.intervals import share_of
from fromnoise.evaluation.second_style import HandJudge, hand_features
from fromnoise.evaluation.style import StyleJudge, style_features
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.tasks.vae import psnr


def alike(latents: Tensor) -> float:
    """Correlation of neighbours in a row, of latents [N,C,h,w] around their channels' means."""
    centred = latents - latents.mean((0, 2, 3), keepdim=True)
    return float((centred[..., 1:] * centred[..., :-1]).mean() / centred.square().mean())


class Styles:
    """Two judges of styles that share nothing, and what they say of pictures.

    Args:
        known: to learn from, as they are and damaged.
        records: of the pictures that are asked about.
    """

    def __init__(self, known: PictureSet, records: list[Record]) -> None:
        self.wanted = [r.style for r in records]
        names, told = tuple(sorted(set(self.wanted))), [r.style for r in known.records]
        worse = damaged(known.images, list(range(len(told))))
        seen = torch.cat([style_features(known.images), style_features(worse)])
        by_hand = torch.cat([hand_features(known.images), hand_features(worse)])
        self.judge, self.hand = StyleJudge(seen, 2 * told, names), HandJudge(by_hand, 2 * told, names)

    def kept(self, pictures: Tensor) -> tuple[str, str]:
        """How many of pictures, uint8 [N,3,P,P], each judge takes for their own style."""
        verdicts = (
            self.judge.right(style_features(pictures), self.wanted),
            self.hand.right(hand_features(pictures), self.wanted),
        )
        first, second = (share_of(int(right.sum()), len(right)) for right in verdicts)
        return (
            f"{first.value:.0%} ({first.low:.0%}–{first.high:.0%})",
            f"{second.value:.0%} ({second.low:.0%}–{second.high:.0%})",
        )


def learnt_from(data: str, pixels: int, each: int, styles: set[str]) -> PictureSet:
    """Training pictures, at most so many of each style, spread over all of them."""
    whole = load_folder(data, pixels, split="train")
    of = {style: [i for i, r in enumerate(whole.records) if r.style == style] for style in sorted(styles)}
    return some(whole, [i for own in of.values() for i in own[:: max(1, len(own) // each)][:each]])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument(
        "--styles", type=int, default=0, help="pictures of each style to learn styles from; 0: no judges"
    )
    options = parser.parse_args()
    asked = thinned(load_folder(options.data, options.pixels, split="test_pair"), options.count)
    shown = asked.images
    pictures, widths = from_bytes(shown), edge_widths(shown)
    table = Table(title=f"{len(shown)} held-out pictures at {options.pixels} pixels, {machine()}")
    styles = None
    if options.styles:
        named = {r.style for r in asked.records}
        styles = Styles(learnt_from(options.data, options.pixels, options.styles, named), asked.records)
    extra = ("own style", "second judge") if styles else ()
    for column in ("VAE of", "dB", "edges × originals'", "neighbours", "latents", *extra):
        table.add_column(column, justify="left" if column == "VAE of" else "right")
    if styles:
        table.add_row("(the originals)", "", "", "", "", *styles.kept(shown))
    for name in options.models:
        vae = TextToImage.load(name).vae
        with torch.inference_mode():
            latents = torch.cat([vae.encode(part).mean for part in pictures.split(16)])
            again = torch.cat([vae.decode(part) for part in latents.split(16)]).clamp(-1, 1)
        edges = crispness(edge_widths(to_bytes(again)), widths).ratio
        size = "×".join(map(str, latents.shape[1:]))
        edges_text = f"{edges.value:.2f} ({edges.low:.2f}–{edges.high:.2f})"
        said = styles.kept(to_bytes(again)) if styles else ()
        table.add_row(name, f"{psnr(again, pictures):.1f}", edges_text, f"{alike(latents):.2f}", size, *said)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
