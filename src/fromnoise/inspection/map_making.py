"""How a map is made of a model's training pictures: read by its CLIP, then laid flat by UMAP or by PCA."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.ground.errors import UserError, missing_packages
from fromnoise.inspection.clip_map import ClipMap, caption_vectors, clip_of, picture_vectors
from fromnoise.inspection.map_file import MOST, WAYS
from fromnoise.system.text_to_image import TextToImage

KEPT = 48  # directions; of stickers-64's 192 they hold 99 % of the variance
MARGIN = 0.02  # of the map's side, free around the points
NEIGHBOURS, APART = 30, 0.1  # of UMAP; with its usual 15 neighbours many small islands drift away
MAINLAND = 0.97  # share of the points that keep their distances on a map by UMAP
AT_ONCE = 128
FEWEST = 20  # points that UMAP can lay out


@dataclass(frozen=True, eq=False)
class Shown:
    """Training pictures with their words.

    Attributes:
        images: uint8 [N,3,P,P].
        captions, styles, names: of each; names are of their files.
    """

    images: Tensor
    captions: Sequence[str]
    styles: Sequence[str]
    names: Sequence[str]


def check_way(by: str) -> None:
    """Refuse a way to flatten the space that is unknown or not installed.

    Raises:
        UserError: saying what to do.
    """
    if by not in WAYS:
        raise UserError(f"--by must be one of {', '.join(WAYS)}, not '{by}'")
    if by == "umap":
        _umap()


def usual_way(pictures: int) -> str:
    """How so many pictures are laid flat where nobody says: by UMAP, where it is installed and they are enough."""
    installed = importlib.util.find_spec("umap") is not None
    return "umap" if installed and pictures >= FEWEST else "pca"


def making_map(model: TextToImage, shown: Shown, by: str = "umap", most: int = MOST) -> Iterator[float | ClipMap]:
    """Make a map: after every batch of pictures the share that is done, 0…1, and last the map.

    Of more points than ``most`` (pictures and their captions together) pictures are left out, evenly spread. The same
    pictures and versions of the packages give the same map.

    Args:
        model: whose CLIP looks.
        shown: what it was trained on.
        by: "umap" (McInnes et al. 2018, arXiv 1802.03426), which keeps neighbours together, or "pca", a plain
            projection along the two directions of largest variance.
        most: points.

    Raises:
        UserError: an unknown way, umap-learn is missing, too few pictures, or the model has no CLIP.
    """
    clip_of(model)
    check_way(by)
    kept = _chosen(shown.captions, most)
    captions = tuple(dict.fromkeys(shown.captions[i] for i in kept))
    if len(captions) < 2 or len(kept) < 2:
        raise UserError("a map needs two captioned pictures or more, with different captions")
    texts, pictures = caption_vectors(model, captions), []
    for start in range(0, len(kept), AT_ONCE):
        pictures.append(picture_vectors(model, shown.images[kept[start : start + AT_ONCE]]))
        yield min(1.0, (start + AT_ONCE) / len(kept))
    numbers = {text: i for i, text in enumerate(captions)}
    flat = flattened(texts, torch.cat(pictures), by)
    yield ClipMap(
        by,
        flat.places,
        captions,
        torch.tensor([numbers[shown.captions[i]] for i in kept]),
        tuple(shown.names[i] for i in kept),
        tuple(shown.styles[i] for i in kept),
        flat.means,
        flat.basis,
        flat.codes,
        model.trained_on,
    )


def _chosen(captions: Sequence[str], most: int) -> list[int]:
    """Which pictures are on the map: all that have words, or so many that they and their captions are ``most``."""
    every = [i for i, text in enumerate(captions) if text.strip()]
    count = len(every)
    while True:
        kept = [every[i * len(every) // count] for i in range(count)]
        over = len(kept) + len({captions[i] for i in kept}) - most
        if over <= 0 or count < 2:
            return kept
        count -= max(1, over // 2)


@dataclass(frozen=True, eq=False)
class Flat:
    """What :func:`flattened` finds; see :class:`ClipMap`."""

    places: Tensor
    means: Tensor
    basis: Tensor
    codes: Tensor


def flattened(texts: Tensor, pictures: Tensor, by: str) -> Flat:
    """Lay unit vectors of captions [C,D] and of pictures [M,D] flat; there may be no pictures.

    Raises:
        UserError: umap-learn is missing, or there are too few points for it.
    """
    means = torch.stack([texts.mean(0), pictures.mean(0) if len(pictures) else texts.mean(0)])
    centred = torch.cat([texts - means[0], pictures - means[1]])
    _, directions = torch.linalg.eigh((centred.T @ centred).double())  # ascending
    basis = directions.flip(1).T[: max(2, min(KEPT, centred.shape[1]))].float()
    basis = basis * basis.gather(1, basis.abs().argmax(1, keepdim=True)).sign()  # else the sign is a matter of luck
    codes = centred @ basis.T
    flat = codes[:, :2] if by == "pca" else _by_umap(codes)
    return Flat(_framed(flat), means, basis, codes)


def _framed(flat: Tensor) -> Tensor:
    """Points [N,2] moved into the square 0…1, both axes on one scale."""
    low, high = flat.amin(0), flat.amax(0)
    scale = (1 - 2 * MARGIN) / (high - low).max().clamp(min=1e-9)
    return (flat - (low + high) / 2) * scale + 0.5


def _by_umap(codes: Tensor) -> Tensor:
    """Places [N,2] by UMAP, in one thread, so that they are the same each time."""
    if len(codes) < FEWEST:
        raise UserError(f"{len(codes)} captions and pictures are too few for UMAP; use --by pca")
    directions = F.normalize(codes, dim=1).numpy()
    reducer = _umap().UMAP(
        n_neighbors=min(NEIGHBOURS, len(codes) - 1), min_dist=APART, random_state=0, n_jobs=1, init="spectral"
    )
    return drawn_near(torch.from_numpy(reducer.fit_transform(directions)).float())


def drawn_near(flat: Tensor) -> Tensor:
    """Points [N,2] whose outermost islands are brought nearer to the rest, in the same direction and order.

    UMAP's distances between islands mean nothing, and a few of them far away leave the rest no room. Beyond the radius
    R that holds 97 % of the points, r becomes R (1 + 0.1 ln(1 + 10 (r/R − 1))).
    """
    around = flat - flat.median(0).values
    radius = around.norm(dim=1, keepdim=True)
    edge = radius.quantile(MAINLAND).clamp(min=1e-9)
    beyond = edge * (1 + 0.1 * torch.log1p(10 * (radius / edge - 1).clamp(min=0)))
    return torch.where(radius > edge, around * beyond / radius.clamp(min=1e-9), around)


def _umap() -> Any:
    try:
        import umap
    except ImportError as error:
        said = "a map by UMAP needs umap-learn; --by pca does without, or"
        raise missing_packages(said, "map") from error
    return umap
