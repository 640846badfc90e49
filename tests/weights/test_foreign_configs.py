"""Every setting of foreign configs: drawn with as diffusers does, or refused by its own name; never overlooked."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from checkpoints import pipeline
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.opening import open_folder
from fromnoise.weights.clip_layout import load_text
from fromnoise.weights.diffusers_layout import load_unet, load_vae
from fromnoise.weights.scheduler_classes import CLASSES
from fromnoise.weights.schedulers import scheduler_from_foreign


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# --- networks: setting → values that are not the default's -------------------------------------------------------

UNET = {
    "sample_size": 16, "layers_per_block": 1, "block_out_channels": (32, 64), "cross_attention_dim": 64,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "attention_head_dim": 8,
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
UNET_SETTINGS: dict[str, list[Any]] = {
    "sample_size": [32, None, "64"],
    "in_channels": [9, 0, None],
    "out_channels": [8, True],
    "center_input_sample": [True],
    "flip_sin_to_cos": [False],
    "freq_shift": [1],
    "down_block_types": [("ResnetDownsampleBlock2D", "DownBlock2D")],
    "mid_block_type": ["UNetMidBlock2D", "UNetMidBlock2DSimpleCrossAttn"],
    "up_block_types": [("CrossAttnUpBlock2D", "UpBlock2D")],
    "only_cross_attention": [True],
    "block_out_channels": [(64, 64), (32, 0), ()],
    "layers_per_block": [2, [1, 2]],
    "downsample_padding": [0],
    "mid_block_scale_factor": [2.0],
    "dropout": [0.5],  # in training only
    "act_fn": ["gelu", "mish", "swish"],
    "norm_num_groups": [16, None, 0],
    "norm_eps": [1e-3],
    "cross_attention_dim": [32, [64, 64]],
    "transformer_layers_per_block": [2, [1, 2], [[1], [2]]],
    "reverse_transformer_layers_per_block": [[2, 1]],
    "encoder_hid_dim": [8],
    "encoder_hid_dim_type": ["text_proj"],
    "attention_head_dim": [4, [2, 4], 0],
    "num_attention_heads": [4],
    "dual_cross_attention": [True],
    "use_linear_projection": [True],
    "class_embed_type": ["timestep", "identity"],
    "addition_embed_type": ["text", "image"],
    "addition_time_embed_dim": [8],
    "num_class_embeds": [7],
    "upcast_attention": [True],
    "resnet_time_scale_shift": ["scale_shift"],
    "resnet_skip_time_act": [True],
    "resnet_out_scale_factor": [1.5],  # of blocks that we do not have
    "time_embedding_type": ["fourier"],
    "time_embedding_dim": [64],
    "time_embedding_act_fn": ["silu"],
    "timestep_post_act": ["silu"],
    "time_cond_proj_dim": [16],
    "conv_in_kernel": [1],
    "conv_out_kernel": [1],
    "projection_class_embeddings_input_dim": [16],
    "attention_type": ["gated"],
    "class_embeddings_concat": [True],
    "mid_block_only_cross_attention": [True],
    "cross_attention_norm": ["layer_norm"],
    "addition_embed_type_num_heads": [32],
}
VAE = {
    "block_out_channels": (32, 64), "down_block_types": ("DownEncoderBlock2D",) * 2, "latent_channels": 4,
    "up_block_types": ("UpDecoderBlock2D",) * 2, "layers_per_block": 1, "norm_num_groups": 32,
}  # fmt: skip
VAE_SETTINGS: dict[str, list[Any]] = {
    "in_channels": [4],
    "out_channels": [4],
    "down_block_types": [("AttnDownEncoderBlock2D", "DownEncoderBlock2D")],
    "up_block_types": [("AttnUpDecoderBlock2D", "UpDecoderBlock2D")],
    "block_out_channels": [(64, 64), (32, "64")],
    "layers_per_block": [2, 0],
    "act_fn": ["gelu", "swish"],
    "latent_channels": [8, None],
    "norm_num_groups": [16, 1.5],
    "sample_size": [64],  # where diffusers begins to tile
    "scaling_factor": [0.5, 0, "1"],
    "shift_factor": [0.2],
    "latents_mean": [[0.1] * 4],
    "latents_std": [[2.0] * 4],
    "force_upcast": [False],  # formats only
    "use_quant_conv": [False],
    "use_post_quant_conv": [False],
    "mid_block_add_attention": [False],
}
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT |= {"vocab_size": 99, "max_position_embeddings": 12, "eos_token_id": 98, "bos_token_id": 97, "pad_token_id": 98}
TEXT_SETTINGS: dict[str, list[Any]] = {
    "vocab_size": [120, "99"],
    "hidden_size": [32, 0],
    "intermediate_size": [256, 100],
    "num_hidden_layers": [1, None],
    "num_attention_heads": [4, 0, True],
    "max_position_embeddings": [9],
    "hidden_act": ["gelu", "gelu_new", "relu"],
    "layer_norm_eps": [1e-3],
    "attention_dropout": [0.5],  # in training only
    "eos_token_id": [2, 50, -1, "98", 99],
    "pad_token_id": [1],
    "bos_token_id": [3],
    "use_attention_mask": [True],
    "model_type": ["t5", "chinese_clip_text_model"],
    "projection_dim": [8],
}


# What must be drawn, as the peer draws it; a refusal that names the setting is for the others.
DRAWN: dict[str, set[str]] = {
    "u_net": {
        "sample_size=32", "sample_size=None", "in_channels=9", "out_channels=8",
        "mid_block_type=UNetMidBlock2D", "block_out_channels=(64, 64)", "layers_per_block=2", "dropout=0.5",
        "act_fn=swish", "norm_num_groups=16", "cross_attention_dim=32", "transformer_layers_per_block=2",
        "transformer_layers_per_block=[1, 2]", "attention_head_dim=4", "attention_head_dim=[2, 4]",
        "use_linear_projection=True", "addition_time_embed_dim=8", "upcast_attention=True",
        "resnet_out_scale_factor=1.5", "projection_class_embeddings_input_dim=16",
        "mid_block_only_cross_attention=True", "addition_embed_type_num_heads=32",
    },
    "vae": {
        "block_out_channels=(64, 64)", "layers_per_block=2", "act_fn=swish", "latent_channels=8",
        "norm_num_groups=16", "sample_size=64", "scaling_factor=0.5", "shift_factor=0.2", "force_upcast=False",
        "mid_block_add_attention=False",
    },
    "text_tower": {
        "vocab_size=120", "hidden_size=32", "intermediate_size=256", "num_hidden_layers=1",
        "num_attention_heads=4", "max_position_embeddings=9", "hidden_act=gelu", "attention_dropout=0.5",
        "eos_token_id=2", "eos_token_id=50", "pad_token_id=1", "bos_token_id=3", "projection_dim=8",
    },
}  # fmt: skip


def settings_of(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(name, value, id=f"{name}={value}"[:60]) for name, values in table.items() for value in values]


def expected(make: Callable[[], Any], run: Callable[[Any], Tensor], folder: Path, config: dict[str, Any]) -> Any:
    """What the peer computes; None where it has no such model. Its files, or at least its config, lie in folder."""
    torch.manual_seed(0)
    try:
        peer = make().eval()
        with torch.no_grad():
            answer = run(peer)
        peer.save_pretrained(folder)
    except Exception:  # each setting has its own way to be refused
        (folder / "config.json").write_text(json.dumps(config))
        return None
    return answer


def check(name: str, answer: Any, read: Callable[[], Tensor], must: bool) -> str:
    """The same as the peer's answer ("honoured"), or, where it need not be drawn, a sentence that names the setting."""
    refused, ours = "", torch.zeros(())
    try:
        with torch.no_grad():
            ours = read()
    except UserError as error:
        refused = str(error)
    if refused:
        assert not must, refused
        assert name in refused
        assert "config.json" in refused
        return "refused"
    assert answer is not None, "diffusers does not draw with this"
    assert float((ours - answer).abs().max()) < 1e-4 * float(answer.abs().max())
    return "honoured"


