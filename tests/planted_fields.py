"""One field at a time of what others wrote, planted: what do we make of it, and what do diffusers, peft, transformers?

A field is *honoured* where we make the same of it as the peer and that is not what it makes without the field, without
*effect* where neither cares, *refused* where we say its name and stop, *beyond* where the peer stops and we need not
(:data:`BEYOND`). Everything else is *wrong*: overlooked although the peer's answer changes, taken where the peer
refuses, refused without its name.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError

# What else a refusal may name: the setting that this one does not go with, or what it is about in plain words.
MEANT = {
    "use_flow_sigmas": ("prediction_type",), "rescale_betas_zero_snr": ("zero_terminal_snr",),
    "added_tokens_decoder": ("adds '",), "_class_name": ("known are Stable Diffusion",),
}  # fmt: skip
# What the peer refuses and we draw as its formula says.
BEYOND = {
    ("scheduler: EulerAncestralDiscreteScheduler", "prediction_type", "sample"),
    ("scheduler: DPMSolverMultistepScheduler", "algorithm_type", "deis"),
}
OUTCOMES = ("honoured", "no effect", "refused", "beyond", "wrong")


@dataclass(frozen=True)
class Planted:
    """What became of a field.

    Attributes:
        family: what it stands in.
        field, value: what was planted.
        outcome: of :data:`OUTCOMES`.
        said: our refusal, or what is wrong.
    """

    family: str
    field: str
    value: Any
    outcome: str
    said: str = ""


def answer(make: Callable[[], Tensor]) -> Tensor | Exception:
    """What somebody makes of it, or how they refuse."""
    try:
        with torch.no_grad():
            return make()
    except Exception as error:  # each peer has its own ways
        return error


def judged(family: str, field: str, value: Any, answers: tuple[Any, Any, Tensor], tolerance: float = 1e-4) -> Planted:
    """Compare our answer with the peer's, and that with the peer's without the field.

    Args:
        family, field, value: as in :class:`Planted`.
        answers: ours, the peer's, and the peer's without the field.
        tolerance: of the largest number.
    """
    ours, theirs, before = answers
    if isinstance(ours, UserError):
        named = ours.field == field or any(
            word in str(ours) for word in (field.rpartition(".")[2], *MEANT.get(field, ()))
        )
        return Planted(family, field, value, "refused" if named else "wrong", str(ours))
    if isinstance(ours, Exception):
        return Planted(family, field, value, "wrong", f"{type(ours).__name__}: {ours}")
    if isinstance(theirs, Exception):
        if (family, field, value) in BEYOND:
            return Planted(family, field, value, "beyond")
        said = f"the peer refuses it: {type(theirs).__name__}: {str(theirs)[:150]}"
        return Planted(family, field, value, "wrong", said)
    if not _alike(ours, theirs, tolerance):
        overlooked = _alike(ours, before, tolerance)
        said = "overlooked" if overlooked else "neither the peer's answer nor that of before"
        return Planted(family, field, value, "wrong", said)
    return Planted(family, field, value, "no effect" if _alike(theirs, before, tolerance) else "honoured")


def _alike(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= tolerance * b.abs().max().clamp_min(1e-9))


# --- networks and schedulers -------------------------------------------------------------------------------------


def networks(folder: Path) -> Iterator[Planted]:
    """Every setting of the configs of U-Net, VAE and text tower, by the table of tests/weights."""
    import test_foreign_configs as known

    for family, table, outcome in (
        ("U-Net", known.UNET_SETTINGS, known.of_the_u_net),
        ("VAE", known.VAE_SETTINGS, known.of_the_vae),
        ("text tower", known.TEXT_SETTINGS, known.of_the_text_tower),
    ):
        for i, (name, value) in enumerate((name, value) for name, values in table.items() for value in values):
            place = folder / family / str(i)
            place.mkdir(parents=True)
            try:
                yield Planted(family, name, value, outcome(place, name, value))
            except (AssertionError, RuntimeError) as error:
                yield Planted(family, name, value, "wrong", str(error)[:200])
            shutil.rmtree(place)


SCHEDULED: dict[str, list[Any]] = {
    "num_train_timesteps": [500], "beta_start": [0.001], "beta_end": [0.02, 0.01],
    "beta_schedule": ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"],
    "trained_betas": [[0.001 + 0.00001 * i for i in range(1000)]], "steps_offset": [0, 1],
    "prediction_type": ["epsilon", "v_prediction", "sample", "flow_prediction"], "clip_sample": [True],
    "set_alpha_to_one": [True, False], "thresholding": [True], "timestep_spacing": ["leading", "trailing", "linspace"],
    "rescale_betas_zero_snr": [True], "variance_type": ["fixed_large", "fixed_small_log", "learned", "learned_range"],
    "skip_prk_steps": [True, False], "timestep_scaling": [5.0], "original_inference_steps": [25],
    "interpolation_type": ["log_linear"], "use_karras_sigmas": [True], "use_exponential_sigmas": [True],
    "use_beta_sigmas": [True], "sigma_min": [0.05], "sigma_max": [12.0], "timestep_type": ["continuous"],
    "final_sigmas_type": ["sigma_min", "zero"], "solver_order": [1, 3],
    "algorithm_type": ["dpmsolver", "sde-dpmsolver", "sde-dpmsolver++", "deis"],
    "solver_type": ["heun", "bh1", "midpoint", "logrho", "bh2"], "lower_order_final": [False],
    "euler_at_final": [True], "use_lu_lambdas": [True], "use_flow_sigmas": [True], "flow_shift": [3.0],
    "lambda_min_clipped": [-5.1], "predict_x0": [False], "disable_corrector": [[0]], "solver_p": [None],
    "use_dynamic_shifting": [True], "shift_terminal": [0.1], "shift": [3.0], "invert_sigmas": [True],
    "stochastic_sampling": [True], "clip_sample_range": [2.0], "dynamic_thresholding_ratio": [0.9],
    "sample_max_value": [1.5], "base_shift": [0.7], "max_shift": [1.5], "base_image_seq_len": [128],
    "max_image_seq_len": [2048], "time_shift_type": ["linear"],
}  # fmt: skip
LOOSE = {"rescale_betas_zero_snr": 2e-3, "beta_schedule": 5e-3}  # differences of diffusers' float32 at large sigmas


def schedulers(folder: Path) -> Iterator[Planted]:
    """Every setting of every scheduler class that we draw with as diffusers does, in 5 steps."""
    import diffusers
    import test_samplers_checkpoints as known

    from fromnoise.weights.scheduler_classes import CLASSES
    from fromnoise.weights.schedulers import scheduler_from_foreign

    for name, kind in CLASSES.items():
        if kind.note:
            continue
        peer = getattr(diffusers, name)
        usual = {} if name.startswith("Flow") else {**known.SD}
        usual |= {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
        usual |= {"clip_sample": False} if "clip_sample" in inspect.signature(peer.__init__).parameters else {}
        before = known.theirs(peer(**usual), 5)
        for field in inspect.signature(peer.__init__).parameters.keys() - {"self"}:
            for value in SCHEDULED[field]:
                config = {**usual, field: value}

                def ours(config: dict[str, Any] = config, name: str = name) -> Tensor:
                    said = scheduler_from_foreign({**config, "_class_name": name}, Path("config"))
                    return known.ours(said, 5) if not said.note else _noted(said.note)

                theirs = answer(lambda peer=peer, config=config: known.theirs(peer(**config), 5))  # type: ignore[misc]
                found = answer(ours), theirs, before
                yield judged(f"scheduler: {name}", field, value, found, LOOSE.get(field, 1e-4))


def _noted(note: str) -> Tensor:
    """A scheduler that is drawn nearly so, and says it: as good as a refusal that the user has been told of."""
    raise UserError(note)


# --- LoRA --------------------------------------------------------------------------------------------------------

PEFT: dict[str, list[Any]] = {
    "r": [2, 8], "lora_alpha": [16, 1], "alpha_pattern": [{"to_q": 9}, {"attn1.to_k": 9}, {".*to_q": 9}],
    "rank_pattern": [{"to_q": 2}], "use_rslora": [True], "use_dora": [True], "fan_in_fan_out": [True],
    "bias": ["all", "lora_only"], "lora_bias": [True], "lora_dropout": [0.5],
    "init_lora_weights": [False, "gaussian", "pissa", "olora", "orthogonal", "loftq", "eva", "corda"],
    "modules_to_save": [["conv_out"]], "layers_to_transform": [[0], 1], "layers_pattern": ["transformer_blocks"],
    "target_modules": [["to_q"], ["attn1.to_q", "to_k"], "all-linear", "^.*to_[qk]$"],
    "exclude_modules": [["to_q"], ".*attn1.*"], "inference_mode": [False],
    "peft_type": ["LOHA", "IA3"], "target_parameters": [["conv_in.weight"]], "layer_replication": [[[0, 1]]],
    "trainable_token_indices": [[1]], "alora_invocation_tokens": [[1, 2]], "use_qalora": [True], "use_bdlora": [{}],
    "megatron_config": [{}], "loftq_config": [{"loftq_bits": 4}], "qalora_group_size": [8], "revision": ["x"],
    "base_model_name_or_path": ["x"], "auto_mapping": [{"a": "b"}], "ensure_weight_tying": [True],
    "peft_version": ["9"], "megatron_core": ["x"], "runtime_config": [{}], "eva_config": [{}], "corda_config": [{}],
    "lora_ga_config": [{}], "velora_config": [{}], "monteclora_config": [{}], "arrow_config": [{}],
    "kasa_config": [{}],
}  # fmt: skip


@cache
def _lora_case(folder: Path) -> tuple[Any, Path, Any]:
    """A tiny U-Net of diffusers, its folder, and inputs; beside it ``adapter``, as peft saves it."""
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, layers_per_block=1, block_out_channels=(32, 64), cross_attention_dim=64, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()  # fmt: skip
    unet.save_pretrained(folder / "unet")
    adapted = get_peft_model(_copy(folder), LoraConfig(r=4, lora_alpha=6, target_modules=["to_q", "to_k"]))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.save_pretrained(folder / "adapter")
    generator = torch.Generator().manual_seed(1)
    x, context = torch.randn(1, 4, 16, 16, generator=generator), torch.randn(1, 5, 64, generator=generator)
    return (x, torch.tensor([300]), context), folder, unet


def _copy(folder: Path) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).eval()


def loras(folder: Path, only: Collection[str] = tuple(PEFT)) -> Iterator[Planted]:
    """Every setting of peft, or some, beside the file as peft keeps it."""
    inputs, folder, _ = _lora_case(folder)
    before = _by_peft(folder, folder / "adapter", inputs)
    for field in only:
        for value in PEFT[field]:
            place = folder / "planted"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(folder / "adapter", place)
            config = json.loads((place / "adapter_config.json").read_text())
            (place / "adapter_config.json").write_text(json.dumps({**config, field: value}))
            theirs = answer(lambda place=place: _by_peft(folder, place, inputs))  # type: ignore[misc]
            ours = answer(lambda place=place: _by_us(folder, place, inputs))  # type: ignore[misc]
            yield judged("LoRA: adapter_config.json", field, value, (ours, theirs, before))


def _by_peft(folder: Path, place: Path, inputs: Any) -> Tensor:
    from peft import PeftModel

    torch.manual_seed(0)
    found: Tensor = PeftModel.from_pretrained(_copy(folder), place).eval()(*inputs).sample
    return found


def _by_us(folder: Path, place: Path, inputs: Any) -> Tensor:
    from fromnoise.weights.diffusers_layout import load_unet
    from fromnoise.weights.lora import with_loras

    unet = load_unet(folder / "unet").eval()
    with_loras(unet, [], [(place / "adapter_model.safetensors", 1.0)])
    found: Tensor = unet(*inputs)
    return found
