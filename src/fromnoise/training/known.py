"""What a finished model can draw already, so that it does not forget it while it learns something new.

The model draws it itself, before the training (prior preservation, Ruiz et al. 2022, arXiv 2208.12242): no picture of
its own training is needed, which nobody but its makers has.
"""

from __future__ import annotations

import copy
import functools
import time
from pathlib import Path

import torch
from rich.console import Console
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.ground.duration import in_words
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.whole import whole_file
from fromnoise.ground.wording import styled
from fromnoise.system.copies_file import MAP, parts_of, reading
from fromnoise.system.defaults import MAP as MAP_FILE
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import seeded
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.drawn import Drawing, in_format
from fromnoise.training.examples import Examples, Known
from fromnoise.training.processes import here
from fromnoise.training.recipe import DiffusionStage
from fromnoise.training.shaped import repeated
from fromnoise.training.tasks.base import Compute

FILE = "known.safetensors"
STEPS = 10
AT_ONCE = 32


def told_of(model: TextToImage) -> tuple[str, ...]:
    """Captions of what a model learnt from, as its map has them; () without a map."""
    if model.clip_map is None:
        return ()
    with reading(MAP_FILE, MAP):
        return tuple(str(caption) for caption in parts_of(model.clip_map, MAP_FILE, MAP)[1]["captions"])


def with_known(
    examples: Examples, stage: DiffusionStage, base: TextToImage | None, compute: Compute, out: Path, seed: int
) -> Examples:
    """Examples for a U-Net that goes on learning, with what ``base``, which it began as, knows between them.

    Raises:
        UserError: the disk is full, or nothing says what the model can draw.
    """
    if base is None or not stage.known or not stage.replay:
        return examples
    told = told_of(base)
    if not told:
        raise UserError(
            f"diffusion.replay = {stage.replay:g} repeats what the model of start_from knows, and it carries no map "
            "that says what: make one with 'fromnoise inspect make-map', or set diffusion.replay to 0"
        )
    network = compute.place(copy.deepcopy(base.unet))
    draw = functools.partial(known_of, base, network, compute, out / FILE, seed, told)
    return repeated(examples, stage.replay, stage.known, draw)


def known_of(
    model: TextToImage, network: nn.Module, compute: Compute, file: Path, seed: int, told: tuple[str, ...],
    shape: torch.Size, count: int,
) -> Known:  # fmt: skip
    """Drawings of what a model knows, each in one of its styles; drawn once and kept in a file.

    Args:
        model: that is taught something new.
        network: its U-Net in the compute format.
        compute: device and format.
        file: keeps them; those of another shape than the model's own in a file beside it.
        seed: of the run.
        told: what it can draw; see :func:`told_of`.
        shape: of one drawing's latents, [C,h,w].
        count: how many.

    Raises:
        UserError: the disk is full.
    """
    rng, styles, ours = seeded("cpu", seed, "known"), (*model.styles, ""), model.defaults
    which = torch.randint(len(told), (count,), generator=rng).tolist()
    hands = torch.randint(len(styles), (count,), generator=rng).tolist()
    texts = [styled(told[i], styles[j]) for i, j in zip(which, hands, strict=True)]
    side = model.unet.config.sample_size
    if tuple(shape[1:]) != (side, side):
        file = file.with_stem(f"{file.stem}-{shape[2]}x{shape[1]}")
    stamp = f"model {model.hash}, {count} of {len(told)} by seed {seed} in {STEPS} steps"
    if (kept := _kept(file, stamp)) is not None:
        return Known(kept, texts)
    words = Conditioning(model.tokenizer, model.text_tower)
    how = Drawing(model.schedule, words, (ours.guidance, ours.interval, ours.rescale), STEPS)
    denoiser = NetworkDenoiser(in_format(network, compute.dtype), model.schedule, model.prediction)
    called = one_line(str(model.card.get("name") or "the model"))
    _say(f"first {count:,} drawings of what {called} knows already, so that it forgets little")
    found, begin = [], time.monotonic()
    for first in range(0, count, AT_ONCE):
        some = texts[first : first + AT_ONCE]
        found.append(how.of(denoiser, some, f"known {seed}", shape, compute.device, first).cpu())
        if first == 0 and count > AT_ONCE:
            _say(f"… about {in_words((time.monotonic() - begin) * (count - AT_ONCE) / AT_ONCE)} more")
    latents = torch.cat(found)
    try:
        with whole_file(file) as draft:
            save_file({"latents": latents}, draft, metadata={"stamp": stamp})
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {file}: {one_line(str(error))}; free some space and run again") from error
    return Known(latents, texts)


def _say(text: str) -> None:
    if here().main:
        Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)


def _kept(file: Path, stamp: str) -> Tensor | None:
    """What an earlier call drew; None where it is missing, damaged or of something else, and is drawn anew."""
    try:
        with safe_open(file, "pt") as stored:
            return stored.get_tensor("latents") if (stored.metadata() or {}).get("stamp") == stamp else None
    except (OSError, SafetensorError):
        return None
