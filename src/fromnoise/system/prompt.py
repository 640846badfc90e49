r"""Prompts with weights, and prompts longer than the text tower's context.

The syntax is the one of AUTOMATIC1111's stable-diffusion-webui, which most prompts that people share are written in:
``(words)`` counts 1.1 times, ``[words]`` 1/1.1 times, ``(words:1.3)`` 1.3 times; nested weights multiply; a
backslash makes ``\(``, ``\)``, ``\[``, ``\]`` and ``\\`` plain signs; ``BREAK`` starts the next part of the prompt.
Other things written in brackets there (a change of words during the drawing, LoRAs) are not read here, and refused
where a person asks for a picture (:mod:`fromnoise.system.foreign_syntax`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import WORD_END, Piece, Tokenizer

EMPHASIS = 1.1  # of a pair of brackets without a number
HEAVIEST = 10.0
COMMAS = ",，、"
COMMA_REACH = 20  # tokens before the end of a part in which a comma is the preferred place to cut
ESCAPED = re.compile(r"\\[()\[\]\\]")
PARTS = re.compile(ESCAPED.pattern + r"|[()\[\]]|[^()\[\]\\]+|\\")  # or a bracket, text, a lone backslash
OPENER = {")": "(", "]": "["}
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
BREAK = re.compile(r"\bBREAK\b")


@dataclass(frozen=True)
class Span:
    """A piece of a prompt, as it is read: no brackets, no backslashes; and its weight, 0…10, 1 = as it is."""

    text: str
    weight: float


@dataclass(frozen=True, eq=False)
class Chunks:
    """A prompt in k parts that each fit into the text tower's context L.

    Attributes:
        ids: int64 [k,L], every row with its own start, end and padding, like ``Tokenizer.encode``; k is at least 1.
        weights: float32 [k,L], 0…10; 1 at start, end and padding.
        counts: tokens of the prompt in each row; 0 for a row that only pads.
    """

    ids: Tensor
    weights: Tensor
    counts: tuple[int, ...]

    def padded(self, tokenizer: Tokenizer, parts: int) -> Chunks:
        """The same in at least so many parts; those added have no tokens and are read as ""."""
        more = parts - len(self.counts)
        if more <= 0:
            return self
        empty = torch.tensor([tokenizer.frame([])] * more, dtype=torch.int64)
        weights = torch.cat([self.weights, torch.ones(more, self.weights.shape[1])])
        return Chunks(torch.cat([self.ids, empty]), weights, (*self.counts, *[0] * more))


def parse(text: str) -> list[Span]:
    """Read the brackets of a prompt; neighbours have different weights, and "" gives no spans.

    A bracket without its other half is text (":)"), and so is what stands in the place of a weight and is no number:
    ``(note: dog)`` is "note: dog", 1.1 times. ``BREAK`` stays in the text; :func:`chunked` obeys it.

    Raises:
        UserError: a weight outside 0…10, written or as the product of nested ones.
    """
    parts = PARTS.findall(text)
    pairs = pairs_of(parts)
    factors: dict[int, float] = {}
    for opening, closing in pairs.items():
        factors[opening], parts[closing - 1] = _weigh(parts, opening, closing)
    spans: list[Span] = []
    weights, closers = [1.0], set(pairs.values())
    for i, part in enumerate(parts):
        if i in factors:
            weights.append(_in_range(weights[-1] * _in_range(factors[i])))
        elif i in closers:
            weights.pop()
        else:
            _append(spans, part[1:] if ESCAPED.fullmatch(part) else part, weights[-1])
    return spans


def says_something(text: str) -> bool:
    """Whether a prompt has a sign that is read and counts: "()", "BREAK" and "(apple:0)" have none.

    Raises:
        UserError: see :func:`parse`.
    """
    seen = "".join(BREAK.sub(" ", span.text) for span in parse(text) if span.weight > 0)
    return any(unicodedata.category(sign)[0] not in "ZC" for sign in seen)


def chunked(tokenizer: Tokenizer, text: str, pad_to: int = 1) -> Chunks:
    """Cut a prompt into parts of ``tokenizer.context - 2`` tokens.

    The parts' tokens in a row are the tokens of the whole text: brackets change no token, and a token that lies in
    several spans gets the mean of their weights. A part that is full ends after a comma among its last 20 tokens,
    else at a blank, else at a word's end, and only inside a word that no part could hold. A ``BREAK`` with nothing
    to part (at either end, or after another one) makes no part of its own.

    Args:
        tokenizer: of the text tower that will read the parts.
        text: the prompt as the user wrote it.
        pad_to: least number of parts; those missing are read as "".

    Raises:
        UserError: see :func:`parse`; and a text that is not valid Unicode.
    """
    rows = [row for section in _sections(parse(text)) for row in _rows(tokenizer, *section)]
    rows += [([], [])] * (max(1, pad_to) - len(rows))
    length = tokenizer.context
    weights = [[1.0, *row, *[1.0] * (length - 1 - len(row))] for _, row in rows]
    return Chunks(
        ids=torch.tensor([tokenizer.frame(ids) for ids, _ in rows], dtype=torch.int64),
        weights=torch.tensor(weights, dtype=torch.float32),
        counts=tuple(len(ids) for ids, _ in rows),
    )


def describe(chunks: Chunks) -> str | None:
    """One line for the user about a prompt that is read in parts; None where there is nothing to say."""
    parts, room = sum(count > 0 for count in chunks.counts), chunks.ids.shape[1] - 2
    if parts < 2:
        return None
    return f"the prompt has {sum(chunks.counts)} tokens; it is read in {parts} parts of at most {room}"


def weighted(features: Tensor, weights: Tensor) -> Tensor:
    """Weigh the features of a prompt's parts, and lay the parts end to end.

    As stable-diffusion-webui does it ("Original" emphasis, its modules/sd_emphasis.py): every token's features are
    multiplied by the token's weight, then the whole part by one number that brings the mean over all of its tokens
    and features back, which keeps heavy weights from changing the strength of the prompt as a whole. Where that mean
    is near 0 (as of the features that XL reads) the number would be an accident, and is left out: a mean below a
    hundredth of the mean size, or one that would change the part more than any weight could.

    Args:
        features: [k,L,W], what the text tower makes of :attr:`Chunks.ids`.
        weights: [k,L]; all 1 returns the features bit for bit.

    Returns:
        [k*L,W], in the features' dtype.
    """
    flat = features.flatten(0, 1)
    if bool((weights == 1).all()):
        return flat
    plain = features.float()
    heavy = plain * weights.to(plain)[..., None]
    before, after, size = plain.mean((1, 2)), heavy.mean((1, 2)), plain.abs().mean((1, 2))  # (k,)
    ratio = before / after
    sound = (before.abs() > size / 100) & (ratio >= 1 / HEAVIEST) & (ratio <= HEAVIEST)
    return (heavy * torch.where(sound, ratio, 1.0)[:, None, None]).to(features.dtype).flatten(0, 1)


def pairs_of(parts: list[str]) -> dict[int, int]:
    """Opening bracket → closing bracket, by index. In "(a [b)" the square one has no partner, and is text."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    count = {"(": 0, "[": 0}  # among those waiting: a partner that is not there is never looked for
    for i, part in enumerate(parts):
        if part in count:
            waiting.append(i)
            count[part] += 1
        elif count.get(OPENER.get(part, "")):
            while parts[opening := waiting.pop()] != OPENER[part]:
                count[parts[opening]] -= 1
            count[parts[opening]] -= 1
            pairs[opening] = i
    return pairs


def _weigh(parts: list[str], opening: int, closing: int) -> tuple[float, str]:
    """Factor of a pair of brackets, and what the part before the closing one is without the number."""
    last = parts[closing - 1]
    if parts[opening] == "[":
        return 1 / EMPHASIS, last
    words, colon, number = last.rpartition(":")
    number = number.strip()
    nothing = not words.strip() and closing - opening == 2  # "(:3)" is a face
    if nothing or not colon or not NUMBER.fullmatch(number):
        return EMPHASIS, last
    return float(number), words


def _in_range(weight: float) -> float:
    if not 0 <= weight <= HEAVIEST:
        more = r"weights in one another multiply, and \( and \) are brackets that weigh nothing"
        raise UserError(f"a weight in the prompt is {weight:g}, outside 0…{HEAVIEST:g}; {more}")
    return weight


def _append(spans: list[Span], text: str, weight: float) -> None:
    """Add text to the last span, or as a new one where the weight differs."""
    if spans and spans[-1].weight == weight:
        spans[-1] = Span(spans[-1].text + text, weight)
    elif text:
        spans.append(Span(text, weight))


def _sections(spans: list[Span]) -> Iterator[tuple[str, list[float]]]:
    """What stands between the BREAKs, with a weight per character."""
    text = "".join(span.text for span in spans)
    weights = [span.weight for span in spans for _ in span.text]
    edges = [0, *(edge for found in BREAK.finditer(text) for edge in found.span()), len(text)]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield text[first:last], weights[first:last]


def _rows(tokenizer: Tokenizer, text: str, weights: list[float]) -> Iterator[tuple[list[int], list[float]]]:
    """Ids and weights of one part after the other, without start, end and padding."""
    pieces = tokenizer.pieces(text)
    start = 0
    while start < len(pieces):
        stop = _stop(text, pieces, start, tokenizer.context - 2)
        part = pieces[start:stop]
        yield [p.id for p in part], [sum(weights[p.start : p.end]) / (p.end - p.start) for p in part]
        start = stop


def _stop(text: str, pieces: list[Piece], start: int, room: int) -> int:
    """Where the part that begins at ``start`` ends: the last of the best places that its room leaves."""
    limit = start + room
    if limit >= len(pieces):
        return len(pieces)
    places = ((_comma, max(start, limit - COMMA_REACH)), (_blank, start), (_word, start), (_character, start))
    for good, lowest in places:
        for at in range(limit, lowest, -1):
            if good(text, pieces[at - 1], pieces[at]):
                return at
    return limit


def _comma(text: str, before: Piece, after: Piece) -> bool:
    # "1,000" is one number.
    return text[before.end - 1] in COMMAS and _character(text, before, after) and not text[before.end].isdigit()


def _blank(text: str, before: Piece, after: Piece) -> bool:
    return any(sign.isspace() for sign in text[before.end : after.start])


def _word(text: str, before: Piece, after: Piece) -> bool:
    return before.token.endswith(WORD_END) and _character(text, before, after)


def _character(text: str, before: Piece, after: Piece) -> bool:
    return before.end <= after.start  # tokens may be parts of a character: an emoji has four bytes
