"""Writing whole models into one safetensors file, in the original naming of Stable Diffusion."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import allow, whole_file
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.vae import VAE
from fromnoise.weights.clip_layout import text_table
from fromnoise.weights.diffusers_layout import unfolded
from fromnoise.weights.files import check_finite
from fromnoise.weights.names import State, entries, to_foreign, unet_table, vae_table
from fromnoise.weights.notes import SCHEDULER_NOTE
from fromnoise.weights.original_names import Original, unet_original, vae_original
from fromnoise.weights.original_sizes import HEAD, text_original
from fromnoise.weights.single_file import UNET, Family, family_named
from fromnoise.weights.single_file import VAE as VAE_PREFIX


def save_single(
    file: Path,
    networks: tuple[UNet, VAE, Sequence[TextTower]],
    dtype: torch.dtype | None,
    marks: Sequence[str] = (),
    scheduler: Mapping[str, Any] | None = None,
) -> None:
    """Write a model into one file, whole or not at all.

    Args:
        file: ends in .safetensors.
        networks: U-Net, VAE, and one text tower or the two of Stable Diffusion XL.
        dtype: of the file; None: as the networks are.
        marks: empty tensors that say something about the model to other programs: "v_pred", "ztsnr".
        scheduler: config of the model's scheduler, which goes into the header's notes; other programs overlook it.

    Raises:
        UserError: the sizes are none of Stable Diffusion 1.x, 2.x or XL, or the file cannot be written.
    """
    unet, vae, texts = networks
    family = _family(unet, vae, texts)
    state: State = {mark: torch.zeros(0) for mark in marks}
    foreign = to_foreign(unet.state_dict(), entries(unet.state_dict(), unet_table(unet.config), _flat(unet)))
    _put(state, foreign, UNET, lambda n: Original(unet_original(n, unet.config)))
    names = entries(vae.state_dict(), vae_table(vae.config))
    foreign = to_foreign({**vae.state_dict(), **unfolded(vae).tensors_like(vae)}, names)
    foreign = {n: x[:, :, None, None] if ".to_" in n and x.ndim == 2 else x for n, x in foreign.items()}
    _put(state, foreign, VAE_PREFIX, lambda n: Original(vae_original(n, vae.config)))
    for tower, (prefix, is_open) in zip(texts, family.texts, strict=True):
        foreign = to_foreign(tower.state_dict(), entries(tower.state_dict(), text_table(tower.config)))
        _put(state, foreign, prefix, text_original(is_open))
    notes = {"format": "pt"} | ({} if scheduler is None else {SCHEDULER_NOTE: json.dumps(dict(scheduler))})
    _write(file, {name: x.detach().to("cpu", dtype or x.dtype).contiguous() for name, x in state.items()}, notes)


def _put(state: State, foreign: State, prefix: str, original: Callable[[str], Original]) -> None:
    """Add tensors under their original names, stacking thirds and turning what is transposed."""
    thirds: dict[str, list[Tensor]] = {}
    for name, x in foreign.items():
        found = original(name)
        if found.third is None:
            state[prefix + found.name] = x.T if found.transposed else x
        else:
            thirds.setdefault(prefix + found.name, [x, x, x])[found.third] = x
    state |= {name: torch.cat(parts) for name, parts in thirds.items()}


def _write(file: Path, state: State, notes: dict[str, str]) -> None:
    check_finite(file, state)
    try:
        with whole_file(file) as draft:
            draft.touch()
            usual = draft.stat().st_mode
            save_file({name: x.clone() for name, x in state.items()}, draft, metadata=notes)
            _sort_notes(draft)
            allow(draft, usual)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {file}: {error}") from None


def _sort_notes(file: Path) -> None:
    """Put the header's notes in order, in place: the library writes them in a random one, and files would differ."""
    with file.open("r+b") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        if len(text) == size:
            stream.seek(8)
            stream.write(text)


def _flat(unet: UNet) -> bool:
    return not unet.config.use_linear_projection


def _family(unet: UNet, vae: VAE, texts: Sequence[TextTower]) -> Family:
    """The family whose rules would read this model back as it is.

    Raises:
        UserError: none would.
    """
    config = unet.config
    name = "sdxl" if len(texts) == 2 else "sd2" if texts[0].config.activation == "gelu" else "sd1"
    family = family_named(name)
    levels = range(len(config.block_out_channels))
    attending = [level for level in levels if config.attends(level)]
    heads = [config.block_out_channels[level] // HEAD if name != "sd1" else 8 for level in attending]
    fits = (
        config.use_linear_projection == (name != "sd1")
        and [config.heads_at(level) for level in attending] == heads
        and {config.norm_num_groups, vae.config.norm_num_groups} == {32}
        and all(t.config.heads == max(1, t.config.width // HEAD) for t in texts)
        and unfolded(vae).scale == family.factor
        and config.mid_attention
    )
    if not fits:
        raise UserError(
            "one file in the original naming holds no sizes, so only models built like Stable Diffusion 1.x, 2.x or XL "
            "fit into it; write a folder instead"
        )
    return family
