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
from torch import Tensor, nn

from fromnoise.data.meanings import Meanings
from fromnoise.data.unheard import unheard
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.training.clock import Clock
from fromnoise.training.lessons import Lesson, Lessons, Smear, asked_states, teachable, whole_words, without_words
from fromnoise.training.stages import TextStage
from fromnoise.training.tasks.base import Compute, Losses, Task


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
        meanings: phrases and vectors; those with a word that evaluation asks for as never heard are left out.
        words: tokenizer, and the styles that may be named.
        tower: in the compute format; its embeddings are sown already and stay as they are.
        names: what the pictures show, for the score.
        compute: device and format.
    """

    name = "text"
    unit = "phrases"
    network: Reader

    def __init__(
        self, stage: TextStage, meanings: Meanings, words: tuple[Tokenizer, tuple[str, ...]], tower: TextTower,
        names: list[str], compute: Compute,
    ) -> None:  # fmt: skip
        self.stage, self.config, self.compute = stage, stage.loop, compute
        self.tokenizer, styles = words
        taught = without_words(teachable(meanings, self.tokenizer), {word for word, _ in unheard()})
        self.lessons = Lessons(taught, self.tokenizer, styles, stage.loop.batch, compute.device, stage.inside)
        head = self.lessons.head(tower.config.width, torch.float32)
        self.network = Reader(tower, head, len(styles)).to(compute.device, compute.dtype)
        tower.token.requires_grad_(False)  # what a word means is known, and not to be forgotten
        sown, _ = whole_words(self.tokenizer, meanings)
        self.smear = Smear(sown, self.tokenizer.vocab_size, stage.smear, compute.device) if stage.smear else None
        self.names = sorted(set(names))
        self.asked = [(word, concept) for word, concept in unheard() if concept in set(names)]

    def batch(self, clock: Clock) -> Lesson:
        """The phrases of a step."""
        return self.lessons.batch(clock)

    def losses(self, batch: Lesson, clock: Clock) -> Losses:
        """1 − cosine to what is meant, and the cross-entropy of the style that was named, in nats."""
        rng = clock.generator("smear", self.compute.device)
        with self.smear.over(self.network.text.token, rng) if self.smear else nullcontext():
            states = asked_states(self.network.text, batch)
        said = self.network.meaning(states).float()
        meaning = 1 - F.cosine_similarity(said, batch.vectors, dim=1).mean()
        hand = F.cross_entropy(self.network.hand(states).float(), batch.styles)
        return {"loss": meaning + self.stage.hands * hand, "meaning": meaning, "hand": hand}

    def score(self, network: nn.Module) -> dict[str, float]:
        """Of words that no phrase had: the share whose own concept is the nearest of all names."""
        if not self.asked:
            return {}
        assert isinstance(network, Reader)
        known = self._states(network.text, self.names)
        words = self._states(network.text, [word for word, _ in self.asked])
        near = F.normalize(words - known.mean(0), dim=1) @ F.normalize(known - known.mean(0), dim=1).T
        own = torch.tensor([self.names.index(concept) for _, concept in self.asked], device=near.device)
        return {"unheard_top1": float((near.argmax(1) == own).float().mean())}

    def samples_for_log(self, network: nn.Module) -> Image.Image | None:
        """There is nothing to look at."""
        return None

    @torch.no_grad()
    def _states(self, tower: TextTower, texts: list[str]) -> Tensor:
        parts = self.tokenizer.encode(texts).to(self.compute.device).split(256)
        return torch.cat([tower(part).pooled.float() for part in parts])
