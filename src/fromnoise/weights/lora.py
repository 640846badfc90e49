"""LoRA on our networks: added to the weights, one or several at once, and taken away again.

Our modules stack matrices that others keep apart, so the change of ``to_q`` goes to the first third of the rows of
``self_attention.qkv``. For drawing with a copy that computes otherwise (bfloat16, packed weights), add first and copy
then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.tensor_file import size_said
from fromnoise.ground.text import is_unicode
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.unet.unet import UNet
from fromnoise.weights.clip_layout import text_table
from fromnoise.weights.lora_file import FAMILIES, SECOND_TEXT, TEXT, UNET, Change, Lora, plain_shape, read_lora
from fromnoise.weights.names import entries, unet_table
from fromnoise.weights.original_names import unet_original
from fromnoise.weights.stored import Weights, foreign_shapes

__all__ = ["Applied", "Lora", "apply", "read_lora", "with_loras"]
TEXT_BLOCK = re.compile(r"\.text_model_encoder_layers_(\d+)_")
MOST = 10.0  # files are made for a weight of 1; what is far beyond is a slip of the keyboard


@dataclass(eq=False)
class Applied:
    """LoRAs that are in the weights of a model. Who never wants them out again just drops this object.

    Attributes:
        loras: which, each with its weight.
    """

    loras: tuple[tuple[Lora, float], ...]
    _before: list[tuple[nn.Parameter, Tensor]] = field(default_factory=list, repr=False)

    def remove(self) -> None:
        """Put the weights back that were there before, bit for bit; a second time does nothing.

        When LoRAs were added on top of these by another call, remove those first.
        """
        while self._before:
            parameter, before = self._before.pop()
            parameter.data = before.to(parameter)  # itself, unless the model was moved in between


class Target(NamedTuple):
    """The weight of a foreign module, in our networks: rows of a parameter, from ``row`` on."""

    parameter: nn.Parameter
    row: int
    shape: tuple[int, ...]


class Share(NamedTuple):
    """What one LoRA adds to one target."""

    target: Target
    change: Change
    weights: Weights
    factor: float


def with_loras(unet: UNet, towers: Sequence[TextTower], loras: Sequence[tuple[Path, float]]) -> Applied:
    """Read LoRAs and add them to the weights of a model, in place.

    Args:
        unet: with ordinary parameters, not a packed copy for drawing.
        towers: the text tower, or both in the order of Stable Diffusion XL.
        loras: files, each with its weight.

    Raises:
        UserError: as :func:`fromnoise.weights.lora_file.read_lora` and :func:`apply`.
    """
    parts: dict[str, nn.Module] = {UNET: unet, **dict(zip((TEXT, SECOND_TEXT), towers, strict=False))}
    return apply(parts, [(read_lora(file), weight) for file, weight in loras])


def apply(parts: Mapping[str, nn.Module], loras: Sequence[tuple[Lora, float]]) -> Applied:
    """Add weight * (alpha / rank) * up @ down to every weight that the LoRAs change, in place.

    All changes of a weight are summed in float32 and added once, so the order of the LoRAs does not matter, and bits
    are lost once in a model that is kept in float16. A LoRA of weight 0 changes nothing.

    Args:
        parts: U-Net and text towers, under "unet", "text_encoder" and "text_encoder_2".
        loras: each with its weight, at most 10 either way; negative ones push away from what was learnt.

    Raises:
        UserError: a LoRA has modules that the model does not have or that are of other shapes there, is damaged, or
            makes weights larger than their format can hold. The model is then as it was.
    """
    for lora, weight in loras:
        if not math.isfinite(weight) or abs(weight) > MOST:
            raise UserError(f"{lora.file}: a LoRA's weight should be a number from {-MOST:g} to {MOST:g}, not {weight}")
    targets = {module: target for part, network in parts.items() for module, target in _targets(part, network)}
    loras = [(_read_by(parts, lora), weight) for lora, weight in loras]
    for lora, _ in loras:
        _check(lora, targets, parts)
    applied = Applied(tuple(loras))
    try:
        for shares in _shares(loras, targets):
            parameter = shares[0].target.parameter
            after = _changed(parameter.detach(), shares)
            applied._before.append((parameter, parameter.data))
            parameter.data = after
    except BaseException:
        applied.remove()
        raise
    return applied


def _read_by(parts: Mapping[str, nn.Module], lora: Lora) -> Lora:
    """A LoRA without what it changes in the last blocks of a text tower, where the model does not read those."""
    kept = {}
    for module, change in lora.changes.items():
        tower = parts.get(module.partition(".")[0])
        block = TEXT_BLOCK.search(module)
        if not isinstance(tower, TextTower) or block is None or int(block[1]) < tower.config.layers:
            kept[module] = change
    return lora if len(kept) == len(lora.changes) else replace(lora, changes=kept)


def _targets(part: str, network: nn.Module) -> Iterator[tuple[str, Target]]:
    """What of a network can be changed, by the names that files use for it."""
    table = unet_table(network.config) if isinstance(network, UNet) else text_table(network.config)  # type: ignore[arg-type]
    names = entries(network.state_dict(), table)
    shapes = foreign_shapes(network, names)
    for entry in names:
        module, _, kind = entry.ours.rpartition(".")
        if kind != "weight" or not isinstance(network.get_submodule(module), nn.Linear | nn.Conv2d):
            continue
        row = 0
        for theirs in entry.theirs:
            target = Target(network.get_parameter(entry.ours), row, plain_shape(shapes[theirs]))
            row += target.shape[0]
            yield _key(part, theirs), target
            if isinstance(network, UNet):
                yield _key(part, unet_original(theirs, network.config)), target


def _key(part: str, name: str) -> str:
    return f"{part}.{name.removesuffix('.weight').replace('.', '_')}"


def _check(lora: Lora, targets: Mapping[str, Target], parts: Mapping[str, nn.Module]) -> None:
    """Compare what a LoRA changes with what the model has.

    Raises:
        UserError: naming the first module that is not there, or is of another shape.
    """
    missing = [change.name for module, change in lora.changes.items() if module not in targets]
    other = [(change, targets[m].shape) for m, change in lora.changes.items() if m in targets]
    other = [(change, shape) for change, shape in other if change.shape != shape]
    if not missing and not other:
        return
    problem = f"are not in it, first '{one_line(missing[0])}'" if missing else ""
    if not missing:
        change, shape = other[0]
        problem = f"are of other sizes in it, first '{one_line(change.name)}': {change.shape}, here {shape}"
    count = f"{len(missing) or len(other)} of the {len(lora.changes)} modules it changes"
    raise UserError(f"{lora.file} does not fit this model: {count} {problem}{_made_for(lora, parts)}")


def _made_for(lora: Lora, parts: Mapping[str, nn.Module]) -> str:
    """What to say of a LoRA's kind of model, if that is known and another one."""
    unet = parts.get(UNET)
    width = unet.config.cross_attention_dim if isinstance(unet, UNet) else 0
    own = FAMILIES[2048] if SECOND_TEXT in parts else FAMILIES.get(width)
    return f"; it is made for {lora.family}" if lora.family not in (None, own) else ""


