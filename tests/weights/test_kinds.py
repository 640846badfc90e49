"""What a file is, by its tensors' names and its header: each kind is refused by its own name, in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel

from checkpoints import FAMILIES, pipeline
from fromnoise.ground.errors import UserError
from fromnoise.system.opening import open_file
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights.kinds import kind_of
from fromnoise.weights.single_file import UNET, VAE, open_single
from fromnoise.weights.stored import stored_in

State = dict[str, Tensor]
TEXT = "cond_stage_model.transformer."
# What files of each kind call their tensors, two or three of each.
NAMES = {
    "Stable Diffusion 3": (
        "model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight first_stage_model.encoder.conv_in.weight",
        "joint_blocks.0.x_block.attn.qkv.weight pos_embed",
        "transformer_blocks.0.attn.add_k_proj.weight context_embedder.weight pos_embed.proj.weight",
    ),
    "Flux": (
        "double_blocks.0.img_attn.qkv.weight single_blocks.0.linear1.weight img_in.weight",
        "model.diffusion_model.double_blocks.0.img_attn.qkv.weight vae.decoder.conv_in.weight "
        "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.k.weight",
        "single_transformer_blocks.0.attn.to_k.weight transformer_blocks.0.attn.add_k_proj.weight x_embedder.weight",
        "transformer.single_transformer_blocks.0.proj_mlp.weight transformer.context_embedder.weight",
    ),
    "Chroma": ("distilled_guidance_layer.in_proj.weight double_blocks.0.img_attn.qkv.weight",),
    "AuraFlow": ("model.double_layers.0.attn.w1q.weight", "joint_transformer_blocks.0.attn.to_k.weight"),
    "Stable Cascade": (
        "down_blocks.0.0.channelwise.0.weight clip_txt_mapper.weight clf.1.weight",
        "down_blocks.0.0.depthwise.weight effnet_mapper.0.weight clip_txt_pooled_mapper.weight",
    ),
    "Stable Video Diffusion": (
        "model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight "
        "model.diffusion_model.input_blocks.0.0.weight first_stage_model.encoder.conv_in.weight "
        "conditioner.embedders.0.open_clip.model.visual.proj",
        "down_blocks.0.resnets.0.temporal_res_block.conv1.weight conv_in.weight",
        "input_blocks.1.0.temopral_conv.conv1.0.weight",
    ),
    "AnimateDiff": ("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",),
    "PixArt": (
        "t_block.1.weight y_embedder.y_proj.fc1.weight blocks.0.scale_shift_table",
        "adaln_single.linear.weight caption_projection.linear_1.weight transformer_blocks.0.attn1.to_k.weight",
    ),
    "Sana": ("attention_y_norm.weight t_block.1.weight y_embedder.y_proj.fc1.weight",),
    "Hunyuan-DiT": ("mlp_t5.0.weight text_embedding_padding blocks.0.attn1.Wqkv.weight style_embedder.weight",),
    "Hunyuan Video": ("txt_in.individual_token_refiner.blocks.0.norm1.weight double_blocks.0.img_mod.linear.weight",),
    "Wan": (
        "blocks.0.self_attn.q.weight text_embedding.0.weight head.modulation",
        "model.diffusion_model.blocks.0.self_attn.norm_q.weight",
        "condition_embedder.time_embedder.linear_1.weight blocks.0.attn1.to_q.weight",
    ),
    "Qwen-Image": (
        "txt_norm.weight transformer_blocks.0.img_mod.1.weight transformer_blocks.0.attn.add_k_proj.weight",
    ),
    "LTX-Video": ("model.diffusion_model.patchify_proj.weight model.diffusion_model.adaln_single.linear.weight",),
    "Lumina": ("cap_embedder.0.weight layers.0.attention.qkv.weight",),
    "Kolors": ("encoder_hid_proj.weight down_blocks.0.resnets.0.conv1.weight",),
    "ControlNet": (
        "control_model.input_blocks.0.0.weight control_model.zero_convs.0.0.weight",
        "controlnet_cond_embedding.conv_in.weight down_blocks.0.resnets.0.conv1.weight",
        "controlnet_down_blocks.0.weight mid_block.resnets.0.conv1.weight",
        "input_hint_block.0.weight zero_convs.0.0.weight input_blocks.0.0.weight",
        "controlnet_blocks.0.weight transformer_blocks.0.attn.to_k.weight single_transformer_blocks.0.proj_mlp.weight",
        "control_model.input_blocks.0.0.weight model.diffusion_model.input_blocks.0.0.weight "
        "first_stage_model.encoder.conv_in.weight cond_stage_model.transformer.text_model.final_layer_norm.weight",
    ),
    "T2I-Adapter": (
        "adapter.body.0.resnets.0.block1.weight adapter.conv_in.weight",
        "body.0.block1.weight body.0.block2.weight conv_in.weight",
        "body.0.in_conv.weight conv_in.weight",
    ),
    "IP-Adapter": (
        "image_proj.proj.weight ip_adapter.1.to_k_ip.weight",
        "ip_adapter.1.to_k_ip.weight ip_adapter.1.to_v_ip.weight",
    ),
    "inversion": ("emb_params", "string_to_param.*", "clip_l", "clip_l clip_g", "clip_g", "<cat-toy>"),
    "--lora": (
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha",
        "unet.down_blocks.0.attentions.0.proj_in.lora_A.weight",
        "transformer.single_transformer_blocks.0.attn.to_k.lora_B.weight",
        "diffusion_model.double_blocks.0.img_attn.qkv.lora_up.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
        "text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight",
        "lora_unet_mid_block.hada_w1_a",
        "lora_unet_mid_block.lokr_w1",
    ),
    "VAE alone": (
        "first_stage_model.encoder.conv_in.weight first_stage_model.decoder.conv_in.weight",
        "encoder.conv_in.weight decoder.mid.block_1.conv1.weight quant_conv.weight",
        "encoder.down_blocks.0.resnets.0.conv1.weight decoder.up_blocks.0.resnets.0.conv1.weight",
    ),
    "decoder of a VAE alone": ("first_stage_model.decoder.conv_in.weight", "decoder.mid_block.resnets.0.conv1.weight"),
    "TAESD": ("taesd_decoder.1.weight", "decoder.layers.0.weight decoder.layers.2.conv.0.weight"),
    "T5": ("encoder.block.0.layer.0.SelfAttention.k.weight shared.weight",),
    "text encoder alone": (
        "text_model.embeddings.token_embedding.weight",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
        "cond_stage_model.model.transformer.resblocks.0.ln_1.weight",
        "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight",
        "transformer.resblocks.0.ln_1.weight positional_embedding",
    ),
    "image encoder": ("vision_model.embeddings.class_embedding", "visual.proj visual.conv1.weight"),
    "language model": ("model.layers.0.self_attn.q_proj.weight model.embed_tokens.weight lm_head.weight",),
    "U-Net alone": (
        "down_blocks.0.resnets.0.conv1.weight conv_in.weight",
        "model.diffusion_model.input_blocks.0.0.weight",
        "input_blocks.0.0.weight out.2.weight",
    ),
    "ESRGAN": (
        "model.0.weight model.1.sub.0.RDB1.conv1.0.weight",
        "conv_first.weight body.0.rdb1.conv1.weight conv_up1.weight",
        "params_ema.conv_first.weight params_ema.body.0.rdb1.conv1.weight",
        "body.0.weight body.0.bias body.1.weight",
        "RRDB_trunk.0.RDB1.conv1.weight conv_first.weight",
    ),
}


@pytest.mark.parametrize(("word", "names"), [(word, names) for word, kinds in NAMES.items() for names in kinds])
def test_each_kind_is_refused_by_its_name(tmp_path: Path, word: str, names: str) -> None:
    file = tmp_path / "x.safetensors"
    save_file({name: torch.ones(2, 2) for name in names.split(" ")}, file)
    with pytest.raises(UserError) as caught:
        open_single(file)
    said = str(caught.value)
    assert said.startswith(f"{file} is ")
    assert word in said.removeprefix(str(file))
    assert "use a model" in said or "is needed" in said or "--lora" in said  # what to do
    assert "config.json" not in said


def test_one_vector_as_wide_as_a_text_tower_is_a_learnt_word() -> None:
    assert "inversion" in str(kind_of({"my style": (3, 768)}))
    assert kind_of({"my style": (3, 4)}) is None
    assert kind_of({}) is None


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """Whole tiny models in the original naming, without our own notes and marks."""
    made = {}
    for family in FAMILIES:
        folder = tmp_path_factory.mktemp("models") / family
        pipeline(family).save_pretrained(folder)
        TextToImage.load(folder, None).save_file(folder / "x.safetensors")
        state = load_file(folder / "x.safetensors")
        made[family] = {name: x for name, x in state.items() if name != "v_pred"}
    return made


Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(state: State, **notes: str) -> Path:
        file = tmp_path / "x.safetensors"
        save_file({name: x.contiguous().clone() for name, x in state.items()}, file, metadata=notes or None)
        return file

    return save


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_models_are_of_no_other_kind(states: dict[str, State], saved: Saved, family: str) -> None:
    assert open_single(saved(states[family])).family == family


@pytest.mark.parametrize(
    ("family", "channels", "kind"),
    [("sd1", 8, "InstructPix2Pix"), ("sd2", 5, "depth maps"), ("sd2", 7, "upscaling"), ("sdxl", 8, "InstructPix2Pix")],
)
def test_other_channels_than_for_text_and_for_inpainting_are_refused(
    states: dict[str, State], saved: Saved, family: str, channels: int, kind: str
) -> None:
    name = f"{UNET}input_blocks.0.0.weight"
    state = {**states[family], name: torch.cat([states[family][name]] * 3, 1)[:, :channels]}
    with pytest.raises(UserError, match=f"the U-Net has {channels} channels in .* {kind}"):
        open_file(saved(state))
    assert (
        open_file(saved({**state, name: torch.cat([states[family][name]] * 3, 1)[:, :9]})).unet.config.in_channels == 9
    )


@pytest.mark.parametrize(
    ("family", "notes", "expected"),
    [
        ("sd1", {}, "epsilon"),
        ("sd2", {}, "v"),
        ("sd1", {"modelspec.prediction_type": "v"}, "v"),
        ("sdxl", {"modelspec.prediction_type": "V_Prediction"}, "v"),
        ("sd2", {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ("sd2", {"modelspec.prediction_type": "eps"}, "epsilon"),
        ("sd2", {"modelspec.architecture": "stable-diffusion-v2-512"}, "epsilon"),
        ("sd2", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v"),
        ("sd2", {"modelspec.architecture": "stable-diffusion-v2-512", "modelspec.prediction_type": "v"}, "v"),
        ("sd1", {"ss_v_parameterization": "True"}, "v"),
        ("sd1", {"ss_v_parameterization": "False"}, "epsilon"),
    ],
)
def test_what_a_header_says_of_the_prediction_is_honoured(
    states: dict[str, State], saved: Saved, family: str, notes: dict[str, str], expected: str
) -> None:
    file = saved(states[family], **notes)
    assert open_single(file).prediction == expected
    assert open_single(file, "epsilon").prediction == "epsilon"  # who says it knows better
    assert open_single(file, "v").prediction == "v"


def test_marks_and_header_together(states: dict[str, State], saved: Saved) -> None:
    marked = {**states["sd1"], "v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    found = open_single(saved(marked))
    assert (found.prediction, found.zero_terminal_snr) == ("v", True)
    assert open_single(saved(marked, **{"modelspec.prediction_type": "epsilon"})).prediction == "epsilon"
    found = open_single(saved(states["sd1"], ss_zero_terminal_snr="True", **{"modelspec.prediction_type": "v"}))
    assert (found.prediction, found.zero_terminal_snr) == ("v", True)


@pytest.mark.parametrize(
    ("note", "value"),
    [("modelspec.prediction_type", "flow"), ("modelspec.prediction_type", "x\n0"), ("ss_zero_terminal_snr", "maybe")],
)
def test_an_unknown_note_is_refused_by_name_and_value(
    states: dict[str, State], saved: Saved, note: str, value: str
) -> None:
    with pytest.raises(UserError, match=note) as caught:
        open_single(saved(states["sd1"], **{note: value}))
    assert value.split()[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_noise_levels_in_the_file_are_honoured(states: dict[str, State], saved: Saved) -> None:
    from fromnoise.diffusion.schedule import ScheduleConfig

    plain, zero = (ScheduleConfig(zero_terminal_snr=z).build().alpha_bar for z in (False, True))
    for levels, expected in ((plain, False), (plain.half(), False), (zero.float(), True)):
        assert open_single(saved({**states["sd1"], "alphas_cumprod": levels})).zero_terminal_snr is expected
    for levels in (ScheduleConfig(kind="linear", zero_terminal_snr=False).build().alpha_bar, plain[:500]):
        with pytest.raises(UserError, match="alphas_cumprod"):
            open_single(saved({**states["sd1"], "alphas_cumprod": levels}))


@pytest.mark.parametrize("layer", [1, 2])
def test_the_layer_that_a_header_names_is_read(
    states: dict[str, State], saved: Saved, tmp_path: Path, layer: int
) -> None:
    """modelspec.encoder_layer, which others call clip skip: the norm of an earlier block's features."""
    model = TextToImage.load(saved(states["sd1"], **{"modelspec.encoder_layer": str(layer)}))
    TextToImage.load(saved(states["sd1"])).save(tmp_path / "whole", None)
    peer = CLIPTextModel.from_pretrained(tmp_path / "whole" / "text_encoder")
    ids = model.tokenizer.encode(["a red apple"])
    with torch.no_grad():
        features = peer(ids, output_hidden_states=True).hidden_states[-layer]
    norm = {n.rpartition(".")[2]: x for n, x in peer.state_dict().items() if "final_layer_norm" in n}
    expected = torch.nn.functional.layer_norm(features, (64,), norm["weight"], norm["bias"])
    torch.testing.assert_close(model.embed(["a red apple"]), expected, atol=1e-5, rtol=1e-5)
    model.save(tmp_path / "again", None)  # and comes back without the header
    model.save_file(tmp_path / "again.safetensors")
    for place in ("again", "again.safetensors"):
        assert torch.equal(TextToImage.load(tmp_path / place).embed(["a pear"]), model.embed(["a pear"]))


