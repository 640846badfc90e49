"""The U-Net: the network that looks at noisy latents and a prompt and estimates what is noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.models.layers.attention import SpatialTransformer
from fromnoise.models.layers.convolution import Convolution3x3
from fromnoise.models.layers.embedding import PooledWords, TimeEmbedding, VectorEmbedding
from fromnoise.models.layers.norm import GroupNorm
from fromnoise.models.layers.residual import Downsample, ResidualBlock, Upsample
from fromnoise.models.unet.blocks import EPS, MiddleBlock, UNetBlock


@dataclass(frozen=True)
class UNetConfig(Config):
    """Sizes of the U-Net, a subset of UNet2DConditionModel's.

    Attributes:
        sample_size: height and width of the latents it is trained on; names the blocks, nothing else.
        in_channels: channels of the noisy latents.
        out_channels: channels of the output.
        block_out_channels: channels per resolution, highest resolution first; the resolution halves after each.
        layers_per_block: blocks per resolution on the way down; the way up has one more.
        attention: per resolution, whether its blocks have self- and cross-attention.
        cross_attention_dim: width of the prompt's tokens.
        head_dim: width of one attention head; must divide the channels of the levels with attention.
        norm_num_groups: groups of every group norm; must divide all channels.
        mid_attention: attention in the middle block.
        heads: attention heads per resolution, instead of ``head_dim`` (Stable Diffusion 1.x: 8 everywhere).
        depth: transformer blocks per resolution where there is attention; empty means one each (Stable Diffusion XL
            has 1, 2 and 10).
        vector_width: width of what the U-Net is told besides words, added to the time; 0 for nothing (Stable
            Diffusion XL: 2816, its pooled text and six sizes).
        size_width: sinusoids per size in that vector.
        pooled_heads: attention heads that pool the prompt's tokens into one vector, added to the time; 0 for none.
        use_linear_projection: how attention's projections are stored in files (False: as 1x1 convolutions, as
            Stable Diffusion 1.x does); the arithmetic is the same.
    """

    sample_size: int = 8
    in_channels: int = 16
    out_channels: int = 16
    block_out_channels: tuple[int, ...] = (192, 384)
    layers_per_block: int = 2
    attention: tuple[bool, ...] = (True, True)
    cross_attention_dim: int = 192
    head_dim: int = 48
    norm_num_groups: int = 16
    mid_attention: bool = True
    heads: tuple[int, ...] = ()
    depth: tuple[int, ...] = ()
    vector_width: int = 0
    size_width: int = 256
    pooled_heads: int = 0
    use_linear_projection: bool = True

    def __post_init__(self) -> None:
        for name in ("attention", "heads", "depth"):
            values = getattr(self, name)
            if len(values) != len(self.block_out_channels) and (values or name == "attention"):
                raise UserError(f"unet: {name} = {values} needs one entry per entry of {self.block_out_channels}")
        for level, channels in enumerate(self.block_out_channels):
            if channels % self.norm_num_groups:
                raise UserError(f"unet: norm_num_groups = {self.norm_num_groups} must divide {channels} channels")
            if self.attends(level) and channels % (self.heads[level] if self.heads else self.head_dim):
                raise UserError(f"unet: {channels} channels do not split into equal attention heads")
        if self.pooled_heads < 0 or (self.pooled_heads and self.cross_attention_dim % self.pooled_heads):
            raise UserError(
                f"unet: pooled_heads = {self.pooled_heads} must divide cross_attention_dim = {self.cross_attention_dim}"
            )
        if self.pooled_heads and self.vector_width:
            raise UserError("unet: pooled_heads and vector_width exclude each other; set one of them to 0")
        if len({self.resolution(level) for level in range(len(self.block_out_channels))}) < len(self.attention):
            raise UserError(f"unet: sample_size = {self.sample_size} cannot be halved {len(self.attention) - 1} times")

    def attends(self, level: int) -> bool:
        """Say whether any block at a level's width has attention: its own blocks, or the middle after the last."""
        return self.attention[level] or (self.mid_attention and level == len(self.block_out_channels) - 1)

    def heads_at(self, level: int) -> int:
        """Return the number of attention heads at a level, whether or not its blocks have attention."""
        return self.heads[level] if self.heads else max(1, self.block_out_channels[level] // self.head_dim)

    def depth_at(self, level: int) -> int:
        """Return the number of transformer blocks in each spatial transformer of a level."""
        return self.depth[level] if self.depth else 1

    def resolution(self, level: int) -> str:
        """Return the resolution of a level as the blocks' names spell it, e.g. "8x8"."""
        size = -(-self.sample_size // 2**level)
        return f"{size}x{size}"

    def build(self) -> UNet:
        """Return a U-Net of these sizes whose weights are random and whose output is zero."""
        network = UNet(self)
        zero_last_layers_(network)
        return network


class UNet(nn.Module):
    """U-Net with the arithmetic of UNet2DConditionModel (arXiv 2112.10752).

    The blocks carry names that are the architecture. ``down["8x8_down_0"]`` is the first block at 8x8 on the
    way down, ``down["8x8_to_4x4"]`` leads to the next resolution; ``middle["4x4_middle"]``; ``up["4x4_up_0"]``.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = Convolution3x3(config.in_channels, widths[0])
        self.time = TimeEmbedding(widths[0], 4 * widths[0])
        self.vector = VectorEmbedding(config.vector_width, 4 * widths[0]) if config.vector_width else None
        pooled = config.pooled_heads
        self.pooled = PooledWords(config.cross_attention_dim, 4 * widths[0], pooled) if pooled else None
        self.down, skips = self._way_down()
        heads = config.heads_at(-1) if config.mid_attention else 0
        depth = config.depth_at(-1)
        block = MiddleBlock(widths[-1], 4 * widths[0], config.cross_attention_dim, heads, groups, depth)
        self.middle = nn.ModuleDict({f"{config.resolution(len(widths) - 1)}_middle": block})
        self.up = self._way_up(skips)
        self.norm_out = GroupNorm(groups, widths[0], EPS)
        self.conv_out = Convolution3x3(widths[0], config.out_channels)
        # In the order in which a picture passes them, which is that of the modules.
        self._attentions = tuple(module for module in self.modules() if isinstance(module, SpatialTransformer))
        self._read_widths = [layer.read_width for layer in self._attentions]
        self._adds_to_time = self.vector is not None or self.pooled is not None
        self._read_widths += [4 * widths[0]] if self._adds_to_time else []

    def _block(self, level: int, in_channels: int) -> UNetBlock:
        c = self.config
        heads = c.heads_at(level) if c.attention[level] else 0
        return UNetBlock(
            in_channels,
            c.block_out_channels[level],
            4 * c.block_out_channels[0],
            c.cross_attention_dim,
            heads,
            c.norm_num_groups,
            c.depth_at(level),
        )

    def _way_down(self) -> tuple[nn.ModuleDict, list[int]]:
        """Return the blocks and the channels of every tensor they leave for the way up."""
        c, down = self.config, nn.ModuleDict()
        channels = c.block_out_channels[0]
        skips = [channels]
        for level, width in enumerate(c.block_out_channels):
            for i in range(c.layers_per_block):
                down[f"{c.resolution(level)}_down_{i}"] = self._block(level, channels)
                channels = width
                skips.append(channels)
            if level + 1 < len(c.block_out_channels):
                down[f"{c.resolution(level)}_to_{c.resolution(level + 1)}"] = Downsample(channels)
                skips.append(channels)
        return down, skips

    def _way_up(self, skips: list[int]) -> nn.ModuleDict:
        """Return the blocks that take the skips, last one first."""
        c, up = self.config, nn.ModuleDict()
        channels = c.block_out_channels[-1]
        for level in reversed(range(len(c.block_out_channels))):
            for i in range(c.layers_per_block + 1):
                up[f"{c.resolution(level)}_up_{i}"] = self._block(level, channels + skips.pop())
                channels = c.block_out_channels[level]
            if level > 0:
                up[f"{c.resolution(level)}_to_{c.resolution(level - 1)}"] = Upsample(channels)
        return up

    def forward(self, x: Tensor, t: Tensor, context: Tensor, vector: Tensor | None = None) -> Tensor:
        """Estimate v (or whatever the training asked for) from noisy latents.

        Args:
            x: noisy latents (B, in_channels, H, W), unit variance.
            t: time steps (B,), 0 = clean to 999 = pure noise.
            context: the prompt's tokens (B, L, cross_attention_dim).
            vector: what else it is told, (B, vector_width), where the config has one.

        Returns:
            (B, out_channels, H, W) in the dtype of the weights.
        """
        return self._un_noise(x, t, self._read_all(context, vector))

    def read(self, context: Tensor, vector: Tensor | None = None) -> Tensor:
        """What all blocks want to know of the prompt, which is the same at every noise level.

        Args:
            context: the prompt's tokens (B, L, cross_attention_dim).
            vector: as in :meth:`forward`.

        Returns:
            Keys and values of all blocks with attention, (B, L, width) in the dtype of the weights, in the order in
            which a picture passes them, then what vector or pooled words add to the time, the same for every token;
            width is 0 without attention.
        """
        parts = self._read_all(context, vector)
        return torch.cat(parts, dim=-1) if parts else context[..., :0]

    def with_words(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """:meth:`forward`, for a prompt that was read before: ``words`` is what :meth:`read` returned."""
        return self._un_noise(x, t, words.to(self.conv_in.weight.dtype).split(self._read_widths, dim=-1))

    def _read_all(self, context: Tensor, vector: Tensor | None) -> list[Tensor]:
        context = context.to(self.conv_in.weight.dtype)
        read = [layer.read(context) for layer in self._attentions]
        if not self._adds_to_time:
            return read
        added: Tensor
        if self.pooled is not None:
            added = self.pooled(context)
        elif self.vector is not None and vector is not None:
            added = self.vector(vector.to(context.dtype))
        else:
            raise ValueError("this U-Net needs its vector: pooled text and sizes")
        return [*read, added[:, None].expand(-1, context.shape[1], -1)]

    def _un_noise(self, x: Tensor, t: Tensor, read: Sequence[Tensor]) -> Tensor:
        x, words = self.conv_in(x.to(self.conv_in.weight.dtype)), iter(read)
        time = self.time(t)
        if self._adds_to_time:
            time = time + read[-1][:, 0]
        time = F.silu(time)  # every block starts with this SiLU, so it is taken once

        # Down: every tensor is kept for the way up.
        skips = [x]
        for block in self.down.values():
            x = block(x, time, words) if isinstance(block, UNetBlock) else block(x)
            skips.append(x)

        for block in self.middle.values():
            x = block(x, time, words)

        # Up: each block also sees the tensor that left the same resolution on the way down.
        for block in self.up.values():
            if isinstance(block, UNetBlock):
                x = block(torch.cat([x, skips.pop()], dim=1), time, words)
            else:
                x = block(x, skips[-1].shape[2:])
        return self.conv_out(F.silu(self.norm_out(x)))


@torch.no_grad()
def zero_last_layers_(network: UNet) -> None:
    """Make every residual branch and the output start at zero (arXiv 2105.05233, as in guided diffusion).

    Training then begins from the identity and from the best constant guess, which saves the first steps.
    """
    last: list[nn.Module] = [network.conv_out]
    last += [m.conv_2 for m in network.modules() if isinstance(m, ResidualBlock)]
    last += [m.proj_out for m in network.modules() if isinstance(m, SpatialTransformer)]
    last += [network.pooled.norm_2] if network.pooled is not None else []
    for layer in last:
        for parameter in layer.parameters():
            parameter.zero_()
