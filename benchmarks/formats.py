"""Which number formats the benchmarks measure on this CPU, and what they call it; one rule for all of them.

Where bf16 is computed in software it takes up to 500 times as long: a step of Stable Diffusion an hour. What would
compute in it is left out there, and a line on standard error says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import torch

from fromnoise.ground.cores import cpu_class, native_bf16

BEST = torch.bfloat16 if native_bf16() else torch.float32  # what networks are fastest in
NAME = "bf16" if native_bf16() else "fp32"


def machine() -> str:
    """What stands beside every figure: the class of CPU, as far as this process may use it, and the threads."""
    threads = torch.get_num_threads()
    return f"{cpu_class()}, {threads} thread{'' if threads == 1 else 's'}"


def measurable(names: Iterable[str]) -> list[str]:
    """The contenders that this CPU computes in hardware: all but those that have "bf16" in their names without it."""
    names = list(names)
    slow = [] if native_bf16() else [name for name in names if "bf16" in name]
    if slow:
        print(f"left out, since {cpu_class()} computes bf16 in software: {'; '.join(slow)}", file=sys.stderr)
    return [name for name in names if name not in slow]
