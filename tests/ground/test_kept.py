"""What is built once and kept is the same whoever asked first."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import fromnoise
from fromnoise.evaluation import judge
from fromnoise.ground.kept import whatever_the_caller_set
from fromnoise.models.layers.packed import can_pack

SOURCE = Path(fromnoise.__file__).parent


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is kept yet, and nothing of this test is kept afterwards."""
    for kept in (judge.network, can_pack):
        kept.cache_clear()
    yield
    for kept in (judge.network, can_pack):
        kept.cache_clear()


CALLERS: dict[str, Callable[[], Any]] = {
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
    "another device": lambda: torch.device("meta"),
    "another format": lambda: default_dtype(torch.float64),
}


class default_dtype:
    """The number format of new tensors, for the length of a block."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype, self.before = dtype, torch.get_default_dtype()

    def __enter__(self) -> None:
        torch.set_default_dtype(self.dtype)

    def __exit__(self, *_: object) -> None:
        torch.set_default_dtype(self.before)


def looked_at() -> torch.Tensor:
    """What the judge sees in a picture, and how that changes with its pixels: the gradient."""
    picture = torch.linspace(0, 1, 3 * 32 * 32).reshape(1, 3, 32, 32).requires_grad_()
    judge.network().extract_features(judge.normalised(picture)).square().sum().backward()
    assert picture.grad is not None
    return picture.grad


@pytest.mark.parametrize("caller", CALLERS)
def test_the_eye_sees_the_same_whoever_opened_it_first(caller: str, fresh: None) -> None:
    expected = looked_at()
    assert expected.abs().sum() > 0
    judge.network.cache_clear()
    with CALLERS[caller]():
        judge.network()
    assert torch.equal(looked_at(), expected)


@pytest.mark.formats
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_can_be_packed_does_not_depend_on_who_asked_first(caller: str, dtype: torch.dtype, fresh: None) -> None:
    expected = can_pack(dtype)
    can_pack.cache_clear()
    with CALLERS[caller]():
        assert can_pack(dtype) == expected


@pytest.mark.parametrize("kept", [judge.network, lambda: can_pack(torch.float32)], ids=["eye", "packing"])
def test_the_first_use_takes_no_random_numbers_from_the_caller(kept: Callable[[], object], fresh: None) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    kept()
    assert torch.equal(torch.rand(3), expected)


def test_the_callers_settings_come_back_also_after_an_error() -> None:
    with default_dtype(torch.float64), torch.inference_mode(), torch.device("meta"):
        with pytest.raises(ZeroDivisionError), whatever_the_caller_set():  # noqa: PT012
            assert not torch.is_inference_mode_enabled()
            assert (torch.empty(1).dtype, torch.empty(1).device.type) == (torch.float32, "cpu")
            raise ZeroDivisionError
        assert torch.is_inference_mode_enabled()
        assert (torch.empty(1).dtype, torch.empty(1).device.type) == (torch.float64, "meta")


def test_everything_kept_for_the_process_that_holds_tensors_is_built_this_way() -> None:
    """A function that is cached and builds something with torch must say so; the pool of threads holds no tensors."""
    careless, careful = [], []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(d) for d in node.decorator_list):
                if any(ast.unparse(d).endswith("cached_property") for d in node.decorator_list):
                    continue
                body = ast.unparse(node)
                names = careful if "whatever_the_caller_set()" in body else careless
                if "torch." in body:
                    names.append(f"{file.stem}.{node.name}")
    assert careless == ["cores._pool"]
    assert sorted(careful) == ["judge.network", "packed.can_pack", "watermark._band", "watermark._pattern"]
