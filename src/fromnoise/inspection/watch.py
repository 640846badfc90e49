"""Watching the U-Net at work: what its attention looks at, and what comes out of its blocks.

Hooks of torch are attached to the modules for as long as somebody watches, and nothing is attached otherwise, so that
drawing stays what it is. A hook only reads: what is drawn is the same bits whether anybody watches or not.

    with watching(model, plan, attention=True) as (watched, seen):
        for event in generate(watched, plan):
            looks = seen.take()          # of this step

A drawing calls the U-Net with words and without; only the rows that read the prompt are looked at. The cost of a map is
a softmax over products that the network computes as well, for one of those two calls. What is seen of one step of
Stable Diffusion 1.5 at 512 px: 8 MB of word maps, 67 MB of outputs (benchmarks/watching.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fromnoise.drawing.conditioning import conditioned
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.models.layers.attention import CrossAttention
from fromnoise.models.unet.blocks import MiddleBlock, UNetBlock
from fromnoise.system.engine import Engine, TorchEngine
from fromnoise.system.picturewise import ExactBatches
from fromnoise.system.text_to_image import TextToImage

CHUNK = 1024  # positions whose attention is computed at a time, so that memory stays small for large pictures


@dataclass(frozen=True, eq=False)
class Look:
    """What one block did in one call of the U-Net, for one picture, with words.

    Attributes:
        block: its name, as "8x8_down_0" or "4x4_middle".
        t: the noise level of the call.
        attention: float32 [L,h,w]: how much each position listens to each of the prompt's L tokens, mean over heads
            (and over transformer blocks, where there are several); sums to 1 over L. None where it was not asked for.
        output: float32 [C,h,w], what the block handed on. None where it was not asked for.
    """

    block: str
    t: float
    attention: Tensor | None = None
    output: Tensor | None = None


class Seen:
    """Collects looks; several threads may draw."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._lock = threading.Lock()

    def add(self, look: Look) -> None:
        """Take in one look."""
        with self._lock:
            self._looks.append(look)

    def take(self) -> list[Look]:
        """What was seen since the last time, in the order in which the picture passed it."""
        with self._lock:
            looks, self._looks = self._looks, []
        return looks


@contextmanager
def watching(
    model: TextToImage, plan: Plan, attention: bool = False, outputs: Collection[str] = ()
) -> Iterator[tuple[TextToImage, Seen]]:
    """A model that draws the same and can be looked into, and what is seen.

    Args:
        model: as it is loaded, or packed for drawing.
        plan: of the one picture that is drawn with it meanwhile.
        attention: look at attention to the prompt.
        outputs: names of blocks whose outputs are kept; see :func:`block_names`.

    Raises:
        UserError: the model is computed by another engine than torch, or has no such block.
        ValueError: a plan of several pictures.
    """
    if not isinstance(model.engine, TorchEngine):
        raise UserError("only torch can be looked into; open the model without a backend")
    if plan.count != 1 or plan.best_of != 1:
        raise ValueError("one picture is watched at a time")
    blocks = _blocks(model)
    missing = [name for name in outputs if name not in blocks]
    if missing:
        raise UserError(f"the U-Net has no block '{missing[0]}'; it has {', '.join(blocks)}")
    seen, now = Seen(), _Now()
    _, words = conditioned(model, [plan])
    watched = replace(model, backend=_Watched(model.engine, words[0], now))
    handles: list[RemovableHandle] = []
    for name, block in blocks.items():
        if attention:
            handles += _watch_attention(name, block, now, seen)
        if name in outputs:
            handles.append(block.register_forward_hook(_output_hook(name, now, seen)))
    try:
        yield watched, seen
    finally:
        for handle in handles:
            handle.remove()


def block_names(model: TextToImage) -> list[str]:
    """The names of the U-Net's blocks, in the order in which a picture passes them."""
    return list(_blocks(model))


def _blocks(model: TextToImage) -> dict[str, nn.Module]:
    unet = model.unet
    return {name: block for way in (unet.down, unet.middle, unet.up) for name, block in way.items()}


class _Now(threading.local):
    """What the call of this thread is about: the rows that read the prompt, and their noise level."""

    rows: list[int]
    t: float
    shape: tuple[int, int]

    def __init__(self) -> None:
        self.rows, self.t, self.shape = [], 0.0, (0, 0)


class _Watched:
    """The model's own engine, which also says for whom it computes."""

    def __init__(self, engine: Engine, words: Tensor, now: _Now) -> None:
        self._engine, self._words, self._now = engine, words, now

    @property
    def precision(self) -> str:
        """As the engine's."""
        return self._engine.precision

    @property
    def batches(self) -> ExactBatches:
        """As the engine's; finding out about sizes is not watched."""
        return self._engine.batches

    def predict(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """As the engine's."""
        rows = [i for i in range(len(words)) if torch.equal(words[i], self._words)]
        self._now.rows, self._now.t = rows, float(t[rows[0]]) if rows else 0.0
        try:
            return self._engine.predict(x, t, words)
        finally:
            self._now.rows = []

    def decode(self, latents: Tensor) -> Tensor:
        """As the engine's."""
        return self._engine.decode(latents)


Hook = Callable[..., None]


def _output_hook(name: str, now: _Now, seen: Seen) -> Hook:
    def hook(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
        for row in now.rows[:1]:
            seen.add(Look(name, now.t, output=given[row].detach().float().cpu().clone()))

    return hook


def _watch_attention(name: str, block: nn.Module, now: _Now, seen: Seen) -> list[RemovableHandle]:
    """Hooks that look at all cross-attentions of a block and hand out their mean when the last one is through."""
    unet_block = block.first if isinstance(block, MiddleBlock) else block
    if not isinstance(unet_block, UNetBlock) or unet_block.attention is None:
        return []
    place = unet_block.attention
    layers = [layer for layer in place.modules() if isinstance(layer, CrossAttention)]
    state = threading.local()

    def begin(_: nn.Module, taken: tuple[Tensor, ...]) -> None:
        state.shape, state.maps = tuple(taken[0].shape[2:]), []

    def look(layer: nn.Module, taken: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, CrossAttention)
        for row in now.rows[:1]:
            state.maps.append(attention_map(layer, taken[0][row : row + 1], taken[1][row : row + 1])[0])
            if len(state.maps) == len(layers):
                mean = torch.stack(state.maps).mean(0)  # [N,L]
                seen.add(Look(name, now.t, attention=mean.T.unflatten(1, state.shape).contiguous().cpu()))

    handles: list[RemovableHandle] = [place.register_forward_pre_hook(begin)]
    return handles + [layer.register_forward_pre_hook(look) for layer in layers]


def attention_map(layer: CrossAttention, x: Tensor, words: Tensor) -> Tensor:
    """softmax(q kᵀ / √d), mean over heads: what :func:`fromnoise.models.layers.attention.attend` weighs values by.

    Args:
        layer: whose queries and heads.
        x: (B, N, width), what it is called with.
        words: (B, L, 2*width), as well.

    Returns:
        float32 (B, N, L); rows sum to 1.
    """
    with torch.no_grad():
        key = words.chunk(2, dim=-1)[0].unflatten(-1, (layer.heads, -1)).transpose(1, 2).float()  # (B, heads, L, d)
        found = []
        for some in x.split(CHUNK, dim=1):
            query = layer.q(some).unflatten(-1, (layer.heads, -1)).transpose(1, 2).float()
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
            found.append(scores.softmax(-1).mean(1))
        return torch.cat(found, dim=1)
