"""Files of others gone wrong, at random and repeatably: JSON, and headers of weights."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Path_ = tuple[Any, ...]


def _nested(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


VALUES: dict[str, tuple[Any, ...]] = {
    "wrong type": (None, True, False, "x", "", [], {}, [1], ["x"], {"a": 1}, {"content": []}, 1.5, [[1, 2], None]),
    "size": (10**9, 0, -1, 2**63, 10**30, 10**400, 7, 1),
    "not a number": (math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-320),
    "huge text": ("9" * 5000, "x" * 10**6, "\x00\x1b[2J\nsecond line", "\ud800"),
    "list for a number": ([10**9], [0], [-1, -1], [[]], [math.nan], list(range(1000))),
    "deep nesting": (_nested(30), _nested(400), {"a": _nested(900)}),
}
WHOLE: tuple[bytes, ...] = (
    b"", b"[]", b"null", b'"x"', b"7", b"{}", b"{", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\x00" * 4096,
    b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"NaN", b'{"a": 1, "a": []}',
)  # fmt: skip
JSON_KINDS = (*VALUES, "missing key", "surplus key", "whole file")


def places(value: Any, here: Path_ = (), most: int = 4000) -> list[Path_]:
    """Where something stands in a JSON value: the ways to all its parts, the first of very many."""
    found: list[Path_] = []
    waiting: list[tuple[Path_, Any]] = [(here, value)]
    while waiting and len(found) < most:
        way, part = waiting.pop(0)
        steps = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in steps:
            found.append((*way, key))
            waiting.append(((*way, key), inner))
    return found


def changed(value: Any, way: Path_, change: Callable[[Any, Any], None]) -> Any:
    """A copy of a JSON value in which ``change(container, key)`` was done to one part."""
    copied = json.loads(json.dumps(value))
    container = copied
    for key in way[:-1]:
        container = container[key]
    change(container, way[-1])
    return copied


def mutated_json(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One fault in a JSON file: (its kind, the file)."""
    kind = rng.choice(JSON_KINDS)
    value = json.loads(data)
    ways = places(value)
    if kind == "whole file" or not ways:
        cut = data[: rng.randrange(len(data) + 1)]
        return "whole file", rng.choice((*WHOLE, cut))
    # Few ways are short, and a vocabulary has thousands that are alike.
    way = rng.choice([way for way in ways if len(way) == rng.choice((1, 2, len(ways[-1])))] or ways)

    def change(container: Any, key: Any) -> None:
        if kind == "missing key":
            del container[key]
        elif kind == "surplus key" and isinstance(container, dict):
            container[rng.choice(("surplus", "", "__class__", f"{key}_", "\n"))] = rng.choice(VALUES["wrong type"])
        elif kind == "surplus key":
            container.insert(key, rng.choice((*VALUES["wrong type"], container[key])))
        else:
            container[key] = rng.choice(VALUES[kind])

    return kind, json.dumps(changed(value, way, change)).encode()


DTYPES = (
    "F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2",
    "F4", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "C64", "F128", "", "f32",
)  # fmt: skip
WEIGHT_KINDS = ("other format", "header", "length", "empty header", "disguise", "cut", "body", "notes", "numbers")
DISGUISES = (
    b"PK\x03\x04", b"\x80\x02}q\x00.", b"GGUF\x03\x00\x00\x00", b"version https://git-lfs", b"\x89HDF\r\n\x1a\n", b"",
)  # fmt: skip


def header_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    """(header, numbers) of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header: Any, body: bytes) -> bytes:
    """A safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


BYTES_OF = {"F64": 8, "F16": 2, "BF16": 2, "F32": 4, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}


def in_format(header: dict[str, Any], name: str) -> tuple[dict[str, Any], int]:
    """The header of a file whose tensors all have another format, and how many bytes of numbers follow."""
    size = {**BYTES_OF, "C64": 8, "F4": 0.5, "F6_E2M3": 0.75, "F6_E3M2": 0.75}.get(name, 1)
    found, end = dict(header), 0
    for key, fact in sorted(header.items()):
        if key != "__metadata__":
            length = math.ceil(math.prod(fact["shape"]) * size)
            found[key] = {"dtype": name, "shape": fact["shape"], "data_offsets": [end, end + length]}
            end += length
    return found, end


