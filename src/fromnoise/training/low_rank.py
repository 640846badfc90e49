"""A network with a small trainable difference: LoRA on every matrix and kernel (Hu et al. 2021, arXiv 2106.09685).

Each weight W becomes W + up @ down, with ``down`` of few rows. The sum is made anew for every step and the network
computes with it as it would with any weight: no layer is wrapped, the arithmetic is that of the merged weights with
which pictures are drawn later, and a batch costs what it costs without LoRA. The base is frozen and used by teacher
and student alike.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from fromnoise.training.clock import seeded

DOT = "/"  # stands for the dots of modules' names, which parameters may not have


class LowRank(nn.Module):
    """A frozen network and its trainable difference, which is zero at first.

    Args:
        base: the network, in its compute format; it is frozen and not copied.
        rank: rows of every ``down`` and columns of every ``up``.
        seed: of the run; the first values of ``down`` follow from it and from the layers' names.
        changes: which layers get a difference, by their names; all of them without it.
    """

    def __init__(
        self, base: nn.Module, rank: int, seed: int, changes: Callable[[str], bool] = lambda name: True
    ) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name, module in base.named_modules():
            if not isinstance(module, nn.Linear | nn.Conv2d) or not changes(name):
                continue
            outputs, inputs = len(module.weight), module.weight[0].numel()
            first = torch.randn(rank, inputs, generator=seeded("cpu", seed, "low rank", name)) / math.sqrt(inputs)
            key = name.replace(".", DOT)
            self.down[key] = nn.Parameter(first.to(module.weight.device))
            self.up[key] = nn.Parameter(torch.zeros(outputs, rank, device=module.weight.device))

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the network with its difference makes of the inputs."""
        return self.computed(self.merged(), *inputs)

    def computed(self, weights: Mapping[str, Tensor], *inputs: Tensor) -> Tensor:
        """The same with weights that :meth:`merged` gave, so that several calls share them."""
        return functional_call(self.base, dict(weights), inputs)  # type: ignore[no-any-return]

    def merged(self) -> dict[str, Tensor]:
        """The weights that differ from the base, summed in float32, in the base's format and layout."""
        found = {}
        for key, down in self.down.items():
            weight = self.base.get_parameter(f"{key.replace(DOT, '.')}.weight")
            change = (self.up[key].float() @ down.float()).view(weight.shape)
            # Kernels keep the layout that convolutions want.
            layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
            found[f"{key.replace(DOT, '.')}.weight"] = (weight.float() + change).to(weight.dtype, memory_format=layout)
        return found

    def changes(self) -> dict[str, tuple[Tensor, Tensor]]:
        """(down [rank, in…], up [out, rank]) by the name of the layer; of a kernel, down is one too."""
        found = {}
        for key, down in self.down.items():
            name = key.replace(DOT, ".")
            weight = self.base.get_parameter(f"{name}.weight")
            found[name] = (down.detach().unflatten(1, weight.shape[1:]), self.up[key].detach())
        return found


class _Turn:
    """Whose difference a base computes with just now: that of the network which was called last, or none."""

    def __init__(self) -> None:
        self.of: Beside | None = None


class Beside(LowRank):
    """The same difference, computed beside each layer and not in its weight: y = W x + up (down x).

    No gradient of a whole weight is ever taken, which a network of hundreds of millions of weights has no time and no
    memory for; a small one loses nothing by it. Several of them may share one base (:meth:`sharing`).
    """

    def __init__(
        self, base: nn.Module, rank: int, seed: int, changes: Callable[[str], bool] = lambda name: True
    ) -> None:
        super().__init__(base, rank, seed, changes)
        self._turn = _Turn()
        for key in self.down:
            layer = base.get_submodule(key.replace(DOT, "."))
            layer.register_forward_hook(functools.partial(_add, self._turn, key))

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the network with its difference makes of the inputs.

        Whose turn it is stays after the call: with gradient checkpointing, layers are computed again on the way back.
        """
        self._turn.of = self
        return self.base(*inputs)  # type: ignore[no-any-return]

    @contextmanager
    def silent(self) -> Iterator[nn.Module]:
        """The base as it was, for as long as the context lasts; it is left without gradients only."""
        before, self._turn.of = self._turn.of, None
        try:
            yield self.base
        finally:
            self._turn.of = before

    def sharing(self) -> Beside:
        """Another difference of the very same base, with values of its own that are equal at first."""
        other = Beside.__new__(Beside)
        nn.Module.__init__(other)
        other.base, other._turn = self.base, self._turn
        for name in ("down", "up"):
            values = {key: nn.Parameter(value.detach().clone()) for key, value in getattr(self, name).items()}
            setattr(other, name, nn.ParameterDict(values))
        return other


def _add(turn: _Turn, key: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """What a layer returns, with the difference of whose turn it is."""
    if turn.of is None:
        return output
    x = inputs[0]
    down, up = (part[key].to(x.dtype) for part in (turn.of.down, turn.of.up))
    if isinstance(layer, nn.Conv2d):
        kernel = down.unflatten(1, layer.weight.shape[1:])
        return output + F.conv2d(F.conv2d(x, kernel, None, layer.stride, layer.padding), up[:, :, None, None])  # type: ignore[arg-type]
    return output + F.linear(F.linear(x, down), up)
