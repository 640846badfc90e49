"""Task: CLIP, which ties words to pictures by contrast (Radford et al. 2021, arXiv 2103.00020).

The same caption may come several times in a batch (a red apple in four styles). The target is then shared among
equal captions, which teaches the same as CLIP's identity matrix but makes the least possible loss known; see
:func:`fromnoise.models.clip.clip.clip_loss`.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.data.captions import CaptionSampler
from fromnoise.data.meanings import Meanings
from fromnoise.data.pictures import PictureSet
from fromnoise.data.world.chance import Chance
from fromnoise.data.world.nearly_right import nearly_right
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.ground.mapped import parts, placed, rows
from fromnoise.ground.pictures import from_bytes
from fromnoise.ground.wording import styled
from fromnoise.models.clip.clip import CLIP, clip_loss
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.training.beginning import Keeper
from fromnoise.training.clock import Clock, GroupedOrder, Order
from fromnoise.training.lessons import Lessons, Smear, teachable, whole_words
from fromnoise.training.recipe import ClipStage
from fromnoise.training.tasks.base import Compute, Losses, Task


class CLIPTask(Task):
    """Train CLIP's two towers on captioned pictures.

    Args:
        stage: sizes and training.
        pictures: training and held-out picture sets.
        words: tokenizer and caption sampler.
        network: CLIP, in the compute format.
        compute: device and format.
        seed: the run's seed.
    """

    name = "clip"

    def __init__(
        self,
        stage: ClipStage,
        pictures: tuple[PictureSet, PictureSet],
        words: tuple[Tokenizer, CaptionSampler],
        network: CLIP,
        compute: Compute,
        seed: int,
    ) -> None:
        self.config, self.network, self.compute = stage.loop, network, compute
        self.train_set, self.held_out = pictures
        self.tokenizer, self.captions = words
        self.images = placed(self.train_set.images, compute.device)
        things = [record.key or record.text for record in self.train_set.records]
        self.order = (
            GroupedOrder(things, seed, stage.together) if stage.together else Order(torch.ones(len(self.images)), seed)
        )
        self.stage, self.lessons = stage, self._lessons(stage)
        if self.lessons is not None:
            network.add_module("meaning", self.lessons.head(network.config.text.width, compute.dtype))
            network.text.token.requires_grad_(False)  # what a word means is known, and not to be forgotten
        self.keeper: Keeper | None = None
        self.smear = self._smear(stage)

    def batch(self, clock: Clock) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures [b,3,P,P] and token ids [b,L] of the share; of the whole batch soft targets [B,B] and token ids of
        captions that are wrong [M,L]."""
        indices, texts = self._captions(clock)
        pictures = from_bytes(rows(self.images, self.share.cut(indices), self.compute.device))
        shift = torch.randint(-3, 4, (2,), generator=clock.generator("shift")).tolist()
        pictures = torch.roll(pictures, shift, (2, 3))  # a white border makes rolling a shift
        ids = [self.tokenizer.encode(said).to(self.compute.device) for said in (texts, self._wrong(texts, clock))]
        return pictures, self.share.cut(ids[0]), self._targets(texts), ids[1]

    def _wrong(self, texts: list[str], clock: Clock) -> list[str]:
        """Captions that are nearly right for one of the pictures, and right for none."""
        share, found = self.stage.hard_negatives, dict[str, None]()
        for i, text in enumerate(texts if share else ()):
            chance = Chance(clock.seed, clock.step, "nearly right", i)
            if chance(share) and (wrong := nearly_right(text, chance)):
                found[wrong] = None
        return [wrong for wrong in found if wrong not in texts]

    def _captions(self, clock: Clock) -> tuple[Tensor, list[str]]:
        """The pictures of a step and what is said about them."""
        indices, rng = self.order.indices(clock), clock.generator("captions")
        return indices, [self.captions(i, rng) or self.train_set.records[i].text for i in indices.tolist()]

    def losses(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], clock: Clock) -> Losses:
        """Contrastive loss with soft targets; ``floor`` is the least it can be (the targets' entropy)."""
        rng, counts = clock.generator("smear", self.compute.device), [len(batch[2]), len(batch[3])]
        smeared = self.smear and self.smear.over(self.network.text.token, rng, self.share, counts)
        with smeared or nullcontext():
            return self._losses(batch, clock)

    def _losses(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], clock: Clock) -> Losses:
        pictures, ids, targets, wrong_ids = batch
        pictures = pictures.to(self.compute.dtype).contiguous(memory_format=self.compute.memory_format)
        image, text = self.network.embed_image(pictures).float(), self.network.embed_text(ids).float()
        wrong = self.network.embed_text(self.share.cut(wrong_ids)).float() if len(wrong_ids) else None
        # Contrast needs the whole batch; lessons and keeper below are the same on all processes.
        image, text = (self.share.together(rows, len(targets)) for rows in (image, text))
        wrong = None if wrong is None else self.share.together(wrong, len(wrong_ids))
        loss = clip_loss(image, text, self.network.logit_scale.float(), targets, wrong)
        floor = -torch.special.xlogy(targets, targets).sum(1).mean()
        parts: Losses = {}
        if self.lessons is not None:
            parts["meaning"] = self.lessons.loss(self.network, self.lessons.batch(clock))
        if self.keeper is not None:
            parts["keep"] = self.keeper.loss(self.network, self._captions(clock)[1])
        total = loss + self.stage.meaning_weight * parts.get("meaning", 0) + self.stage.keep * parts.get("keep", 0)
        return {"loss": total, "floor": floor, "contrast": loss, **parts}

    @torch.no_grad()
    def score(self, network: nn.Module) -> dict[str, float]:
        """On held-out pictures: the contrastive loss, and the share of those whose own caption is CLIP's first choice
        among all held-out captions."""
        if not len(self.held_out.records):
            return {}
        images, texts, names = self._embeddings(network)
        captions = [styled(r.text, r.style) for r in self.held_out.records]
        own = torch.tensor([names.index(caption) for caption in captions], device=images.device)
        scale: Any = network.logit_scale
        return {
            "held_out_top1": float(((images @ texts.T).argmax(1) == own).float().mean()),
            "held_out_loss": float(clip_loss(images, texts[own], scale.float(), self._targets(captions))),
        }

    def guessing(self, batch: int) -> float:
        """ln(batch): each caption is as likely as any other."""
        return math.log(batch)

    def samples_for_log(self, network: nn.Module) -> Image.Image | None:
        """Held-out captions, each over the eight held-out pictures that CLIP finds nearest."""
        if len(self.held_out.records) < 8:
            return None
        images, texts, names = self._embeddings(network)
        nearest = (texts[:8] @ images.T).topk(8).indices.cpu()
        return labelled(self.held_out.images[nearest.flatten()], names[:8], columns=8)

    def _lessons(self, stage: ClipStage) -> Lessons | None:
        if not stage.meanings:
            return None
        meanings = teachable(Meanings.load(Path(stage.meanings)), self.tokenizer)
        styles = tuple(sorted({r.style for r in self.train_set.records if r.style}))
        return Lessons(meanings, self.tokenizer, styles, stage.meaning_batch, self.compute.device)

    def _smear(self, stage: ClipStage) -> Smear | None:
        if self.lessons is None or not stage.smear:
            return None
        words, _ = whole_words(self.tokenizer, self.lessons.meanings)
        return Smear(words, self.tokenizer.vocab_size, stage.smear, self.compute.device)

    @torch.no_grad()
    def _embeddings(self, network: Any) -> tuple[Tensor, Tensor, list[str]]:
        names = list(dict.fromkeys(styled(r.text, r.style) for r in self.held_out.records))
        pictures = (from_bytes(part.to(self.compute.device)) for part in parts(self.held_out.images, 64))
        images = torch.cat([network.embed_image(part) for part in pictures])
        ids = self.tokenizer.encode(names).to(self.compute.device)
        return images, torch.cat([network.embed_text(part) for part in ids.split(64)]), names

    def _targets(self, texts: list[str]) -> Tensor:
        number = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        group = torch.tensor([number[text] for text in texts], device=self.compute.device)
        same = (group[:, None] == group[None, :]).float()
        return same / same.sum(1, keepdim=True)
