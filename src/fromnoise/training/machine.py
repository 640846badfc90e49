"""On what a run has been trained: a number format can be kept anywhere, a processor's rounding cannot.

Which kernels multiply, and from how many channels on a convolution takes Winograd's way, follows from the class of CPU.
So a run that goes on on another class, or with Winograd's way switched, ends with other bits than an unbroken one. That
is said in one line, and ``run.json`` keeps it under "machines".
"""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console

from fromnoise.ground.cores import cpu_class
from fromnoise.models.layers import winograd

MACHINES = "machines"


def here(device: torch.device) -> dict[str, Any]:
    """What this machine's rounding follows from: its class of CPU ("cuda", …), and whether Winograd's way is on."""
    return {"class": cpu_class() if device.type == "cpu" else device.type, "winograd": winograd.switched_on()}


def seen(stored: dict[str, Any], device: torch.device, console: Console) -> dict[str, Any]:
    """What ``run.json`` gains when a run is trained on this machine, {} where nothing is new; a change is said.

    Args:
        stored: what ``run.json`` says; of runs of earlier versions nothing about machines.
        device: where the run trains now.
        console: where to say it.
    """
    before, now = stored.get(MACHINES, []), here(device)
    if before and before[-1] == now:
        return {}
    if before:
        said = f"this run was trained on {_told(before[-1])} and goes on on {_told(now)}: those round otherwise"
        console.print(f"{said}, so it ends with other bits than an unbroken run", highlight=False, soft_wrap=True)
    return {MACHINES: [*before, now]}


def _told(machine: dict[str, Any]) -> str:
    off = "" if machine.get("winograd", True) else f" with {winograd.SWITCH}=0"
    return f"{machine.get('class', 'another machine')}{off}"
