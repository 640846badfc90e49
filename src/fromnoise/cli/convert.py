"""``fromnoise convert``: models between folders and single files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.system.text_to_image import TextToImage

FORMATS = ("fp16", "bf16", "fp32")
NOT_WRITTEN = (".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".h5", ".msgpack", ".safetensor")


def convert(
    source: Annotated[str, typer.Argument(help="A model: folder, .safetensors file, name, or owner/name on the hub.")],
    target: Annotated[Path, typer.Argument(help="A folder, or a file that ends in .safetensors.")],
    dtype: Annotated[str | None, typer.Option(help="fp16, bf16 or fp32; default: as stored (fp8 as fp16).")] = None,
    lora: Annotated[list[str] | None, typer.Option(help="Fuse a LoRA file, or file:weight; may be repeated.")] = None,
    prediction: Annotated[str | None, typer.Option(help="epsilon or v, for files that do not tell.")] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Open a .ckpt, as tensors only: no code is run.")
    ] = False,
    default_style: Annotated[
        str | None,
        typer.Option(help='One of its styles, to be added where a prompt names none; "" for none.'),
    ] = None,
) -> None:
    """Write a model as a diffusers folder, or as one file in the original naming of Stable Diffusion.

    fromnoise convert stable-diffusion.safetensors stable-diffusion/
    """
    import torch

    from fromnoise.cli.drawing import check_file
    from fromnoise.cli.opened import Opening, load
    from fromnoise.system.defaults import check_default_style
    from fromnoise.weights.pickles import as_safetensors

    if default_style is not None and target.suffix.lower() == ".safetensors":
        raise UserError("a single file cannot say its default style; name a folder")
    if dtype not in (None, *FORMATS):
        raise UserError(f"--dtype is one of {', '.join(FORMATS)}, not '{dtype}'")
    single = target.suffix.lower() == ".safetensors"
    if single:
        check_file(target)
    elif target.suffix.lower() in NOT_WRITTEN:
        raise UserError(f"models are written as safetensors only; name a .safetensors file or a folder, not '{target}'")
    if single and target.exists():
        raise UserError(f"{target} is there already, and convert writes over no file; name another, or delete it first")
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise UserError(f"{target} is what is converted; name another folder, so that nothing of it is lost")
    dtypes = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    wanted = None if dtype is None else dtypes[dtype]
    with as_safetensors(Path(source), allow_pickle) as place:
        opening = Opening(str(place), tuple(lora or ()), "as stored", prediction)
        model = load(opening)[1]
        if opening.loras and not single:
            model = without_its_pictures(model)
        if default_style is not None:
            check_default_style(default_style, model.styles)
            model = replace(model, default_style=default_style)
        if single:
            model.save_file(target, wanted)
        else:
            model.save(target, wanted)
    print(target)


def without_its_pictures(model: TextToImage) -> TextToImage:
    """A model with LoRAs fused, without the files beside it that know what it was trained on: they know nothing of the
    LoRAs' pictures, and a LoRA's style makes it another model, whose files they are not. Says which are left out."""
    from fromnoise.system.defaults import COPIES, LEARNING, MAP

    beside = {COPIES: model.copies, MAP: model.clip_map, LEARNING: model.learning}
    names = [name for name, data in beside.items() if data is not None]
    if names:
        print(
            f"left out: {', '.join(names)}, since a LoRA was trained on other pictures; "
            "make an index with: fromnoise inspect index MODEL --data FOLDER",
            file=sys.stderr,
        )
    return replace(model, copies=None, clip_map=None, learning=None)
