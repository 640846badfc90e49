"""A second player in a task's training: a network with a loss and an optimizer of its own.

The loop trains one network with one loss. Where another one learns against it, the task holds that as its *rival*: the
task's loss asks the rival, the rival learns from what it was asked in the same step, and its weights go into the same
checkpoint. Both gradients are taken before either of the two moves.
"""

from __future__ import annotations

from torch import Tensor

from fromnoise.training.share import ALL, Share


class Rival:
    """What the loop asks of a second player. This one is nobody, as in most tasks.

    Attributes:
        share: as of the task.
    """

    share: Share = ALL

    def losses(self) -> dict[str, Tensor]:
        """Take its gradient on what the task showed it in this step. Returns figures for the log, finite as long as the
        gradient is.
        """
        return {}

    def step(self, share: float) -> None:
        """Move against that gradient, by ``share`` (0…1) of its learning rate."""

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Everything that the next session needs, as groups of a checkpoint."""
        return {}

    def load(self, stored: dict[str, dict[str, Tensor]], step: int) -> None:
        """Take over ``state()`` of an earlier session, after ``step`` steps.

        Raises:
            KeyError: the state belongs to another rival, or to none.
        """
        if any(name.startswith("adversary") for name in stored):
            raise KeyError("adversary")


NOBODY = Rival()
