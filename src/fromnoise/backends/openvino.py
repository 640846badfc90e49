"""Drawing with OpenVINO: the U-Net and the VAE's decoder as graphs, compiled for one size of picture.

The words are read once per drawing, as always here, and each row (a picture, with or without words) is its own call.
So a picture is the same bits whoever else is drawn with it, on the same number of cores: other than torch's,
OpenVINO's sums may depend on how many threads share a call. Graphs are exported once per model and kept in the cache
(:mod:`fromnoise.backends.cache`) for all sizes; a size is compiled when it is first drawn, in half a second for the
shipped model, in about 5 for Stable Diffusion.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import queue
import threading
import warnings
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fromnoise.backends.cache import cached
from fromnoise.backends.doubling import smoothings, with_transposed
from fromnoise.backends.graph_layers import DecoderGraph, UNetGraph, graph_copy, prompt_reader
from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import missing_packages
from fromnoise.models.layers.embedding import sinusoids
from fromnoise.models.layers.packed import packed_copy
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.bands import decode_any_size
from fromnoise.models.vae.vae import VAE
from fromnoise.system.defaults import drawing_format
from fromnoise.system.engine import shown
from fromnoise.system.picturewise import LARGE, ExactBatches, is_large
from fromnoise.system.text_to_image import TextToImage

try:
    import openvino as ov
    from openvino import opset13 as opset
except ImportError:
    ov = None

EXPORT = 1  # counts changes of what is exported, since graphs in the cache outlive a version of this file
GRAPH = "graph.xml"
MOST_PIXELS = 1024 * 1024  # that the decoder's graph is for; beyond, bands in torch need half of its memory
NO_BF16 = "bf16 was asked for, and OpenVINO computes none on this CPU: drawing in fp32"
KEPT = 2  # sizes that stay compiled; each holds the weights once more
Dims = list[int]


class CompiledGraph:
    """A graph on disk, compiled for the shapes it is called with, callable from several threads.

    Args:
        folder: of the cache, with ``graph.xml``.
        precision: "bf16" or "f32", what the products are computed in.
        streams: calls for small pictures that run side by side, sharing the cores; large ones have all cores for each
            call. 1 for weights in 8 bits: OpenVINO 2026.4.1 unpacks them for all streams at once, and half of the
            graphs compiled with 2 then draw garbage.
    """

    def __init__(self, folder: Path, precision: str, streams: int = 2) -> None:
        self.file = folder / GRAPH
        self.precision, self.streams = precision, min(streams, available_cores())
        self._compiled: OrderedDict[tuple[Any, ...], Requests] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The graph's output for one row."""
        requests = self._for_shapes([list(x.shape) for x in inputs])
        return requests(inputs)

    def _for_shapes(self, shapes: list[Dims]) -> Requests:
        key = tuple(map(tuple, shapes))
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = Requests(self._compile(shapes))
            self._compiled.move_to_end(key)
            while len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
            return self._compiled[key]

    def _compile(self, shapes: list[Dims]) -> Any:
        core = ov.Core()
        graph = core.read_model(self.file)
        graph.reshape(dict(zip(graph.inputs, shapes, strict=True)))
        with_transposed(graph)
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "NUM_STREAMS": str(1 if shapes[0][2] * shapes[0][3] >= LARGE else self.streams),
            "INFERENCE_NUM_THREADS": str(available_cores()),
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",  # inputs of products stay as they are, whatever the weights are
        }
        return core.compile_model(graph, "CPU", settings)


class Requests:
    """Calls of a compiled graph; each thread takes a request that is free, since a request is not to be shared."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The only output, copied, since the request will write over it."""
        try:
            request = self._free.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer([x.contiguous().numpy() for x in inputs], share_inputs=True)
            return torch.from_numpy(request.get_output_tensor(0).data.copy())
        finally:
            self._free.put(request)


class OneByOne(ExactBatches):
    """Rows are never put into one call: the graph takes one. Small pictures' calls run side by side."""

    SIZES = ()  # type: ignore[assignment]

    def side_by_side(self, x: Tensor, calls: int) -> bool:
        """Whether calls run side by side."""
        return not is_large(x)


