"""What pictures and jobs say of how they are drawn, gone wrong at random and repeatably: PNG texts, lists, shards."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

from PIL import Image, PngImagePlugin

from fromnoise.drawing.picture_file import KEY
from fromnoise.provenance.marks import PNG_KEYWORD
from mutants import mutated_json
from prompt_mutants import MAKERS

SETTINGS_KINDS = ("settings", "settings of nothing", "parameters", "XMP", "another key", "packed", "long", "broken")
PARAMETERS = (
    "Steps: 20", "Steps: 1e9, Sampler: Euler a, CFG scale: nan, Seed: -1, Size: 99999x99999", "Negative prompt:",
    "Steps: , Sampler: , CFG scale: ,", "a cat\nNegative prompt: \nSteps: 20, Size: x", 'Steps: 20, Lora hashes: "a: b',
    "Size: 1e400x-1", ", " * 20_000, "\n" * 20_000,
)  # fmt: skip
ENTITIES = '<!DOCTYPE a [<!ENTITY b "bbbb">' + "".join(
    f'<!ENTITY b{i} "{f"&b{i - 1 if i else str()};" * 9}">' for i in range(9)
)
XMPS = (
    "", "<", "<x:xmpmeta", f"{ENTITIES}]><a>&b8;</a>", "<a>" * 60_000, "&#0;", '<?xml version="9" encoding="utf-99"?>',
    "cv.iptc.org/newscodes/digitalsourcetype/", "cv.iptc.org/newscodes/digitalsourcetype/" + "a" * 10**5,
    "cv.iptc.org/newscodes/digitalsourcetype/x " * 9000, '<!ENTITY x SYSTEM "file:///etc/passwd">', "\ufeff" * 99,
)  # fmt: skip


def mutated_settings(file: Path, data: bytes, rng: random.Random) -> str:
    """Write another text into a PNG with settings; returns the kind of fault."""
    kind = rng.choice(("settings", "settings", "settings", *SETTINGS_KINDS))
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        texts = {str(key): str(value) for key, value in picture.text.items()}  # type: ignore[attr-defined]
    if kind == "settings":
        found, changed = mutated_json(texts[KEY].encode(), rng)
        kind, texts[KEY] = f"settings: {found}", changed.decode("utf-8", "replace")
    elif kind == "settings of nothing":
        texts[KEY] = rng.choice(
            ("", "null", "[]", "{}", '{"request": null}', '{"request": []}', '{"request": {}}', "x")
        )
    elif kind == "parameters":
        texts.pop(KEY, None)
        texts["parameters"] = rng.choice((*PARAMETERS, MAKERS[rng.choice(list(MAKERS))](rng)))
    elif kind == "XMP":
        texts[PNG_KEYWORD] = rng.choice(XMPS)
    elif kind == "another key":
        texts[rng.choice(("Comment", "prompt", "workflow", "invokeai_metadata", "Dream", "Software"))] = rng.choice(
            XMPS
        )
    if kind in ("packed", "long", "broken"):
        file.write_bytes(_with_chunk(data, *_odd_chunk(kind, rng)))
        return kind
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text.encode("utf-8", "replace").decode(), zip=rng.random() < 0.2)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    file.write_bytes(buffer.getvalue())
    return kind


def _odd_chunk(kind: str, rng: random.Random) -> tuple[bytes, bytes]:
    """Name and contents of a text chunk that Pillow would not write."""
    key = rng.choice((KEY.encode(), b"parameters", PNG_KEYWORD.encode(), b"", b"k" * 80, b"\xff\x00"))
    if kind == "packed":  # unpacks to megabytes
        packed = zlib.compress(rng.choice((b"x", b"[", b'{"a":')) * rng.choice((10, 10**5, 3 * 10**7)), 9)
        return rng.choice(((b"zTXt", key + b"\0\0" + packed), (b"iTXt", key + b"\0\1\0\0\0" + packed)))
    if kind == "long":
        return rng.choice((b"tEXt", b"iTXt")), key + b"\0\0\0\0\0" + b"9" * rng.choice((70_000, 10**6))
    return rng.choice((b"tEXt", b"zTXt", b"iTXt", b"eXIf")), rng.choice(
        (b"", b"\0", key, key + b"\0", key + b"\0\1", key + b"\0\1\0\0", key + b"\0\1\0\0\0" + rng.randbytes(30),
         key + b"\0\0\0\xff\xfe\0\xff" + rng.randbytes(9), key + b"\0\x07\x07en\0\0{}", rng.randbytes(200))
    )  # fmt: skip


def _with_chunk(data: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk before all others but the first, with the right sum."""
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data[:33] + chunk + data[33:]


TEXT_KINDS = ("another line", "line gone", "no line", "other bytes", "cut", "another end")


def mutated_job(file: Path, data: bytes, rng: random.Random) -> str:
    """Write a fault into a file of a cluster's job: its JSON, its lists of prompts, its shards."""
    if file.suffix == ".json":
        kind, changed = mutated_json(data, rng)
        file.write_bytes(changed)
        return f"{file.suffixes[0][1:]}: {kind}"
    if file.suffix == ".txt":
        return _mutated_list(file, data, rng)
    kind = rng.choice(("cut", "bits", "zeros", "twice", "a number", "another's"))
    at, spoilt = rng.randrange(len(data)), bytearray(data)
    if kind == "cut":
        del spoilt[at:]
    elif kind == "bits":
        for _ in range(rng.choice((1, 3, 30))):
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    elif kind == "zeros":
        spoilt[at : at + 600] = bytes(600)
    elif kind == "twice":
        spoilt[at:at] = spoilt[at - at % 512 : at - at % 512 + 5120]
    elif kind == "a number":  # in the head of a member: its name, its size, its kind
        at -= at % 512
        field = at + rng.choice((0, 100, 124, 148, 156, 257))
        spoilt[field : field + 12] = rng.choice((b"77777777777\0", b"-1\0", b"\x80" + b"\xff" * 11, b"../../x.png\0"))
    else:
        spoilt = bytearray(rng.choice((b"", b"\0" * 10240, b"\0" * 10241, b"PK\3\4", b"\x1f\x8b\x08\0" + b"\0" * 2000)))
    file.write_bytes(spoilt)
    return f"shard: {kind}"


def _mutated_list(file: Path, data: bytes, rng: random.Random) -> str:
    kind, lines = rng.choice(TEXT_KINDS), data.split(b"\n")
    if kind == "another line":
        odd = MAKERS[rng.choice(list(MAKERS))](rng).encode("utf-8", "surrogatepass")
        lines[rng.randrange(len(lines))] = odd[: rng.choice((200, 10**5))]
    elif kind == "line gone":
        del lines[rng.randrange(len(lines))]
    elif kind == "no line":
        lines = [rng.choice((b"", b"\n" * 9, b" ", b"\0", b"\xef\xbb\xbf", b"\xff\xfe"))]
    elif kind == "other bytes":
        lines = [
            data.decode().encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-16-le"))),
            rng.choice((b"", b"\xff")),
        ]
    elif kind == "cut":
        lines = [data[: rng.randrange(len(data))]]
    else:
        lines = [rng.choice((b"\r\n", b"\r", b"\x0b", b"\xe2\x80\xa8", b"\0")).join(lines)]
    file.write_bytes(b"\n".join(lines))
    return f"list: {kind}"
