"""The optimizers of the loop: AdamW, or Muon for the hidden matrices and AdamW for the rest.

Muon (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982) replaces a matrix' gradient by the nearest orthogonal
matrix, so that every direction of a layer learns at the same pace. AdamW is torch's own, and so is Muon but for its
steps (:mod:`fromnoise.training.muon`). This module decides which weights go where and keeps their state by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn

from fromnoise.ground.cores import available_cores, each_alone
from fromnoise.training import precision
from fromnoise.training.muon import Muon
from fromnoise.training.recipe import LoopConfig

# A network's first and last layers see or make a few channels, where "every direction alike" has no meaning.
_ENDS = ("conv_in", "conv_out")


class Optimizers:
    """One step for all weights, whichever optimizer each belongs to.

    Args:
        network: says what each weight is; its own weights are not touched.
        masters: fp32 weights by name; each has its ``grad`` set, and keeps that very tensor as its gradient.
        config: which optimizer, learning rate, weight decay, betas.
        products: the format of Muon's products, bfloat16 or float32; None takes what the device multiplies.
    """

    def __init__(
        self,
        network: nn.Module,
        masters: dict[str, Tensor],
        config: LoopConfig,
        products: torch.dtype | None = None,
    ) -> None:
        hidden = hidden_matrices(network) & set(masters) if config.optimizer == "muon" else set()
        self._rest = {name: m for name, m in masters.items() if name not in hidden}
        self._momentum = {name: torch.zeros_like(m) for name, m in masters.items() if name in hidden}
        self._adamw = _adamw(self._rest.values(), config) if self._rest else None
        self._muons = [
            _muon({name: masters[name] for name in names}, self._momentum, config, products)
            for names in _shares({name: masters[name] for name in self._momentum})
        ]

    def step(self, learning_rate: float) -> None:
        """Move all weights against their gradients."""
        parts = [*self._muons, *([] if self._adamw is None else [self._adamw])]
        for group in (group for part in parts for group in part.param_groups):
            group["lr"] = learning_rate
        if self._adamw is not None:
            self._adamw.step()
        if _on_cpu(self._momentum):
            each_alone(lambda muon: muon.step(), [(muon,) for muon in self._muons])
        else:
            for muon in self._muons:
                muon.step()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """First moments (of Muon: the momentum) and AdamW's second moments, by the weights' names."""
        adamw = {name: self._adamw.state[m] for name, m in self._rest.items()} if self._adamw else {}
        stepped = {name: state for name, state in adamw.items() if state}
        first = {name: state["exp_avg"] for name, state in stepped.items()}
        return {
            "first_moment": {**first, **self._momentum},
            "second_moment": {name: state["exp_avg_sq"] for name, state in stepped.items()},
        }

    def load(self, stored: dict[str, dict[str, Tensor]], step: int) -> None:
        """Take over ``state()`` of an earlier session, after ``step`` steps.

        Raises:
            KeyError: the state belongs to another optimizer.
        """
        for name, momentum in self._momentum.items():
            momentum.copy_(stored["first_moment"][name])
        for name, master in self._rest.items():
            assert self._adamw is not None  # it exists when there is a rest
            state = self._adamw.state[master]
            state["step"] = torch.tensor(float(step))
            state["exp_avg"] = torch.zeros_like(master).copy_(stored["first_moment"][name])
            state["exp_avg_sq"] = torch.zeros_like(master).copy_(stored["second_moment"][name])


def hidden_matrices(network: nn.Module) -> set[str]:
    """Names of the weights that Muon is meant for: kernels and matrices, not embeddings, norms, biases or ends."""
    return {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and name.rpartition(".")[2] not in _ENDS
    }


def _shares(masters: dict[str, Tensor]) -> list[list[str]]:
    """Divide matrices among the cores so that each has about the same work; all together on a GPU.

    Muon multiplies many small matrices one after the other. Two threads for each product take twice as long as one
    (benchmarks/training.py), so every core gets matrices of its own.
    """
    if not masters:
        return []
    shares: list[list[str]] = [[] for _ in range(min(available_cores() if _on_cpu(masters) else 1, len(masters)))]
    load = [0] * len(shares)
    for name in sorted(masters, key=lambda name: -_work(masters[name])):
        least = load.index(min(load))
        shares[least].append(name)
        load[least] += _work(masters[name])
    return shares


def _on_cpu(weights: dict[str, Tensor]) -> bool:
    return all(x.device.type == "cpu" for x in weights.values())


def _work(x: Tensor) -> int:
    """Multiplications of one Newton-Schulz step on a weight."""
    short, long = sorted((len(x), x[0].numel()))
    return 2 * short * short * long + short**3


def _matrix(x: Tensor) -> Tensor:
    """A view [out, everything else] of a weight; the columns' order depends on the memory format, Muon does not."""
    return x.view(len(x), -1) if x.is_contiguous() else x.permute(0, 2, 3, 1).view(len(x), -1)


def _adamw(masters: Iterable[Tensor], config: LoopConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases and norms."""
    masters = list(masters)
    groups = [
        {"params": [m for m in masters if m.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [m for m in masters if m.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=1e-8, fused=True)


def _muon(
    masters: dict[str, Tensor], momentum: dict[str, Tensor], config: LoopConfig, products: torch.dtype | None = None
) -> torch.optim.Muon:
    """Muon on views of the weights as matrices, with the momentum kept in the weights' own shape."""
    matrices = {}
    for name, master in masters.items():
        matrices[name] = _matrix(master)
        matrices[name].grad = _matrix(master.grad)  # type: ignore[arg-type]
    device = next(iter(matrices.values())).device
    if products is None:
        products = torch.bfloat16 if precision.fast(device) else torch.float32
    jordan_in_bf16 = config.orthogonal == "jordan" and products == torch.bfloat16
    kind = torch.optim.Muon if jordan_in_bf16 else partial(Muon, steps=config.orthogonal, products=products)
    muon = kind(
        matrices.values(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",  # one learning rate then suits both optimizers
    )
    for name, matrix in matrices.items():
        muon.state[matrix]["momentum_buffer"] = _matrix(momentum[name])
    return muon
