"""A diagram of the networks, made from the modules themselves: what each takes and gives, found by running them.

Nothing here knows how many blocks there are. A diagram drawn by hand would drift from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fromnoise.models.unet.blocks import UNetBlock
from fromnoise.models.unet.unet import UNet
from fromnoise.system.text_to_image import TextToImage

DEEPEST = 4  # names below a network that are shown: "down.16x16_down_0.resnets.0"
PROMPT = "a red apple"


def machine_of(model: TextToImage, prompt: str = PROMPT) -> dict[str, Any]:
    """The networks in the order in which a prompt becomes a picture, with the shapes that go through them.

    Args:
        model: as it was loaded, not packed for drawing: packed modules have other insides.
        prompt: what is drawn to find the shapes.

    Returns:
        {"prompt", "tokens", "networks": [...]}; every network is a block, and every block has "name", "path", "kind"
        (its class), "about" (the first line of its documentation), "weights", "takes" and "gives" (lists of shapes
        without the batch), and "blocks". The U-Net also has "skips", see :func:`skips_of`.
    """
    device = model.device
    latents = torch.randn(1, *model.latent_shape(), generator=torch.Generator().manual_seed(0)).to(device)
    t = torch.tensor([model.schedule.steps // 2], device=device)
    extra = model.unet.config.in_channels - latents.shape[1]
    seen = torch.cat([latents, latents.new_zeros(1, extra, *latents.shape[2:])], dim=1) if extra else latents
    with torch.no_grad():
        words = [_run("text_encoder", model.text_tower, lambda: model.embed([prompt]))]
        if model.second is not None:
            words.append(_run("text_encoder_2", model.second[1], lambda: model.embed([prompt])))
        read = model.read([prompt])
        unet = _run("unet", model.unet, lambda: model.unet.with_words(seen, t, read), _unet_ends(seen, model))
        unet["skips"] = skips_of(model.unet)
        decode = _run("vae.decoder", model.vae.decoder, lambda: model.vae.decode(latents))
        pictures = torch.zeros(1, 3, model.pixels, model.pixels, device=device)
        encode = _run("vae.encoder", model.vae.encoder, lambda: model.vae.encode(pictures))
        networks = [*words, unet, decode, encode]
        if model.clip is not None:
            image, side = model.clip.image, model.clip.image.config.pixels
            picture = torch.zeros(1, 3, side, side, device=device)
            networks.append(_run("clip.image", image, lambda: image(picture)))
    tokens = model.tokenizer.tokens(prompt)
    return {"prompt": prompt, "tokens": tokens, "networks": networks}


def skips_of(unet: UNet) -> list[tuple[str, str]]:
    """What goes straight across the U: which part on the way up takes what which part left on the way down.

    Returns:
        (path of the one that left it, path of the one that takes it), in the order in which it is taken.
    """
    left = ["conv_in", *(f"down.{name}" for name in unet.down)]
    return [(left.pop(), f"up.{name}") for name, block in unet.up.items() if isinstance(block, UNetBlock)]


def _unet_ends(seen: Tensor, model: TextToImage) -> tuple[list[list[int]], list[list[int]]]:
    """What goes into and comes out of the U-Net: it is called by a method, which hooks do not see."""
    out = (model.unet.config.out_channels, *seen.shape[2:])
    return [list(seen.shape[1:]), [1]], [list(out)]


def _run(
    name: str,
    network: nn.Module,
    use: Callable[[], Any],
    ends: tuple[list[list[int]], list[list[int]]] | None = None,
) -> dict[str, Any]:
    with _watched(network) as shapes:
        use()
    block = _block(name, "", network, shapes, 0)
    if ends is not None:
        block["takes"], block["gives"] = ends
    return block


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, tuple[list[list[int]], list[list[int]]]]]:
    """Note the shapes that go into and come out of every module, by its path."""
    shapes: dict[str, tuple[list[list[int]], list[list[int]]]] = {}

    def hook(path: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, taken, given: shapes.setdefault(path, (_shapes(taken), _shapes(given))) and None

    handles = [module.register_forward_hook(hook(path)) for path, module in network.named_modules()]
    try:
        yield shapes
    finally:
        for handle in handles:
            handle.remove()


def _shapes(value: Any) -> list[list[int]]:
    """Shapes of the tensors in a module's arguments or answer, without the batch."""
    if isinstance(value, Tensor):
        return [list(value.shape[1:])]
    if isinstance(value, list | tuple):
        return [shape for item in value for shape in _shapes(item)]
    return [shape for item in vars(value).values() for shape in _shapes(item)] if hasattr(value, "__dict__") else []


def _block(
    name: str, path: str, module: nn.Module, shapes: dict[str, tuple[list[list[int]], list[list[int]]]], depth: int
) -> dict[str, Any]:
    takes, gives = shapes.get(path, ([], []))
    children = [
        _block(key, f"{path}.{key}" if path else key, child, shapes, depth + 1)
        for key, child in module.named_children()
        if depth < DEEPEST and _counts(child)
    ]
    return {
        "name": name,
        "path": path,
        "kind": type(module).__name__,
        "about": _about(module),
        "weights": sum(p.numel() for p in module.parameters()),
        "takes": takes,
        "gives": gives,
        "blocks": children,
    }


def _counts(module: nn.Module) -> bool:
    """Whether a module is worth a box: it has weights, or does something that a reader should know of."""
    return any(True for _ in module.parameters()) or isinstance(module, nn.SiLU | nn.GELU)


def _about(module: nn.Module) -> str:
    """The first line of our own documentation of a module; torch's are not written for readers of a diagram."""
    kind = type(module)
    if not kind.__module__.startswith("fromnoise"):
        return ""
    return (kind.__doc__ or "").strip().split("\n")[0]