@pytest.mark.parametrize(
    ("family", "value"), [("sd1", "0"), ("sd1", "3"), ("sd1", "last"), ("sd2", "3"), ("sdxl", "3")]
)
def test_a_layer_that_no_tower_has_is_refused(states: dict[str, State], saved: Saved, family: str, value: str) -> None:
    with pytest.raises(UserError, match=f"modelspec.encoder_layer = '?{value}"):
        open_single(saved(states[family], **{"modelspec.encoder_layer": value}))
    for usual in ("1", "2") if family != "sd1" else ():
        noted = open_single(saved(states[family], **{"modelspec.encoder_layer": usual}))
        assert noted.texts[0][0] == open_single(saved(states[family])).texts[0][0]


def test_a_lora_of_blocks_that_are_not_read_still_fits(states: dict[str, State], saved: Saved, tmp_path: Path) -> None:
    lora = {}
    for block in (0, 1):
        name = f"lora_te_text_model_encoder_layers_{block}_mlp_fc1"
        lora |= {f"{name}.lora_down.weight": torch.ones(2, 64), f"{name}.lora_up.weight": torch.ones(256, 2)}
    save_file(lora, tmp_path / "lora.safetensors")
    model = TextToImage.load(saved(states["sd1"], **{"modelspec.encoder_layer": "2"}))
    before = model.text_tower.blocks[0].up.weight.clone()
    model.with_loras([(tmp_path / "lora.safetensors", 1.0)])
    torch.testing.assert_close(model.text_tower.blocks[0].up.weight, before + 2)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_names_of_2022_without_text_model(states: dict[str, State], saved: Saved, family: str) -> None:
    state = states[family]
    renamed = {name.replace(".transformer.text_model.", ".transformer."): x for name, x in state.items()}
    assert renamed.keys() != state.keys()
    towers = [open_file(saved(s)).text_tower.state_dict() for s in (state, renamed)]
    assert all(torch.equal(towers[0][name], towers[1][name]) for name in towers[0])


