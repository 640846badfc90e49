"""What a machine offers: cores and number formats, on Linux and elsewhere."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest
import torch

import fromnoise
from fromnoise.ground import cores
from fromnoise.ground.cores import available_cores, each_alone, give_back_memory, native_bf16, together

LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def test_a_container_may_use_fewer_cores_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert available_cores() == 3


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_macos_and_windows_have_no_affinity(monkeypatch: pytest.MonkeyPatch, count: int | None, expected: int) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert available_cores() == expected
    x = torch.arange(4.0)
    assert torch.equal(together(lambda y: y + 1, (x,)), x + 1)


def test_work_is_spread_without_affinity_and_memory_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert each_alone(lambda x, y: x * y, [(2, 3), (4, 5)]) == [6, 20]
    for system in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        give_back_memory()


def test_a_library_without_malloc_trim_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cores.ctypes, "CDLL", lambda name: object())  # musl
    give_back_memory()


def test_nothing_asks_linux_for_its_cores_but_one_place() -> None:
    root = Path(fromnoise.__file__).parent
    asking = [f for f in root.rglob("*.py") if "sched_getaffinity" in f.read_text(encoding="utf-8")]
    assert asking == [Path(cores.__file__)]
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not {"fcntl", "resource", "pwd", "grp", "termios"} & set(names), file


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    return monkeypatch


def test_bf16_is_native_where_either_instruction_is(capable: pytest.MonkeyPatch) -> None:
    assert native_bf16()
    capable.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not native_bf16()
    capable.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert native_bf16()
    capable.delattr(torch.cpu, "_is_amx_tile_supported")
    capable.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not native_bf16()


@pytest.mark.formats
@pytest.mark.parametrize(
    ("name", "value", "native"),
    [
        ("ATEN_CPU_CAPABILITY", "default", False),
        ("ATEN_CPU_CAPABILITY", "avx2", False),
        ("ATEN_CPU_CAPABILITY", "avx512", True),
        ("ATEN_CPU_CAPABILITY", "", True),
        ("ONEDNN_MAX_CPU_ISA", "SSE41", False),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", False),
        ("ONEDNN_MAX_CPU_ISA", "avx2_vnni_2", False),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", False),
        ("ONEDNN_MAX_CPU_ISA", "avx512_core_vnni", False),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", True),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX", True),
        ("ONEDNN_MAX_CPU_ISA", "DEFAULT", True),
        ("DNNL_MAX_CPU_ISA", "AVX2", False),
    ],
)
def test_an_environment_that_forbids_the_instructions_is_honoured(
    capable: pytest.MonkeyPatch, name: str, value: str, native: bool
) -> None:
    from fromnoise.system.defaults import drawing_format

    capable.setenv(name, value)
    assert native_bf16() is native
    assert drawing_format("auto") == (torch.bfloat16 if native else torch.float32)
