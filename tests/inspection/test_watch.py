"""What is seen of attention and blocks: diffusers' own maps, planted ones, and pictures that do not change by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor

from checkpoints import pipeline
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.inspection.watch import Look, block_names, watching
from fromnoise.system.text_to_image import TextToImage

REQUEST = Request(prompt="red apple", style="noto", seed=3, steps=3, guidance=4.0)


def watched(model: TextToImage, made: Plan, **wishes: Any) -> tuple[list[tuple[Any, list[Look]]], torch.Tensor]:
    """Every step with what was seen of it, and the picture."""
    found, picture = [], torch.empty(0)
    with watching(model, made, **wishes) as (watching_model, seen):
        for event in generate(watching_model, made):
            looks = seen.take()
            if isinstance(event, Finished):
                picture = event.pictures
                assert not looks
            else:
                found.append((event, looks))
    return found, picture


def alone(model: TextToImage, made: Plan) -> torch.Tensor:
    *_, last = generate(model, made)
    assert isinstance(last, Finished)
    return last.pictures


@pytest.mark.formats
@pytest.mark.parametrize("precision", ["fp32", "as it is"])
def test_watching_changes_no_bit_and_nothing_stays_behind(tiny_model: TextToImage, precision: str) -> None:
    model = tiny_model.for_drawing(precision) if precision == "fp32" else tiny_model
    made = plan(model, REQUEST)
    before = alone(model, made)
    names = block_names(model)
    steps, picture = watched(model, made, attention=True, outputs=names)
    assert torch.equal(picture, before)
    assert len(steps) == 3
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.unet.modules())
    for step, looks in steps:
        assert {look.t for look in looks} == {float(step.t)}
        assert [look.block for look in looks if look.output is not None] == names
        with_words = ["4x4_down_0", "4x4_middle", "4x4_up_0", "4x4_up_1"]
        assert [look.block for look in looks if look.attention is not None] == with_words


def test_each_position_listens_to_all_words_together_once(tiny_model: TextToImage) -> None:
    steps, _ = watched(tiny_model, plan(tiny_model, REQUEST), attention=True)
    maps = [look.attention for _, looks in steps for look in looks]
    assert maps
    assert all(m is not None and m.shape == (12, 4, 4) for m in maps)
    for found in maps:
        assert found is not None
        torch.testing.assert_close(found.sum(0), torch.ones(4, 4))
        assert float(found.std()) > 0


def test_a_planted_attention_is_the_one_that_is_seen(tiny_model_folder: Path) -> None:
    """With its norm silenced, every position of a block asks the same, and the answer can be worked out by hand."""
    model = TextToImage.load(tiny_model_folder)
    layer = model.unet.middle["4x4_middle"].first.attention.block  # type: ignore[union-attr]
    with torch.no_grad():
        layer.cross_norm.weight.zero_()
        layer.cross_norm.bias.normal_(std=5, generator=torch.Generator().manual_seed(1))
    made = plan(model, REQUEST)
    steps, _ = watched(model, made, attention=True)
    words = model.embed([made.words.wanted.text])[0].double()  # [L,D]
    attention = layer.cross_attention
    query = attention.q.weight.double() @ layer.cross_norm.bias.double()
    keys = words @ attention.kv.weight[:48].double().T
    heads = [torch.softmax(keys[:, i : i + 16] @ query[i : i + 16] / 4, 0) for i in (0, 16, 32)]
    expected = torch.stack(heads).mean(0).float()
    assert float(expected.max()) > 1.5 * float(expected.min())
    for _, looks in steps:
        found = next(look.attention for look in looks if look.block == "4x4_middle")
        assert found is not None
        torch.testing.assert_close(found, expected[:, None, None].expand(-1, 4, 4), rtol=1e-4, atol=1e-6)


class Noting(AttnProcessor):
    """diffusers' plain processor, which keeps what it weighs words by."""

    def __init__(self, kept: list[torch.Tensor]) -> None:
        super().__init__()
        self.kept = kept

    def __call__(self, attn: Attention, hidden_states: Any, encoder_hidden_states: Any = None, **rest: Any) -> Any:
        if encoder_hidden_states is not None:
            query = attn.head_to_batch_dim(attn.to_q(hidden_states))
            key = attn.head_to_batch_dim(attn.to_k(encoder_hidden_states))
            weights = attn.get_attention_scores(query, key)  # [2*heads, N, L], without words first
            self.kept.append(weights.chunk(2)[1].mean(0).detach())
        return super().__call__(attn, hidden_states, encoder_hidden_states, **rest)


def depths_of(unet: Any) -> list[int]:
    """How many transformer blocks there are at each place, in the order in which a picture passes them."""
    blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    return [len(place.transformer_blocks) for block in blocks for place in getattr(block, "attentions", [])]


def grouped(kept: list[torch.Tensor], counts: list[int]) -> list[list[torch.Tensor]]:
    rest = iter(kept)
    return [[next(rest) for _ in range(count)] for count in counts]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@torch.no_grad()
def test_maps_are_those_of_diffusers(family: str, tmp_path: Path) -> None:
    pipe = pipeline(family)
    pipe.save_pretrained(tmp_path)
    model = TextToImage.load(tmp_path)
    made = plan(
        model, Request(prompt="a red apple", seed=5, steps=3, guidance=6.0, width=48, height=32, sampler="ddim")
    )
    steps, _ = watched(model, made, attention=True)
    kept: list[torch.Tensor] = []
    pipe.unet.set_attn_processor(Noting(kept))
    pipe("a red apple", num_inference_steps=3, guidance_scale=6.0, width=48, height=32,
         generator=torch.Generator().manual_seed(5), output_type="latent")  # fmt: skip
    ours = [look.attention for _, looks in steps for look in looks]
    depths = depths_of(pipe.unet)  # one place for each of ours, with that many layers
    assert len(ours) == 3 * len(depths)
    assert len(kept) == 3 * sum(depths)
    places = [torch.stack(part).mean(0) for part in grouped(kept, depths * 3)]
    for mine, theirs in zip(ours, places, strict=True):
        assert mine is not None
        torch.testing.assert_close(mine.flatten(1).T, theirs, rtol=1e-3, atol=1e-5)


def test_what_cannot_be_watched_is_refused(tiny_model: TextToImage) -> None:
    made = plan(tiny_model, REQUEST)
    with (
        pytest.raises(UserError, match="no block '3x3'; it has 8x8_down_0"),
        watching(tiny_model, made, outputs=["3x3"]),
    ):
        pass
    with pytest.raises(ValueError, match="one picture"), watching(tiny_model, plan(tiny_model, Request("a", count=2))):
        pass
