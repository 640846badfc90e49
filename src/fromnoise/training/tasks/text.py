"""Task: a text tower that learns what words mean before it sees a picture.

CLIP's contrast with pictures makes a tower forget what its words were given to mean: of words that no caption has, it
kept 12 % where the table of meanings knows 57 % (docs/training.md). So here nothing but meaning is learnt: the
embeddings of words stay as they were sown, and a few layers learn to say what whole phrases mean
(:mod:`fromnoise.training.lessons`), at every word and after the end.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from fromnoise.data.meanings import Meanings
from fromnoise.data.splits import hashed_share
from fromnoise.data.unheard import unheard
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.training.clock import Clock
from fromnoise.training.lessons import (
    Lesson,
    Lessons,
    Smear,
    asked_states,
    some,
    teachable,
    whole_words,
    without_words,
)
from fromnoise.training.stages import TextStage
from fromnoise.training.tasks.base import Compute, Losses, Task

HELD_OUT = 0.02  # share of the phrases that are in no lesson
MOST_ASKED = 1024  # of those, in the score


class Reader(nn.Module):
    """A text tower with two linear maps that tell what it read; only the tower is kept.

    Args:
        text: the tower.
        meaning: from its states to vectors of meanings.
        styles: how many there are to tell apart; one more output says that none was named.
    """

    def __init__(self, text: TextTower, meaning: nn.Linear, styles: int) -> None:
        super().__init__()
        self.text, self.meaning = text, meaning
        self.hand = nn.Linear(meaning.in_features, styles + 1)
        nn.init.zeros_(self.hand.weight)
        nn.init.zeros_(self.hand.bias)


class TextTask(Task):
    """Train a text tower on phrases and their meanings.

    Args:
        stage: its training.
        meanings: phrases and vectors; those with a word that evaluation asks for as never heard are left out, and some
            are kept for the score.
        words: tokenizer, and the styles that may be named.
        tower: in the compute format; its embeddings are sown already and stay as they are.
        compute: device and format.
    """

    name = "text"
    unit = "phrases"
    network: Reader

    def __init__(
        self,
        stage: TextStage,
        meanings: Meanings,
        words: tuple[Tokenizer, tuple[str, ...]],
        tower: TextTower,
        compute: Compute,
    ) -> None:
        self.stage, self.config, self.compute = stage, stage.loop, compute
        self.tokenizer, styles = words
        taught = without_words(teachable(meanings, self.tokenizer), {word for word, _ in unheard()})
        kept = [hashed_share("phrase", phrase) < HELD_OUT for phrase in taught.phrases]
        self.held_out = some(taught, [i for i, held in enumerate(kept) if held][:MOST_ASKED])
        taught = some(taught, [i for i, held in enumerate(kept) if not held])
        self.lessons = Lessons(taught, self.tokenizer, styles, stage.loop.batch, compute.device, stage.inside)
        head = self.lessons.head(tower.config.width, torch.float32)
        self.network = Reader(tower, head, len(styles)).to(compute.device, compute.dtype)
        tower.token.requires_grad_(False)  # what a word means is known, and not to be forgotten
        sown, _ = whole_words(self.tokenizer, meanings)
        self.smear = Smear(sown, self.tokenizer.vocab_size, stage.smear, compute.device) if stage.smear else None

    def batch(self, clock: Clock) -> Lesson:
        """The phrases of a step."""
        lesson, cut = self.lessons.batch(clock), self.share.cut
        return Lesson(cut(lesson.ids), cut(lesson.vectors), cut(lesson.position), cut(lesson.styles))

    def losses(self, batch: Lesson, clock: Clock) -> Losses:
        """1 − cosine to what is meant, and the cross-entropy of the style that was named, in nats."""
        rng = clock.generator("smear", self.compute.device)
        smeared = self.smear and self.smear.over(self.network.text.token, rng, self.share, [clock.batch])
        with smeared or nullcontext():
            states = asked_states(self.network.text, batch)
        said = self.network.meaning(states).float()
        meaning = 1 - F.cosine_similarity(said, batch.vectors, dim=1).mean()
        hand = F.cross_entropy(self.network.hand(states).float(), batch.styles)
        return {"loss": meaning + self.stage.hands * hand, "meaning": meaning, "hand": hand}

    @torch.no_grad()
    def score(self, network: nn.Module) -> dict[str, float]:
        """Of phrases that are in no lesson: the cosine to what they mean, and the share of those whose own meaning is
        the nearest of all of theirs."""
        if not self.held_out.phrases:
            return {}
        assert isinstance(network, Reader)
        ids = self.tokenizer.encode(list(self.held_out.phrases)).to(self.compute.device)
        said = torch.cat([network.meaning(network.text(part).pooled).float() for part in ids.split(256)])
        near = F.normalize(said, dim=1) @ F.normalize(self.held_out.vectors.to(said), dim=1).T
        own = torch.arange(len(near), device=near.device)
        return {
            "held_out_cosine": float(near.diagonal().mean()),
            "held_out_top1": float((near.argmax(1) == own).float().mean()),
        }

    def samples_for_log(self, network: nn.Module) -> Image.Image | None:
        """There is nothing to look at."""
        return None