def _shares(loras: Sequence[tuple[Lora, float]], targets: Mapping[str, Target]) -> list[list[Share]]:
    """What is added to each parameter that changes.

    In the order of the LoRAs' hashes and not in the user's, so that both give the same bits.

    Raises:
        UserError: a file has two names for the same module.
    """
    found: dict[int, list[Share]] = {}
    for lora, weight in sorted(loras, key=lambda pair: (pair[0].hash, pair[1])):
        weights, seen = Weights(lora.places), set()
        for module, change in lora.changes.items() if weight else ():
            target = targets[module]
            if (id(target.parameter), target.row) in seen:
                raise UserError(f"{lora.file} is damaged: it changes '{one_line(change.name)}' under two names")
            seen.add((id(target.parameter), target.row))
            found.setdefault(id(target.parameter), []).append(Share(target, change, weights, weight))
    return list(found.values())


def _changed(before: Tensor, shares: Sequence[Share]) -> Tensor:
    """Return a weight with all its changes, in a tensor of its own.

    Raises:
        UserError: the sum does not fit the weight's format.
    """
    # Few tensors of the weight's size, because fetching their memory takes longer than the arithmetic.
    total = torch.zeros_like(before, dtype=torch.float32, device="cpu")  # keeps channels_last
    for target, change, weights, factor in shares:
        change.add_to(total[target.row :][: target.shape[0]], weights, factor)
    total = total.to(before.device)
    total += before
    most = torch.finfo(before.dtype).max
    low, high = total.aminmax()
    if not (low >= -most and high <= most):  # NaN is neither
        file, name = shares[0].weights.file, one_line(shares[0].change.name)
        raise UserError(f"{file} makes '{name}' too large for {before.dtype}; give it a smaller weight")
    return total.to(before.dtype)


def trigger_of(file: Path) -> str:
    """The words that a LoRA's file says it listens to; "" where it says none, or nothing that could be a style's."""
    try:
        size_said(file)  # the library would take as much memory as a header says that it needs
        with safe_open(file, "pt") as stored:
            said = str((stored.metadata() or {}).get("modelspec.trigger_phrase", ""))
    except (OSError, SafetensorError, UserError):
        return ""
    return said if len(said) <= 60 and "," not in said and is_unicode(said) else ""
