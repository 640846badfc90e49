"""The equations of noise on words, against brute force."""

from __future__ import annotations

import itertools

import pytest
import torch

from fromnoise.story.model import word_schedule
from fromnoise.story.noise import noise_words, posterior, spoil
from fromnoise.story.vocabulary import END, MASK, SPECIAL

V = 6


def uniformish() -> torch.Tensor:
    return torch.tensor([0.1, 0.3, 0.05, 0.25, 0.2, 0.1], dtype=torch.float64)


def transition(alpha: float, u: torch.Tensor) -> torch.Tensor:
    """q(x_t | x_0) as a matrix, rows are x_0."""
    return alpha * torch.eye(V, dtype=torch.float64) + (1 - alpha) * u.expand(V, V)


@pytest.mark.parametrize(("alpha", "alpha_next"), [(0.2, 0.5), (0.0, 0.1), (0.7, 0.9), (0.3, 0.30001)])
def test_the_posterior_is_bayes_rule(alpha: float, alpha_next: float) -> None:
    """Sum over all clean words and all words on the way, with nothing but the definition of the noise."""
    u = uniformish()
    p = torch.rand(V, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = p / p.sum()
    to_next, onward, direct = transition(alpha_next, u), transition(alpha / alpha_next, u), transition(alpha, u)
    assert torch.allclose(to_next @ onward, direct)  # the noise of two moves is the noise of one
    for now in range(V):
        wanted = torch.zeros(V, dtype=torch.float64)
        for j, k in itertools.product(range(V), range(V)):
            wanted[j] += p[k] * to_next[k, j] * onward[j, now] / direct[k, now]
        found = posterior(torch.tensor([[now]]), p[None, None], u, alpha, alpha_next)[0, 0]
        assert torch.allclose(found, wanted, atol=1e-9)


def test_at_the_clean_end_the_posterior_is_the_estimate() -> None:
    p = torch.tensor([0.0, 0.5, 0.25, 0.25, 0, 0], dtype=torch.float64)
    found = posterior(torch.tensor([[0]]), p[None, None], uniformish(), 0.0, 1.0)[0, 0]
    assert torch.allclose(found, p)


def test_spoiling_replaces_the_share_that_was_asked_for() -> None:
    rng, counts = torch.Generator().manual_seed(1), torch.tensor([0, 0, 0, 5.0, 3, 1, 1])
    u = noise_words(counts)
    ids = torch.full((4000, 20), 3)
    ids[:, 15:] = END
    share = torch.tensor([0.1, 0.3, 0.7, 1.0]).repeat_interleave(1000)
    noisy, replaced = spoil(ids, share, torch.tensor([0.0, 1.0]).repeat(2000), u, rng)
    assert not replaced[:, 15:].any()
    assert torch.equal(noisy[~replaced], ids[~replaced])
    for wanted, rows in zip((0.1, 0.3, 0.7, 1.0), replaced[:, :15].reshape(4, -1), strict=True):
        assert abs(float(rows.float().mean()) - wanted) < 0.02
    assert (noisy[1::2][replaced[1::2]] == MASK).all()
    words = torch.bincount(noisy[::2][replaced[::2]], minlength=len(u)).double()
    assert torch.allclose(words / words.sum(), u, atol=0.01)


def test_noise_has_no_special_entries() -> None:
    u = noise_words(torch.tensor([9.0, 9, 9, 1, 3]))
    assert float(u[: len(SPECIAL)].sum()) == 0
    assert torch.allclose(u[len(SPECIAL) :], torch.tensor([0.75 / 2 + 0.25 / 4, 0.75 / 2 + 0.75 / 4]).double())


def test_a_level_is_a_share_of_words() -> None:
    schedule = word_schedule()
    assert [round(schedule.sigma(t), 6) for t in (-1, 99, 299, 999)] == [0.0, 0.1, 0.3, 1.0]
