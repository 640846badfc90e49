"""A model with another average of a run's weights than the one that it was drawn with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import ema
from fromnoise.training.long_averages import FOLDER, Stored, stored_averages


@dataclass(frozen=True)
class Average:
    """Which average is wanted.

    Attributes:
        width: standard deviation of its profile, as a share of the training until then; 0.01 to 0.28.
        pictures: at which point of the run; the last one that was stored until then. 0: at the end.
    """

    width: float
    pictures: int = 0

    def __post_init__(self) -> None:
        if not 0.01 <= self.width <= ema.WIDEST:
            raise UserError(f"width must be 0.01 to {ema.WIDEST}, not {self.width:g}")
        if self.pictures < 0:
            raise UserError(f"pictures must be 0 (at the end) or more, not {self.pictures}")


def averaged_model(run: Path, wanted: Average) -> TextToImage:
    """The model of a run, its U-Net's weights averaged over as much of the training as is wanted.

    Args:
        run: its folder; ``diffusion.widths`` was set while it trained.
        wanted: which average.

    Raises:
        UserError: no averages were stored, or none of them until then.
    """
    stored = chosen(run, wanted.pictures)
    weights = mixed(stored, wanted.width)
    model = TextToImage.load(run / "model")
    own = dict(model.unet.named_parameters())
    if any(name not in own or own[name].shape != weight.shape for name, weight in weights.items()):
        raise UserError(f"the averages in {run} are of another U-Net than {run / 'model'}")
    with torch.no_grad():
        for name, weight in weights.items():
            own[name].copy_(weight)
    about = {"width": wanted.width, "pictures": stored[-1].pictures, "stored": len(stored)}
    # What it was taught to draw in few steps is a difference to the other weights.
    return replace(model, card={**model.card, "average": about}, few_steps=None, identity="")


def chosen(run: Path, pictures: int = 0) -> list[Stored]:
    """What an average at a point of a run is mixed of: all that was stored until then of the latest beginning.

    Raises:
        UserError: there is none.
    """
    found = stored_averages(run / "diffusion")
    if not found:
        raise UserError(
            f"{run / 'diffusion' / FOLDER} holds no averages: train with --set diffusion.widths=0.05,0.1, which may "
            "be given at any time"
        )
    until = [each for each in found if not pictures or each.pictures <= pictures]
    if not until:
        raise UserError(f"the first averages in {run} are of {found[0].pictures:,} pictures, later than {pictures:,}")
    return [each for each in until if each.begun == until[-1].begun]


def mixed(stored: list[Stored], width: float) -> dict[str, Tensor]:
    """The weights, fp32, of the average with a width that ends where the last stored one does.

    One file at a time, so that memory holds two networks however many were stored.
    """
    shares = ema.mixture([each.profile for each in stored], (stored[-1].profile[0], ema.exponent_of(width)))
    found: dict[str, Tensor] = {}
    for each, share in zip(stored, shares.tolist(), strict=True):
        for name, weight in load_file(each.file).items():
            found[name] = found.get(name, torch.zeros(())) + share * weight.float()
    return found
