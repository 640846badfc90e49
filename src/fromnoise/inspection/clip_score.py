"""How well CLIP thinks a clean estimate fits the words, with gradients: latents, VAE, CLIP, cosine.

To climb this is to please CLIP, not to draw better: what strangers say of it, and what it costs, is measured by
``benchmarks/clip_guidance.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.score_guidance import Score, ScoreGuidance
from fromnoise.drawing.best_of import meanings
from fromnoise.drawing.low_pixels import squared_smoothly
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIP
from fromnoise.models.layers.packed import unpacked_copy
from fromnoise.models.vae.vae import VAE
from fromnoise.system.engine import TorchEngine
from fromnoise.system.text_to_image import TextToImage


class CLIPGuidance:
    """CLIP's slope steers the clean estimate: what ``around`` of
    :func:`fromnoise.drawing.generate.generate_together` takes.

    Args:
        model: whose CLIP and VAE are asked.
        plans: of one picture each, in the order of the batch.
        strength: see :class:`fromnoise.diffusion.score_guidance.ScoreGuidance`; 0 is off.

    Raises:
        UserError: see :func:`clip_scores`.
    """

    def __init__(self, model: TextToImage, plans: Sequence[Plan], strength: float) -> None:
        self.scores, self.strength = clip_scores(model, plans), strength

    def __call__(self, denoiser: Denoiser) -> ScoreGuidance:
        """The denoiser, steered."""
        return ScoreGuidance(denoiser, self.scores, self.strength)


def clip_scores(model: TextToImage, plans: Sequence[Plan]) -> list[Score]:
    """For each plan, what a clean estimate [1,C,h,w] is worth: the cosine between its picture and the plan's words.

    The value is that of :func:`fromnoise.drawing.best_of.fit`, but for the rounding of pictures to bytes.

    Raises:
        UserError: the model has no CLIP, or another engine than torch computes it, which gives no gradients.
    """
    clip, vae = clip_of(model), _with_gradients(model)

    def score_of(words: Tensor) -> Score:
        return lambda latents: _cosine(vae, clip, latents, words)

    return [score_of(words.clone()) for words in meanings(model, plans)]  # cloned where gradients may pass


def clip_of(model: TextToImage) -> CLIP:
    """Both towers.

    Raises:
        UserError: the model has only the one that reads.
    """
    if model.clip is None:
        raise UserError("the judge is CLIP's image tower, which this model lacks; take a model that has one", "model")
    return model.clip


def _cosine(vae: VAE, clip: CLIP, latents: Tensor, words: Tensor) -> Tensor:
    picture = (vae.decode(latents).float().clamp(-1, 1) + 1) * 127.5  # 0…255: what lies beyond is white or black
    small = squared_smoothly(picture, clip.config.image.pixels) / 127.5 - 1
    weight = clip.text_projection.weight
    return clip.embed_image(small.to(weight.device, weight.dtype))[0].float() @ words


def _with_gradients(model: TextToImage) -> VAE:
    """The VAE as it was before it was packed for drawing."""
    if not isinstance(model.engine, TorchEngine):
        raise UserError("only torch gives the gradients that steer; open the model without a backend", "model")
    if model.device.type != "cpu":
        return model.vae
    with torch.device("meta"):
        fresh = model.vae.config.build()
    return unpacked_copy(model.vae, fresh.to_empty(device="cpu"))