def of_the_u_net(tmp_path: Path, name: str, value: Any) -> str:
    config = {**UNET, name: value}

    def run(peer: Any) -> Tensor:
        return peer(noise(1, peer.config.in_channels, 16, 16), torch.tensor([300]), noise(1, 5, width)).sample

    def read() -> Tensor:
        unet = load_unet(tmp_path)
        return unet(noise(1, unet.config.in_channels, 16, 16), torch.tensor([300]), noise(1, 5, width))

    width = value if name == "cross_attention_dim" and isinstance(value, int) else 64
    answer = expected(lambda: UNet2DConditionModel(**config), run, tmp_path, config)
    named = "mid_block" if name == "mid_block_type" else name
    named = "down_block_types" if name == "up_block_types" else named
    return check(named, answer, read, f"{name}={value}" in DRAWN["u_net"])


@pytest.mark.parametrize(("name", "value"), settings_of(UNET_SETTINGS))
def test_settings_of_the_u_net(tmp_path: Path, name: str, value: Any) -> None:
    of_the_u_net(tmp_path, name, value)


def of_the_vae(tmp_path: Path, name: str, value: Any) -> str:
    config = {**VAE, name: value}

    def run(peer: Any) -> Tensor:
        latents = noise(1, peer.config.latent_channels, 8, 8)  # as pipelines of newer models do it
        mean = torch.tensor(peer.config.latents_mean or [0.0]).reshape(1, -1, 1, 1)
        std = torch.tensor(peer.config.latents_std or [1.0]).reshape(1, -1, 1, 1)
        latents = latents * std / peer.config.scaling_factor + mean + (peer.config.shift_factor or 0)
        return peer.decode(latents).sample

    def read() -> Tensor:
        vae = load_vae(tmp_path)
        return vae.decode(noise(1, vae.config.latent_channels, 8, 8))

    answer = expected(lambda: AutoencoderKL(**config), run, tmp_path, config)
    return check(name, answer, read, f"{name}={value}" in DRAWN["vae"])


