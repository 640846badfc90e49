"""The Step stream: what it says, that it can be cancelled, and that a picture never depends on its neighbours."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.samplers import (
    ALIASES,
    DDIM,
    LCM,
    PLMS,
    SAMPLERS,
    DPMSolver,
    Sampler,
    Step,
    read_name,
    sampler,
    sampler_table,
)
from fromnoise.diffusion.samplers.base import Calls, Now, Rng
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.weights.foreign_paths import ForeignPathConfig

SCHEDULE = ScheduleConfig().build()
TIMES = SCHEDULE.timesteps(6)
EVERY = [*[sampler(name, SCHEDULE) for name in SAMPLERS], DDIM(SCHEDULE, eta=0.7)]
every_sampler = pytest.mark.parametrize("solver", EVERY, ids=lambda s: f"{type(s).__name__}{getattr(s, 'eta', '')}")


class Elementwise:
    """A nonlinear denoiser that looks at each number alone, so that any mixing between pictures is the sampler's."""

    schedule, prediction = SCHEDULE, "v"

    def __init__(self) -> None:
        self.times: list[int] = []

    def __call__(self, x_t: Tensor, t: Tensor, cond: float) -> Tensor:
        assert t.dtype == torch.int64
        assert t.shape == (len(x_t),)
        self.times.append(int(t[0]))
        return cond + 0.3 * x_t - 0.05 * x_t * x_t


def noise(count: int = 3) -> Tensor:
    """(count, 3, 5, 7): an odd number of numbers, so that pictures do not start at whole vector registers."""
    return torch.stack([torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(i)) for i in range(count)])


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 + seed) for seed in seeds]


def run(solver: Sampler, x: Tensor, rng: Rng, denoiser: Any = None) -> list[Step]:
    return list(solver.steps(denoiser or Elementwise(), x, 0.2, rng, TIMES))


@every_sampler
def test_the_stream_is_a_chain_from_noise_to_clean(solver: Sampler) -> None:
    denoiser, x = Elementwise(), noise()
    steps = run(solver, x, generators(0, 1, 2), denoiser)
    assert [s.index for s in steps] == list(range(6))
    assert [s.t for s in steps] == TIMES
    assert [s.t_next for s in steps] == [*TIMES[1:], -1]
    assert {s.total for s in steps} == {6}
    assert torch.equal(steps[0].x_t, x)
    for before, after in itertools.pairwise(steps):
        assert torch.equal(before.x_next, after.x_t)
    assert steps[-1].calls == len(denoiser.times)


@every_sampler
def test_every_solver_ends_on_its_last_clean_estimate(solver: Sampler) -> None:
    """At t = -1 nothing of the noise is left, so x_next is x̂_0 itself (LCM keeps 1e-7 of x_t).

    PLMS goes by the noise of four steps, and does not end on any one estimate.
    """
    last = run(solver, noise(), generators(0, 1, 2))[-1]
    if not isinstance(solver, PLMS):
        torch.testing.assert_close(last.x_next, last.x0_hat, atol=1e-6, rtol=0)


@every_sampler
def test_x0_hat_is_what_the_denoiser_said(solver: Sampler) -> None:
    for step in run(solver, noise(), generators(0, 1, 2)):
        t = torch.full((3,), step.t)
        assert torch.equal(step.x0_hat, Elementwise()(step.x_t, t, 0.2))


@pytest.mark.parametrize(("name", "calls"), [("heun", [2, 4, 6, 8, 10, 11]), ("dpm++", [1, 2, 3, 4, 5, 6])])
def test_calls_are_counted(name: str, calls: list[int]) -> None:
    assert [s.calls for s in run(sampler(name, SCHEDULE), noise(), None)] == calls


def test_heun_looks_again_where_it_lands() -> None:
    denoiser = Elementwise()
    run(sampler("heun", SCHEDULE), noise(), None, denoiser)
    pairs = [t for pair in itertools.pairwise(TIMES) for t in pair]
    assert denoiser.times == [*pairs, TIMES[-1]]


@every_sampler
@pytest.mark.parametrize("guided", [False, True])
def test_a_picture_in_a_batch_is_the_picture_alone_bit_for_bit(solver: Sampler, guided: bool) -> None:
    denoiser: Any = Elementwise()
    if guided:
        denoiser = ClassifierFreeGuidance(denoiser, -0.3, 3.0, rescale=0.5)
    x = noise()
    together = run(solver, x, generators(0, 1, 2), denoiser)
    for i in range(3):
        alone = run(solver, x[i : i + 1], generators(i), denoiser)
        for one, many in zip(alone, together, strict=True):
            assert torch.equal(one.x_next, many.x_next[i : i + 1]), f"picture {i}, t = {one.t}"


@pytest.mark.parametrize("solver", [sampler("ddpm", SCHEDULE), DDIM(SCHEDULE, eta=0.7)])
def test_generators_decide_the_added_noise(solver: Sampler) -> None:
    x = noise(1).expand(3, -1, -1, -1)
    last = run(solver, x, generators(0, 0, 1))[-1].x_next
    assert torch.equal(last[0], last[1])
    assert not torch.equal(last[0], last[2])


@pytest.mark.parametrize("solver", [sampler("ddpm", SCHEDULE), DDIM(SCHEDULE, eta=0.7)])
@pytest.mark.parametrize("count", [None, 2, 4])
def test_missing_generators_are_a_user_error(solver: Sampler, count: int | None) -> None:
    rng = None if count is None else generators(*range(count))
    with pytest.raises(UserError, match="one generator per picture"):
        run(solver, noise(), rng)


