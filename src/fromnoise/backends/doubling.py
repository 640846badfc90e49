"""A change of compiled graphs: doubling a picture and then smoothing it, as one transposed convolution.

Smoothing a doubled picture with 3x3 weights multiplies the same pixel up to four times. A transposed convolution with
4x4 weights, which are sums of the 3x3 ones, needs 4 multiplications per output instead of 9 and no doubled picture.
It is done when a size is compiled, since sides that are odd at some level are not exactly doubled on the way up.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def smoothings(graph: Any) -> list[Any]:
    """The 3x3 convolutions that see an enlarged picture."""
    found = [op for op in graph.get_ops() if op.get_type_name() == "Convolution"]
    return [op for op in found if _source(op, 0).get_type_name() == "Interpolate"]


def with_transposed(graph: Any) -> None:
    """Replace, in a graph of fixed shapes, every enlargement that doubles and its smoothing."""
    from openvino import opset14 as ops

    for convolution in smoothings(graph):
        before = _source(convolution, 0).input_value(0)
        weights = _constant(_source(convolution, 1))
        after = convolution.output(0).get_partial_shape()
        doubled = [2 * side.get_length() for side in before.get_partial_shape()][2:]
        if weights is None or weights.shape[2:] != (3, 3) or [side.get_length() for side in after][2:] != doubled:
            continue
        wide = ops.constant(transposed_weights(weights))
        # Kept in the file's 16 bits or in 32; the compiler turns either into what it computes in.
        new = ops.convolution_backprop_data(before, wide, [2, 2], pads_begin=[1, 1], pads_end=[1, 1])
        new.set_friendly_name(convolution.get_friendly_name())
        for user in convolution.output(0).get_target_inputs():
            user.replace_source_output(new.output(0))


def transposed_weights(weights: np.ndarray) -> np.ndarray:
    """Weights [in,out,4,4] of the transposed convolution for those of the smoothing, [out,in,3,3]; float32."""
    flipped = weights.astype(np.float32).transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    wide = np.zeros((*flipped.shape[:2], 4, 4), np.float32)
    for row in (0, 1):  # each pixel is seen by the 3x3 windows around its 2x2 copies
        for column in (0, 1):
            wide[:, :, row : row + 3, column : column + 3] += flipped
    return wide


def _source(op: Any, index: int) -> Any:
    return op.input_value(index).get_node()


def _constant(op: Any) -> np.ndarray | None:
    """The numbers of a constant, or of one that is only turned into another format."""
    if op.get_type_name() == "Convert":
        op = _source(op, 0)
    return op.get_data() if op.get_type_name() == "Constant" else None
