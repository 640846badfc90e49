"""The optimizers of the loop: AdamW, or Muon for the hidden matrices and AdamW for the rest.

Muon (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982) replaces a matrix' gradient by the nearest orthogonal
matrix, so that every direction of a layer learns at the same pace. Both optimizers are torch's own; this module
decides which weights go where and keeps the state under the weights' names.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fromnoise.training.recipe import LoopConfig

# A network's first and last layers see or make a few channels, where "every direction alike" has no meaning.
_ENDS = ("conv_in", "conv_out")


class Optimizers:
    """One step for all weights, whichever optimizer each belongs to.

    Args:
        network: says what each weight is; its own weights are not touched.
        masters: fp32 weights by name; each has its ``grad`` set, and keeps that very tensor as its gradient.
        config: which optimizer, learning rate, weight decay, betas.
    """

    def __init__(self, network: nn.Module, masters: dict[str, Tensor], config: LoopConfig) -> None:
        hidden = hidden_matrices(network) & set(masters) if config.optimizer == "muon" else set()
        self._rest = {name: m for name, m in masters.items() if name not in hidden}
        self._momentum = {name: torch.zeros_like(m) for name, m in masters.items() if name in hidden}
        self._adamw = _adamw(self._rest.values(), config) if self._rest else None
        self._muon = _muon({name: masters[name] for name in self._momentum}, self._momentum, config)

    def step(self, learning_rate: float) -> None:
        """Move all weights against their gradients."""
        for part in (self._adamw, self._muon):
            if part is not None:
                for group in part.param_groups:
                    group["lr"] = learning_rate
                part.step()

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
        for name, master in self._rest.items() if self._adamw is not None else ():
            state = self._adamw.state[master]  # type: ignore[union-attr]
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


def _muon(masters: dict[str, Tensor], momentum: dict[str, Tensor], config: LoopConfig) -> torch.optim.Muon | None:
    """Muon on views of the weights as matrices, with the momentum kept in the weights' own shape."""
    if not masters:
        return None
    matrices = {}
    for name, master in masters.items():
        matrices[name] = _matrix(master)
        matrices[name].grad = _matrix(master.grad)  # type: ignore[arg-type]
    muon = torch.optim.Muon(
        matrices.values(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",  # one learning rate then suits both optimizers
    )
    for name, matrix in matrices.items():
        muon.state[matrix]["momentum_buffer"] = _matrix(momentum[name])
    return muon