@every_sampler
def test_closing_the_stream_stops_the_calls(solver: Sampler) -> None:
    denoiser = Elementwise()
    stream = solver.steps(denoiser, noise(), 0.2, generators(0, 1, 2), TIMES)
    assert denoiser.times == []  # nothing is computed before it is asked for
    next(stream)
    second = next(stream)
    assert len(denoiser.times) == second.calls
    stream.close()
    assert len(denoiser.times) == second.calls
    with pytest.raises(StopIteration):
        next(stream)


@every_sampler
def test_one_sampler_serves_two_requests_at_once(solver: Sampler) -> None:
    """No state on self: interleaved streams give what they give one after the other."""
    x, y = noise(2).split(1)
    expected = [[s.x_next for s in run(solver, start, generators(i))] for i, start in enumerate((x, y))]
    streams = [solver.steps(Elementwise(), s, 0.2, generators(i), TIMES) for i, s in enumerate((x, y))]
    for i, (a, b) in enumerate(zip(*streams, strict=True)):
        assert torch.equal(a.x_next, expected[0][i])
        assert torch.equal(b.x_next, expected[1][i])


@every_sampler
def test_samplers_and_steps_are_frozen(solver: Sampler) -> None:
    step = run(solver, noise(), generators(0, 1, 2))[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.x_next = step.x_t  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        solver.schedule = SCHEDULE  # type: ignore[misc]


@every_sampler
def test_the_noise_handed_in_is_left_as_it_is(solver: Sampler) -> None:
    x = noise()
    run(solver, x, generators(0, 1, 2))
    assert torch.equal(x, noise())


def test_no_graph_grows_over_the_steps() -> None:
    """A denoiser with weights that want gradients must not chain all steps into one graph."""
    weight = torch.tensor(0.3, requires_grad=True)
    steps = list(DDIM(SCHEDULE).steps(lambda x, t, c: weight * x, noise(), None, timesteps=TIMES))
    assert not any(s.x_next.requires_grad for s in steps)
    assert torch.is_grad_enabled()


def test_a_walk_may_start_in_the_middle() -> None:
    """A picture with noise added up to t and an all-knowing denoiser: the walk from there leads back to it."""
    picture = noise(1)
    x_t = SCHEDULE.add_noise(picture, torch.randn(1, 3, 5, 7, generator=generators(0)[0]), torch.tensor([400]))
    for solver in EVERY:
        *_, last = solver.steps(lambda x, t, c: picture, x_t, None, generators(1), [400, 200, 50])
        torch.testing.assert_close(last.x_next, picture, atol=4e-6 if isinstance(solver, LCM) else 1e-6, rtol=0)


@pytest.mark.parametrize("times", [[], [500, 500], [100, 200], [1000, 10], [10, -1]])
def test_times_that_do_not_fall_are_a_user_error(times: list[int]) -> None:
    with pytest.raises(UserError, match="fall strictly"):
        next(DDIM(SCHEDULE).steps(Elementwise(), noise(), 0.2, None, times))


@pytest.mark.parametrize(("name", "total"), [("ddpm", 1000), ("ddim", 50)])
def test_steps_when_none_are_asked_for(name: str, total: int) -> None:
    stream = sampler(name, SCHEDULE).steps(Elementwise(), noise(1), 0.2, generators(0))
    assert next(stream).total == total


def test_names_and_aliases() -> None:
    for alias, name in ALIASES.items():
        assert type(sampler(alias, SCHEDULE)) is SAMPLERS[name]
    for wanted in ("dpm++", "dpm++2m", "dpmpp_2m", "DPM++ 2M"):
        assert isinstance(sampler(wanted, SCHEDULE), DPMSolver)
    assert sampler("ddim", SCHEDULE) == DDIM(SCHEDULE)
    with pytest.raises(UserError, match=r"dpm\+\+, ddim, ddpm, euler, heun"):
        sampler("no such", SCHEDULE)


def test_a_new_solver_is_one_step() -> None:
    """The extension point: fill in ``step``, and the loop, the stream and the counting come with it."""

    class Jump(Sampler):
        def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
            return past[-1].x0_hat if past else estimate(now.x0_hat, now.t)

    first, second = Jump(SCHEDULE).steps(Elementwise(), noise(), 0.2, None, [999, 0])
    assert torch.equal(second.x_next, first.x0_hat)
    assert (first.calls, second.calls) == (2, 3)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Euler a", ("euler_a", "")),
        ("EULER_ANCESTRAL", ("euler_a", "")),
        ("DPM++ 2M Karras", ("dpm++", "karras")),
        ("dpmpp_2m_sde", ("dpm++sde", "")),
        ("DPM++ 2M SDE Exponential", ("dpm++sde", "exponential")),
        ("PNDMScheduler", ("plms", "")),
        ("unipc", ("unipc", "")),
        ("nothing karras", ("nothing karras", "")),
    ],
)
def test_names_as_people_write_them(name: str, meant: tuple[str, str]) -> None:
    assert read_name(name) == meant


def test_options_are_checked() -> None:
    assert sampler("ddim", SCHEDULE, {"eta": 0.5}) == DDIM(SCHEDULE, 0.5)
    with pytest.raises(UserError, match="no option eta; it has: euler_at_final"):
        sampler("dpm++", SCHEDULE, {"eta": 0.5})
    with pytest.raises(UserError, match="midpoint or heun"):
        sampler("dpm++", SCHEDULE, {"solver_type": "bh2"})


def test_the_page_shows_the_table_of_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "samplers.md").read_text(encoding="utf-8")
    assert {row[0] for row in sampler_table()} == set(SAMPLERS)
    for row in sampler_table():
        assert "| `{}` | {} | {} | {} |".format(*row) in page
    options = [field.name for kind in SAMPLERS.values() for field in dataclasses.fields(kind)]
    for option in [*ForeignPathConfig().to_dict(), *options]:
        assert option == "schedule" or f"`{option}`" in page, option
