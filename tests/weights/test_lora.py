"""LoRA against diffusers and peft: same files, same weights, same networks."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.unet.unet import UNet
from fromnoise.system.texts import vector_of
from fromnoise.weights.clip_layout import load_text
from fromnoise.weights.diffusers_layout import load_unet
from fromnoise.weights.lora import apply, read_lora, with_loras

KINDS = ("sd1", "sd2", "sdxl")
PARTS = ("unet", "text_encoder", "text_encoder_2")
VOCABULARY, END = 60, 59
IDS = torch.tensor([[58, 5, 6, 7, 59, 59, 59, 59], [58, 1, 2, 3, 4, 5, 6, 59]])
COMMON = {"sample_size": 16, "in_channels": 4, "layers_per_block": 1, "norm_num_groups": 32}
FIRST_ATTENDS: dict[str, Any] = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
UNETS: dict[str, dict[str, Any]] = {
    "sd1": {**FIRST_ATTENDS, "block_out_channels": (32, 64), "cross_attention_dim": 64, "attention_head_dim": 8},
    "sd2": {
        **FIRST_ATTENDS,
        "block_out_channels": (64, 128),
        "cross_attention_dim": 128,
        "attention_head_dim": [1, 2],
        "use_linear_projection": True,
    },
    "sdxl": {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (64, 128),
        "cross_attention_dim": 96,
        "attention_head_dim": [1, 2],
        "use_linear_projection": True,
        "transformer_layers_per_block": [1, 2],
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    },
}
# width, layers, activation, projection
TEXTS = {
    "sd1": [(64, 2, "quick_gelu", 0)],
    "sd2": [(128, 2, "gelu", 0)],
    "sdxl": [(32, 2, "quick_gelu", 0), (64, 3, "gelu", 32)],
}
UNET_MODULES = [
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv_in", "conv_out", "linear_1", "linear_2"),
    *("downsamplers.0.conv", "upsamplers.0.conv"),
]
TEXT_MODULES = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
# Where SGM's code keeps the blocks of the tiny Stable Diffusion XL above.
SGM = {
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0": "output_blocks.1.2",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
}
Matrices = dict[str, dict[str, tuple[Tensor, Tensor, float]]]  # part -> module -> down, up, alpha


@dataclass(frozen=True)
class Case:
    """A tiny model of one kind as diffusers has it, its folder, and two LoRAs for it, in files and as numbers."""

    kind: str
    folder: Path
    parts: dict[str, Any]
    files: tuple[Path, Path]
    matrices: tuple[Matrices, Matrices]

    def ours(self) -> tuple[UNet, list[TextTower]]:
        towers = [load_text(self.folder / part).eval() for part in self.parts if part != "unet"]
        return load_unet(self.folder / "unet").eval(), towers

    def pipeline(self) -> Any:
        parts = copy.deepcopy(self.parts)
        rest = {"vae": None, "tokenizer": None, "scheduler": None}
        if self.kind == "sdxl":
            return StableDiffusionXLPipeline(**parts, **rest, tokenizer_2=None, add_watermarker=False)
        rest |= {"safety_checker": None, "feature_extractor": None}
        return StableDiffusionPipeline(**parts, **rest, requires_safety_checker=False)


@pytest.fixture(scope="module", params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case("sd1", tmp_path_factory.mktemp("one"))


def make_case(kind: str, folder: Path) -> Case:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts: dict[str, Any] = {"unet": UNet2DConditionModel(**COMMON, **UNETS[kind]).eval()}
        for part, (width, layers, activation, projection) in zip(PARTS[1:], TEXTS[kind], strict=False):
            parts[part] = make_text(width, layers, activation, projection)
        for part, network in parts.items():
            network.save_pretrained(folder / part)
        loras = [
            make_lora(parts, folder / f"lora_{i}", rank, alpha) for i, (rank, alpha) in enumerate([(4, 6), (3, 1)])
        ]
    files, matrices = zip(*loras, strict=True)
    return Case(kind, folder, parts, files, matrices)


def make_text(width: int, layers: int, activation: str, projection: int) -> Any:
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        hidden_act=activation,
        max_position_embeddings=8,
        projection_dim=projection or 16,
        eos_token_id=END,
        bos_token_id=END - 1,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def make_lora(parts: Mapping[str, Any], folder: Path, rank: int, alpha: int) -> tuple[Path, Matrices]:
    """Write a LoRA of every module with diffusers and peft; return its file and its numbers."""
    parts, matrices, layers = copy.deepcopy(dict(parts)), {}, {}
    for part, network in parts.items():
        own = {"conv1": 2, "to_k": 5} if part == "unet" else {"fc2": 3}
        modules = UNET_MODULES if part == "unet" else TEXT_MODULES
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=modules, alpha_pattern=own)
        network.add_adapter(config)
        for name, parameter in network.named_parameters():
            if "lora_" in name:
                nn.init.normal_(parameter, std=0.1)
        state = get_peft_model_state_dict(network)
        # diffusers loses the attention of a U-Net whose names it converted, if other modules are there too.
        layers[f"{part}_lora_layers"] = state if part == "unet" else convert_state_dict_to_diffusers(state)
        found = {name.removesuffix(".lora_A.weight"): x for name, x in state.items() if name.endswith("lora_A.weight")}
        ups = {name: state[f"{name}.lora_B.weight"] for name in found}
        matrices[part] = {n: (x, ups[n], own.get(n.rpartition(".")[2], alpha)) for n, x in found.items()}
    pipeline = StableDiffusionXLPipeline if len(parts) == 3 else StableDiffusionPipeline
    pipeline.save_lora_weights(folder, **layers, **_collate_lora_metadata(parts))
    return folder / "pytorch_lora_weights.safetensors", matrices


def kohya(matrices: Matrices, file: Path, unet_name: Callable[[str], str] = str) -> Path:
    """Write a LoRA as kohya's scripts do."""
    state = {}
    short = {"unet": "unet", "text_encoder": "te1" if len(matrices) == 3 else "te", "text_encoder_2": "te2"}
    for part, modules in matrices.items():
        for name, (down, up, alpha) in modules.items():
            dotted = unet_name(name) if part == "unet" else f"text_model.{name.removeprefix('text_model.')}"
            key = f"lora_{short[part]}_{dotted.replace('.', '_')}"
            state |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(alpha)}
    save_file({name: x.clone().contiguous() for name, x in state.items()}, file)
    return file


