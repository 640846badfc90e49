"""Task: the story game's network, which guesses the words that noise has replaced.

The loss of a discrete diffusion model on the straight schedule is the cross-entropy at the replaced words, weighted by
1/sigma (Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models", arXiv 2406.07524, eq. 11, for
masks; here the weight is bounded). Words that were left alone count a little too: that is how the network learns to
say which of the words it sees are wrong.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor, nn

from fromnoise.data.plots.grammar import KINDS, MADE, REAL, TOLD
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.story.draw import StoryRequest, draw_stories
from fromnoise.story.model import StoryModel, word_schedule
from fromnoise.story.noise import noise_words, spoil
from fromnoise.story.vocabulary import END, MASK, UNKNOWN, Vocabulary
from fromnoise.training.clock import Clock, Order, seeded
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.tasks.base import Compute, Losses, Task
from fromnoise.training.word_loss import word_losses

TOGETHER = 4  # groups of a batch, by length


@dataclass(frozen=True)
class StoryStage(Config):
    """How the network is taught.

    Attributes:
        masks: of the lines, the share whose noise is masks only; as many again have both kinds, the rest random words
        only.
        most_weight: bound on 1/sigma.
        clean_weight: of words that were left alone.
        clean_share: of those words, the share that is asked for (with that much more weight), since comparing a place
            with every word of the vocabulary is half of the work.
        silent: how often genre and place are not told, each by itself.
        real: share of real sentences among the lines.
        told: share of plots that were told by hand.
        empty: how many places without a word there are for each word of a line, on average: so that the network learns
            to put words in and to take them out.
    """

    masks: float = 0.25
    most_weight: float = 5.0
    clean_weight: float = 0.1
    clean_share: float = 0.2
    silent: float = 0.15
    real: float = 0.2
    told: float = 0.0
    empty: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.clean_share <= 1:
            raise UserError(f"words.clean_share must be above 0 and at most 1, not {self.clean_share}")
        if not (self.most_weight > 0 and self.clean_weight > 0):
            raise UserError("words.most_weight and words.clean_weight must be above 0")
        shares = ("masks", "silent", "real", "told", "empty")
        for name, share in ((name, getattr(self, name)) for name in shares):
            if not 0 <= share <= 1:
                raise UserError(f"words.{name} must be 0 to 1, not {share}")
        if self.real + self.told > 1:
            raise UserError(f"words.real and words.told are {self.real + self.told:g} together; the most is 1")


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines as numbers.

    Attributes:
        ids: int16 [N, L], ends filled with the end entry.
        labels: genre and place, int16 [N, 2].
        kinds: who made it, as its number among :data:`fromnoise.data.plots.grammar.KINDS`, int8 [N].
        lengths: as of :class:`StoryModel`.
    """

    ids: Tensor
    labels: Tensor
    kinds: Tensor
    lengths: dict[str, list[int]]

    def counts(self, size: int) -> Tensor:
        """How often each word occurs, float32 [size]."""
        found = torch.bincount(self.ids.flatten().long(), minlength=size).float()
        found[END] = 0
        return found

    def of(self, kind: str) -> Tensor:
        """Which lines are of a kind, bool [N]."""
        return self.kinds == KINDS.index(kind)

    def weights(self, real: float, told: float) -> Tensor:
        """How often each line should come so that these shares of them are real and told, [N]; what there is none of
        leaves its share to the others.
        """
        wanted = {REAL: real, TOLD: told, MADE: 1 - real - told}
        found = torch.zeros(len(self.kinds), dtype=torch.float64)
        for kind, share in wanted.items():
            which = self.of(kind)
            found += share * which.double() / which.sum().clamp_min(1)
        return found if bool(found.any()) else torch.ones(len(self.kinds))


@dataclass(frozen=True, eq=False)
class Spoilt:
    """A batch: clean and noisy words [B, L], which were replaced, for which a guess is asked, levels [B], labels [B,
    2]."""

    clean: Tensor
    noisy: Tensor
    replaced: Tensor
    asked: Tensor
    t: Tensor
    labels: Tensor


