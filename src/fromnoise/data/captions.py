"""Captions for training: one picture, many ways to ask for it.

A model that only ever heard full captions understands nothing else. So every time a picture is seen, its caption
is drawn anew from its name, keywords, other names, style and measured colours (mix: docs/training.md).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.data.record import Record
from fromnoise.data.scenes import is_scene
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled

# A mirrored picture would contradict these words, or mirror letters and numbers.
_ONE_WAY = re.compile(
    r"\b(left|right|flag|arrow|letter|letters|number|word|text|sign|button|clock|o.clock|thirty|"
    r"calendar|abc|latin|input|currency|dollar|euro|pound|yen|map|globe|keycap|japanese|note|notes|musical|question)\b",
    re.IGNORECASE,
)
# Names that "a" or "an" may stand before: no plural, no number, no proper name.
_ONE_THING = re.compile(r"^(?!(?:two|three) )[a-z][a-z -]*[a-rt-z]$")


@dataclass(frozen=True)
class CaptionMix(Config):
    """Shares of the kinds of caption; they must sum to 1.

    ``colour`` is the share that also names a colour, ``article`` that of single things with "a" or "an" before them.
    """

    full: float = 0.35
    keywords: float = 0.25
    synonym: float = 0.15
    object_only: float = 0.10
    style_only: float = 0.05
    empty: float = 0.10
    colour: float = 0.20
    article: float = 0.0

    def __post_init__(self) -> None:
        shares = self.shares()
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or not (0 <= self.colour <= 1 and 0 <= self.article <= 1):
            raise UserError("a CaptionMix needs shares >= 0 that sum to 1, and colour and article between 0 and 1")

    def shares(self) -> tuple[float, ...]:
        """The six shares, in the order of the fields."""
        return (self.full, self.keywords, self.synonym, self.object_only, self.style_only, self.empty)


class CaptionSampler:
    """Draws a caption for a picture.

    Args:
        records: the pictures' facts.
        mix: how often each kind of caption comes.
    """

    def __init__(self, records: Sequence[Record], mix: CaptionMix | None = None) -> None:
        self._records = records
        self._mix = mix or CaptionMix()
        self._edges = torch.tensor(self._mix.shares(), dtype=torch.float64).cumsum(0)

    def __call__(self, index: int, generator: torch.Generator) -> str:
        """A caption of picture ``index``; equal generator states give equal captions."""
        record = self._records[index]
        # Always seven draws, so that one picture's caption never shifts the randomness of the next one's.
        u = torch.rand(7, generator=generator, dtype=torch.float64).tolist()
        kind = int(torch.searchsorted(self._edges, torch.tensor(u[0], dtype=torch.float64)).clamp_max(5))
        if kind == 5:
            return ""
        if kind == 4 and record.style:
            return styled("", record.style)
        text = self._object(record, kind, u)
        if u[4] < self._mix.colour and record.colours and not _names_colour(text, record):
            text = f"{_pick(record.colours, u[5])} {text}"
        if u[6] < self._mix.article and kind != 1 and _ONE_THING.match(text):
            text = f"{'an' if text[0] in 'aeiou' else 'a'} {text}"
        with_style = kind in (0, 2) or (kind == 1 and u[3] < 0.5)
        return styled(text, record.style if with_style else "")

    def most(self) -> int:
        """At most how many different captions there are: keywords come in any order, and so soon without end."""
        return 1 + len({r.style for r in self._records}) + sum(map(self._ways, self._records))

    def _ways(self, record: Record) -> int:
        mix, words = self._mix, len(record.keywords)
        orders = sum(math.perm(words, count) for count in range(1, min(4, words) + 1)) if mix.keywords else 0
        colours = 1 + len(record.colours) if mix.colour else 1
        names = (1 + len(record.alt)) * (2 if mix.article else 1)
        return 2 * colours * (names + orders)  # with its style and without

    def _object(self, record: Record, kind: int, u: list[float]) -> str:
        if kind == 1 and record.keywords:
            count = 1 + int(u[1] * min(4, len(record.keywords)))
            order = torch.randperm(len(record.keywords), generator=torch.Generator().manual_seed(int(u[2] * 2**53)))
            return ", ".join(record.keywords[i] for i in order[:count].tolist())
        if kind == 2 and record.alt:
            return _pick(record.alt, u[1])
        return record.text


def sampling_weights(records: Sequence[Record], scene_share: float = 0.0) -> Tensor:
    """How often each picture should be seen: count^-0.5 of its concept times count^-0.5 of its style, float32 [N].

    ``scene_share`` is what all composed scenes together get; 0 treats them as other pictures.
    """
    keys, styles = Counter(r.key for r in records), Counter(r.style for r in records)
    weights = torch.tensor([(keys[r.key] * styles[r.style]) ** -0.5 for r in records])
    made = torch.tensor([is_scene(r) for r in records])
    if scene_share and made.any() and not made.all():
        weights[made] *= scene_share / (1 - scene_share) * weights[~made].sum() / weights[made].sum()
    return weights


def may_mirror(record: Record) -> bool:
    """Whether the mirrored picture still fits its captions."""
    return not any(_ONE_WAY.search(text) for text in (record.text, *record.keywords))


def _pick(options: Sequence[str], u: float) -> str:
    return options[int(u * len(options))]


def _names_colour(text: str, record: Record) -> bool:
    words = set(text.lower().split())
    return any(set(colour.split()) <= words for colour in record.colours)