@pytest.mark.parametrize(("name", "value"), settings_of(VAE_SETTINGS))
def test_settings_of_the_vae(tmp_path: Path, name: str, value: Any) -> None:
    of_the_vae(tmp_path, name, value)


def of_the_text_tower(tmp_path: Path, name: str, value: Any) -> str:
    config = {**TEXT, name: value}
    ids = torch.tensor([[97, 5, 50, 7, 8, 98, 98, 98, 98]])

    def run(peer: Any) -> Tensor:
        peer.config.save_pretrained(tmp_path)
        found = peer(ids)
        return torch.cat([found.last_hidden_state[0], found.pooler_output])

    def read() -> Tensor:
        found = load_text(tmp_path)(ids)
        return torch.cat([found.tokens[0], found.pooled])

    drawn = name not in ("use_attention_mask", "model_type")
    answer = expected(lambda: CLIPTextModel(CLIPTextConfig(**config)), run, tmp_path, config)
    if not drawn:  # what diffusers or other classes than CLIPTextModel read
        (tmp_path / "config.json").write_text(json.dumps(config))
        answer = None
    return check(name, answer, read, f"{name}={value}" in DRAWN["text_tower"])


@pytest.mark.parametrize(("name", "value"), settings_of(TEXT_SETTINGS))
def test_settings_of_the_text_tower(tmp_path: Path, name: str, value: Any) -> None:
    of_the_text_tower(tmp_path, name, value)


