"""Fitting solvers against what is known: walks of one direction, DDIM's own numbers, and the sampler that uses them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.diffusion.fitting import Fitting, least_squares
from fromnoise.diffusion.paths import GivenPathConfig, PathConfig, path
from fromnoise.diffusion.samplers import DDIM, DPMSolver, Fitted, sampler
from fromnoise.diffusion.samplers.base import Step
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError

SCHEDULE = ScheduleConfig().build()
SHAPE = (6, 2, 4, 4)


def gaussian(x: Tensor, t: float) -> Tensor:
    """x̂_0 of data N(0, 0.5²), known exactly: every trajectory is its noise, scaled."""
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    return x * (alpha * 0.25 / (alpha**2 * 0.25 + sigma**2))


def two_points(x: Tensor, t: float) -> Tensor:
    """x̂_0 of data that is 1 or -1 everywhere: no linear function of x_t."""
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    return torch.tanh(x * (alpha / sigma**2))


def walked(kind: type, estimate: object, steps: int, **layout: object) -> list[Step]:
    walk = path(SCHEDULE, "ddim", steps, PathConfig(**layout))  # type: ignore[arg-type]
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    return list(kind(walk).steps(lambda x, t, cond: estimate(x, float(t[0])), noise, None, None, walk.times))  # type: ignore[operator]


def test_where_all_walks_are_one_direction_a_single_step_is_exact() -> None:
    fine = walked(DPMSolver, gaussian, 40, spacing="log_snr")
    found = Fitting(fine, gaussian).fit(1)
    assert found.distance < 1e-12
    assert found.times == (999,)


def test_of_a_walk_of_ddim_through_all_of_its_times_the_numbers_are_ddims() -> None:
    fine = walked(DDIM, two_points, 6)
    fitting = Fitting(fine, two_points)
    found = fitting.at(range(6))
    assert found.distance < 1e-10
    for now, (a, b, *past) in zip(fine[1:], found.moves[1:], strict=True):
        alpha, sigma, to = SCHEDULE.alpha(now.t), SCHEDULE.sigma(now.t), now.t_next
        kept = SCHEDULE.sigma(to) / sigma
        assert a == pytest.approx(kept, abs=1e-3)
        assert b == pytest.approx(SCHEDULE.alpha(to) - kept * alpha, abs=1e-3)
        assert past == pytest.approx([0] * len(past), abs=3e-3)


def test_it_ends_nearer_to_the_fine_walk_than_solvers_that_know_nothing() -> None:
    fine = walked(DPMSolver, two_points, 40, spacing="log_snr")
    end, told = fine[-1].x_next, list[str]()
    found = Fitting(fine, two_points).fit(4, told.append)
    plain = [walked(kind, two_points, 4, spacing="log_snr")[-1].x_next for kind in (DPMSolver, DDIM)]
    assert found.distance < 0.5 * min(float((x - end).square().mean()) for x in plain)
    evenly = Fitting(fine, two_points).at([0, 10, 20, 30])
    assert told  # times were moved, and that paid
    assert found.distance < evenly.distance
    assert len(found.times) == len(found.moves) == 4
    assert [len(move) for move in found.moves] == [2, 3, 4, 5]


def test_the_sampler_goes_where_the_fitting_stood() -> None:
    fine = walked(DPMSolver, two_points, 40, spacing="log_snr")
    found = Fitting(fine, two_points).fit(4)
    walk = path(SCHEDULE, "fitted", 4, GivenPathConfig(times=tuple(int(t) for t in found.times)))
    solver = sampler("fitted", walk, {"moves": found.moves})
    steps = list(solver.steps(lambda x, t, cond: two_points(x, float(t[0])), fine[0].x_t, None))
    assert [step.t for step in steps] == list(found.times)
    distance = float((steps[-1].x_next - fine[-1].x_next).square().mean())
    assert distance == pytest.approx(found.distance, rel=1e-3)


def test_a_picture_that_comes_in_on_the_way_moves_as_ddim_until_it_has_a_past() -> None:
    times = (999, 700, 400, 100)
    moves = ((0.5, 0.5), (0.4, 0.4, 0.1), (0.3, 0.3, 0.1, 0.1), (0.2, 0.2, 0.1, 0.1, 0.1))
    walk = path(SCHEDULE, "fitted", 4, GivenPathConfig(times=times))
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    estimate = lambda x, t, cond: two_points(x, float(t[0]))  # noqa: E731
    steps = list(Fitted(walk, moves).steps(estimate, x, None, None, times[2:]))
    ddim = list(DDIM(walk).steps(estimate, x, None, None, times[2:]))
    torch.testing.assert_close(steps[-1].x_next, ddim[-1].x_next)
    whole = list(Fitted(walk, moves).steps(estimate, x, None, None, times))
    a, b, c = moves[1]
    expected = a * whole[1].x_t + b * whole[1].x0_hat + c * whole[0].x0_hat
    torch.testing.assert_close(whole[1].x_next, expected)


def test_a_path_of_given_times_visits_them_and_ends_clean() -> None:
    walk = path(SCHEDULE, "fitted", 3, GivenPathConfig(times=(999, 700, 30)))
    assert walk.times == (999, 700, 30)
    assert (walk.alpha(700), walk.sigma(700)) == (SCHEDULE.alpha(700), SCHEDULE.sigma(700))
    assert (walk.alpha(-1), walk.sigma(-1)) == (1.0, 0.0)
    with pytest.raises(UserError, match="this path has 3 times, not 4"):
        path(SCHEDULE, "fitted", 4, GivenPathConfig(times=(999, 700, 30)))


def test_parts_that_say_the_same_get_the_smallest_numbers() -> None:
    part = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert least_squares([part, part], 2 * part) == pytest.approx((1.0, 1.0))


def test_numbers_of_steps_that_a_walk_cannot_have() -> None:
    fine = walked(DDIM, two_points, 6)
    for steps in (0, 4):
        with pytest.raises(ValueError, match="steps of a walk"):
            Fitting(fine, two_points).fit(steps)
