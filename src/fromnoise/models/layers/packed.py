"""Layers that only draw: their weights lie in memory as the CPU's matrix kernels want them.

oneDNN, which torch computes with on CPUs, multiplies by weights that are cut into small blocks. Ordinary layers keep
them row by row, and they are cut anew at every call: for one picture that takes as long as the arithmetic. In fp32
ordinary matrix products go to MKL, which on some CPUs is less than half as fast. Here the blocks are made once. The
operators are those that ``torch.compile`` puts into its code; where a build of torch lacks them, and on a GPU, the
ordinary layers stay.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from fromnoise.ground.cores import give_back_memory
from fromnoise.ground.kept import whatever_the_caller_set
from fromnoise.models.layers import winograd
from fromnoise.models.layers.attention import FeedForward, to_picture, to_tokens
from fromnoise.models.layers.convolution import windows
from fromnoise.models.layers.norm import affine
from fromnoise.models.layers.residual import ResidualBlock

N = TypeVar("N", bound=nn.Module)
OPERATORS = ("_reorder_linear_weight", "_linear_pointwise")
LARGE = 8 << 20  # weights in a layer after whose rearrangement memory is given back
FEW = 512  # positions of a picture up to which a 3x3 convolution is faster as a product with packed weights


def packed_copy(network: N, dtype: torch.dtype) -> N:
    """Return a copy that computes in ``dtype`` and without gradients; the original stays as it is.

    The copy's linear layers and convolutions are those of this module. Their weights are in no state dict: save the
    original.

    Args:
        network: any network of ours.
        dtype: float32 or bfloat16.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
    replaced = {id(layer): new for layer, new in _packed_parts(network, dtype)} if on_cpu and can_pack(dtype) else {}
    drawing = copy.deepcopy(network, replaced).requires_grad_(False)  # type: ignore[arg-type]
    drawing.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    give_back_memory()
    return drawing


def packed_in_place(network: N, dtype: torch.dtype) -> N:
    """Like :func:`packed_copy`, but the network itself is changed, layer by layer, so that no memory is needed twice.

    It can no longer be trained or saved.
    """
    if all(parameter.device.type == "cpu" for parameter in network.parameters()) and can_pack(dtype):
        _pack_children(network, dtype)
    network.requires_grad_(False)
    network.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    give_back_memory()
    return network


def unpacked_copy(network: nn.Module, like: N) -> N:
    """Fill a network with the weights of a packed one, in its own format: that one draws, this one has gradients.

    Args:
        network: packed, or as it was.
        like: of the same sizes, on the CPU; its weights are written over. It has no :class:`FeedForward`.
    """
    with torch.no_grad():
        for path, layer in like.named_modules():
            packed = network.get_submodule(path)
            packed = packed.product if isinstance(packed, PackedPointConvolution) else packed
            for name, parameter in layer.named_parameters(recurse=False):
                found = _plain_weight(packed) if name == "weight" else getattr(packed, name)
                parameter.copy_(found.reshape(parameter.shape))
    return like.requires_grad_(False).eval()


def _plain_weight(layer: nn.Module) -> Tensor:
    """The weight of a layer, packed or not, in ordinary order."""
    if isinstance(layer, PackedConvolution):
        return layer.plain_weight()
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.to_dense() if weight.is_mkldnn else weight


def _pack_children(module: nn.Module, dtype: torch.dtype) -> None:
    for name, child in list(module.named_children()):
        packed = _packed(child, dtype)
        if packed is None:
            _pack_children(child, dtype)
        else:
            setattr(module, name, packed.train(module.training))


@functools.cache
def can_pack(dtype: torch.dtype) -> bool:
    """Whether this build of torch has the operators, and they give on this CPU what the ordinary ones give."""
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS):
        return False
    try:
        with whatever_the_caller_set(), torch.inference_mode():
            layer, x = FeedForward(16).to(dtype), torch.ones(2, 5, 16, dtype=dtype)
            return torch.allclose(PackedFeedForward(layer, dtype)(x).float(), layer(x).float(), atol=0.05)
    except (RuntimeError, TypeError, AttributeError):
        return False


