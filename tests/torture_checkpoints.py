"""What is tortured of other people's weights: folders of Stable Diffusion, single files, LoRA in every naming."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mutants import mutated_json, mutated_weights
from torture_subjects import draw, json_files, weights_files
from torturing import Subject

FOLDERS = ("sd1", "sdxl")  # tiny checkpoints of Stable Diffusion, made by diffusers
FILES = ("sd1-file", "sdxl-file")  # the same in one file, in the original naming
LORAS = ("lora", "lora-kohya", "lora-diffusers", "lora-peft")
THINNER = 8
HEAVY = 0.1  # of the mutants that others have: each takes some tenths of a second to be opened


def folder_subjects(folder: Path, names: Collection[str] = FOLDERS) -> list[Subject]:
    """Tiny checkpoints in the diffusers layout, with the small vocabulary of the tiny model beside them."""
    from checkpoints import pipeline

    found = []
    for name in names:
        pipeline(name, tokenizer=folder / "tiny" / "tokenizer").save_pretrained(folder / name)
        found.append(Subject(name, folder / name, draw, json_files(folder / name), share=HEAVY))
    return found


def file_subjects(folder: Path, names: Collection[str] = FILES) -> list[Subject]:
    """Tiny checkpoints in one file; their vocabulary has to be CLIP's own."""
    from checkpoints import pipeline
    from fromnoise.system.text_to_image import TextToImage

    found = []
    for name in names:
        family = name.removesuffix("-file")
        whole, place = folder / f"{name}-before", folder / name
        pipeline(family, thinner=THINNER).to(torch.float16).save_pretrained(whole)
        place.mkdir()
        TextToImage.load(whole, None).save_file(place / f"{family}.safetensors")
        found.append(Subject(name, place, draw_file, weights_files(place), mutated_weights, HEAVY))
    return found


def draw_file(folder: Path) -> None:
    """Open the only file of a folder and draw one small step."""
    from fromnoise.drawing.pipeline import Pipeline
    from fromnoise.system.text_to_image import TextToImage

    (file,) = folder.iterdir()
    model = TextToImage.load(file)
    Pipeline("tiny", model)("red apple", seed=0, steps=1, guidance=1.0, width=32, height=32)


def lora_subjects(folder: Path) -> list[Subject]:
    """LoRA for the tiny model beside them: ours, kohya's, diffusers' and peft's, with its settings."""
    from fromnoise.system.own_lora import save_lora

    model = _tiny(folder / "tiny")[1]
    places = {name: folder / name for name in LORAS}
    for place in places.values():
        place.mkdir()
    ours = places["lora"] / "lora.safetensors"
    save_lora(ours, changes_of(model), model, "tiny", "crayon")
    tensors = load_file(ours)
    alphas = {f"{kohya(name).removesuffix('.lora_down.weight')}.alpha" for name in tensors if "lora_A" in name}
    state = {kohya(name): x for name, x in tensors.items()} | {name: torch.tensor(1.0) for name in alphas}
    save_file(state, places["lora-kohya"] / "kohya.safetensors", {"ss_network_dim": "2", "ss_network_alpha": "1.0"})
    modules = sorted({name.split(".lora_")[0].removeprefix("unet.") for name in tensors})
    settings = {"r": 2, "lora_alpha": 3, "alpha_pattern": {"to_q": 1}, "use_rslora": False, "target_modules": modules}
    notes = json.dumps({f"unet.{name}": value for name, value in settings.items()})
    diffusers = places["lora-diffusers"] / "pytorch_lora_weights.safetensors"
    save_file(tensors, diffusers, {"format": "pt", "lora_adapter_metadata": notes})
    named = {f"base_model.model.{name.removeprefix('unet.')}": x for name, x in tensors.items()}
    save_file(named, places["lora-peft"] / "adapter_model.safetensors", {"format": "pt"})
    (places["lora-peft"] / "adapter_config.json").write_text(json.dumps(settings, indent=1))
    files = {name: tuple(sorted(file for file in place.iterdir() if file.is_file())) for name, place in places.items()}
    return [Subject(name, place, use_lora, files[name], _spoilt) for name, place in places.items()]


def kohya(name: str) -> str:
    """A tensor's name as kohya's scripts write it."""
    module, _, side = name.removesuffix(".weight").rpartition(".")
    side = {"lora_A": "lora_down", "lora_B": "lora_up"}[side]
    return f"lora_{module.replace('.', '_')}.{side}.weight"


def changes_of(model: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """A small change of rank 2 of the layers of a U-Net's attention, and of one convolution."""
    generator, found = torch.Generator().manual_seed(0), {}
    for name, layer in model.unet.named_modules():
        if (isinstance(layer, nn.Linear) and "attention" in name) or name == "conv_in":
            down = 0.1 * torch.randn(2, *layer.weight.shape[1:], generator=generator)
            found[name] = down, 0.1 * torch.randn(len(layer.weight), 2, generator=generator)
    return found


def use_lora(folder: Path) -> None:
    """Add the LoRA of a folder to the tiny model, draw one step, and take it away again: every weight is as before."""
    from fromnoise.drawing.pipeline import Pipeline
    from fromnoise.weights.lora import trigger_of, with_loras

    (file,) = folder.glob("*.safetensors")
    name, model = _tiny(folder.parent / "tiny")
    before = [x.clone() for x in model.unet.parameters()]
    trigger_of(file)
    applied = None
    try:
        applied = with_loras(model.unet, [model.text_tower], [(file, 0.8)])
        Pipeline(name, model)("red apple", seed=0, steps=1, guidance=1.0)
    finally:
        if applied is not None:
            applied.remove()
        assert all(torch.equal(x, y) for x, y in zip(before, model.unet.parameters(), strict=True))


@cache
def _tiny(place: Path) -> tuple[str, Any]:
    from fromnoise.system.text_to_image import TextToImage

    return "tiny", TextToImage.load(place)


def _spoilt(file: Path, data: bytes, rng: random.Random) -> str:
    if file.suffix != ".json":
        return mutated_weights(file, data, rng)
    kind, changed = mutated_json(data, rng)
    file.write_bytes(changed)
    return f"settings beside it: {kind}"


MAKERS: dict[tuple[str, ...], Callable[..., list[Subject]]] = {FOLDERS: folder_subjects, FILES: file_subjects}


def checkpoint_subjects(folder: Path, only: Collection[str] = ()) -> list[Subject]:
    """All of these, or those with these names; beside the tiny model, in its folder."""
    found = []
    for names, make in MAKERS.items():
        wanted = [name for name in names if not only or name in only]
        found += make(folder, wanted) if wanted else []
    if not only or any(name in only for name in LORAS):
        found += lora_subjects(folder)
    return [replace(each) for each in found if not only or each.name in only]