def test_the_tables_know_every_setting_there_is() -> None:
    for kind, table in ((UNet2DConditionModel, UNET_SETTINGS), (AutoencoderKL, VAE_SETTINGS)):
        assert inspect.signature(kind.__init__).parameters.keys() - {"self"} == table.keys()
    meta = {"architectures", "dtype", "transformers_version", "return_dict", "output_hidden_states", "id2label"}
    meta |= {"label2id", "problem_type", "chunk_size_feed_forward", "is_encoder_decoder", "output_attentions"}
    meta |= {"initializer_range", "initializer_factor", "_name_or_path", "torch_dtype"}
    assert CLIPTextConfig().to_dict().keys() - meta <= TEXT_SETTINGS.keys()


def test_another_class_than_the_folders_own_is_refused(tmp_path: Path) -> None:
    for load, kind in ((load_unet, "UNetSpatioTemporalConditionModel"), (load_vae, "AutoencoderTiny")):
        (tmp_path / "config.json").write_text(json.dumps({"_class_name": kind}))
        with pytest.raises(UserError, match=kind):
            load(tmp_path)


# --- schedulers --------------------------------------------------------------------------------------------------

FLOW = "FlowMatchEulerDiscreteScheduler"
# Settings that only say how others work, which are refused: how to clip, how to threshold, how to shift.
BY_OTHERS = {
    "clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value", "time_shift_type", "base_shift",
    "max_shift", "base_image_seq_len", "max_image_seq_len",
}  # fmt: skip


def test_every_setting_of_our_schedulers_is_known() -> None:
    for name, kind in CLASSES.items():
        parameters = inspect.signature(getattr(diffusers, name).__init__).parameters.keys() - {"self"}
        if not kind.note:
            assert parameters - BY_OTHERS <= kind.settings.keys(), name


ODD = [(name, setting) for name, kind in CLASSES.items() for setting in kind.settings]


@pytest.mark.parametrize(("name", "setting"), ODD)
def test_a_value_of_another_kind_is_refused_by_name(name: str, setting: str) -> None:
    usual = {"_class_name": name, "clip_sample": False}
    for value in ({"a": 1}, "seven", float("nan")):
        with pytest.raises(UserError) as caught:
            scheduler_from_foreign({**usual, setting: value}, Path("model/scheduler_config.json"))
        assert setting in str(caught.value)
        assert "model/scheduler_config.json" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"steps_offset": -1}, "steps_offset = -1"),
        ({"steps_offset": 1.5}, "steps_offset = 1.5"),
        ({"num_train_timesteps": 1}, "num_train_timesteps = 1"),
        ({"beta_start": 0.5, "beta_end": 0.1}, "beta_start = 0.5"),
        ({"trained_betas": []}, "trained_betas"),
        ({"trained_betas": [0.1, 2]}, "trained_betas"),
        ({"timestep_spacing": "karras"}, "timestep_spacing = 'karras'"),
        ({"final_sigmas_type": "last"}, "final_sigmas_type = 'last'"),
        ({"sigma_min": -1.0}, "sigma_min = -1.0"),
        ({"use_karras_sigmas": "yes"}, "use_karras_sigmas = 'yes'"),
    ],
)
def test_an_odd_value_is_refused_in_the_files_words(values: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=word):
        scheduler_from_foreign({"_class_name": "EulerDiscreteScheduler", **values}, Path("config.json"))


@pytest.mark.parametrize("name", ["DEISMultistepScheduler", "DPMSolverSinglestepScheduler"])
@pytest.mark.parametrize("setting", ["thresholding", "use_flow_sigmas", "use_dynamic_shifting"])
def test_near_relatives_are_not_near_with_everything(name: str, setting: str) -> None:
    with pytest.raises(UserError, match=setting):
        scheduler_from_foreign({"_class_name": name, setting: True}, Path("config.json"))


@pytest.mark.parametrize("values", [{"prediction_type": "v_prediction"}, {"timestep_spacing": "trailing"}])
def test_where_pndm_is_not_diffusers_it_says_so(values: dict[str, str]) -> None:
    usual = {"_class_name": "PNDMScheduler", "skip_prk_steps": True}
    assert scheduler_from_foreign(usual, Path("config.json")).note == ""
    assert next(iter(values.values())) in scheduler_from_foreign({**usual, **values}, Path("config.json")).note


