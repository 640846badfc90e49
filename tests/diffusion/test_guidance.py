"""Guidance: when it calls, what it computes, and diffusers as a peer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from torch import Tensor

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.prediction import from_x0, to_x0
from fromnoise.diffusion.schedule import ScheduleConfig

SCHEDULE = ScheduleConfig().build()
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(3, 4, 8, 8, generator=GENERATOR)
WORDS = torch.randn(3, 4, 8, 8, generator=GENERATOR)
NOTHING = torch.randn(3, 4, 8, 8, generator=GENERATOR)


class Counting:
    """A denoiser with a different answer for each conditioning, that notes what it was asked."""

    schedule, prediction = SCHEDULE, "v"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        self.asked.append(cond)
        return 0.5 * x_t + cond


def at(t: int) -> Tensor:
    return torch.full((3,), t)


@pytest.mark.parametrize(("scale", "expected"), [(3.0, 14.0), (1.5, 8.0), (0.5, 4.0), (0.0, 2.0), (-1.0, -2.0)])
def test_inside_the_interval_it_goes_on_from_without_words_through_with_words(scale: float, expected: float) -> None:
    inner = Counting()
    nothing, words, x = (torch.full((3, 4, 8, 8), value) for value in (2.0, 6.0, 0.0))
    assert torch.equal(ClassifierFreeGuidance(inner, nothing, scale)(x, at(500), words), torch.full_like(x, expected))
    assert [float(cond.flatten()[0]) for cond in inner.asked] == [6.0, 2.0]


@pytest.mark.parametrize("kind", ["v", "epsilon", "x0"])
def test_guiding_x0_is_guiding_whatever_the_network_predicts(kind: str) -> None:
    """diffusers guides the network's answer itself: 4 times with words - 3 times without."""
    levels = ScheduleConfig(zero_terminal_snr=False).build()
    ours = NetworkDenoiser(lambda x, t, cond: 0.3 * x + cond, levels, kind)
    theirs = NetworkDenoiser(lambda x, t, cond: 0.3 * x + 4 * WORDS - 3 * NOTHING, levels, kind)
    guided = ClassifierFreeGuidance(ours, NOTHING, 4.0)(X, at(500), WORDS)
    torch.testing.assert_close(guided, theirs(X, at(500), WORDS), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("t", [59, 851, 999])
def test_outside_the_interval_one_plain_call(t: int) -> None:
    inner = Counting()
    assert torch.equal(ClassifierFreeGuidance(inner, NOTHING, 3.0)(X, at(t), WORDS), 0.5 * X + WORDS)
    assert len(inner.asked) == 1


@pytest.mark.parametrize("t", [60, 850])
def test_the_interval_includes_its_ends(t: int) -> None:
    inner = Counting()
    ClassifierFreeGuidance(inner, NOTHING, 3.0)(X, at(t), WORDS)
    assert len(inner.asked) == 2


def test_scale_one_is_off() -> None:
    inner = Counting()
    guidance = ClassifierFreeGuidance(inner, NOTHING, 1.0, rescale=0.7)
    assert torch.equal(guidance(X, at(500), WORDS), 0.5 * X + WORDS)
    assert len(inner.asked) == 1


def test_scale_zero_is_without_words() -> None:
    torch.testing.assert_close(ClassifierFreeGuidance(Counting(), NOTHING, 0.0)(X, at(500), WORDS), 0.5 * X + NOTHING)


def test_pictures_at_different_levels_are_guided_each_by_its_own() -> None:
    t = torch.tensor([10, 500, 999])
    mixed = ClassifierFreeGuidance(Counting(), NOTHING, 3.0)(X, t, WORDS)
    everywhere = ClassifierFreeGuidance(Counting(), NOTHING, 3.0, interval=(0, 999))(X, t, WORDS)
    assert torch.equal(mixed[1], everywhere[1])
    assert torch.equal(mixed[[0, 2]], (0.5 * X + WORDS)[[0, 2]])


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("t", [0, 300, 999])
def test_rescale_equals_diffusers_on_v(amount: float, t: int) -> None:
    """diffusers guides and rescales v; we guide and rescale through x̂_0. Compared in x̂_0, where both meet.

    Tolerance 2e-5: x̂_0 of size ~5 goes to v and back in float32; at t = 0 the way to v divides by sigma = 0.03, and
    the way back multiplies by it.
    """
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    x0_words, x0_nothing = X + WORDS, X + 0.5 * NOTHING
    v_words, v_nothing = (from_x0("v", x0, X, alpha, sigma) for x0 in (x0_words, x0_nothing))
    v = v_nothing + 4.0 * (v_words - v_nothing)
    theirs = to_x0("v", rescale_noise_cfg(v, v_words, guidance_rescale=amount), X, alpha, sigma)

    def network(x_t: Tensor, time: Tensor, cond: str) -> Tensor:
        return v_words if cond == "words" else v_nothing

    inner = NetworkDenoiser(network, SCHEDULE, "v")
    ours = ClassifierFreeGuidance(inner, "nothing", 4.0, interval=(0, 999), rescale=amount)(X, at(t), "words")
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_full_rescale_gives_v_the_plain_deviation() -> None:
    inner = NetworkDenoiser(lambda x, t, cond: x * 0.1 + cond, SCHEDULE, "v")
    x0 = ClassifierFreeGuidance(inner, NOTHING, 5.0, rescale=1.0)(X, at(500), WORDS)
    v = from_x0("v", x0, X, SCHEDULE.alpha(500), SCHEDULE.sigma(500))
    torch.testing.assert_close(v.std(dim=(1, 2, 3)), (X * 0.1 + WORDS).std(dim=(1, 2, 3)), atol=1e-5, rtol=0)


def test_a_wrapped_denoiser_has_the_levels_and_the_prediction_of_the_inner_one() -> None:
    inner = NetworkDenoiser(lambda x, t, cond: x, SCHEDULE, "x0")
    outer = ClassifierFreeGuidance(ClassifierFreeGuidance(inner, NOTHING, 2.0), NOTHING, 3.0)
    assert outer.schedule is SCHEDULE
    assert outer.prediction == "x0"


def test_many_gets_both_calls_at_once() -> None:
    class Parallel(Counting):
        batches: list[int]

        def many(self, calls: list[tuple[Tensor, Tensor, Tensor]]) -> list[Tensor]:
            self.batches = [*getattr(self, "batches", []), len(calls)]
            return [self(*call) for call in calls]

    inner = Parallel()
    together = ClassifierFreeGuidance(inner, NOTHING, 3.0)(X, at(500), WORDS)
    assert inner.batches == [2]
    assert torch.equal(together, ClassifierFreeGuidance(Counting(), NOTHING, 3.0)(X, at(500), WORDS))


@pytest.mark.parametrize("rescale", [0.0, 0.5])
def test_a_picture_in_a_batch_is_the_picture_alone(rescale: float) -> None:
    def guide(rows: slice) -> Tensor:
        guidance = ClassifierFreeGuidance(Counting(), NOTHING[rows], 3.0, rescale=rescale)
        return guidance(X[rows], at(500)[rows], WORDS[rows])

    together = guide(slice(None))
    for i in range(3):
        assert torch.equal(together[i : i + 1], guide(slice(i, i + 1)))
