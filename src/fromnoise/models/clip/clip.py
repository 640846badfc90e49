"""CLIP: two towers that put a picture and its words at the same place (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.ground.config import Config
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig

LARGEST_SCALE = math.log(100.0)  # section 2.5 of the paper: beyond this, training becomes unstable


@dataclass(frozen=True)
class CLIPConfig(Config):
    """Both towers and the width of the space they share."""

    text: TextConfig = field(default_factory=TextConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    projection: int = 192

    def build(self) -> CLIP:
        """Return a CLIP of these sizes with random weights."""
        return CLIP(self)


class CLIP(nn.Module):
    """The contrastive pair, with the arithmetic of transformers' CLIPModel.

    Pictures come in -1..1, as everywhere in fromnoise; in a preprocessor's words: mean 0.5, std 0.5.
    """

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.text = config.text.build()
        self.image = config.image.build()
        self.text_projection = nn.Linear(config.text.width, config.projection, bias=False)
        self.image_projection = nn.Linear(config.image.width, config.projection, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        nn.init.normal_(self.text_projection.weight, std=config.text.width**-0.5)
        nn.init.normal_(self.image_projection.weight, std=config.image.width**-0.5)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Map token ids (B, L) to unit vectors (B, projection)."""
        return F.normalize(self.text_projection(self.text(ids).pooled), dim=-1)

    def embed_image(self, pictures: Tensor) -> Tensor:
        """Map pictures (B, 3, pixels, pixels), -1..1, to unit vectors (B, projection)."""
        return F.normalize(self.image_projection(self.image(pictures)), dim=-1)


def clip_loss(image: Tensor, text: Tensor, logit_scale: Tensor, targets: Tensor, wrong: Tensor | None = None) -> Tensor:
    """Cross-entropy between how well pictures and captions match and how well they should, in both directions.

    CLIP's own target is the identity matrix (figure 3 of the paper). ``targets`` may also share a match among
    several captions; the smallest possible loss is then their entropy, not 0.

    Sharing among *equal* captions changes neither the value nor the gradient: equal captions have equal
    embeddings, so the identity's rows already average to the shared ones. It only makes the floor known. A loss
    near ln(batch) means that nothing is told apart yet (open_clip issues 17 and 821 report losses that stop
    falling); when captions repeat, part of it can never go away: with k captions, each equally often in a batch
    of B, the floor is ln(B / k). Sharing among *different* captions of one thing ("car", "automobile") does
    change what is learnt: it pulls them together where the identity pushes them apart.

    Args:
        image: unit vectors (B, P).
        text: unit vectors (B, P); row i is picture i's caption.
        logit_scale: log of the inverse temperature, a scalar; clamped to ln 100.
        targets: (B, B), symmetric in which pairs match, each row summing to 1.
        wrong: unit vectors (M, P) of captions that no picture has, which every picture has to tell from its own
            (Yuksekgonul et al. 2023, arXiv 2210.01936).

    Returns:
        A scalar in nats, the mean of the two directions.
    """
    scale = logit_scale.clamp(max=LARGEST_SCALE).exp()
    logits = scale * image @ text.T  # (B pictures, B captions)
    told = logits if wrong is None else torch.cat([logits, scale * image @ wrong.T], dim=1)
    towards_text = -(targets * F.log_softmax(told, dim=1)[:, : len(text)]).sum(1).mean()
    columns = targets.T / targets.T.sum(1, keepdim=True)
    towards_image = -(columns * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    return (towards_text + towards_image) / 2
