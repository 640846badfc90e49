"""The one contract of the field: a denoiser looks at a noisy picture and returns its clean estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from fromnoise.diffusion.prediction import check_kind, to_x0
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.ground.errors import UserError

Call = tuple[Tensor, Tensor, Any]  # (x_t, t, cond)


class Denoiser(Protocol):
    """(x_t, t, cond) → x̂_0. Guidance wraps a denoiser in a denoiser; samplers know nothing else.

    Attributes:
        schedule: the noise levels that ``t`` counts.
        prediction: what the network underneath predicts: "v", "epsilon", "x0" or "flow". Guidance that changes
            contrast does so on that.
    """

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise levels that ``t`` counts."""
        ...

    @property
    def prediction(self) -> str:
        """What the network underneath predicts."""
        ...

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """Estimate the clean pictures.

        Args:
            x_t: noisy pictures or latents, float32 [B,C,H,W].
            t: noise level of each, int64 [B]; float64 on a path whose times are not whole.
            cond: what the picture should show; only the innermost denoiser knows its type.

        Returns:
            x̂_0, float32 [B,C,H,W].
        """
        ...


@runtime_checkable
class ManyDenoiser(Denoiser, Protocol):
    """A denoiser that can answer several independent calls at once, for instance on two threads."""

    def many(self, calls: Sequence[Call]) -> list[Tensor]:
        """The answers to ``[(x_t, t, cond), ...]`` in order, each equal to a single call's, bit for bit."""
        ...


def call_many(denoiser: Denoiser, calls: Sequence[Call]) -> list[Tensor]:
    """Answer independent calls: together where the denoiser offers ``many``, else one after the other."""
    if isinstance(denoiser, ManyDenoiser):
        return denoiser.many(calls)
    return [denoiser(*call) for call in calls]


class Wrapping:
    """A denoiser around another one: its levels and its prediction are the inner one's.

    Args:
        denoiser: the one inside.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise levels that ``t`` counts."""
        return self.denoiser.schedule

    @property
    def prediction(self) -> str:
        """What the network underneath predicts."""
        return self.denoiser.prediction


class FunctionDenoiser:
    """A function that estimates the clean pictures itself, as a denoiser: an oracle, or a network on words.

    Args:
        function: (x_t, t, cond) → x̂_0.
        schedule: the noise levels that ``t`` counts.
        prediction: what is predicted underneath.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor, Any], Tensor], schedule: NoiseSchedule, prediction: str = "x0"
    ) -> None:
        self.function, self.schedule, self.prediction = function, schedule, prediction

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0."""
        return self.function(x_t, t, cond)


class NetworkDenoiser:
    """A network as a denoiser.

    Args:
        network: (x_t [B,C+M,H,W], t [B], cond) → raw output [B,C,H,W] of any float dtype; M is 0 but for inpainting.
        schedule: gives alpha and sigma, and the time that the network is told.
        prediction: what the raw output means: "v", "epsilon", "x0" or "flow".

    Raises:
        UserError: an unknown prediction, "epsilon" on a schedule that ends in pure noise, where x̂_0 would be a
            division by zero, or "v" on a flow's levels, where it has no meaning.
    """

    def __init__(
        self, network: Callable[[Tensor, Tensor, Any], Tensor], schedule: NoiseSchedule, prediction: str
    ) -> None:
        check_kind(prediction)
        if prediction == "epsilon" and schedule.ends_in_pure_noise:
            raise UserError("prediction 'epsilon' cannot start from pure noise: use 'v', or zero_terminal_snr=false")
        if prediction == "v" and schedule.is_flow:
            raise UserError("prediction 'v' needs a variance-preserving schedule, not kind 'flow'")
        self.network, self.schedule, self.prediction = network, schedule, prediction

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        output = self.network(x_t, self.schedule.told(t), cond).float()
        x_t = x_t[:, : output.shape[1]]  # what else it sees (a mask, a masked picture) is not noisy
        return to_x0(self.prediction, output, x_t, self.schedule.alpha(t), self.schedule.sigma(t))
