"""Pictures between pictures, and pictures that nobody wants any more."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fromnoise.drawing.conditioning import slerp
from fromnoise.drawing.generate import Finished, draw, draw_all, generate_together
from fromnoise.drawing.picture_file import Origin, read_origin, save_png
from fromnoise.drawing.plan import plans
from fromnoise.drawing.request import Request, Towards, one_by_one
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

RED, BLUE = Request(prompt="red apple", seed=3, steps=3), Request(prompt="a blue house", seed=8, steps=3)


def test_slerp_has_exact_ends_and_keeps_the_length() -> None:
    a, b = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(slerp(a, b, 0.0), a)
    assert torch.equal(slerp(a, b, 1.0), b)
    assert torch.equal(slerp(a, a.clone(), 0.4), a)
    x, y = torch.eye(2, dtype=torch.float64)
    expected = torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)], dtype=torch.float64)
    assert torch.allclose(slerp(x, y, 1 / 3), expected, atol=1e-12)  # the oracle: a third of a quarter circle
    long = torch.tensor([1.0, 3**0.5], dtype=torch.float64)  # twice as long as x, 60° away
    middle = torch.tensor([2.0, 3**0.5], dtype=torch.float64) / 3**0.5  # sin 30° / sin 60° of their sum
    assert torch.allclose(slerp(x, long, 0.5), middle, atol=1e-12)
    assert abs(float(slerp(a, b, 0.5).std()) - float(a.std())) < 0.03  # a straight line would give 0.71


def test_both_ends_of_the_way_are_the_two_pictures(tiny_model: TextToImage) -> None:
    way = [Request(prompt="red apple", seed=3, steps=3, towards=Towards(x, 8, "a blue house")) for x in (0.0, 0.5, 1.0)]
    first, middle, last = draw_all(tiny_model, way)
    assert torch.equal(first, draw(tiny_model, RED)[0])
    assert torch.equal(last, draw(tiny_model, BLUE)[0])
    assert not torch.equal(middle, first)
    assert not torch.equal(middle, last)


def test_a_variation_keeps_the_words_and_moves_the_noise(tiny_model: TextToImage) -> None:
    near, far = (
        draw(tiny_model, Request(prompt="red apple", seed=3, steps=3, towards=Towards(x, 8))) for x in (0.1, 0.9)
    )
    itself = draw(tiny_model, RED).float()
    assert 0 < (near.float() - itself).abs().mean() < (far.float() - itself).abs().mean()


@pytest.mark.formats
def test_a_picture_on_the_way_is_the_same_bits_in_company(tiny_model: TextToImage) -> None:
    between = Request(prompt="red apple", seed=3, steps=3, towards=Towards(0.3, 8, "a blue house"))
    together = draw_all(tiny_model, [BLUE, between, RED])
    for request, picture in zip((BLUE, between, RED), together, strict=True):
        assert torch.equal(draw(tiny_model, request)[0], picture)


def test_several_pictures_on_the_way_have_seeds_of_their_own() -> None:
    requests = one_by_one(Request(prompt="red apple", seed=3, count=2, towards=Towards(0.5, 8)))
    assert [(r.seed, r.towards and r.towards.seed, r.count) for r in requests] == [(3, 8, 1), (4, 9, 1)]


def test_the_way_is_written_into_the_file_and_read_back(tiny_model: TextToImage, tmp_path) -> None:  # type: ignore[no-untyped-def]
    request = Request(
        prompt="red apple", seed=3, steps=3, guidance=2.0, sampler="ddim", towards=Towards(0.3, 8, "house")
    )
    save_png(torch.zeros(3, 8, 8, dtype=torch.uint8), tmp_path / "a.png", Origin(request, "tiny", "0" * 12, "0"))
    assert read_origin(tmp_path / "a.png").request == request


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (Towards(1.5, 1), "from 0 to 1"),
        (Towards(float("nan"), 1), "from 0 to 1"),
        (Towards(0.5, -1), "seed must be"),
        (Towards(0.5, 1, "house", style="cubist"), "unknown style"),
        (Towards(0.5, 1, "house " * 500), "parts"),
    ],
)
def test_a_way_that_leads_nowhere_is_refused(tiny_model: TextToImage, to: Towards, message: str) -> None:
    with pytest.raises(UserError, match=message):
        draw(tiny_model, Request(prompt="red apple", towards=to))


def test_what_nobody_wants_is_not_computed_and_changes_nobody_else(tiny_model: TextToImage) -> None:
    requests = [Request(prompt="red apple", seed=i, steps=4, guidance=3.0, interval=(0, 999)) for i in range(3)]
    wanted, rows = [True, True, True], []
    network = tiny_model.unet.with_words

    def counted(x, t, cond):  # type: ignore[no-untyped-def]
        rows.append(len(x))
        return network(x, t, cond)

    model = replace(tiny_model)
    model.unet.with_words = counted  # type: ignore[method-assign]
    model.engine.batches.SIZES = ()  # type: ignore[attr-defined]  # finding exact sizes would be counted too
    try:
        for event in generate_together(model, plans(model, requests), None, lambda: wanted):
            if isinstance(event, Finished):
                pictures = event.pictures
            elif event.index == 1:
                rows.clear()
                wanted[1] = False
    finally:
        del model.unet.with_words
    assert rows == [1] * (2 * 2 * 2)  # two pictures, two steps, with and without words
    alone = [draw(tiny_model, request)[0] for request in requests]
    assert torch.equal(pictures[0], alone[0])
    assert torch.equal(pictures[2], alone[2])