def sgm_name(name: str) -> str:
    parts = [(theirs, sgm) for theirs, sgm in SGM.items() if f".{theirs}." in f".{name}."]
    for theirs, sgm in sorted(parts, key=lambda pair: -len(pair[0])):
        name = f".{name}.".replace(f".{theirs}.", f".{sgm}.")[1:-1]
    return name


def inputs(kind: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    width = UNETS[kind]["cross_attention_dim"]
    sizes = ((2, 4, 16, 16), (2, 8, width), (2, 32))
    x, context, pooled = (torch.randn(size, generator=generator) for size in sizes)
    return x, torch.tensor([3, 700]), context, pooled


@torch.no_grad()
def theirs_make(pipeline: Any, kind: str) -> list[Tensor]:
    """What a pipeline's networks make of fixed inputs."""
    x, t, context, pooled = inputs(kind)
    added = {"text_embeds": pooled, "time_ids": torch.tensor([[128, 128, 0, 0, 128, 128]] * 2)}
    out = [pipeline.unet(x, t, context, added_cond_kwargs=added if kind == "sdxl" else None).sample]
    for part in PARTS[1:]:
        if getattr(pipeline, part, None) is not None:
            found = getattr(pipeline, part)(IDS, output_hidden_states=True)
            out += [found.hidden_states[-2], found[0]]
    return out


@torch.no_grad()
def ours_make(unet: UNet, towers: Sequence[TextTower]) -> list[Tensor]:
    kind = KINDS[[UNETS[kind]["cross_attention_dim"] for kind in KINDS].index(unet.config.cross_attention_dim)]
    x, t, context, pooled = inputs(kind)
    out = [unet(x, t, context, vector_of(pooled, (128, 128), 8) if kind == "sdxl" else None)]
    for tower in towers:
        found = tower(IDS)
        out += [found.penultimate, found.pooled if tower.config.projection else found.tokens]
    return out


def close(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def bits(unet: nn.Module, towers: Sequence[nn.Module]) -> dict[str, Tensor]:
    networks = enumerate([unet, *towers])
    return {f"{i}.{name}": x.clone() for i, network in networks for name, x in network.state_dict().items()}


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def load(pipeline: Any, file: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft remarks on what a file leaves alone
        pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=name)


# --- equal to diffusers -----------------------------------------------------------------------------------------


def test_one_and_two_draw_as_in_diffusers(case: Case) -> None:
    pipeline = case.pipeline()
    load(pipeline, case.files[0], "a")
    load(pipeline, case.files[1], "b")
    unet, towers = case.ours()
    before, plain = bits(unet, towers), ours_make(unet, towers)
    for weights in ([1.0], [0.5], [-0.3], [0.7, -0.4]):
        pipeline.set_adapters(["a", "b"][: len(weights)], weights)
        applied = with_loras(unet, towers, list(zip(case.files, weights, strict=False)))
        found = ours_make(unet, towers)
        close(found, theirs_make(pipeline, case.kind))
        assert all((a - b).abs().max() > 0.01 for a, b in zip(found, plain, strict=True))
        applied.remove()
        assert same(bits(unet, towers), before)


def evened(matrices: Matrices) -> Matrices:
    """The same with one alpha and without the embedding of sizes: diffusers 0.42 loses others in kohya's naming."""
    return {
        part: {n: (down, up, 2.0) for n, (down, up, _) in modules.items() if "add_embedding" not in n}
        for part, modules in matrices.items()
    }


NAMINGS = [*((kind, str) for kind in KINDS), ("sdxl", sgm_name)]  # of the others nobody writes sgm's names


@pytest.mark.parametrize(("case", "rename"), NAMINGS, indirect=["case"])
def test_kohyas_naming_says_the_same(case: Case, rename: Callable[[str], str], tmp_path: Path) -> None:
    file = kohya(evened(case.matrices[0]), tmp_path / "even.safetensors", rename)
    names = "\n".join(load_file(file))
    assert ("lora_unet_input_blocks_3_1_transformer_blocks_1_attn2_to_q." in names) == (rename is sgm_name)
    pipeline, (unet, towers) = case.pipeline(), case.ours()
    load(pipeline, file, "a")
    applied = with_loras(unet, towers, [(file, 0.8)])
    pipeline.set_adapters(["a"], [0.8])
    close(ours_make(unet, towers), theirs_make(pipeline, case.kind))
    applied.remove()
    changed = changed_by(case, case.files[0])
    assert same(changed, changed_by(case, kohya(case.matrices[0], tmp_path / "all.safetensors", rename)))


def changed_by(case: Case, file: Path, weight: float = 1.0) -> dict[str, Tensor]:
    unet, towers = case.ours()
    with_loras(unet, towers, [(file, weight)])
    return bits(unet, towers)


def renamed(case: Case, file: Path, rename: Callable[[str], str], metadata: dict[str, str] | None = None) -> Path:
    """Another file with the same tensors."""
    with safe_open(case.files[0], "pt") as reader:
        kept = reader.metadata() if metadata is None else metadata
    save_file({rename(name): x for name, x in load_file(case.files[0]).items()}, file, metadata=kept)
    return file


def of_2023(name: str) -> str:
    """How diffusers 0.12 to 0.20 named the LoRA of attention."""
    for side, old in (("lora_A", "down"), ("lora_B", "up")):
        name = re.sub(rf"\.(to_[qkv])\.{side}", rf".processor.\1_lora.{old}", name)
        name = name.replace(f".to_out.0.{side}", f".processor.to_out_lora.{old}")
    name = name.replace("out_proj.lora_linear_layer", "to_out_lora")
    return re.sub(r"\.([qkv])_proj\.lora_linear_layer", r".to_\1_lora", name)


def full_prefix(name: str) -> str:
    return re.sub(r"^text_encoder\.(?!text_model)", "text_encoder.text_model.", name)


def by_peft(name: str) -> str:
    name = name.replace(".lora_A.weight", ".lora_A.default.weight")
    return f"base_model.model.{name}"


@pytest.mark.parametrize("rename", [of_2023, full_prefix, by_peft])
def test_other_namings_say_the_same(case: Case, rename: Callable[[str], str], tmp_path: Path) -> None:
    file = renamed(case, tmp_path / "renamed.safetensors", rename)
    assert set(load_file(file)) != set(load_file(case.files[0]))
    assert same(changed_by(case, file), changed_by(case, case.files[0]))


def test_the_u_nets_own_file_of_2023(sd1: Case, tmp_path: Path) -> None:
    """attention processors were saved without the part's name; without alphas the scale is 1."""
    modules = {name: x for name, x in sd1.matrices[0]["unet"].items() if ".attn1." in name}
    down = {
        f"{n.replace('.to_', '.processor.to_').removesuffix('.0')}_lora.down.weight": x
        for n, (x, _, _) in modules.items()
    }
    up = {
        f"{n.replace('.to_', '.processor.to_').removesuffix('.0')}_lora.up.weight": x
        for n, (_, x, _) in modules.items()
    }
    save_file(down | up, tmp_path / "old.safetensors")
    plain = {"unet": {name: (a, b, 4.0) for name, (a, b, _) in modules.items()}}
    new = kohya(plain, tmp_path / "new.safetensors")
    assert same(changed_by(sd1, tmp_path / "old.safetensors"), changed_by(sd1, new))


# --- arithmetic -------------------------------------------------------------------------------------------------


def test_weight_zero_changes_no_bit(case: Case) -> None:
    unet, towers = case.ours()
    before = bits(unet, towers)
    assert len(with_loras(unet, towers, [(case.files[0], 0.0), (case.files[1], -0.0)]).loras) == 2
    assert same(bits(unet, towers), before)
    with_loras(unet, towers, [])
    assert same(bits(unet, towers), before)


def test_the_order_of_several_does_not_matter(sd1: Case) -> None:
    loras = [(sd1.files[0], 0.7), (sd1.files[1], -0.4), (sd1.files[0], 0.1)]
    found = []
    for order in (loras, loras[::-1], loras[1:] + loras[:1]):
        unet, towers = sd1.ours()
        with_loras(unet, towers, order)
        found.append(bits(unet, towers))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.formats
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_other_formats_the_sum_is_rounded_once(sd1: Case, dtype: torch.dtype) -> None:
    unet, towers = sd1.ours()
    with_loras(unet.to(dtype).float(), [tower.to(dtype).float() for tower in towers], [(sd1.files[0], 0.5)])
    expected = {name: x.to(dtype) for name, x in bits(unet, towers).items()}
    unet, towers = sd1.ours()
    unet, towers = unet.to(dtype), [tower.to(dtype) for tower in towers]
    before = bits(unet, towers)
    applied = with_loras(unet, towers, [(sd1.files[0], 0.5)])
    assert same(bits(unet, towers), expected)
    applied.remove()
    applied.remove()
    assert same(bits(unet, towers), before)


def test_memory_layout_and_parameters_stay(sd1: Case) -> None:
    unet, towers = sd1.ours()
    unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = {name: (id(x), x.stride()) for name, x in unet.named_parameters()}
    with_loras(unet, towers, [(sd1.files[0], 1.0)])
    assert {name: (id(x), x.stride()) for name, x in unet.named_parameters()} == before
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.formats
def test_a_model_that_was_moved_gets_its_weights_back_in_its_new_format(sd1: Case) -> None:
    unet, towers = sd1.ours()
    expected = {name: x.to(torch.bfloat16) for name, x in bits(unet, towers).items()}
    applied = with_loras(unet, towers, [(sd1.files[0], 1.0)])
    for network in (unet, *towers):
        network.to(torch.bfloat16)
    applied.remove()
    assert same(bits(unet, towers), expected)


@torch.no_grad()
def test_a_convolution_in_three_parts(sd1: Case, tmp_path: Path) -> None:
    """LoCon's middle: 1x1, 3x3 and 1x1 convolutions in a row, which is one 3x3 convolution."""
    generator = torch.Generator().manual_seed(3)
    sizes = {"down": (5, 32, 1, 1), "mid": (4, 5, 3, 3), "up": (32, 4, 1, 1)}
    tensors = {side: torch.randn(size, generator=generator) for side, size in sizes.items()}
    key = "lora_unet_down_blocks_0_resnets_0_conv1"
    state = {f"{key}.lora_{side}.weight": x for side, x in tensors.items()}
    save_file({**state, f"{key}.alpha": torch.tensor(10.0)}, tmp_path / "cp.safetensors")
    unet, towers = sd1.ours()
    conv = unet.down["16x16_down_0"].residual.conv_1  # type: ignore[union-attr]
    x = torch.randn(1, 32, 8, 8, generator=generator)
    inner = F.conv2d(F.conv2d(x, tensors["down"]), tensors["mid"], padding=1)
    expected = conv(x) + 0.5 * 10 / 5 * F.conv2d(inner, tensors["up"])
    with_loras(unet, towers, [(tmp_path / "cp.safetensors", 0.5)])
    torch.testing.assert_close(conv(x), expected, rtol=1e-4, atol=1e-4)


def test_pefts_settings_beside_the_file(sd1: Case, tmp_path: Path) -> None:
    """What peft's own save_pretrained leaves: no alphas in the file, they are in adapter_config.json."""
    modules = {n: x for n, x in sd1.matrices[0]["unet"].items() if ".attn1." in n}
    folder = tmp_path / "adapter"
    folder.mkdir()
    names = [(f"base_model.model.{name}", down, up) for name, (down, up, _) in modules.items()]
    state = {f"{n}.lora_A.weight": down for n, down, _ in names} | {f"{n}.lora_B.weight": up for n, _, up in names}
    save_file(state, folder / "adapter_model.safetensors")
    for settings, alpha in (
        ({"lora_alpha": 8}, 8.0),
        ({"lora_alpha": 8, "use_rslora": True}, 16.0),  # 8 / sqrt(4) instead of 8 / 4
        ({"lora_alpha": 8, "alpha_pattern": {"to_q": 3, "attn1.to_k": 3, "to_v": 3, "^to_out.0": 3}}, 3.0),
    ):
        (folder / "adapter_config.json").write_text(json.dumps(settings))
        matrices = {"unet": {name: (down, up, alpha) for name, (down, up, _) in modules.items()}}
        peer = kohya(matrices, tmp_path / "peer.safetensors")
        assert same(changed_by(sd1, folder / "adapter_model.safetensors"), changed_by(sd1, peer))


# --- what is refused --------------------------------------------------------------------------------------------


def test_what_a_file_is(sd1: Case, tmp_path: Path) -> None:
    lora = read_lora(sd1.files[0])
    assert (lora.name, lora.family) == ("pytorch_lora_weights", None)
    assert re.fullmatch("[0-9a-f]{12}", lora.hash)
    assert lora.hash != read_lora(sd1.files[1]).hash
    assert len(lora.changes) == sum(len(modules) for modules in sd1.matrices[0].values())
    other = tmp_path / "other.safetensors"
    for part, width, family in (
        ("lora_unet_x_attn2_to_k", 768, "Stable Diffusion 1.x"),
        ("lora_unet_x_attn2_to_k", 1024, "Stable Diffusion 2.x"),
        ("lora_unet_x_attn2_to_k", 2048, "Stable Diffusion XL"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 9, "Stable Diffusion XL"),
        ("lora_unet_double_blocks_0_img_attn_proj", 3072, "Flux"),
        ("diffusion_model.joint_blocks.0.x", 64, "Stable Diffusion 3"),
    ):
        save_file({f"{part}.lora_up.weight": zeros(8, 2), f"{part}.lora_down.weight": zeros(2, width)}, other)
        assert read_lora(other).family == family
        unet, towers = sd1.ours()
        with pytest.raises(UserError, match=f"1 of the 1 modules.*first '{part}'; it is made for {family}$"):
            with_loras(unet, towers, [(other, 1.0)])


def zeros(*shape: int) -> Tensor:
    return torch.zeros(shape)


def test_for_another_model_it_is_refused_and_nothing_changes(sd1: Case, tmp_path: Path) -> None:
    sdxl = make_case("sdxl", tmp_path / "sdxl")
    unet, towers = sd1.ours()
    before = bits(unet, towers)
    with pytest.raises(UserError, match=r"\d+ of the \d+ modules .* not in it, first '.*made for Stable Diffusion XL"):
        with_loras(unet, towers, [(sd1.files[0], 1.0), (sdxl.files[0], 1.0)])
    sd2 = make_case("sd2", tmp_path / "sd2")
    with pytest.raises(UserError, match=r"modules it changes are of other sizes in it, first '.*': \(.*\), here \("):
        with_loras(unet, towers, [(sd2.files[0], 0.0)])
    with pytest.raises(UserError, match="not in it"):
        apply({"unet": unet}, [(read_lora(sd1.files[0]), 1.0)])
    assert same(bits(unet, towers), before)


def test_only_one_part(sd1: Case, tmp_path: Path) -> None:
    whole = changed_by(sd1, sd1.files[0])
    plain = bits(*sd1.ours())
    for part, start in (("unet", "0."), ("text_encoder", "1.")):
        file = kohya({part: sd1.matrices[0][part]}, tmp_path / f"{part}.safetensors")
        found = changed_by(sd1, file)
        assert same(found, {name: (whole if name.startswith(start) else plain)[name] for name in plain})


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 10.1, -11.0])
def test_weights_beyond_sense_are_refused(sd1: Case, weight: float) -> None:
    unet, towers = sd1.ours()
    with pytest.raises(UserError, match="should be a number from -10 to 10"):
        with_loras(unet, towers, [(sd1.files[0], weight)])