class StoryTask(Task):
    """Train the story game's network.

    Args:
        stages: how the network is taught, how the loop runs.
        lines: training and held-out lines.
        vocabulary: of the lines.
        network: the network, in the compute format.
        compute: device and format.
        seed: the run's seed.
    """

    name, unit = "story", "lines"

    def __init__(
        self,
        stages: tuple[StoryStage, LoopConfig],
        lines: tuple[Lines, Lines],
        vocabulary: Vocabulary,
        network: Any,
        compute: Compute,
        seed: int,
    ) -> None:
        (self.stage, self.config), (self.lines, self.held_out) = stages, lines
        self.vocabulary, self.network, self.compute = vocabulary, network, compute
        self.order = Order(self.lines.weights(self.stage.real, self.stage.told), seed)
        self.schedule = word_schedule()
        self.counts = self.lines.counts(len(vocabulary))
        if vocabulary.empty is not None:
            self.counts[vocabulary.empty] = self.stage.empty * self.counts.sum()
        self.noise = noise_words(self.counts)

    @property
    def setting(self) -> str:
        """A story's recipe has one loop."""
        return "loop"

    @property
    def taught(self) -> tuple[float, float]:
        """As of :class:`StoryModel`."""
        return self.stage.most_weight, self.stage.clean_weight

    def batch(self, clock: Clock) -> Spoilt:
        """Lines and their noise."""
        which, rng = self.order.indices(clock), clock.generator("words")
        t = torch.randint(self.schedule.steps, (len(which),), generator=rng)
        coin = torch.rand(len(which), generator=rng)
        masks = torch.where(coin < self.stage.masks, 1.0, torch.where(coin < 2 * self.stage.masks, 0.5, 0.0))
        batch = self._spoilt(self.lines, which, t, masks, rng)
        silent = torch.rand(batch.labels.shape, generator=rng) < self.stage.silent
        return self._there(batch, batch.labels.masked_fill(silent, 0))

    def losses(self, batch: Spoilt, clock: Clock) -> Losses:
        """``loss`` is per word; ``replaced`` and ``left`` are plain cross-entropies of the two kinds of words."""
        real = batch.asked & (batch.clean != END) & (batch.clean != UNKNOWN)
        replaced = batch.replaced[real]
        sigma = self.schedule.sigma(batch.t)[:, None].expand_as(real)[real]
        left = self.stage.clean_weight / self.stage.clean_share
        weight = torch.where(replaced, (1 / sigma).clamp_max(self.stage.most_weight), left)
        network = self.network
        total, each = word_losses(
            self._features(batch)[real], network.table(), network.word_bias, batch.clean[real], weight
        )
        kinds = {"replaced": replaced, "left": ~replaced}
        return {
            "loss": total / (batch.clean != END).sum(),
            **{name: (each * kind).sum() / kind.sum().clamp_min(1) for name, kind in kinds.items()},
        }

    def _features(self, batch: Spoilt) -> Tensor:
        """Of each place of a batch [B, L, embedding]; sentences of about the same length are computed together."""
        order = (batch.clean != END).sum(1).argsort(stable=True)
        found = [
            self.network.features(batch.noisy[some], batch.t[some], batch.labels[some])
            for some in order.chunk(min(TOGETHER, len(order)))
        ]
        return torch.cat(found)[order.argsort()]

    def samples_for_log(self, network: nn.Module) -> Image.Image:
        """A story of each genre, written out."""
        model = self._model(copy.deepcopy(network))  # drawing is on the CPU, and the score is asked after it
        said = []
        for genre in self.vocabulary.genres[:24]:
            said += [f"{genre}: {text}" for text in draw_stories(model, StoryRequest(genre=genre, steps=12))]
        return written(said)

    @torch.no_grad()
    def score(self, network: nn.Module) -> dict[str, float]:
        """On held-out plots, those told by hand where there are any: is one wrong word's right one among the first
        five, is it the first; and the perplexity bound of masks."""
        rng = seeded("cpu", "held-out words")
        kind = TOLD if bool(self.held_out.of(TOLD).any()) else MADE
        plots = torch.nonzero(self.held_out.of(kind))[:, 0]
        if not len(plots):
            return {}
        which = plots[torch.randperm(len(plots), generator=rng)[:512]]
        ids = self.held_out.ids[which].long()
        places = torch.stack([torch.randint(int((row != END).sum()), (1,), generator=rng)[0] for row in ids])
        hidden = ids.scatter(1, places[:, None], MASK)
        level = torch.full((len(ids),), round(self.schedule.steps / 14))
        right = ids[torch.arange(len(ids)), places]
        best = torch.cat(
            [
                logits[torch.arange(len(part)), places[part]].topk(5).indices == right[part, None]
                for part, logits in self._answers(network, hidden, level, self.held_out.labels[which].long())
            ]
        )
        perplexity = self._perplexity(network, which, rng)
        return {
            "top1": float(best[:, 0].float().mean()),
            "top5": float(best.any(1).float().mean()),
            "perplexity": perplexity,
            "held_out_loss": math.log(perplexity),
        }

    def _perplexity(self, network: nn.Module, which: Tensor, rng: torch.Generator) -> float:
        """exp of the bound on -log p per word, with masks as noise (arXiv 2406.07524, eq. 11), at evenly spread
        levels."""
        t = torch.linspace(0, self.schedule.steps - 1, len(which)).round().long()
        batch = self._spoilt(self.held_out, which, t, torch.ones(len(which)), rng)
        bound = torch.zeros(())
        for part, logits in self._answers(network, batch.noisy, batch.t, batch.labels):
            each = F.cross_entropy(logits.transpose(1, 2), batch.clean[part], reduction="none")
            bound += (each * batch.replaced[part] / self.schedule.sigma(batch.t[part])[:, None]).sum()
        return float((bound / (batch.clean != END).sum()).exp())

    def _answers(self, network: Any, ids: Tensor, t: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Some rows at a time, which and the averaged network's logits for them [b, L, V]: those of all rows, at 20,000
        words, are gigabytes."""
        device = self.compute.device
        for part in torch.arange(len(ids)).split(32):
            yield part, network(*(x[part].to(device) for x in (ids, t, labels))).float().cpu()

    def _model(self, network: Any) -> StoryModel:
        return StoryModel(self.vocabulary, network.cpu(), self.counts, self.lines.lengths, self.taught)

    def _spoilt(self, lines: Lines, which: Tensor, t: Tensor, masks: Tensor, rng: torch.Generator) -> Spoilt:
        clean = lines.ids[which].long()
        if lines is self.lines and self.vocabulary.empty is not None and self.stage.empty:
            clean = with_gaps(clean, self.vocabulary.empty, self.stage.empty, rng)
        noisy, replaced = spoil(clean, self.schedule.sigma(t), masks, self.noise, rng)
        asked = replaced | (torch.rand(clean.shape, generator=rng) < self.stage.clean_share)
        return Spoilt(clean, noisy, replaced, asked, t, lines.labels[which].long())

    def _there(self, batch: Spoilt, labels: Tensor) -> Spoilt:
        device = self.compute.device
        parts = (batch.clean, batch.noisy, batch.replaced, batch.asked, batch.t, labels)
        return Spoilt(*(x.to(device) for x in parts))


def with_gaps(ids: Tensor, empty: int, share: float, rng: torch.Generator) -> Tensor:
    """Sentences with places between their words where no word stands, as many as there is room for.

    Args:
        ids: int64 [B, L], ends filled with the end entry.
        empty: the entry of such a place.
        share: of them for each word, on average; so many are put before every word and after the last one.
        rng: decides where.

    Returns:
        int64 [B, L].
    """
    rows, length = ids.shape
    words = ids != END
    room = length - words.sum(1)
    before = torch.rand(rows, length + 1, generator=rng) < share / (1 + share)
    before &= torch.arange(length + 1) <= words.sum(1)[:, None]  # up to behind the last word
    before &= before.cumsum(1) <= room[:, None]
    place = torch.arange(length) + before[:, :length].cumsum(1)  # where each word comes to stand
    wider = torch.full((rows, 2 * length + 1), END)
    gaps = torch.arange(length + 1) + before.cumsum(1) - 1  # where the place before word i stands, where there is one
    wider.scatter_(1, torch.where(before, gaps, 2 * length), empty)
    wider.scatter_(1, torch.where(words, place, 2 * length), ids)
    return wider[:, :length]


def written(lines: list[str], width: int = 1100) -> Image.Image:
    """Lines of text as a picture, for a run's sheets."""
    sheet = Image.new("RGB", (width, 16 * len(lines) + 8), "white")
    pen = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        pen.text((6, 4 + 16 * i), line, fill="black")
    return sheet
