"""Does the text side know words that no caption has? Nearest concept to each, before anything is drawn.

    python benchmarks/unseen_words.py MODEL --data data/stickers [--meanings data/meanings.safetensors]

For each of the evaluation's words (``assets/evaluation/synonyms.tsv``) the nearest of all concepts' names, by cosine
after subtracting the names' mean: by the model's text tower (its state after the prompt, in the first style), and, with
--meanings, by the table that it learnt from and by the sentence model on bare words.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.meanings import Meanings
from fromnoise.data.meanings.sentences import embeddings
from fromnoise.data.pictures import load_folder
from fromnoise.data.unheard import unheard
from fromnoise.evaluation.bench import asked_of
from fromnoise.ground.wording import styled
from fromnoise.system.text_to_image import TextToImage

Embed = Callable[[list[str]], Tensor]


def by_tower(model: TextToImage) -> Embed:
    """The tower's state at the end of "WORD, STYLE style"."""
    style = model.styles[0] if model.styles else ""

    def embed(texts: list[str]) -> Tensor:
        ids = model.tokenizer.encode([styled(text, style) for text in texts])
        with torch.inference_mode():
            return torch.cat([model.text_tower(part).pooled.float() for part in ids.split(128)])

    return embed


def by_table(table: Meanings) -> Embed:
    """The table's vectors; a word that it lacks is near nothing."""
    place = {phrase: i for i, phrase in enumerate(table.phrases)}
    nothing = torch.zeros(table.vectors.shape[1])

    def embed(texts: list[str]) -> Tensor:
        return torch.stack([table.vectors[place[t]].float() if t in place else nothing for t in texts])

    return embed


def found(embed: Embed, names: list[str], asked: list[tuple[str, str]]) -> tuple[float, float]:
    """Share of words whose own concept is the nearest, and among the five nearest."""
    known = embed(names)
    centre = known.mean(0)
    words = F.normalize(embed([word for word, _ in asked]) - centre, dim=1)
    order = (words @ F.normalize(known - centre, dim=1).T).argsort(1, descending=True)
    own = torch.tensor([names.index(concept) for _, concept in asked])[:, None]
    return float((order[:, :1] == own).float().mean()), float((order[:, :5] == own).any(1).float().mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--meanings", type=Path)
    options = parser.parse_args()
    model = TextToImage.load(options.model).for_drawing("fp32")
    pictures = load_folder(options.data, 8)
    names = sorted(
        {r.text.lower() for r in asked_of(model, pictures) if r.split == "train" and r.style in model.styles}
    )
    asked = [(word, concept) for word, concept in unheard() if concept in names]
    ways: dict[str, Embed] = {"the model's text tower": by_tower(model)}
    if options.meanings:
        ways |= {
            "table of meanings": by_table(Meanings.load(options.meanings)),
            "sentence model, bare words": embeddings,
        }
    table = Table(title=f"{len(asked)} words that no caption has: nearest of {len(names)} concepts, {machine()}")
    for column in ("by", "top-1", "top-5"):
        table.add_column(column, justify="left" if column == "by" else "right")
    for name, embed in ways.items():
        top1, top5 = found(embed, names, asked)
        table.add_row(name, f"{top1:.1%}", f"{top5:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
