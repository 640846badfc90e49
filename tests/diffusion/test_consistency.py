"""Consistency against what is known exactly: diffusers' jump, and Gaussian data, whose trajectories are formulas."""

from __future__ import annotations

import pytest
import torch
from diffusers import LCMScheduler
from torch import Tensor

from fromnoise.diffusion.consistency import consistency_target, ddim, jump, pseudo_huber
from fromnoise.diffusion.samplers.base import to_level
from fromnoise.diffusion.samplers.lcm import LCM
from fromnoise.diffusion.schedule import DISTILLED_LEVELS, DISTILLED_RANGE, NoiseSchedule, ScheduleConfig, per_picture
from fromnoise.ground.errors import UserError

SCHEDULE = ScheduleConfig().build()
MEAN, SPREAD = 0.4, 0.3  # of the Gaussian data, in every pixel


def noise(count: int) -> Tensor:
    return torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Levels(NoiseSchedule):
    """The schedule with tensors in float64, so that what is left is the error of the step."""

    def _look_up(self, name: str, table: Tensor, t: float | Tensor) -> float | Tensor:
        return table[t + 1] if isinstance(t, Tensor) else super()._look_up(name, table, t)


EXACT = Levels(SCHEDULE.alpha_bar, SCHEDULE.config)


def best_estimate(x_t: Tensor, t: Tensor, cond: object = None) -> Tensor:
    """E[x_0 | x_t] for x_0 ~ N(MEAN, SPREAD²)."""
    alpha, sigma = (per_picture(level(t), x_t) for level in (EXACT.alpha, EXACT.sigma))
    return MEAN + alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2) * (x_t - alpha * MEAN)


def end_of_trajectory(x_t: Tensor, t: Tensor) -> Tensor:
    """f*(x_t, t): the ODE keeps how many deviations a point is away from the mean."""
    alpha, sigma = (per_picture(level(t), x_t) for level in (EXACT.alpha, EXACT.sigma))
    return MEAN + SPREAD * (x_t - alpha * MEAN) / (alpha**2 * SPREAD**2 + sigma**2).sqrt()


def perfect_student(x_t: Tensor, t: Tensor, cond: object = None) -> Tensor:
    """The estimate whose jump is f*."""
    zero = jump(x_t, torch.zeros_like(x_t), t)
    slope = jump(torch.zeros_like(x_t), torch.ones_like(x_t), t)
    return (end_of_trajectory(x_t, t) - zero) / slope


def marginal(levels: int) -> tuple[Tensor, Tensor, int]:
    """A noisy picture at each level of a grid, its time, and the grid's stride."""
    stride = EXACT.steps // levels
    t, x = torch.arange(1, levels + 1) * stride - 1, noise(levels)
    alpha, sigma = (per_picture(level(t), x) for level in (EXACT.alpha, EXACT.sigma))
    return alpha * MEAN + (alpha**2 * SPREAD**2 + sigma**2).sqrt() * x, t, stride


def error_of_grid(levels: int) -> float:
    """Mean distance between f* and the target that a perfect student sets itself, over a grid of so many levels."""
    x_t, t, stride = marginal(levels)
    target = consistency_target(perfect_student, best_estimate, EXACT, x_t, (t, t - stride), None)
    return float((target - end_of_trajectory(x_t, t)).abs().mean())


def test_the_target_is_the_known_consistency_function_as_the_grid_gets_fine() -> None:
    errors = [error_of_grid(levels) for levels in (50, 100, 200, 500)]
    assert errors[0] < 0.01 * SPREAD
    # One step of a first-order solver errs by its length squared.
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.25)
    assert errors[3] < 2e-4 * SPREAD


def test_the_loss_vanishes_at_the_true_consistency_function_and_nowhere_near_it() -> None:
    x_t, t, stride = marginal(500)

    def loss(shift: float) -> float:
        target = consistency_target(perfect_student, best_estimate, EXACT, x_t, (t, t - stride), None)
        return float(pseudo_huber(jump(x_t, perfect_student(x_t, t) + shift, t), target, 0.001).mean())

    assert loss(0.0) < 1e-5
    assert loss(0.1) > 0.09
    assert loss(-0.01) > 0.008


def test_at_the_clean_end_the_target_is_where_the_teacher_lands() -> None:
    t = torch.tensor([19, 19])
    found = consistency_target(perfect_student, best_estimate, EXACT, noise(2), (t, t - 20), None)
    torch.testing.assert_close(found, best_estimate(noise(2), t))


def test_no_gradient_reaches_the_student_or_the_teacher() -> None:
    factor = torch.ones(1, requires_grad=True, dtype=torch.float64)
    found = consistency_target(
        lambda x, t, c: factor * x, lambda x, t, c: factor * x, EXACT, noise(1), (torch.tensor([999]),) * 2, None
    )
    assert not found.requires_grad


@pytest.mark.parametrize("t", [0, 1, 19, 139, 519, 999])
def test_the_jump_is_diffusers_and_our_samplers(t: int) -> None:
    peer = LCMScheduler()
    skip, out = peer.get_scalings_for_boundary_condition_discrete(torch.tensor(float(t)))
    x, x0 = noise(1), noise(2)[1:]
    torch.testing.assert_close(jump(x, x0, torch.tensor([t])), (skip * x + out * x0).double(), rtol=1e-6, atol=1e-6)
    *_, last = LCM(SCHEDULE).steps(lambda *_: x0, x, None, None, [t])  # one step: the jump itself
    torch.testing.assert_close(jump(x, x0, torch.tensor([t])), last.x_next)


def test_the_step_is_the_samplers_ddim_level_by_level() -> None:
    x, x0 = noise(3), noise(6)[3:]
    t, t_next = torch.tensor([999, 519, 19]), torch.tensor([979, 499, -1])
    found = ddim(SCHEDULE, x, x0, t, t_next)
    for i, (a, b) in enumerate(zip(t.tolist(), t_next.tolist(), strict=True)):
        now = LCM(SCHEDULE)._now(a, b, x[i : i + 1], x0[i : i + 1], 1)
        torch.testing.assert_close(found[i : i + 1], to_level(now, x0[i : i + 1]), rtol=1e-5, atol=1e-6)


def test_steps_lie_on_levels_of_the_lessons_where_pictures_are_decided() -> None:
    assert SCHEDULE.timesteps(4, "distilled") == [999, 519, 319, 139]
    lessons = SCHEDULE.timesteps(DISTILLED_LEVELS, "trailing")
    for n in range(1, 9):
        times = SCHEDULE.timesteps(n, "distilled")
        assert times[0] == 999
        assert len(times) == n
        assert times == sorted(set(times), reverse=True)
        assert set(times) <= set(lessons)
        assert all(DISTILLED_RANGE[0] - 0.1 < SCHEDULE.log_snr(t) < DISTILLED_RANGE[1] + 0.1 for t in times[1:])
    with pytest.raises(UserError, match="1…8 steps"):
        SCHEDULE.timesteps(9, "distilled")