def test_biases_and_matrices_as_convolutions_are_read(states: dict[str, State], saved: Saved) -> None:
    state = states["sd1"]
    odd = {
        n: x[:, None, None] if "attn_1" in n and n.endswith("bias") and "norm" not in n else x for n, x in state.items()
    }
    odd = {n: x[:, :, None, None] if n.endswith("attn1.to_q.weight") else x for n, x in odd.items()}
    assert any(odd[name].shape != state[name].shape for name in state)
    plain, read = open_file(saved(state)), open_file(saved(odd))
    for a, b in ((plain.vae, read.vae), (plain.unet, read.unet)):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def changed(state: State, what: str) -> tuple[State, str]:
    """A model with something wrong, and the name that the message should say."""
    if what == "only a decoder":
        return {n: x for n, x in state.items() if not n.startswith(f"{VAE}encoder")}, "without encoder"
    if what == "only an encoder":
        return {n: x for n, x in state.items() if not n.startswith(f"{VAE}decoder")}, "without decoder"
    if what == "no U-Net":
        return {n: x for n, x in state.items() if not n.startswith(UNET)}, "no U-Net"
    if what == "label_emb":
        return {**state, f"{UNET}label_emb.0.0.weight": torch.ones(128, 64)}, "unCLIP"
    name = {
        "VAE": f"{VAE}encoder.mid.attn_1.q.bias",
        "text": f"{TEXT}text_model.encoder.layers.0.mlp.fc2.weight",
        "table": f"{TEXT}text_model.embeddings.token_embedding.weight",
        "U-Net": f"{UNET}input_blocks.1.0.in_layers.2.bias",
        "first": f"{UNET}input_blocks.0.0.weight",
        "quant": f"{VAE}post_quant_conv.weight",
    }[what.split(", ")[0]]
    if what.endswith("missing"):
        return {n: x for n, x in state.items() if n != name}, name.split("model.", 1)[-1].split(".", 1)[-1]
    return {**state, name: torch.ones(7)}, ""