def mutated_weights(file: Path, data: bytes, rng: random.Random) -> str:
    """Write one fault into a file of weights; returns its kind."""
    kind = rng.choice(WEIGHT_KINDS)
    header, body = header_of(data)
    if kind == "length":
        return _lying(file, data, rng)
    if kind == "other format":
        found, length = in_format(header, rng.choice(DTYPES))
        file.write_bytes(with_header(found, bytes(length)))
    elif kind == "header":
        notes, text = mutated_json(json.dumps(header).encode(), rng)
        kind = f"header: {notes}"
        file.write_bytes(with_header(text, body))
    elif kind == "empty header":
        file.write_bytes(
            with_header(rng.choice((b"{}", b"", b'{"__metadata__":{}}', b"{   }")), rng.choice((b"", body)))
        )
    elif kind == "disguise":
        file.write_bytes(rng.choice(DISGUISES) + rng.randbytes(rng.randrange(2000)))
    elif kind == "notes":
        file.write_bytes(with_header({**header, "__metadata__": odd_notes(header, rng)}, body))
    elif kind == "numbers":
        file.write_bytes(with_header(header, odd_numbers(header, body, rng)))
    elif kind == "cut":
        file.write_bytes(data[: rng.randrange(len(data))])
    else:
        flipped = bytearray(data)
        begin = rng.randrange(len(data))
        noise = rng.choice((b"\xff" * 64, b"\x00" * 64, rng.randbytes(64)))
        flipped[begin : begin + 64] = noise[: len(data) - begin]
        file.write_bytes(flipped)
    return kind


# What programs read in the head of a file of weights.
NOTES = (
    "format", "lora_adapter_metadata", "fromnoise.scheduler", "fromnoise.model", "modelspec.prediction_type",
    "modelspec.encoder_layer", "modelspec.architecture", "modelspec.trigger_phrase", "prediction_type",
    "ss_prediction_type", "ss_v_parameterization", "ss_zero_terminal_snr", "ss_network_dim", "ss_network_alpha",
)  # fmt: skip
SAID = (
    "", "v", "epsilon", "sample", "flow", "1", "0", "-1", "2", "99", "1e999", "nan", "True", "maybe", "None", "{}",
    "[]", "null", "stable-diffusion-v2-768-v", "\ud800", "\x00", "a\nb", "x" * 10**5, "[" * 10**5,
    '{"unet.r": 0}', '{"unet.lora_alpha": 0}', '{"unet.lora_alpha": 1e308}', '{"unet.use_dora": true}', '{"": {}}',
    '{"_class_name": "DDIMScheduler"}',
)  # fmt: skip


def odd_notes(header: dict[str, Any], rng: random.Random) -> dict[str, str]:
    """The notes of a file's header with one more, or with one that says something else."""
    notes = dict(header.get("__metadata__", {}))
    name = rng.choice((*NOTES, *notes))
    try:
        old = json.loads(notes.get(name, ""))
    except ValueError:
        old = None
    if isinstance(old, dict) and rng.random() < 0.8:
        return {**notes, name: mutated_json(json.dumps(old).encode(), rng)[1].decode("utf-8", "replace")}
    return {**notes, name: rng.choice(SAID)}


def odd_numbers(header: dict[str, Any], body: bytes, rng: random.Random) -> bytes:
    """The numbers of a file with one tensor full of what is none, too large, too small, or nothing."""
    name = rng.choice([name for name in header if name != "__metadata__"])
    begin, end = header[name]["data_offsets"]
    # As float32, float16 and bfloat16 these are: not a number, infinite, the largest, the smallest, 0, -1.
    two = rng.choice(
        (b"\xff\x7f", b"\x80\x7f", b"\x00\x7c", b"\x7f\x7f", b"\xff\x7b", b"\x01\x00", b"\x00\x00", b"\x80\xbf")
    )
    return body[:begin] + (two * ((end - begin) // 2 + 1))[: end - begin] + body[end:]


def _lying(file: Path, data: bytes, rng: random.Random) -> str:
    """A header said to be as long as 4 GiB; where it is so long in truth, the file has holes and takes no room."""
    said = rng.choice((0, 1, 7, len(data), len(data) - 8, 2**20, 99 * 10**6, 2**32, 2**40, 2**63, 2**64 - 1))
    file.write_bytes(struct.pack("<Q", said) + data[8:])
    if rng.random() < 0.5 and said <= 2**32:
        with file.open("r+b") as opened:
            opened.truncate(said + 8 + rng.randrange(2) * 1024)
        return "length, and as much of nothing"
    return "length"
