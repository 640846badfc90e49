"""Which optimizer moves which weight, and how."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from fromnoise.training import optimizers
from fromnoise.training.optimizers import Optimizers, hidden_matrices
from fromnoise.training.recipe import LoopConfig

RATE = 0.01
MUON = LoopConfig(optimizer="muon", weight_decay=0.0)


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = {"conv_in": nn.Conv2d(3, 8, 3), "words": nn.Embedding(5, 8), "middle": nn.Conv2d(8, 8, 3)}
    layers |= {"norm": nn.GroupNorm(2, 8), "mix": nn.Linear(8, 24), "conv_out": nn.Conv2d(8, 3, 3)}
    return nn.Sequential(OrderedDict(layers))


def masters_of(net: nn.Module, memory_format: torch.memory_format) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    found = {}
    for name, p in net.named_parameters():
        layout = memory_format if p.ndim == 4 else torch.contiguous_format
        found[name] = p.detach().clone(memory_format=layout)
        found[name].grad = torch.randn(p.shape, generator=rng).contiguous(memory_format=layout)
    return found


def moved(config: LoopConfig, memory_format: torch.memory_format = torch.contiguous_format) -> dict[str, Tensor]:
    """How far one step moves each weight."""
    net = network()
    masters = masters_of(net, memory_format)
    before = {name: m.clone() for name, m in masters.items()}
    Optimizers(net, masters, config).step(RATE)
    return {name: m - before[name] for name, m in masters.items()}


def test_only_hidden_matrices_belong_to_muon() -> None:
    assert hidden_matrices(network()) == {"middle.weight", "mix.weight"}


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_a_kernel_by_an_orthogonal_matrix_of_adamws_size(memory_format: torch.memory_format) -> None:
    step = moved(MUON, memory_format)
    for name, shape in (("middle.weight", (8, 72)), ("mix.weight", (24, 8))):
        matrix = step[name].reshape(shape)
        values = torch.linalg.svdvals(matrix) / (RATE * 0.2 * max(shape) ** 0.5)
        assert values.min() > 0.5, name  # the five Newton-Schulz steps leave 0.7 to 1.2 of the exact 1
        assert values.max() < 1.5, name
    gradient = masters_of(network(), memory_format)["mix.weight"].grad
    assert gradient is not None
    assert (step["mix.weight"] * gradient).sum() < 0  # downhill


def test_muon_does_not_see_the_memory_format() -> None:
    rows = moved(MUON)["middle.weight"]
    last = moved(MUON, torch.channels_last)["middle.weight"]
    torch.testing.assert_close(rows, last, rtol=0.05, atol=0.05 * float(rows.abs().max()))


def test_everything_else_moves_as_with_adamw() -> None:
    muon, adamw = moved(MUON), moved(LoopConfig(weight_decay=0.0))
    for name in adamw:
        assert torch.equal(muon[name], adamw[name]) == (name not in hidden_matrices(network())), name


@pytest.mark.formats
def test_the_number_of_cores_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for cores in (1, 2, 3):
        monkeypatch.setattr(optimizers, "available_cores", lambda cores=cores: cores)
        net = network()
        masters = masters_of(net, torch.channels_last)
        built = Optimizers(net, masters, MUON)
        for _ in range(3):
            built.step(RATE)
        found.append({name: m.clone() for name, m in {**masters, **built.state()["first_moment"]}.items()})
    for other in found[1:]:
        assert all(torch.equal(other[name], found[0][name]) for name in found[0])
