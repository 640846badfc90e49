"""Who leaves a drawing, at whatever step, takes nothing from the others and leaves nothing behind."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

from fromnoise.drawing.generate import Finished, draw, generate, generate_together
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.studio.desk.engine import Drawn, Engine, Event, Failed, Progress, Wish
from fromnoise.studio.desk.models import Models
from fromnoise.system.text_to_image import TextToImage

STEPS = 5
APPLE = Request(prompt="red apple", seed=7, steps=STEPS, guidance=2.0)
SAMPLERS = ("dpm++", "euler_ancestral")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_neighbours_of_one_that_is_cancelled_at_any_step_keep_their_bits(tiny_model: TextToImage, sampler: str) -> None:
    asked = [replace(APPLE, seed=seed, sampler=sampler) for seed in (7, 8)]
    expected = [draw(tiny_model, each)[0] for each in asked]
    made = [plan(tiny_model, each) for each in asked]
    for leaver in range(2):
        for last in range(STEPS):
            here = [True, True]
            for event in generate_together(tiny_model, made, None, lambda here=here: here):  # type: ignore[misc]
                if isinstance(event, Finished):
                    assert torch.equal(event.pictures[1 - leaver], expected[1 - leaver]), (leaver, last)
                elif event.index == last:
                    here[leaver] = False


def test_a_stream_that_is_closed_at_any_step_leaves_no_trace(tiny_model: TextToImage) -> None:
    expected, made = draw(tiny_model, APPLE), plan(tiny_model, APPLE)
    weights = {name: weight.clone() for name, weight in tiny_model.unet.state_dict().items()}
    for last in range(STEPS):
        state = torch.random.get_rng_state()
        stream = generate(tiny_model, made)
        for _ in range(last + 1):
            next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert torch.equal(torch.random.get_rng_state(), state)
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny_model.unet.modules())
        assert torch.equal(draw(tiny_model, APPLE), expected)
    assert all(torch.equal(weights[name], weight) for name, weight in tiny_model.unet.state_dict().items())


def test_the_studio_draws_on_whenever_somebody_leaves(tiny_model: TextToImage) -> None:
    """At every step, alone and beside another picture, which is as ever; who has left hears no more of it."""
    expected = draw(tiny_model, replace(APPLE, seed=8))[0]
    engine = Engine(Models("tiny", tiny_model), 10)
    for last in range(STEPS):
        for alone in (True, False):
            heard, others, own, done = list[Event](), list[Event](), list[Wish](), threading.Event()

            def tell(event: Event, heard: list[Event] = heard, last: int = last, own: list[Wish] = own) -> None:
                heard.append(event)
                if isinstance(event, Progress) and event.index == last:
                    engine.cancel(own[0])

            def tell_other(event: Event, others: list[Event] = others, done: threading.Event = done) -> None:
                others.append(event)
                if isinstance(event, Drawn | Failed):
                    done.set()

            own.append(leaving := Wish(plan(tiny_model, APPLE), tell))
            staying = Wish(plan(tiny_model, replace(APPLE, seed=8)), tell_other)
            for group in [[leaving], [staying]] if alone else [[leaving, staying]]:
                engine.submit(group)
            assert done.wait(60)
            assert [type(event) for event in heard] == [Progress] * (last + 1)
            assert isinstance(others[-1], Drawn)
            assert torch.equal(others[-1].picture, expected), (last, alone)
    assert engine.waiting == 0
    assert engine.close(10)
