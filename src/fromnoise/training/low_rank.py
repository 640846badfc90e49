"""A network with a small trainable difference: LoRA on every matrix and kernel (Hu et al. 2021, arXiv 2106.09685).

Each weight W becomes W + up @ down, with ``down`` of few rows. The sum is made anew for every step and the network
computes with it as it would with any weight: no layer is wrapped, the arithmetic is that of the merged weights with
which pictures are drawn later, and a batch costs what it costs without LoRA. The base is frozen and used by teacher
and student alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
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
    """

    def __init__(self, base: nn.Module, rank: int, seed: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name, module in base.named_modules():
            if not isinstance(module, nn.Linear | nn.Conv2d):
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
