"""The pictures of a run, to lay beside what it draws: pixels alone, no network that judges has a part here."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.ground.pictures import from_bytes

MOST = 256  # of each kind that are looked at
SIDE = 16  # to which pictures are shrunk before they are compared
FEWEST = 4  # held-out pictures below which nothing is compared
DRAWN = 8  # drawings below which nothing is: a share of fewer leaps
LOOKED_AT = 32  # pictures that go through a VAE, and of large ones no more pixels than these have at 128
PIXELS = LOOKED_AT * 128**2


class Beside:
    """Some pictures that are learnt from, and as many that are kept aside. Without the latter it still tells how much
    of the former a VAE brings back.

    Args:
        training, held_out: uint8 [N,3,P,P] and [M,3,P,P]; the more numerous are thinned evenly.
    """

    def __init__(self, training: Tensor, held_out: Tensor) -> None:
        count = min(len(training), len(held_out), MOST)
        self._held_out = _evenly(held_out, count)
        self._training = _evenly(training, count)
        shown = max(1, min(LOOKED_AT, PIXELS // (training.shape[2] * training.shape[3])))
        self._shown = self._held_out[:shown] if count else _evenly(training, min(shown, len(training)))
        self._compared: dict[str, float] = {}
        self._went_through = False

    def look_at(self, drawn: Tensor) -> None:
        """Compare drawings [B,3,H,W], uint8, to tell of them when asked next."""
        self._compared = self.near_training(drawn)

    def told(self, vae: Any, device: torch.device) -> dict[str, float]:
        """What came of the newest drawings, once; and the first time, how much detail comes back from a VAE in fp32."""
        found, self._compared = self._compared, {}
        if not self._went_through:
            self._went_through, found = True, {**self.through(vae, device), **found}
        return found

    def near_training(self, drawn: Tensor) -> dict[str, float]:
        """Which share of drawings [B,3,H,W], uint8, is nearer to a picture that is learnt from than to any of as many
        that are kept aside (Meehan et al. 2020, arXiv 2004.05675, §3). About a half at first, near 1 where pictures
        are copied; more than a half from the beginning where the training pictures' own captions are drawn.
        """
        if len(self._held_out) < FEWEST or len(drawn) < DRAWN:
            return {}
        small, ours, theirs = (_small(pictures.cpu()) for pictures in (drawn, self._training, self._held_out))
        nearer = torch.cdist(small, ours).amin(1) < torch.cdist(small, theirs).amin(1)
        return {"near_training": float(nearer.float().mean())}

    @torch.no_grad()
    def through(self, vae: Any, device: torch.device) -> dict[str, float]:
        """How much of the pictures' fine detail comes back from a VAE in fp32, see :func:`detail`."""
        pictures = from_bytes(self._shown.to(device))
        again = torch.cat([vae.decode(vae.encode(part).mean) for part in pictures.split(16)])
        return {"vae_detail": detail(again.clamp(-1, 1), pictures)}


def detail(again: Tensor, pictures: Tensor) -> float:
    """How much of pictures' finest detail is there again: 1 all of it, 0 nothing; both in −1…1, [B,3,H,W].

    Detail is what is gone after a blur over 3×3 pixels; the answer is the slope of a straight line through the detail
    of one over that of the other, so that noise, which was not there before, does not count as detail.
    """
    fine, wanted = (x - F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1) for x in (again, pictures))
    there = wanted.square().sum()
    return float((fine * wanted).sum() / there) if float(there) > 0 else 1.0


def _evenly(pictures: Tensor, count: int) -> Tensor:
    return pictures[torch.linspace(0, max(0, len(pictures) - 1), count).round().long()]


def _small(pictures: Tensor) -> Tensor:
    """Pictures as points, float32 [B, 3·16·16]."""
    return F.adaptive_avg_pool2d(pictures.float(), SIDE).flatten(1)
