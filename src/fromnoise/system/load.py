"""Reading a model from wherever it is: parts from :mod:`fromnoise.system.opening`, facts from its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import FACTS, elsewhere, read_facts
from fromnoise.system.identity import files_hash, weights_hash
from fromnoise.system.known_words import KnownWords
from fromnoise.system.model import Model
from fromnoise.system.opening import FEW_STEPS, Parts, find_model, open_file, open_folder
from fromnoise.weights.schedulers import scheduler_to_foreign

Kind = TypeVar("Kind", bound=Model)


def read_model(
    kind: type[Kind],
    place: Path | str | None = None,
    dtype: torch.dtype | None = torch.float32,
    prediction: str | None = None,
) -> Kind:
    """Read a model, on the CPU, ready to draw; arguments and errors as :meth:`TextToImage.load`."""
    path = find_model(place)
    ours = (path / FACTS).exists()
    as_is = torch.float32 if ours and dtype is not None else dtype
    parts = open_file(path, dtype, prediction) if path.is_file() else open_folder(path, as_is)
    if prediction not in (None, parts.scheduler.prediction):
        raise UserError(
            f"{path} says itself that its prediction is {parts.scheduler.prediction}, not {prediction}; "
            "leave out --prediction, which is for single files that do not tell"
        )
    plain = _assembled(kind, parts, path)
    model = _ours(plain, path) if ours else _foreign(plain, parts, path)
    for network in model.networks().values():
        # Attention reads a channels_last tensor without a copy. At batch 1 the U-Net is as fast either way
        # (30 and 31 ms for 38M weights on one core), the VAE's decoder a sixth faster.
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _assembled(kind: type[Kind], parts: Parts, path: Path) -> Kind:
    return kind(
        tokenizer=parts.tokenizer,
        text_tower=parts.text_tower,
        unet=parts.unet,
        vae=parts.vae,
        schedule=ScheduleConfig.from_dict(parts.scheduler.schedule).build(),
        prediction=parts.scheduler.prediction,
        clip=parts.clip,
        second=parts.second,
        zero_empty=parts.zero_empty,
        stored=parts.stored,
        few_steps=path / FEW_STEPS if (path / FEW_STEPS).is_dir() else None,
    )


def _ours(model: Kind, path: Path) -> Kind:
    facts = vars(read_facts(path))
    name = weights_hash(model.networks(), model.tokenizer)  # of the weights before anything rounds them
    known = KnownWords.load(path)
    return replace(model, known=known, identity=name, **facts)


def _foreign(model: Kind, parts: Parts, path: Path) -> Kind:
    return replace(
        model,
        defaults=elsewhere(parts.scheduler.sampler, str(parts.scheduler.path.get("spacing", "trailing"))),
        card={"name": path.stem},
        files=parts.files,
        scheduler=parts.said or scheduler_to_foreign(parts.scheduler),
        note=parts.scheduler.note,
        identity=files_hash(parts.files),
    )
