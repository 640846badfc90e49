"""Which style is a picture in? Judged by textures, not by what is shown.

Style lives in the statistics of early feature maps (Gatys et al. 2016, "Image style transfer using convolutional
neural networks", eq. 3: the Gram matrix). The maps are those of the judge's stem and first blocks, at the pictures'
own size; pooled features of its last layer tell styles apart hardly better than by guessing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.evaluation.judge import network, normalised

BLOCKS = (0, 2)  # of EfficientNet-Lite0, besides its stem; 16 and 24 channels


def style_features(pictures: Tensor, batch: int = 64) -> Tensor:
    """Mean and Gram matrix of early feature maps.

    Args:
        pictures: uint8 [N,3,H,W]; all sets that are compared must have one size.
        batch: pictures per pass.

    Returns:
        float32 [N,D]; of the Gram matrices the upper triangle, under a signed square root, since products of
        features spread over several orders of magnitude.

    Raises:
        UserError: the judge's packages are missing.
    """
    with torch.inference_mode():
        return torch.cat([_statistics(part.float() / 255) for part in pictures.split(batch)])


def _statistics(pictures: Tensor) -> Tensor:
    net = network()
    x = net._swish(net._bn0(net._conv_stem(normalised(pictures))))
    found = [*_mean_and_gram(x)]
    for i, block in enumerate(net._blocks[: max(BLOCKS) + 1]):
        x = block(x)
        if i in BLOCKS:
            found += _mean_and_gram(x)
    return torch.cat(found, 1)


def _mean_and_gram(maps: Tensor) -> tuple[Tensor, Tensor]:
    flat = maps.flatten(2)
    row, column = torch.triu_indices(maps.shape[1], maps.shape[1])
    gram = (flat @ flat.transpose(1, 2) / flat.shape[2])[:, row, column]
    return flat.mean(2), gram.sign() * gram.abs().sqrt()


class StyleJudge:
    """Tells styles apart by a ridge regression on standardised features.

    Args:
        features: of real pictures, [N,D].
        styles: the style of each, [N].
        names: the styles to tell apart.
        ridge: strength of the regularisation, relative to the mean eigenvalue.
    """

    def __init__(self, features: Tensor, styles: list[str], names: tuple[str, ...], ridge: float = 0.03) -> None:
        self.names = names
        self._mean, self._std = features.mean(0), features.std(0) + 1e-6
        x = self._standard(features)
        y = torch.eye(len(names), dtype=torch.float64)[torch.tensor([names.index(s) for s in styles])]
        gram = x.T @ x
        gram += ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
        self._weights = torch.linalg.solve(gram, x.T @ (y - y.mean(0)))
        self._bias = y.mean(0)

    def accuracy(self, features: Tensor, styles: list[str]) -> float:
        """Share of pictures whose style is recognised."""
        logits = self._standard(features) @ self._weights + self._bias
        wanted = torch.tensor([self.names.index(s) for s in styles])
        return float((logits.argmax(1) == wanted).double().mean())

    def _standard(self, features: Tensor) -> Tensor:
        return ((features - self._mean) / self._std).double()
