"""The network of the story game: words in, for every place a guess of which word belongs there.

A bidirectional transformer, as BERT's (Devlin et al. 2019, arXiv 1810.04805), that is told how much noise there is,
as a diffusion model's U-Net is. Two places before the sentence hold what it should be about: genre and place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.models.layers.attention import FeedForward, SelfAttention
from fromnoise.models.layers.embedding import TimeEmbedding

LABELS = 2  # genre and place
END = 0  # the entry behind a sentence's last word
MEANT = 4.0  # deviations of a given feature that 127 stands for


@dataclass(frozen=True)
class WordDenoiserConfig(Config):
    """Sizes of the network.

    Attributes:
        vocab_size: entries of the vocabulary, special ones included.
        labels: entries of the table of genres and places; 0 is "not said".
        context: longest sentence in words.
        embedding: features of a word's entry in the table, which is used for reading and for guessing (tied).
        width: features per place inside the blocks.
        layers: transformer blocks.
        heads: attention heads per block.
        fixed: the first of a word's features, which are given and not learnt: what the word means, so that a word that
            is seen rarely behaves as those that mean the like.
        ends: whether places behind a sentence's end are read as words are; without, they are as if they were not
            there, so a short sentence costs less.
    """

    vocab_size: int = 6000
    labels: int = 200
    context: int = 32
    embedding: int = 128
    width: int = 160
    layers: int = 4
    heads: int = 5
    fixed: int = 0
    ends: bool = True

    def __post_init__(self) -> None:
        if min(self.vocab_size, self.labels, self.context, self.embedding, self.width, self.layers, self.heads) < 1:
            raise UserError("words: all sizes of the network must be whole numbers above 0")
        if self.width % self.heads:
            raise UserError(f"words: {self.heads} heads do not divide a width of {self.width}")
        if not 0 <= self.fixed < self.embedding:
            raise UserError(f"words: fixed must be 0 or more and below the embedding's {self.embedding} features")

    def build(self) -> WordDenoiser:
        """Return a network of these sizes with random weights."""
        return WordDenoiser(self)


class WordBlock(nn.Module):
    """Self-attention and feed-forward, each on a layer norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Map (B, L, width) to (B, L, width); nobody looks at ``hidden`` places, bool (B, L)."""
        x = x + self.attention(self.attention_norm(x), hidden)
        return x + self.feed_forward(self.feed_norm(x))


class WordDenoiser(nn.Module):
    """p(x_0 | x_t): what was each word before the noise?"""

    def __init__(self, config: WordDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.word = nn.Embedding(config.vocab_size, config.embedding - config.fixed)
        self.meaning: Tensor
        if config.fixed:
            self.register_buffer("meaning", torch.zeros(config.vocab_size, config.fixed, dtype=torch.int8))
        self.word_in = nn.Linear(config.embedding, config.width)
        self.label = nn.Embedding(config.labels, config.width)
        self.position = nn.Embedding(config.context + LABELS, config.width)
        self.time = TimeEmbedding(config.width, config.width)
        self.blocks = nn.ModuleList(WordBlock(config.width, config.heads) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(config.width)
        self.word_out = nn.Linear(config.width, config.embedding)
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self._kept: Tensor | None = None
        self._initialise()

    def forward(self, ids: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Guess the clean words: logits (B, L, vocab_size); arguments as for :meth:`features`."""
        return self.logits(self.features(ids, t, labels))

    def features(self, ids: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """What the network thinks of each place, before it is compared with every word.

        Args:
            ids: words, int64 (B, L), L at most ``context``; places after the sentence hold the end entry.
            t: noise level, (B,), 0…999.
            labels: genre and place, int64 (B, 2).

        Returns:
            (B, L, embedding).
        """
        length, hidden = ids.shape[1], None
        if not self.config.ends:
            ids = ids[:, : max(1, int((ids != END).sum(1).max()))]
            told = torch.zeros(len(ids), LABELS, dtype=torch.bool, device=ids.device)
            hidden = torch.cat([told, ids == END], dim=1)
        places = torch.arange(ids.shape[1] + LABELS, device=ids.device)
        table = self.table()
        x = torch.cat([self.label(labels), self.word_in(F.embedding(ids, table))], dim=1)  # (B, 2 + L, width)
        x = x + self.position(places) + self.time(t)[:, None]
        for block in self.blocks:
            x = block(x, hidden)
        found = self.word_out(self.norm_out(x[:, LABELS:]))
        return F.pad(found, (0, 0, 0, length - found.shape[1]))

    def logits(self, features: Tensor) -> Tensor:
        """Compare features (..., embedding) with every word: (..., vocab_size)."""
        return features @ self.table().T + self.word_bias

    def keep_table(self) -> None:
        """Put every word's features together once and for all: for a network whose weights stay as they are."""
        self._kept = self.table().detach().clone()

    def table(self) -> Tensor:
        """Every word's features, (vocab_size, embedding)."""
        if self._kept is not None:
            return self._kept
        if not self.config.fixed:
            return self.word.weight
        learnt = self.word.weight
        given = self.meaning.to(learnt.dtype) * (MEANT * self.config.embedding**-0.5 / 127)
        return torch.cat([given, learnt], dim=1)

    @torch.no_grad()
    def take_meaning(self, meaning: Tensor) -> None:
        """Take what words mean, int8 (vocab_size, fixed): 127 is four deviations."""
        self.meaning.copy_(meaning)

    @torch.no_grad()
    def _initialise(self) -> None:
        """Small, and smaller where blocks add to the residual stream, as in GPT-2."""
        out = 0.02 * (2 * self.config.layers) ** -0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=out if name.endswith(("out.weight", "down.weight")) else 0.02)
        self.word.weight.normal_(std=self.config.embedding**-0.5)  # as wide as the given features are