# --- tokenizers and the model's index ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configs") / "sd1"
    pipeline("sd1").save_pretrained(folder)
    return folder


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    """A model whose JSON files may be changed; everything else is the same files."""
    for file in model.rglob("*"):
        if file.is_file():
            copy = tmp_path / "m" / file.relative_to(model)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes()) if file.suffix == ".json" else copy.symlink_to(file)
    return tmp_path / "m"


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("padding_side", "left", True),
        ("eos_token", "<|startoftext|>", True),
        ("bos_token", {"content": "<|endoftext|>"}, True),
        ("tokenizer_class", "T5Tokenizer", True),
        ("model_max_length", "many", True),
        ("model_max_length", 40, False),
        ("do_lower_case", False, False),
        ("add_prefix_space", True, False),
    ],
)
def test_settings_of_the_tokenizer(folder: Path, name: str, value: Any, refused: bool) -> None:
    from transformers import CLIPTokenizer

    change(folder / "tokenizer" / "tokenizer_config.json", **{name: value})
    if refused:
        with pytest.raises(UserError, match=name):
            Tokenizer.load(folder / "tokenizer")
        return
    peer, ours = CLIPTokenizer.from_pretrained(folder / "tokenizer"), Tokenizer.load(folder / "tokenizer")
    length = {"max_length": ours.context, "padding": "max_length", "truncation": True}
    assert ours.encode(["A Red  Apple"]).tolist() == peer(["A Red  Apple"], **length).input_ids
    assert ours.context == (value if name == "model_max_length" else 77)


@pytest.mark.parametrize(
    ("part", "value", "word"),
    [
        ("unet", [None, None], "unet is empty"),
        ("unet", ["diffusers", "UNet3DConditionModel"], "unet is a UNet3DConditionModel"),
        ("vae", ["diffusers", "AsymmetricAutoencoderKL"], "vae is a AsymmetricAutoencoderKL"),
        ("text_encoder", ["transformers", "T5EncoderModel"], "T5EncoderModel"),
        ("tokenizer", ["transformers", "XLMRobertaTokenizer"], "XLMRobertaTokenizer"),
        ("_class_name", "StableDiffusionInstructPix2PixPipeline", "InstructPix2Pix"),
        ("_class_name", "StableDiffusionControlNetPipeline", "ControlNet"),
    ],
)
def test_parts_that_we_do_not_have_are_refused_by_name(folder: Path, part: str, value: Any, word: str) -> None:
    change(folder / "model_index.json", **{part: value})
    with pytest.raises(UserError, match=word):
        open_folder(folder)


def test_the_index_says_which_scheduler_draws(folder: Path) -> None:
    """diffusers opens the class in the index with the settings of the other file, whatever class that one names."""
    from diffusers import DiffusionPipeline, EulerDiscreteScheduler

    assert open_folder(folder).scheduler.sampler == "ddim"
    change(folder / "model_index.json", scheduler=["diffusers", "EulerDiscreteScheduler"])
    found, peer = open_folder(folder), DiffusionPipeline.from_pretrained(folder).scheduler
    assert isinstance(peer, EulerDiscreteScheduler)
    assert found.scheduler.sampler == "euler"
    assert found.scheduler.path["spacing"] == peer.config.timestep_spacing
    assert found.scheduler.path["offset"] == peer.config.steps_offset == 1


def test_what_draws_nothing_may_say_anything(folder: Path) -> None:
    change(folder / "model_index.json", safety_checker=["x", "Y"], requires_safety_checker=True, image_encoder=[1, 2])
    assert open_folder(folder).zero_empty is False
    change(folder / "model_index.json", force_zeros_for_empty_prompt=True)
    assert open_folder(folder).zero_empty is True