class OpenVINOEngine:
    """Computes a model's U-Net and decoder as graphs, one row at a time.

    Args:
        unet_graph: (x, sinusoids of t, words) → raw output, one row.
        decoder_graph: latents → pictures, one row.
        width: of the sinusoids.
        vae: the decoder for pictures that are too large for the graph.
    """

    def __init__(self, unet_graph: CompiledGraph, decoder_graph: CompiledGraph, width: int, vae: VAE) -> None:
        self.unet_graph, self.decoder_graph, self._width, self._vae = unet_graph, decoder_graph, width, vae
        self.batches: ExactBatches = OneByOne(self.predict)

    @property
    def precision(self) -> str:
        """What the U-Net's products are computed in: "fp32" or "bf16"."""
        return "bf16" if self.unet_graph.precision == "bf16" else "fp32"

    def predict(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """The U-Net's raw output."""
        return self.unet_graph(x.float(), sinusoids(t, self._width), words.float())

    def decode(self, latents: Tensor) -> Tensor:
        """uint8 pictures."""
        if latents.shape[2] * latents.shape[3] * self._vae.factor**2 > MOST_PIXELS:
            wide = torch.bfloat16 if self.decoder_graph.precision == "bf16" else torch.float32
            return shown(decode_any_size(packed_copy(self._vae, wide), latents))
        return shown(self.decoder_graph(latents.float()))


def openvino_model(model: TextToImage, int8: bool = False, precision: str = "auto") -> TextToImage:
    """Return a model that draws with OpenVINO, exporting its graphs unless they are in the cache.

    Args:
        model: as it was loaded; its weights are shared, not changed. Of its U-Net only what reads prompts is kept.
        int8: keep the U-Net's weights in 8 bits, with a scale and a zero for each output channel.
        precision: "fp32", "bf16" or "auto", as in :meth:`TextToImage.for_drawing`.

    Raises:
        UserError: OpenVINO is not installed, or the cache cannot be written.
    """
    if ov is None:
        raise missing_packages("--backend openvino needs OpenVINO", "openvino")
    wanted = "bf16" if drawing_format(precision) == torch.bfloat16 else "f32"
    hint = computed_in(wanted)
    unet = cached(_name(model, "unet", model.unet, int8), lambda folder: export_unet(model.unet, folder, int8))
    decoder = cached(_name(model, "vae", model.vae, False), lambda folder: _export_decoder(model, folder))
    engine = OpenVINOEngine(
        CompiledGraph(unet, hint, 1 if int8 else 2),
        CompiledGraph(decoder, hint if model.files else "f32"),  # as torch's, see for_drawing
        model.unet.config.block_out_channels[0],
        model.vae,
    )
    note = "; ".join(filter(None, (model.note, NO_BF16 if hint != wanted and precision == "bf16" else "")))
    return replace(model, unet=prompt_reader(model.unet), identity=model.hash, backend=engine, note=note)


@functools.cache
def computed_in(hint: str) -> str:
    """What OpenVINO computes in on this CPU when it is given a hint, "bf16" or "f32": AVX2 alone has no bf16.

    It tells of a compiled graph only, so a tiny one is compiled.
    """
    try:
        compiled = compiled_for(hint)
    except RuntimeError:  # a CPU with bf16 whose kernels are kept to those of one without
        return "f32"
    return "bf16" if compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.bf16 else "f32"


def compiled_for(hint: str) -> Any:
    """A tiny graph, compiled with a hint of the format.

    Raises:
        RuntimeError: OpenVINO cannot.
    """
    rows = opset.parameter([1, 8], np.float32)
    graph = ov.Model([opset.matmul(rows, np.ones((8, 8), np.float32), False, False)], [rows])
    return ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})


def _name(model: TextToImage, part: str, network: nn.Module, int8: bool) -> str:
    """Of a cache entry: everything that the graph depends on."""
    version = ov.__version__.split("-")[0]
    weights = str(next(network.parameters()).dtype).removeprefix("torch.")
    return f"openvino-{version}/{model.hash}-{part}-{weights}{'-int8' if int8 else ''}-{EXPORT}"


def export_unet(unet: UNet, folder: Path, int8: bool = False) -> None:
    """Write a U-Net as a graph for all sizes; arguments as in :func:`openvino_model`.

    Raises:
        UserError: nncf, which rounds to 8 bits, is not installed.
    """
    config = unet.config
    side = 2 ** len(config.block_out_channels)  # any that can be halved
    words = torch.zeros(1, 2, sum(unet._read_widths))
    waves = torch.zeros(1, config.block_out_channels[0])
    inputs = (torch.zeros(1, config.in_channels, side, side), waves, words)
    shapes = [(1, config.in_channels, -1, -1), tuple(waves.shape), (1, -1, words.shape[-1])]
    graph = _converted(UNetGraph(graph_copy(unet)), inputs, shapes)
    _save(_in_int8(graph) if int8 else graph, folder)


def _export_decoder(model: TextToImage, folder: Path) -> None:
    channels = model.vae.config.latent_channels
    network = DecoderGraph(graph_copy(model.vae))
    _save(_converted(network, (torch.zeros(1, channels, 4, 4),), [(1, channels, -1, -1)]), folder)


def _converted(network: nn.Module, inputs: tuple[Tensor, ...], shapes: list[tuple[int, ...]]) -> Any:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the trace meets Python branches that are the same for all sizes
        traced = torch.jit.trace(network.eval(), inputs, check_trace=False)
    return ov.convert_model(traced, input=shapes)


def _in_int8(graph: Any) -> Any:
    try:
        import nncf

        nncf.set_log_level(logging.ERROR)
    except ImportError:
        raise missing_packages("--backend openvino-int8 needs nncf", "openvino") from None
    smoothed = nncf.IgnoredScope(names=[op.get_friendly_name() for op in smoothings(graph)])  # changed at compiling
    with contextlib.redirect_stdout(io.StringIO()):  # tables and bars
        return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM, ignored_scope=smoothed)


def _save(graph: Any, folder: Path) -> None:
    """Weights in 16 bits: half of the disk, finer than the bf16 they are computed in."""
    ov.save_model(graph, str(folder / GRAPH), compress_to_fp16=True)
