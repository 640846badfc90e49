"""The U-Net's training state in parts, one for each process: FSDP2 (Zhao et al. 2023, arXiv 2304.11277).

A U-Net in training takes 4 bytes for each weight in the format it computes in and its gradient (bf16), and 20 for the
fp32 copy, its gradient, the moving average and AdamW's two moments. Here each process keeps its rows of all of those
alone; for a step the weights themselves are gathered once, and gradients are averaged and cut again.

This is torch's ``fully_shard`` itself and not accelerate's plugin around it: that one wants the optimizer together with
the network, whose weights it exchanges, while the loop moves fp32 copies of its own; and it knows GPUs alone. The whole
U-Net is one unit, since its attention layers read the words before their blocks are called.

Checkpoints are safetensors files of the processes' parts (torch.distributed.checkpoint), which any other number of
processes can read, also a single one without FSDP.
"""

from __future__ import annotations

import copy
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fromnoise.ground.errors import UserError, one_line
from fromnoise.training import checkpoint
from fromnoise.training.checkpoint import Checkpoint, Tensors
from fromnoise.training.processes import Alone, Many, sharded
from fromnoise.training.tasks.base import Task


def own_part(tensor: Any) -> Tensor:
    """This process's rows of a sharded tensor, without its gradient; writing to them writes to the tensor."""
    found: Tensor = tensor.detach().to_local()
    return found


def shards_of(task: Task, here: Alone) -> Shards | None:
    """The task's network in parts, where it is the U-Net and FSDP is asked for; else None, and nothing happens."""
    return Shards(task, here) if isinstance(here, Many) and task.name == "diffusion" and sharded() else None


class Shards:
    """A task's network, whose weights are cut in parts when this is made.

    Args:
        task: its network is changed in place.
        here: this process among the others.
    """

    def __init__(self, task: Task, here: Many) -> None:
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        self._here = here
        # For sheets and models, which the first process draws and writes; the others only need its shape.
        self._whole: nn.Module = copy.deepcopy(task.network).to("cpu" if here.main else "meta")
        network = task.network.to(memory_format=torch.contiguous_format)  # FSDP takes no other layout
        fully_shard(network, mesh=here.mesh(), mp_policy=MixedPrecisionPolicy(reduce_dtype=torch.float32))
        self._weights: dict[str, Any] = dict(network.named_parameters())

    def clip(self, masters: list[Tensor], most: float) -> Tensor:
        """Scale the gradients of all parts so that their common norm, which is returned, is ``most`` at most."""
        square = torch.nn.utils.get_total_norm([m.grad for m in masters if m.grad is not None]).square()
        dist.all_reduce(square)
        torch.nn.utils.clip_grads_with_norm_(masters, most, norm := square.sqrt())
        return norm

    @torch.no_grad()
    def averaged(self, averages: Tensors) -> nn.Module:
        """As the loop's: the network in fp32 with all processes' averages. To be asked by all; for the first one."""
        network = copy.deepcopy(self._whole)
        state = dict(network.named_parameters())
        for name, average in averages.items():
            whole = self._like(name, average).full_tensor()
            if self._here.main:
                state[name].data = whole.float()
        device = self._here.device if self._here.main else torch.device("meta")
        return network.to(device).float().eval().requires_grad_(False)

    def save(self, folder: Path, step: int, state: Checkpoint) -> None:
        """As :func:`checkpoint.save`, by all processes together.

        Raises:
            UserError: the disk is full or the folder cannot be written; older checkpoints stay.
        """
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.api import CheckpointException

        groups = {
            f"{group}/{name}": self._like(name, tensor)
            for group, tensors in state.groups.items()
            for name, tensor in tensors.items()
        }
        with ExitStack() as stack:
            place = [str(stack.enter_context(checkpoint.written(folder, step)))] if self._here.main else [""]
            dist.broadcast_object_list(place, src=0, group=self._here.talk)
            writer = dcp.HuggingFaceStorageWriter(place[0], save_distributed=True)
            try:
                dcp.save(groups, storage_writer=writer, process_group=self._here.talk)
            except CheckpointException as error:
                reasons = "; ".join(one_line(str(reason)) for reason, _ in error.failures.values())
                raise UserError(
                    f"cannot write a checkpoint to {folder}: {reasons}; free some space and run again"
                ) from error
            if self._here.main:
                checkpoint.seal(Path(place[0]), {**state.facts, "processes": self._here.count}, sharded=True)

    def read(self, path: Path) -> dict[str, Tensors]:
        """This process's parts of a sharded checkpoint."""

        def part(name: str, size: torch.Size, dtype: torch.dtype) -> Any:
            return self._like(name, torch.empty_like(own_part(self._weights[name]), dtype=dtype))

        found = checkpoint.read_shards(path, part)
        return {group: {name: own_part(x) for name, x in tensors.items()} for group, tensors in found.items()}

    def own(self, found: Checkpoint) -> Checkpoint:
        """A checkpoint with this process's parts of what it holds whole."""
        groups = {group: {k: self._cut(k, x) for k, x in tensors.items()} for group, tensors in found.groups.items()}
        return replace(found, groups=groups)

    def _cut(self, name: str, tensor: Tensor) -> Tensor:
        from torch.distributed.tensor import distribute_tensor

        weight = self._weights.get(name)
        if weight is None or tensor.shape == own_part(weight).shape or tensor.shape != weight.shape:
            return tensor  # a part already, or of another network, which the loop refuses
        cut = distribute_tensor(tensor.to(self._here.device), weight.device_mesh, weight.placements, src_data_rank=None)
        return own_part(cut)

    def _like(self, name: str, part: Tensor) -> Any:
        """A part of what belongs to a weight, as a sharded tensor of that weight's shape."""
        from torch.distributed.tensor import DTensor

        weight = self._weights[name]
        where = weight.device_mesh, weight.placements
        return DTensor.from_local(part, *where, run_check=False, shape=weight.shape, stride=weight.stride())
