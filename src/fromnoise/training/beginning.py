"""Begin with what another model already knows, instead of with random weights.

Drawing what one's own few hundred pictures show is learnt far sooner by a model that can draw already. Sizes may
differ a little: tensors that fit are taken over, the rest begins at random. A transformer block that the other model
does not have begins as the identity (its branches add nothing at first, as in ReZero, Bachlechner et al. 2020, arXiv
2003.04887), so that a deeper tower starts with what the shallower one says.
"""

from __future__ import annotations

import torch
from torch import nn

from fromnoise.errors import UserError
from fromnoise.models.clip.transformer import Block

LEAST = 0.5  # share of the weights that must fit; below it there is little to begin with


@torch.no_grad()
def begin_with(network: nn.Module, known: nn.Module | None, name: str) -> float:
    """Copy every tensor of ``known`` that has the same name and shape in ``network``.

    Args:
        network: a fresh network; changed in place.
        known: the trained one, or None where the model has none (a model from elsewhere has no image tower).
        name: "clip", "vae" or "diffusion", for messages.

    Returns:
        The share of ``network``'s weights that were taken over, 0…1.

    Raises:
        UserError: nothing to begin with, or networks of other sizes.
    """
    if known is None:
        raise UserError(f"the model of start_from has no {name} network; leave out start_from, or take another model")
    own, other = network.state_dict(), known.state_dict()
    fits = [key for key, tensor in own.items() if key in other and other[key].shape == tensor.shape]
    for key in fits:
        own[key].copy_(other[key])
    _silence(network, set(fits))
    share = sum(own[key].numel() for key in fits) / sum(tensor.numel() for tensor in own.values())
    if share < LEAST:
        raise UserError(
            f"start_from: only {share:.0%} of {name}'s weights fit; give the recipe that model's sizes, "
            f"or leave out start_from"
        )
    return share


def _silence(network: nn.Module, fitted: set[str]) -> None:
    """Let transformer blocks without known weights begin as the identity."""
    for name, block in network.named_modules():
        if isinstance(block, Block) and not any(key.startswith(f"{name}.") for key in fitted):
            for branch in (block.attention.out, block.down):
                nn.init.zeros_(branch.weight)
                nn.init.zeros_(branch.bias)
