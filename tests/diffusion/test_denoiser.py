"""A network as a denoiser."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import NetworkDenoiser, call_many
from fromnoise.diffusion.prediction import from_x0
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError

SCHEDULE = ScheduleConfig().build()


@pytest.mark.parametrize("kind", ["v", "x0", "flow"])
def test_a_network_that_knows_the_answer_gives_the_answer(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 3, 2, 4, 4, generator=generator)
    t = torch.tensor([5, 500, 999])
    x_t = SCHEDULE.add_noise(x0, noise, t)

    def network(x: Tensor, time: Tensor, cond: Tensor) -> Tensor:
        return from_x0(kind, cond, x, SCHEDULE.alpha(time), SCHEDULE.sigma(time))

    torch.testing.assert_close(NetworkDenoiser(network, SCHEDULE, kind)(x_t, t, x0), x0, atol=1e-5, rtol=0)


@pytest.mark.formats
def test_half_precision_networks_give_float32_estimates() -> None:
    denoiser = NetworkDenoiser(lambda x, t, cond: x.bfloat16(), SCHEDULE, "x0")
    assert denoiser(torch.ones(1, 1, 2, 2), torch.tensor([500]), None).dtype == torch.float32


def test_epsilon_from_pure_noise_is_refused() -> None:
    with pytest.raises(UserError, match="pure noise"):
        NetworkDenoiser(lambda x, t, cond: x, SCHEDULE, "epsilon")
    NetworkDenoiser(lambda x, t, cond: x, ScheduleConfig(zero_terminal_snr=False).build(), "epsilon")


def test_call_many_uses_many_where_it_is_offered() -> None:
    class Both:
        schedule, prediction = SCHEDULE, "x0"

        def __call__(self, x_t: Tensor, t: Tensor, cond: float) -> Tensor:
            raise AssertionError("many was there to be used")

        def many(self, calls: list[tuple[Tensor, Tensor, float]]) -> list[Tensor]:
            return [x_t + cond for x_t, _, cond in calls]

    x, t = torch.zeros(1, 1, 1, 1), torch.tensor([0])
    assert [float(y) for y in call_many(Both(), [(x, t, 1.0), (x, t, 2.0)])] == [1.0, 2.0]
    assert [float(y) for y in call_many(lambda x, t, c: x + c, [(x, t, 3.0), (x, t, 4.0)])] == [3.0, 4.0]