KEY = "lora_unet_mid_block_attentions_0_proj_in"
PAIR = {f"{KEY}.lora_down.weight": zeros(2, 64, 1, 1), f"{KEY}.lora_up.weight": zeros(64, 2, 1, 1)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({**PAIR, f"{KEY}.dora_scale": zeros(64)}, "is a DoRA, which is not supported"),
        ({"unet.mid_block.attentions.0.proj_in.lora_magnitude_vector": zeros(64)}, "is a DoRA"),
        ({f"{KEY}.hada_w1_a": zeros(2, 2), f"{KEY}.alpha": zeros(1)}, "is a LoHa, which is not supported"),
        ({f"{KEY}.lokr_w1": zeros(2, 2)}, "is a LoKr, which is not supported"),
        ({f"{KEY}.oft_blocks": zeros(2, 2)}, "is an OFT"),
        ({f"{KEY}.diff": zeros(2, 2)}, "is a difference of whole weights"),
        ({**PAIR, "bundle_emb.word.string_to_param.*": zeros(2, 2)}, "words of its own"),
        ({"unet.conv_in.lora_B.bias": zeros(2)}, "is a LoRA with biases"),
        ({"model.diffusion_model.out.2.bias": zeros(2)}, "is not a LoRA .'model.diffusion_model.out.2.bias'"),
        ({"a\nb": zeros(2)}, "is not a LoRA .'a b'"),
        ({"transformer.x.lora_A.weight": zeros(2, 2)}, "is for another kind of model"),
        ({}, "it holds no tensors"),
        ({f"{KEY}.lora_down.weight": zeros(2, 64)}, "has no 'up'"),
        ({f"{KEY}.alpha": zeros(1)}, "has no 'down'"),
        ({**PAIR, f"{KEY}.lora_up.weight": zeros(64, 3)}, "tensors that do not fit"),
        ({**PAIR, f"{KEY}.lora_down.weight": zeros(2, 64, 1, 1).int()}, "tensors that do not fit"),
        ({**PAIR, f"{KEY}.lora_down.weight": zeros(0, 64), f"{KEY}.lora_up.weight": zeros(64, 0)}, "do not fit"),
        ({**PAIR, f"{KEY}.lora_down.weight": zeros(64)}, "tensors that do not fit"),
        ({**PAIR, f"{KEY}.alpha": zeros(2)}, "alpha of .* should be a number"),
        ({**PAIR, f"{KEY}.alpha": torch.tensor(torch.nan)}, "alpha of .* should be a number"),
        ({**PAIR, **{n.replace(KEY, "unet.mid_block.attentions.0.proj_in"): x for n, x in PAIR.items()}}, "twice"),
        ({**PAIR, **{n.replace("mid_block_attentions_0", "middle_block_1"): x for n, x in PAIR.items()}}, "two names"),
        ({**PAIR, f"{KEY}.lora_up.weight": torch.full((64, 2), torch.inf)}, "values that are not finite"),
    ],
)
def test_what_is_no_lora_of_ours_is_refused(
    sd1: Case, tensors: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.safetensors"
    save_file({name: x.clone() for name, x in tensors.items()}, file)
    unet, towers = sd1.ours()
    before = bits(unet, towers)
    with pytest.raises(UserError, match=message) as caught:
        with_loras(unet, towers, [(file, 1.0)])
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(bits(unet, towers), before)


def test_damaged_files_are_refused(sd1: Case, tmp_path: Path) -> None:
    whole, file = sd1.files[0].read_bytes(), tmp_path / "x.safetensors"
    for content in (b"", whole[:7], whole[:200], whole[:-100], b"PK\3\4" + whole, b"\x80\x02" + whole, whole[8:]):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"is damaged|is a pickle"):
            read_lora(file)
    (tmp_path / "x.pt").write_bytes(b"PK")
    for path, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "no", "there is no file"),
        (tmp_path / "x.pt", "pickle"),
    ):
        with pytest.raises(UserError, match=message):
            read_lora(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "should be a JSON object"),
        ('{"unet.lora_alpha": "x"}', "should be a number"),
        ('{"unet.lora_alpha": 1, "unet.alpha_pattern": [1]}', "should be a JSON object"),
        ('{"unet.lora_alpha": 1, "unet.alpha_pattern": {"(a+)+b": 1}}', "alpha_pattern '.*' is not supported"),
    ],
)
def test_damaged_settings_are_refused(sd1: Case, settings: str, message: str, tmp_path: Path) -> None:
    file = renamed(sd1, tmp_path / "x.safetensors", str, {"lora_adapter_metadata": settings})
    with pytest.raises(UserError, match=message):
        read_lora(file)


def test_a_failure_half_way_leaves_the_model_as_it_was(sd1: Case, tmp_path: Path) -> None:
    """float16 holds 65,504: the last module does not, after the others were changed."""
    matrices = copy.deepcopy(sd1.matrices[0])
    name = list(matrices["unet"])[-1]
    down, up, alpha = matrices["unet"][name]
    matrices["unet"][name] = down * 1e3, up * 1e3, alpha
    file = kohya(matrices, tmp_path / "large.safetensors")
    unet, towers = sd1.ours()
    unet.half()
    before = bits(unet, towers)
    with pytest.raises(UserError, match=r"too large for torch.float16; give it a smaller weight"):
        with_loras(unet, towers, [(file, 10.0)])
    assert same(bits(unet, towers), before)
