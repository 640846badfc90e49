"""Pictures as the machine draws them, for CLIP to learn from: it is to say how well a *drawn* picture fits its words.

A picture of the data is noised part of the way and drawn again from there by the run's own U-Net and VAE (SDEdit, Meng
et al. 2021, arXiv 2108.01073). What it shows and where stays as its caption says; how it is drawn becomes the
machine's, with the faults that it has at this stage of its training.
"""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.data.pictures import PictureSet, thinned
from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.samplers import sampler
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.ground.whole import whole_file
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import seeded
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.run_data import caption, joined

FILE = "redrawn.safetensors"
STEPS = 12  # from pure noise
BEGIN = (4, 9)  # one of these steps is a batch's first, log-SNR -1.7 to 1.4; with more noise, things would change
AT_ONCE = 32


def with_redrawn(
    pictures: PictureSet, count: int, out: Path, base: TextToImage | None, seed: int, guidance: float
) -> PictureSet:
    """The pictures of a run, and ``count`` of them again as its model draws them; drawn once, and kept in its folder.

    Args:
        pictures: to train on.
        count: how many, spread over all of them.
        out: the run's folder.
        base: what it began with, which draws where the run has no model of its own yet.
        seed: the run's.
        guidance: that they are drawn with.

    Raises:
        UserError: the run has no model yet, its file of them is damaged, or the disk is full.
    """
    again = thinned(pictures, count)
    images = _kept(out / FILE, len(again.records))
    if images is None:
        own = out / "model"
        model = TextToImage.load(own) if (own / "model_index.json").is_file() else base
        if model is None:
            raise UserError(
                f"clip.redrawn = {count} needs a U-Net, and {out} has none yet; run with --tasks diffusion first, or "
                "set clip.redrawn to 0"
            )
        images = redrawn(model, again, seed, guidance)
        try:
            with whole_file(out / FILE) as draft:
                save_file({"images": images.contiguous()}, draft, metadata={"model": model.hash})
        except (OSError, SafetensorError) as error:
            reason = one_line(str(error))
            raise UserError(f"cannot write {out / FILE}: {reason}; free some space and run again") from error
    return joined(pictures, PictureSet(images, again.records, []))


@torch.no_grad()
def redrawn(model: TextToImage, pictures: PictureSet, seed: int, guidance: float) -> Tensor:
    """Each picture drawn again from a noised state of itself, uint8 [N,3,P,P].

    Args:
        model: draws.
        pictures: uint8 [N,3,P,P] with what they show.
        seed: of noise and of where each batch begins.
        guidance: scale of classifier-free guidance.
    """
    times = model.schedule.timesteps(STEPS, "log_snr")
    solver = sampler("dpm++", model.schedule)
    words = Conditioning(model.tokenizer, model.text_tower)  # cuts long captions, as the U-Net's training does
    plain = NetworkDenoiser(model.unet, model.schedule, "v")
    found, console = [], Console(stderr=True)
    parts = range(0, len(pictures.records), AT_ONCE)
    for first in track(parts, "drawing pictures again for CLIP", console=console, transient=True):
        part = slice(first, first + AT_ONCE)
        clean = model.vae.encode(from_bytes(pictures.images[part])).mean
        rng = seeded("cpu", seed, "redrawn", first)
        left = times[int(torch.randint(*BEGIN, (1,), generator=rng)) :]
        noise = torch.randn(clean.shape, generator=rng)
        noisy = model.schedule.add_noise(clean, noise, torch.full((len(clean),), left[0]))
        wanted = words.embed([caption(record) for record in pictures.records[part]], clean.device)
        guided = ClassifierFreeGuidance(plain, words.embed([""], clean.device).expand_as(wanted), guidance)
        *_, last = solver.steps(guided, noisy, wanted, timesteps=left)
        found.append(to_bytes(model.vae.decode(last.x_next)))
    return torch.cat(found)


def _kept(file: Path, count: int) -> Tensor | None:
    """What an earlier call drew; None where none did.

    Raises:
        UserError: the file is damaged, or of another number of pictures.
    """
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as stored:
            images = stored.get_tensor("images")
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} is damaged ({one_line(str(error))}); delete it, and it is drawn again") from error
    if len(images) != count:
        raise UserError(f"{file} has {len(images):,} pictures, not {count:,}; delete it, and they are drawn again")
    return images