class PackedLinear(nn.Module):
    """A linear layer, activation included, with weights in blocks.

    Args:
        weight: (out, in).
        bias: (out,) or None.
        dtype: the format to compute in.
        activation: "none" or "gelu".
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, activation: str = "none") -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.activation = activation
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype).contiguous())
        self.bias = None if bias is None else bias.detach().to(dtype, copy=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        multiply = torch.ops.mkldnn._linear_pointwise
        return multiply(x, self.weight, self.bias, self.activation, [], "none")  # type: ignore[no-any-return]

    def times(self, x: Tensor, factor: Tensor) -> Tensor:
        """Map (..., in) to (..., out) and multiply by ``factor`` (..., out)."""
        multiply = torch.ops.mkldnn._linear_pointwise.binary
        return multiply(x, factor, self.weight, self.bias, "mul")  # type: ignore[no-any-return]


class PackedFeedForward(nn.Module):
    """GEGLU whose activation and product are taken while the matrix products' results are still in the cache."""

    def __init__(self, layer: FeedForward, dtype: torch.dtype) -> None:
        super().__init__()
        (value, gate), (value_bias, gate_bias) = layer.up.weight.chunk(2), layer.up.bias.chunk(2)
        self.value = PackedLinear(value, value_bias, dtype)
        self.gate = PackedLinear(gate, gate_bias, dtype, "gelu")
        self.down = PackedLinear(layer.down.weight, layer.down.bias, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        return self.down(self.value.times(x, self.gate(x)))  # type: ignore[no-any-return]


class PackedPointConvolution(nn.Module):
    """A 1x1 convolution as the matrix product that it is."""

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.product = PackedLinear(layer.weight.flatten(1), layer.bias, dtype)
        self.weight = self.product.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W), channels_last."""
        return to_picture(self.product(to_tokens(x)), x)


class PackedConvolution(nn.Module):
    """A 3x3 convolution whose weights are packed while it sees few positions.

    Blocks for oneDNN's convolution would depend on the picture's size, and those for another size take twenty times
    as long as none at all. Blocks for a matrix product suit all sizes. From FEW positions on, cutting them anew is a
    small part of the arithmetic, and oneDNN's convolution is the faster one. Which of the two computes depends on
    the positions alone, never on what was drawn before: they round differently. The weights are there only once, and
    change their form when pictures of another size come.
    """

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        weight = layer.weight.detach().to(dtype, copy=True)
        self.bias = None if layer.bias is None else layer.bias.detach().to(dtype, copy=True)
        self.padding, self.stride = int(layer.padding[0]), layer.stride[0]
        self._fits = winograd.fits(layer) and weight.numel() <= winograd.LARGEST
        # (out, in, 3, 3), or the same numbers in blocks; in one attribute, so that threads which draw pictures of
        # other sizes see one form or the other, and in a tuple, which modules do not take for a part of theirs.
        self._form: tuple[Tensor] | tuple[PackedLinear] = (weight.contiguous(memory_format=torch.channels_last),)
        self._kernel: tuple[Tensor] | None = None  # the weights as Winograd's way wants them, once they are needed

    @property
    def weight(self) -> Tensor:
        """(out, in, 3, 3), or the same numbers in blocks."""
        return form.weight if isinstance(form := self._form[0], PackedLinear) else form

    def forward(self, x: Tensor, norm: nn.GroupNorm | None = None, plus: Tensor | None = None) -> Tensor:
        """Map (B, in, H, W) to (B, out, H', W'), channels_last.

        Args:
            x: feature map.
            norm: is taken of x first, and then the SiLU.
            plus: (B, out, H', W'), added to the result.
        """
        if self._fits and winograd.suits(x, learning=False):
            before = None if norm is None else affine(norm, x)
            return winograd.convolve(x, self._transformed(), self.bias, before, plus)
        self._kernel = None
        found = self._directly(x if norm is None else nn.functional.silu(norm(x), inplace=True))
        return found if plus is None else found.add_(plus)

    def _directly(self, x: Tensor) -> Tensor:
        if x.shape[2] * x.shape[3] > FEW:
            return nn.functional.conv2d(x, self._plain(), self.bias, self.stride, self.padding)
        form = self._form[0]
        if not isinstance(form, PackedLinear):
            plain, form = form, PackedLinear(form.permute(0, 2, 3, 1).flatten(1), self.bias, form.dtype)
            self._form = (form,)
            if plain.numel() > LARGE:
                del plain
                give_back_memory()
        return form(windows(x, self.padding, self.stride)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]

    def _plain(self) -> Tensor:
        """The weights as they are, (out, in, 3, 3), channels_last; from now on they lie so."""
        form = self.plain_weight()
        self._form = (form,)
        return form

    def plain_weight(self) -> Tensor:
        """The weights as they are, (out, in, 3, 3), channels_last; nothing changes its form."""
        form = self._form[0]
        if isinstance(form, PackedLinear):
            return form.weight.to_dense().unflatten(1, (3, 3, -1)).permute(0, 3, 1, 2)
        return form

    def _transformed(self) -> Tensor:
        """The weights in Winograd's form, which takes four times the memory and is kept beside the plain one."""
        kernel = self._kernel or (winograd.transformed(self._plain()),)
        self._kernel = kernel
        return kernel[0]


class PackedResidualBlock(ResidualBlock):
    """A residual block whose norms, activations and sum are taken by its convolutions, in memory that is there."""

    conv_1: PackedConvolution  # type: ignore[assignment]
    conv_2: PackedConvolution  # type: ignore[assignment]

    def __init__(self, block: ResidualBlock, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)
        for name, child in block.named_children():
            setattr(self, name, _packed(child, dtype) or copy.deepcopy(child).to(dtype))
        self.time, self.shortcut = getattr(self, "time", None), getattr(self, "shortcut", None)

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Map x (B, in, H, W) to (B, out, H, W); ``time`` (B, time_width) has already passed its SiLU."""
        h = self.conv_1(x, self.norm_1)
        if self.time is not None:
            h += self.time(time)[:, :, None, None]
        return self.conv_2(h, self.norm_2, x if self.shortcut is None else self.shortcut(x))


def _packed_parts(module: nn.Module, dtype: torch.dtype) -> Iterator[tuple[nn.Module, nn.Module]]:
    """The layers that can be packed, and what replaces them."""
    packed = _packed(module, dtype)
    if packed is not None:
        yield module, packed.train(module.training)
        return
    for child in module.children():
        yield from _packed_parts(child, dtype)


def _packed(module: nn.Module, dtype: torch.dtype) -> nn.Module | None:
    if isinstance(module, ResidualBlock):
        return PackedResidualBlock(module, dtype)
    if isinstance(module, FeedForward):
        return PackedFeedForward(module, dtype)
    if isinstance(module, nn.Linear):
        return PackedLinear(module.weight, module.bias, dtype)
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
        return PackedPointConvolution(module, dtype)
    if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
        return PackedConvolution(module, dtype)
    return None
