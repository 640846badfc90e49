"""Samplers of words against a world of which everything is known."""

from __future__ import annotations

from collections import Counter
from math import prod

import pytest
import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.story.model import NEVER, word_schedule
from fromnoise.story.noise import noise_words, random_words
from fromnoise.story.samplers import WORD_SAMPLERS
from fromnoise.story.vocabulary import END

V, WORLD = 9, {(3, 4, 5): 0.5, (6, 4, 3): 0.3, (7, 8, 5): 0.2}  # all sentences there are, and how likely each is
NOISE = noise_words(torch.tensor([0.0, 0, 0, 1, 2, 1, 1, 1, 1]))
SCHEDULE = word_schedule()


def knows_all(x_t: Tensor, t: Tensor, cond: object) -> Tensor:
    """The exact log p(x_0 | x_t), by Bayes' rule over the world's sentences."""
    found = torch.full((*x_t.shape, V), NEVER)
    for b, row in enumerate(x_t.tolist()):
        alpha = SCHEDULE.alpha(int(t[b]))
        p = torch.zeros(len(row), V, dtype=torch.float64)
        for sentence, prior in WORLD.items():
            likely = prior * prod(
                alpha * (a == b) + (1 - alpha) * float(NOISE[b]) for a, b in zip(sentence, row, strict=True)
            )
            for place, word in enumerate(sentence):
                p[place, word] += likely
        found[b] = (p / p.sum(-1, keepdim=True)).log().clamp_min(NEVER).float()
    return found


def walk(name: str, count: int, steps: int) -> list[tuple[int, ...]]:
    rng = [torch.Generator().manual_seed(i) for i in range(count)]
    start = torch.stack([random_words(NOISE, (3,), g) for g in rng])
    times = [round(1000 * (steps - i) / steps) - 1 for i in range(steps)]
    *_, last = WORD_SAMPLERS[name](SCHEDULE, NOISE).steps(knows_all, start, None, rng, times)
    assert (last.index, last.t_next, last.calls) == (steps - 1, -1, steps)
    return [tuple(row) for row in last.x_next.tolist()]


def test_ancestral_steps_draw_the_world_as_it_is() -> None:
    found = Counter(walk("ancestral", 600, 40))
    for sentence, wanted in WORLD.items():
        assert abs(found[sentence] / 600 - wanted) < 0.07
    assert sum(found[s] for s in WORLD) / 600 > 0.93  # words are drawn each by itself, so a few mixtures are left


def test_confident_steps_draw_sentences_of_the_world() -> None:
    found = Counter(walk("confident", 300, 20))
    assert sum(found[s] for s in WORLD) / 300 > 0.93
    assert set(WORLD) <= set(found)


@pytest.mark.parametrize(("t_next", "kept"), [(499, 4), (249, 6), (749, 2)])
def test_confident_steps_keep_as_many_words_as_the_next_level_has_clean_ones(t_next: int, kept: int) -> None:
    """It believes in 5, the surer the further right; noise can only be 8; 7 stands there, and an end."""
    noise = torch.zeros(V, dtype=torch.float64)
    noise[8] = 1.0
    p = torch.full((1, 9, V), 1e-9, dtype=torch.float64)
    p[..., 5] = torch.linspace(0.9, 0.99, 9)
    p[..., 6] = 1e-9
    start = torch.tensor([[7] * 8 + [END]])
    sampler = WORD_SAMPLERS["confident"](SCHEDULE, noise)
    steps = sampler.steps(lambda x, t, cond: p.log(), start, None, [torch.Generator().manual_seed(0)], [999, t_next])
    assert next(steps).x_next[0].tolist() == [8] * (8 - kept) + [5] * kept + [END]


@pytest.mark.parametrize("name", WORD_SAMPLERS)
def test_one_generator_per_sentence(name: str) -> None:
    sampler = WORD_SAMPLERS[name](SCHEDULE, NOISE)
    with pytest.raises(UserError, match="one generator per sentence"):
        next(sampler.steps(knows_all, torch.tensor([[3, 4, 5]]), None, None, [999]))


@pytest.mark.parametrize("name", WORD_SAMPLERS)
def test_company_changes_nothing(name: str) -> None:
    assert walk(name, 5, 7)[:4] == walk(name, 4, 7)
