"""A second judge of styles, which shares nothing with the first: no network, no feature, no way of deciding.

Where the first (``evaluation/style.py``) looks with a network at textures and counts colours and steps between pixels,
this one measures how a picture was made by three things that can be read off the pixels in a few lines each:

- *spectrum*: how strong each frequency is in small windows (the cosine transform of JPEG): outlines, softness, grain;
- *patterns*: how a pixel stands among its neighbours (local binary patterns, Ojala et al. 2002, uniform and whichever
  way they are turned): flat, edge, corner, spot;
- *palette*: hue, chroma and lightness (CIE L*a*b*) of what is not background.

It decides by Fisher's linear discriminant with a shrunken covariance (Friedman 1989), in closed form. A drawing that
pleases one judge by its flaws does not please the other by the same; where both agree the figure is worth more.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fromnoise.data.stickers.render import lab
from fromnoise.ground.errors import missing_packages

BLOCK, STRIDE = 8, 4  # pixels of the cosine transform's windows, and between them
REACHES = (1, 2, 4)  # pixels between a pixel and the neighbours it is compared with
SAME = 3.0  # of 255: a neighbour that is not brighter by more counts as not brighter
BACKGROUND = 245  # channels of at least this are background: pictures stand on white
SHRINKAGE = 0.02
_AROUND = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)


def hand_features(pictures: Tensor) -> Tensor:
    """Spectrum, patterns and palette of pictures.

    Args:
        pictures: uint8 [N,3,H,W], at least 16 pixels high and wide.

    Returns:
        float32 [N,D].

    Raises:
        UserError: scipy is missing.
    """
    return torch.stack([torch.from_numpy(_of_one(p.permute(1, 2, 0).numpy())) for p in pictures])


def _of_one(picture: np.ndarray) -> np.ndarray:
    planes = picture.astype(np.float32) @ _TO_YCC.T  # brightness and two differences of colour
    patterns = [_patterns(planes[..., 0], reach) for reach in REACHES]
    return np.concatenate([spectrum(planes), *patterns, palette(picture)]).astype(np.float32)


def spectrum(planes: np.ndarray) -> np.ndarray:
    """How strong each frequency is in windows of 8×8 of planes [H,W,3], and how evenly over them: [384].

    Logarithms of the mean, and means of the logarithm: a few strong windows among flat ones move them apart.
    """
    try:
        from scipy.fft import dctn
    except ImportError as error:
        raise missing_packages("judging styles needs scipy", "evaluate") from error
    windows = np.lib.stride_tricks.sliding_window_view(planes, (BLOCK, BLOCK), (0, 1))[::STRIDE, ::STRIDE]
    found = np.abs(dctn(windows, axes=(-2, -1), norm="ortho"))
    found[..., 0, 0] = 0  # how bright it is belongs to the palette
    return np.concatenate([np.log1p(found.mean((0, 1))).ravel(), np.log1p(found).mean((0, 1)).ravel()])


def _patterns(brightness: np.ndarray, reach: int) -> np.ndarray:
    """Square roots of the shares of ten patterns: none to eight neighbours brighter in one piece, or in several."""
    height, width = (n - 2 * reach for n in brightness.shape)
    middle = brightness[reach : reach + height, reach : reach + width]
    brighter = np.stack([
        brightness[reach + reach * y : reach + reach * y + height, reach + reach * x : reach + reach * x + width]
        > middle + SAME
        for y, x in _AROUND
    ])  # fmt: skip
    changes = (brighter != np.roll(brighter, 1, 0)).sum(0)
    kind = np.where(changes <= 2, brighter.sum(0), 9)
    return np.asarray(np.sqrt(np.bincount(kind.ravel(), minlength=10) / kind.size))


def palette(picture: np.ndarray) -> np.ndarray:
    """Square roots of shares of lightness [24], and of hue and chroma together [24×6], without the background."""
    thing = picture[(picture < BACKGROUND).any(-1)]
    if not len(thing):
        return np.zeros(24 + 24 * 6)
    light, a, b = lab(thing).T
    chroma, hue = np.hypot(a, b).clip(0, 119), np.arctan2(b, a)
    lights = np.histogram(light, 24, (0, 100))[0]
    hues = np.histogram2d(hue, chroma, (24, 6), ((-np.pi, np.pi), (0, 120)))[0]
    return np.sqrt(np.concatenate([lights, hues.ravel()]) / len(thing))


class HandJudge:
    """Tells styles apart by Fisher's linear discriminant: the class whose mean is nearest, distances measured by the
    covariance within classes; that covariance is drawn a little towards its diagonal.

    Args:
        features: of real pictures, [N,D].
        styles: the style of each, [N].
        names: the styles to tell apart, each with at least one picture.
    """

    def __init__(self, features: Tensor, styles: list[str], names: tuple[str, ...]) -> None:
        self.names = names
        x, places = features.double().numpy(), np.array([names.index(style) for style in styles])
        self._scale = np.maximum(x.std(0), 1e-3)
        x = x / self._scale
        means = np.stack([x[places == i].mean(0) for i in range(len(names))])
        within = x - means[places]
        covariance = within.T @ within / max(1, len(x) - len(names))
        spread = np.diag(covariance).mean() + 1e-9
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread * np.eye(len(covariance))
        self._weights = np.linalg.solve(covariance, means.T)
        self._bias = -0.5 * (means.T * self._weights).sum(0)

    def named(self, features: Tensor) -> Tensor:
        """The style that each picture is taken for, as its place in ``names``, int64 [N]."""
        x = features.double().numpy() / self._scale
        return torch.from_numpy((x @ self._weights + self._bias).argmax(1))

    def right(self, features: Tensor, styles: list[str]) -> Tensor:
        """Whether each picture's style is recognised, bool [N]."""
        return self.named(features) == torch.tensor([self.names.index(style) for style in styles])
