"""Begin with what another model already knows, instead of with random weights.

Drawing what one's own few hundred pictures show is learnt far sooner by a model that can draw already. Sizes may
differ a little: tensors that fit are taken over, the rest begins at random. A transformer block that the other model
does not have begins as the identity (its branches add nothing at first, as in ReZero, Bachlechner et al. 2020, arXiv
2003.04887), so that a deeper tower starts with what the shallower one says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.data.meanings import Meanings
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.clip.transformer import Block
from fromnoise.models.unet import UNet
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.continuing import has_learnt, leaves
from fromnoise.training.growing import check_grows, inner_names, is_inside, let_through
from fromnoise.training.processes import check_shares
from fromnoise.training.recipe import Recipe

_RESOLUTION = re.compile(r"\d+x\d+")
NO_NETWORK = "the model of start_from has no {} network; leave out start_from, or take another model"
FOUND = ("vocab_size", "eos_token_id")  # sizes of a text tower that follow from its tokenizer
LEAST = 0.3  # share of the weights that must fit; below it there is little to begin with


def asked_vocabulary(model: TextToImage, usual: int) -> int:
    """The vocabulary that a model's recipe asked for (its tokenizer can have found fewer tokens), else ``usual``."""
    recipe = model.card.get("recipe")
    return int(recipe["clip"]["vocabulary"]) if isinstance(recipe, dict) else usual


def check_materials(recipe: Recipe, base: TextToImage | None, tasks: tuple[str, ...], out: Path) -> None:
    """Find out before any picture is read or drawn whether what tasks begin with is there.

    Raises:
        UserError: the table of meanings cannot be read, the model of ``start_from`` lacks a network, or the processes
            that train together cannot share the work.
    """
    check_shares(recipe.loops(), tasks)
    clip_learns_words = "clip" in tasks and not recipe.clip.locked and not has_learnt(out, "text")
    if recipe.clip.meanings and ("text" in tasks or clip_learns_words):
        Meanings.load(Path(recipe.clip.meanings))
    if recipe.vae.grows and "vae" in tasks:
        check_grows(recipe.vae.model, base.vae.config if base is not None else None)
    if base is None or "clip" not in tasks:
        return
    if not recipe.clip.locked and base.clip is None:
        raise UserError(
            f"{NO_NETWORK.format('clip')}; or keep its words, and teach CLIP to see: --set clip.locked=true"
        )
    if recipe.clip.locked:
        check_words(recipe, base)


def check_words(recipe: Recipe, base: TextToImage) -> None:
    """Refuse to keep words (``clip.locked``) that the recipe has other sizes for.

    Raises:
        UserError: it says which sizes they have.
    """
    theirs = base.text_tower.config.to_dict()
    wanted = {"clip.vocabulary": asked_vocabulary(base, base.text_tower.config.vocab_size)}
    wanted |= {f"clip.text.{name}": size for name, size in theirs.items() if name not in FOUND}
    own = dict(leaves(recipe.to_dict()))
    if others := [f"--set {name}={size}" for name, size in wanted.items() if own[name] != size]:
        raise UserError(
            f"clip.locked keeps the words of {recipe.start_from}, which have other sizes than the recipe's: give the "
            f"recipe theirs ({' '.join(others)}), or leave clip.locked out"
        )


@torch.no_grad()
def begin_with(network: nn.Module, known: nn.Module | None, name: str) -> float:
    """Copy every tensor of ``known`` that has the same name and shape in ``network``, whatever the pictures' sizes.

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
        raise UserError(NO_NETWORK.format(name))
    own, other = network.state_dict(), _named_as_in(network, known)
    fits = [key for key, tensor in own.items() if key in other and other[key].shape == tensor.shape]
    for key in fits:
        own[key].copy_(other[key])
    _silence(network, set(fits))
    if is_inside(known, network):
        let_through(network)
    share = sum(own[key].numel() for key in fits) / sum(tensor.numel() for tensor in own.values())
    if share < LEAST:
        raise UserError(
            f"start_from: only {share:.0%} of {name}'s weights fit; give the recipe that model's sizes, "
            f"or leave out start_from"
        )
    return share


def _named_as_in(network: nn.Module, known: nn.Module) -> dict[str, Tensor]:
    """Tensors of ``known`` by their names in ``network``: blocks are called after what they see of a picture.

    So the same block has another name where pictures have another size. With more levels or fewer the innermost are the
    same: a model of small pictures goes on as the inner levels of one of larger pictures (Karras et al. 2018, arXiv
    1710.10196, grow their networks so).
    """
    state = known.state_dict()
    if is_inside(known, network):
        return inner_names(known)
    if not isinstance(network, UNet) or not isinstance(known, UNet):
        return state
    own, other = ([each.config.resolution(i) for i in range(len(each.config.block_out_channels))]
                  for each in (network, known))  # fmt: skip
    names = dict(zip(reversed(other), reversed(own), strict=False))
    return {
        _RESOLUTION.sub(lambda found: names[found[0]], key): tensor
        for key, tensor in state.items()
        if set(_RESOLUTION.findall(key)) <= set(names)
    }


def _silence(network: nn.Module, fitted: set[str]) -> None:
    """Let transformer blocks without known weights begin as the identity."""
    for name, block in network.named_modules():
        if isinstance(block, Block) and not any(key.startswith(f"{name}.") for key in fitted):
            for branch in (block.attention.out, block.down):
                nn.init.zeros_(branch.weight)
                nn.init.zeros_(branch.bias)


@dataclass(frozen=True, eq=False)
class Keeper:
    """Keeps a text tower close to the one that the U-Net is used to, though tokens and depth may differ.

    Attributes:
        tokenizer, tower: those of the model that the run began with, the tower frozen and in the compute format.
        own: the run's tokenizer.
        styles: those the old tower knows; captions of others teach nothing.
    """

    tokenizer: Tokenizer
    tower: TextTower
    own: Tokenizer
    styles: tuple[str, ...]

    def loss(self, network: Any, texts: list[str]) -> Tensor:
        """Mean squared difference of the states after both prompts have ended, a scalar.

        Those are most of what the U-Net attends to, and each of them has read the whole prompt.
        """
        endings = tuple(styled("", style) for style in self.styles)
        known = [text for text in texts if not text.endswith(" style") or text.endswith(endings)]
        if not known:
            return network.text.norm_out.weight.sum() * 0  # type: ignore[no-any-return]
        device = next(self.tower.parameters()).device
        old, new = (words.encode(known).to(device) for words in (self.tokenizer, self.own))
        with torch.no_grad():
            wanted = self.tower(old).tokens.float()
        said = network.text(new).tokens.float()
        pairs = ((old, self.tokenizer), (new, self.own))
        ends = torch.maximum(*((ids == words.eos_id).int().argmax(1) for ids, words in pairs))
        after = torch.arange(old.shape[1], device=device)[None] >= ends[:, None]
        return F.mse_loss(said[after], wanted[after])
