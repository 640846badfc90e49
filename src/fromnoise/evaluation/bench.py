"""What all measurements share: the model, the data, and everything that is drawn or judged more than once."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import ASIDE, Record
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.request import Request
from fromnoise.evaluation.damage import damaged
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.progress import JUDGED, STYLED, Unwatched, Watch
from fromnoise.evaluation.retrieval import Gallery, Question, choose_questions, relevant
from fromnoise.evaluation.sizes import Sizes
from fromnoise.evaluation.style import StyleJudge, style_features
from fromnoise.ground.pictures import from_bytes
from fromnoise.ground.whole import write_atomically
from fromnoise.system.text_to_image import TextToImage

AT_ONCE = 16  # pictures per batch
NAMES = {"real": "real (ceiling)", "again": "real through the VAE", "drawn": "drawn", "noise": "noise (floor)"}


@dataclass(frozen=True, eq=False)
class Asked:
    """Questions and the pictures to judge for them.

    Attributes:
        keys: the concepts among which the judge chooses.
        questions: one for each picture.
        shown: pictures uint8 [N,3,H,W] by kind: "real", "again" (through the VAE), "drawn", "noise".
    """

    keys: list[str]
    questions: list[Question]
    shown: dict[str, Tensor]


class Bench:
    """Draws and judges for the measurements, and never does the same work twice.

    Args:
        model: what is measured.
        pictures: the data at the model's size, all splits and styles.
        seed: of the choice of concepts and of the drawings.
        sizes: how many of each.
        drawings: folder in which drawings are kept, for evaluations that are stopped and taken up again.
        beside: (label, model) of further models to show on the curves, such as one distilled to few steps.
        run: folder of the training, if known.
        watch: is told of what is done.
    """

    def __init__(
        self,
        model: TextToImage,
        pictures: PictureSet,
        seed: int = 0,
        sizes: Sizes | None = None,
        drawings: Path | None = None,
        beside: Sequence[tuple[str, TextToImage]] = (),
        run: Path | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.model, self.pictures, self.seed = model, pictures, seed
        self.sizes = sizes or Sizes()
        self.beside, self.run = tuple(beside), run
        self.records = asked_of(model, pictures)
        self.styles = model.styles
        self._drawings, self._watch = drawings, watch or Unwatched()
        self._judged: dict[bytes, Tensor] = {}
        self._styles: dict[tuple[int, bool], Tensor] = {}

    # --- drawing and judging ----------------------------------------------------------------------------------

    def draw(self, requests: Sequence[Request], what: str, model: TextToImage | None = None) -> Tensor:
        """Draw requests, or read what was drawn for the same ones before; ``what`` is named beside the progress."""
        parts = [requests[i : i + AT_ONCE] for i in range(0, len(requests), AT_ONCE)]
        drawn = []
        for part in parts:
            drawn.append(self._drawn(part, model or self.model))
            self._watch.did(f"drawing {what}", len(part))
        return torch.cat(drawn)

    def _drawn(self, requests: Sequence[Request], model: TextToImage) -> Tensor:
        """One batch, kept in a file of its own, so that an interruption loses no other."""
        own = [model.default_style] if model.default_style else []  # the hash is the weights' alone
        facts = json.dumps([model.hash, model.precision, *own, *(r.to_dict() for r in requests)])
        name = hashlib.sha256(facts.encode()).hexdigest()[:24]
        file = self._drawings / f"{name}.npy" if self._drawings else None
        if file is not None and file.exists():
            return torch.from_numpy(np.load(file, allow_pickle=False))
        drawn = draw_all(model, requests)
        if file is not None:
            buffer = io.BytesIO()
            np.save(buffer, drawn.numpy(), allow_pickle=False)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, buffer.getvalue())
        return drawn

    def asked_requests(self, questions: Sequence[Question]) -> list[Request]:
        """One request for each question, each with noise of its own."""
        return [Request(prompt=q.text, style=q.style, seed=self.seed + 1000 * i) for i, q in enumerate(questions)]

    def judge(self, pictures: Tensor) -> Tensor:
        """The judge's features of pictures, float32 [N,1280]; every picture is looked at once."""
        names = [hashlib.sha256(picture.numpy().tobytes()).digest() for picture in pictures]
        fresh = list({name: i for i, name in enumerate(names) if name not in self._judged}.values())
        for part in (fresh[i : i + 64] for i in range(0, len(fresh), 64)):
            self._judged.update(zip((names[i] for i in part), features(pictures[part]), strict=True))
            self._watch.did("judging", JUDGED * len(part))
        return torch.stack([self._judged[name] for name in names])

    def styled(self, indices: Sequence[int], damage: bool = False) -> Tensor:
        """The style features of real pictures, or of what is left of them after damage, [N,D]; each is made once."""
        fresh = [i for i in dict.fromkeys(indices) if (i, damage) not in self._styles]
        for part in (fresh[i : i + 256] for i in range(0, len(fresh), 256)):
            pictures = damaged(self.pictures.images[part], part) if damage else self.pictures.images[part]
            self._styles.update(zip(((i, damage) for i in part), style_features(pictures), strict=True))
            self._watch.did("learning styles", STYLED * len(part))
        return torch.stack([self._styles[i, damage] for i in indices])

    def style_judge(self, known: Sequence[int], styles: tuple[str, ...]) -> StyleJudge:
        """A judge of styles that has seen real pictures ``known`` as they are, and damaged."""
        features = torch.cat([self.styled(known), self.styled(known, damage=True)])
        return StyleJudge(features, 2 * [self.pictures.records[i].style for i in known], styles)

    @cached_property
    def main_style_judge(self) -> StyleJudge:
        """It has seen the model's styles, and none of the concepts of the main questions."""
        return self.style_judge(self.others_of(self.styles), self.styles)

    def others_of(self, styles: tuple[str, ...]) -> list[int]:
        """Indices of real pictures of concepts that are not asked for, at most so many of each style."""
        asked = set(self.main_questions[0])
        found = []
        for salt, style in enumerate(styles):
            of = [i for i, r in enumerate(self.records) if r.style == style and r.key not in asked]
            found += self.some(of, self.sizes.per_style, salt=40 + salt)
        return found

    def rebuilt(self, pictures: Tensor) -> Tensor:
        """Pictures through the VAE: encoded (the mean) and decoded."""
        with torch.inference_mode():
            parts = [self.model.vae.encode(from_bytes(p)).mean for p in pictures.split(AT_ONCE)]
            return torch.cat([self.model.decode(part) for part in parts])

    def noise(self, count: int) -> Tensor:
        """Pictures of random pixels: the floor."""
        shape, rng = (count, *self.pictures.images.shape[1:]), torch.Generator().manual_seed(self.seed)
        return torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)

    # --- what several measurements ask ------------------------------------------------------------------------

    @cached_property
    def main_questions(self) -> tuple[list[str], list[Question]]:
        """The concepts that every style has, and a question for each of them, or the first of them, in each style.

        Raises:
            UserError: the data has too few.
        """
        keys, questions = choose_questions(self.records, self.styles, self.sizes.concepts, self.seed)
        return keys, questions[: self.sizes.asked * len(self.styles)]

    @cached_property
    def main(self) -> Asked:
        """What is drawn for the main questions: retrieval, style, distances and curves share it."""
        keys, questions = self.main_questions
        return Asked(keys, questions, self.shown_for(questions, "retrieval"))

    def shown_for(self, questions: list[Question], what: str) -> dict[str, Tensor]:
        """All kinds of pictures for questions."""
        real = self.pictures.images[[q.real for q in questions]]
        drawn = self.draw(self.asked_requests(questions), what)
        return {"real": real, "again": self.rebuilt(real), "drawn": drawn, "noise": self.noise(len(questions))}

    def gallery(self, keys: list[str]) -> Gallery:
        """What the judge knows of concepts: their real pictures in all styles."""
        indices, records = relevant(self.pictures, keys)
        return Gallery(keys, records, self.judge(self.pictures.images[indices]))

    @cached_property
    def main_gallery(self) -> Gallery:
        """The gallery of :attr:`main`."""
        return self.gallery(self.main.keys)

    def trained(self) -> list[int]:
        """Indices of the pictures that the model was trained on."""
        return [i for i, r in enumerate(self.records) if r.split == "train" and r.style in self.styles]

    def held_out(self) -> list[int]:
        """Indices of pictures of the model's styles and groups that were kept from the training."""
        kept = ("test_pair", "test_concept", ASIDE)
        return [i for i, r in enumerate(self.records) if r.split in kept and r.style in self.styles]

    def some(self, indices: list[int], count: int, salt: int = 0) -> list[int]:
        """At most ``count`` of ``indices``, chosen by the seed."""
        rng = torch.Generator().manual_seed(self.seed + 7919 * salt)
        return [indices[i] for i in torch.randperm(len(indices), generator=rng)[:count].tolist()]


def asked_of(model: TextToImage, pictures: PictureSet) -> list[Record]:
    """The pictures' records, with those of concepts the model was not trained on taken out of every split."""
    recipe = model.card.get("recipe")
    groups = recipe["data"]["groups"] if isinstance(recipe, dict) else ()
    return [r if not groups or r.group in groups else replace(r, split="not asked") for r in pictures.records]


def fingerprint(pictures: PictureSet) -> str:
    """12 hex digits of what the data holds: pixels and facts."""
    digest = hashlib.sha256()
    for part in pictures.images.split(1024):
        digest.update(part.contiguous().numpy().data)
    digest.update(json.dumps([r.to_dict() for r in pictures.records]).encode())
    return digest.hexdigest()[:12]
