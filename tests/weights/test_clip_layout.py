"""CLIP's folders against transformers, in both directions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIP, CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.weights.clip_layout import TEXT_WEIGHTS, load_clip, load_text, save_clip, save_text

TEXT = TextConfig(vocab_size=50, width=32, layers=2, heads=4, context=9, activation="gelu", eos_token_id=49)
IMAGE = ImageConfig(pixels=32, patch=8, width=24, layers=2, heads=3, mlp_ratio=3)
IDS = torch.tensor([[48, 5, 6, 49, 49, 49, 49, 49, 49], [48, 1, 2, 3, 4, 5, 6, 7, 49]])


def clip() -> CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CLIPConfig(TEXT, IMAGE, projection=16).build()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim == 1:  # biases and norms start at 0 and 1, which would hide a swap
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


@torch.no_grad()
def test_transformers_reads_our_text_tower(tmp_path: Path) -> None:
    tower = clip().text
    save_text(tower, tmp_path, torch.float32)
    again, peer = load_text(tmp_path), transformers.CLIPTextModel.from_pretrained(tmp_path).eval()
    assert again.config == TEXT
    expected, found = peer(IDS), again(IDS)
    torch.testing.assert_close(found.tokens, expected.last_hidden_state, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.pooled, expected.pooler_output, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.tokens, tower(IDS).tokens)


@torch.no_grad()
def test_transformers_computes_in_float32_what_is_stored_in_float16(tmp_path: Path) -> None:
    save_text(clip().text, tmp_path, torch.float16)
    assert transformers.CLIPTextModel.from_pretrained(tmp_path).dtype == torch.float32


@torch.no_grad()
def test_transformers_reads_our_clip(tmp_path: Path) -> None:
    ours = clip().eval()
    save_clip(ours, tmp_path, torch.float32)
    again, peer = load_clip(tmp_path), transformers.CLIPModel.from_pretrained(tmp_path).eval()
    assert again.config == ours.config
    pictures = torch.rand(3, 3, 32, 32) * 2 - 1
    expected = peer(input_ids=IDS, pixel_values=pictures)
    torch.testing.assert_close(again.embed_text(IDS), expected.text_embeds, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(again.embed_image(pictures), expected.image_embeds, rtol=1e-5, atol=1e-5)
    logits = again.logit_scale.exp() * again.embed_image(pictures) @ again.embed_text(IDS).T
    torch.testing.assert_close(logits, expected.logits_per_image, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_text_tower_stored_elsewhere_is_shared(tmp_path: Path) -> None:
    ours, folder = clip().eval(), tmp_path / "clip"
    save_text(ours.text, tmp_path / "text_encoder", torch.float32)
    save_clip(ours, folder, torch.float32, tmp_path / TEXT_WEIGHTS)
    stored = load_file(folder / "image.safetensors")
    assert not any(name.startswith("text_model.") for name in stored)
    text = load_text(tmp_path / "text_encoder")
    again, peer = load_clip(folder, text), transformers.CLIPModel.from_pretrained(folder).eval()
    assert again.text is text
    pictures = torch.rand(3, 3, 32, 32) * 2 - 1
    expected = peer(input_ids=IDS, pixel_values=pictures)
    torch.testing.assert_close(again.embed_text(IDS), expected.text_embeds, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(again.embed_image(pictures), expected.image_embeds, rtol=1e-5, atol=1e-5)
    for wrong in (None, replace(text.config, context=5).build()):
        with pytest.raises(UserError, match="another text tower"):
            load_clip(folder, wrong)


@pytest.mark.parametrize("prefixed", [True, False])
@torch.no_grad()
def test_reads_what_transformers_wrote(prefixed: bool, tmp_path: Path) -> None:
    """Old and new transformers differ in a prefix; files of 2022 also hold a counter and a wrong end token."""
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = transformers.CLIPTextConfig(
        **sizes, num_attention_heads=4, max_position_embeddings=9, bos_token_id=48, eos_token_id=49, pad_token_id=49
    )
    peer = transformers.CLIPTextModel(config).eval()
    peer.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = {name.removeprefix("text_model."): x for name, x in load_file(file).items()}
    if prefixed:
        state = {f"text_model.{name}": x for name, x in state.items()}
        state["text_model.embeddings.position_ids"] = torch.arange(9)[None]
        values = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**values, "eos_token_id": 2}))
    save_file(state, file)
    ours, expected = load_text(tmp_path), peer(IDS)
    torch.testing.assert_close(ours(IDS).tokens, expected.last_hidden_state, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours(IDS).pooled, expected.pooler_output, rtol=1e-5, atol=1e-5)


def test_transformers_prepares_pictures_as_we_do(tmp_path: Path) -> None:
    save_clip(clip(), tmp_path, torch.float32)
    processor = transformers.CLIPImageProcessor.from_pretrained(tmp_path)
    picture = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    prepared = processor(picture, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(prepared.float(), picture.float() / 127.5 - 1, rtol=0, atol=1e-5)


def test_what_we_do_not_have_is_refused(tmp_path: Path) -> None:
    save_text(clip().text, tmp_path, torch.float32)
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    for change, word in (
        ({"hidden_act": "relu"}, "relu"),
        ({"intermediate_size": 33}, "33"),
        ({"layer_norm_eps": 1}, "eps"),
    ):
        file.write_text(json.dumps({**values, **change}))
        with pytest.raises(UserError, match=word):
            load_text(tmp_path)