@pytest.mark.parametrize(
    "what",
    ["only a decoder", "only an encoder", "no U-Net", "label_emb"]
    + [f"{part}, {fault}" for part in ("VAE", "text", "U-Net", "quant") for fault in ("missing", "shape")]
    + ["table, shape", "first, shape", "table, missing", "first, missing"],
)
def test_whatever_does_not_fit_is_a_sentence_without_a_config(
    states: dict[str, State], saved: Saved, what: str
) -> None:
    state, word = changed(states["sd1"], what)
    with pytest.raises(UserError) as caught:
        open_file(saved(state))
    said = str(caught.value)
    assert word in said
    assert "config.json" not in said
    assert not any(sign in said for sign in ("max()", "unpack", "is an empty sequence", "\n"))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_are_read_as_the_float16_they_are(
    states: dict[str, State], saved: Saved, tmp_path: Path, dtype: torch.dtype
) -> None:
    state = {n: x.to(dtype) if x.is_floating_point() and x.numel() else x for n, x in states["sd1"].items()}
    file = saved(state)
    stored = TextToImage.load(file, None)
    assert {p.dtype for network in stored.networks().values() for p in network.parameters()} == {torch.float16}
    stored.save_file(tmp_path / "back.safetensors")
    back = load_file(tmp_path / "back.safetensors")
    assert all(torch.equal(back[n], x.half()) for n, x in state.items() if n in back and n != "ztsnr")


def test_whole_numbers_are_no_weights(states: dict[str, State], saved: Saved) -> None:
    name = f"{UNET}input_blocks.1.0.in_layers.2.weight"
    with pytest.raises(UserError, match=r"stored as I8; quantised"):
        open_file(saved({**states["sd1"], name: states["sd1"][name].to(torch.int8)}))
    with pytest.raises(UserError, match="quantised files with scales"):
        open_file(saved({**states["sd1"], f"{name.removesuffix('weight')}scale_weight": torch.ones(1)}))


@pytest.mark.parametrize(
    ("begin", "word"), [(b"GGUF\3\0\0\0", "GGUF"), (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"PK\3\4", "pickle")]
)
@pytest.mark.parametrize("name", ["x.gguf", "x.safetensors"])
def test_other_formats_are_known_by_their_content(tmp_path: Path, begin: bytes, word: str, name: str) -> None:
    (tmp_path / name).write_bytes(begin + bytes(99))
    with pytest.raises(UserError) as caught:
        stored_in(tmp_path / name)
    assert f"is a {word}" in str(caught.value) or f"is an {word}" in str(caught.value)
    assert "damaged" not in str(caught.value)
