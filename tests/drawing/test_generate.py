"""Drawing: batch invariance, guidance, cancelling, and every wrong request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, draw, draw_all, draw_plans, generate, generate_together
from fromnoise.drawing.plan import alike, plan, plans
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

APPLE = Request(prompt="red apple", style="noto", seed=7, steps=4)


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.formats
@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "euler", "heun", "ddpm"])
def test_a_picture_is_the_same_bits_in_any_batch_and_on_any_number_of_threads(
    tiny_model: TextToImage, sampler: str
) -> None:
    request = replace(APPLE, sampler=sampler, count=8)
    expected = draw(tiny_model, request)
    assert len(expected.unique(dim=0)) == 8  # eight seeds, eight pictures: equality below means something
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for count in (1, 2, 3):
            assert torch.equal(draw(tiny_model, replace(request, count=count)), expected[:count])
        alone = draw(tiny_model, replace(request, count=1, seed=request.seed + 5))
        assert torch.equal(alone[0], expected[5])


def test_cutting_a_request_into_batches_changes_nothing(tiny_model: TextToImage) -> None:
    request = replace(APPLE, count=5)
    parts = [draw_plans(tiny_model, part.one_by_one()) for part in plan(tiny_model, request).batches(size=2)]
    assert [len(part) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat(parts), draw(tiny_model, request))


def test_prompt_style_negative_and_guidance_each_change_the_picture(tiny_model: TextToImage) -> None:
    requests = [
        APPLE,
        replace(APPLE, prompt="a blue house"),
        replace(APPLE, style="twemoji"),
        replace(APPLE, style=None),
        replace(APPLE, negative="green tree"),
        replace(APPLE, guidance=1.0),
        replace(APPLE, guidance=7.0),
        replace(APPLE, rescale=0.0),
        replace(APPLE, seed=8),
        Request(free=True, seed=7, steps=4),
    ]
    pictures = torch.cat([draw(tiny_model, r) for r in requests])
    assert len(pictures.unique(dim=0)) == len(requests)


def test_guidance_of_zero_is_deaf_to_the_prompt_and_is_not_off(tiny_model: TextToImage) -> None:
    whole = replace(APPLE, interval=(0, 1000), rescale=0.0)
    deaf = draw(tiny_model, replace(whole, guidance=0.0)).int()
    free = draw(tiny_model, replace(whole, prompt="", style=None, free=True)).int()
    assert (deaf - free).abs().max() <= 1  # u + 0·(c − u), up to rounding
    assert (deaf - draw(tiny_model, replace(whole, guidance=1.0)).int()).abs().max() > 1


def test_guidance_pulls_towards_a_style_without_a_prompt(tiny_model: TextToImage) -> None:
    request = replace(APPLE, prompt="", free=True)
    assert not torch.equal(draw(tiny_model, replace(request, guidance=1.0)), draw(tiny_model, request))


def test_a_long_prompt_is_read_in_parts_and_its_end_counts(tiny_model: TextToImage) -> None:
    words = " ".join(["red"] * 10)  # the tiny model reads ten tokens at once
    assert plan(tiny_model, Request(prompt=words)).notes == ()
    (said,) = plan(tiny_model, Request(prompt="sun", negative=f"{words} apple")).notes
    assert "2 parts" in said
    pictures = [draw(tiny_model, replace(APPLE, style=None, prompt=f"{words} {end}")) for end in ("apple", "house")]
    assert not torch.equal(*pictures)


def test_a_neighbour_with_a_long_prompt_changes_nothing(tiny_model: TextToImage) -> None:
    long = replace(APPLE, prompt=" ".join(["red"] * 12))
    both = draw_all(tiny_model, [APPLE, long])
    assert torch.equal(both[:1], draw(tiny_model, APPLE))
    assert torch.equal(both[1:], draw(tiny_model, long))


def test_weights_in_brackets_count(tiny_model: TextToImage) -> None:
    plain, strong, weak = (
        draw(tiny_model, replace(APPLE, prompt=p)) for p in ("red apple", "red (apple:1.6)", "(red apple:1.0)")
    )
    assert not torch.equal(plain, strong)
    assert torch.equal(plain, weak)


def test_previews_show_the_noise_first_and_the_picture_last(tiny_model: TextToImage) -> None:
    *steps, last = generate(tiny_model, plan(tiny_model, APPLE))
    assert isinstance(last, Finished)
    first, final = steps[0], steps[-1]
    assert isinstance(first, Step)
    assert isinstance(final, Step)
    assert torch.equal(tiny_model.decode(final.x0_hat), last.pictures)
    noise = torch.randn(tiny_model.latent_shape(), generator=torch.Generator().manual_seed(APPLE.seed))
    assert torch.equal(tiny_model.decode(first.x_t), tiny_model.decode(noise[None]))


def test_guidance_of_one_costs_one_call_and_more_costs_two(
    tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    forward = type(tiny_model.unet).with_words
    monkeypatch.setattr(type(tiny_model.unet), "with_words", lambda self, *a: calls.append(1) or forward(self, *a))
    whole = {"interval": (0, 1000)}
    draw(tiny_model, replace(APPLE, guidance=1.0, **whole))
    assert len(calls) == 4
    draw(tiny_model, replace(APPLE, guidance=3.0, **whole))
    assert len(calls) == 4 + 8


@pytest.mark.formats
def test_different_prompts_share_a_batch_and_stay_the_same_bits(tiny_model: TextToImage) -> None:
    wishes = [
        replace(APPLE, prompt="cat", seed=5),
        replace(APPLE, seed=2**40),
        replace(APPLE, prompt="cat", style="noto", seed=1, negative="dog"),
        replace(APPLE, prompt="dog", style=None, negative="dog", seed=9),  # equal words: not guided
        replace(APPLE, steps=3),
        replace(APPLE, prompt="", style=None, free=True),
    ]
    expected = [draw(tiny_model, wish)[0] for wish in wishes]
    assert [len(group) for group in alike(plans(tiny_model, wishes))] == [3, 2, 1]
    for drawn, alone in zip(draw_all(tiny_model, wishes), expected, strict=True):
        assert torch.equal(drawn, alone)


def test_a_batch_of_unlike_requests_is_refused(tiny_model: TextToImage) -> None:
    for other in (replace(APPLE, steps=3), replace(APPLE, count=2)):
        with pytest.raises(ValueError, match="one picture each"):
            next(generate_together(tiny_model, plans(tiny_model, [APPLE, other])))


def test_closing_the_stream_stops_the_network(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = type(tiny_model.unet).with_words
    monkeypatch.setattr(type(tiny_model.unet), "with_words", lambda self, *a: calls.append(1) or forward(self, *a))
    stream = generate(tiny_model, plan(tiny_model, replace(APPLE, steps=50, guidance=1.0)))
    next(stream)
    next(stream)
    stream.close()
    assert len(calls) == 2


def test_the_stream_is_steps_and_then_the_pictures(tiny_model: TextToImage) -> None:
    events = list(generate(tiny_model, plan(tiny_model, replace(APPLE, count=2))))
    *steps, last = events
    assert [s.index for s in steps] == [0, 1, 2, 3]
    assert steps[0].t == 999
    assert steps[-1].t_next == -1
    assert isinstance(last, Finished)
    assert last.seeds == (7, 8)
    assert torch.equal(last.pictures, tiny_model.decode(steps[-1].x_next))


def test_ddpm_takes_all_its_steps_unless_told_otherwise(tiny_model: TextToImage) -> None:
    assert plan(tiny_model, replace(APPLE, steps=None, sampler="ddpm")).steps == 1000
    assert plan(tiny_model, replace(APPLE, steps=None)).steps == tiny_model.defaults.steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": " "}, "--free"),
        ({"free": True}, "--free"),
        ({"style": "nota"}, "did you mean noto"),
        ({"style": "cubism"}, "noto, twemoji"),
        ({"sampler": "plmz"}, "dpm\\+\\+.*ddim"),
        ({"steps": 0}, "1…1000"),
        ({"steps": 1001}, "1…1000"),
        ({"guidance": float("nan")}, "guidance"),
        ({"guidance": -1.0}, "guidance"),
        ({"count": 0}, "number of pictures"),
        ({"count": 5000}, "number of pictures"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"rescale": 1.5}, "rescale"),
        ({"interval": (500, 100)}, "interval"),
        ({"prompt": "caf\udce9"}, "UTF-8"),
        ({"negative": "\ud800"}, "UTF-8"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_drawn(
    tiny_model: TextToImage, changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tiny_model.unet), "with_words", lambda *_: pytest.fail("drawing had begun"))
    with pytest.raises(UserError, match=message):
        draw(tiny_model, replace(APPLE, **changes))  # type: ignore[arg-type]
