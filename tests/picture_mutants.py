"""Pictures gone wrong, at random and repeatably: every kind of file that people send."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

from PIL import ExifTags, Image, PngImagePlugin

KINDS = ("flipped", "cut", "inserted", "taken out", "twice", "a number", "noise", "chunk", "another's")
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 2**24)
WHOLE = (
    b"", b"\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    b"BM" + b"\xff" * 60,
    b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"P6 99999 99999 255\n",
    b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 64, b"\0\0\0\x20ftypavif",
    b"8BPS\0\x01" + b"\xff" * 40, b"#!/bin/sh\n", b"PK\x03\x04",
)  # fmt: skip


def pictures(folder: Path) -> tuple[Path, ...]:
    """One small picture of every kind, with all that they can carry."""
    rng = random.Random(0)
    base = Image.frombytes("RGB", (20, 14), rng.randbytes(20 * 14 * 3)).resize((40, 28), Image.Resampling.BICUBIC)
    clear = base.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(base.size))
    frames = [base.rotate(90 * i) for i in range(3)]
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("fromnoise", '{"request": {}}')
    texts.add_text("parameters", "a cat\nSteps: 20", zip=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ImageDescription] = "a cat"
    made = {
        "rgb.png": (base, {"pnginfo": texts, "exif": exif, "dpi": (72, 72)}),
        "clear.png": (clear, {}),
        "palette.png": (base.quantize(8), {"transparency": 3}),
        "deep.png": (base.convert("I;16"), {}),
        "bits.png": (base.convert("1"), {}),
        "moving.png": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "plain.jpg": (base, {"exif": exif, "comment": b"a cat"}),
        "progressive.jpg": (base, {"progressive": True}),
        "cmyk.jpg": (base.convert("CMYK"), {}),
        "grey.jpg": (base.convert("L"), {}),
        "lossy.webp": (base, {"exif": exif, "xmp": b"<x:xmpmeta/>"}),
        "lossless.webp": (clear, {"lossless": True}),
        "moving.webp": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "plain.gif": (base, {}),
        "moving.gif": (frames[0], {"save_all": True, "append_images": frames[1:], "disposal": 2}),
        "plain.bmp": (base, {}),
        "plain.tif": (base, {"compression": "tiff_deflate"}),
        "packed.tif": (base, {"compression": "packbits"}),
        "plain.tga": (base, {"compression": "tga_rle"}),
        "plain.ico": (clear, {}),
        "plain.ppm": (base, {}),
        "plain.jp2": (base, {}),
    }
    if "AVIF" in Image.SAVE or Image.registered_extensions().get(".avif"):
        made["plain.avif"] = (base, {})
    found = []
    for name, (picture, options) in made.items():
        picture.save(folder / name, **options)
        found.append(folder / name)
    (folder / "drawn.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0L9 9"/></svg>'
    )
    return (*found, folder / "drawn.svg")


def mutated_picture(file: Path, data: bytes, rng: random.Random) -> str:
    """Write one fault, or a few of a kind, into a picture file; returns the kind of file and of fault."""
    kind = rng.choice(KINDS)
    spoilt, at = bytearray(data), rng.randrange(max(1, len(data)))
    if kind == "flipped":
        for _ in range(rng.choice((1, 1, 2, 8, 40))):
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del spoilt[at:]
    elif kind == "inserted":
        spoilt[at:at] = rng.choice((rng.randbytes(rng.choice((1, 4, 300))), b"\0" * 70_000, b"\xff" * 9))
    elif kind == "taken out":
        del spoilt[at : at + rng.choice((1, 2, 4, 16, 200))]
    elif kind == "twice":
        length = rng.choice((4, 12, 100))
        spoilt[at:at] = spoilt[at : at + length] * rng.choice((1, 3, 500))
    elif kind == "a number":  # near the beginning are sizes, counts and offsets
        at = rng.randrange(min(len(spoilt), rng.choice((40, 200, 10**6))))
        form = rng.choice((">I", "<I", ">H", "<H"))
        value = struct.pack(form, rng.choice(NUMBERS) & (2 ** (8 * struct.calcsize(form)) - 1))
        spoilt[at : at + len(value)] = value
    elif kind == "noise":
        length = rng.choice((3, 30, 300))
        spoilt[at : at + length] = rng.randbytes(length)
    elif kind == "chunk" and file.suffix == ".png":
        spoilt = _chunks(bytes(spoilt), rng)
    elif kind == "chunk":
        spoilt += rng.choice((data, rng.randbytes(1000), b"\0" * 10**6))
    else:
        spoilt = bytearray(rng.choice(WHOLE) + rng.choice((b"", rng.randbytes(400))))
    file.write_bytes(spoilt)
    return f"{file.suffix[1:]}: {kind}"


def _chunks(data: bytes, rng: random.Random) -> bytearray:
    """A PNG of whole chunks with right sums that are wrong: others, twice, in another order, of other contents."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    i = rng.randrange(len(chunks))
    name, body = chunks[i]
    how = rng.randrange(7)
    if how == 0:
        rng.shuffle(chunks)
    elif how == 1:
        chunks.insert(i, chunks[i])
    elif how == 2:
        del chunks[i]
    elif how == 3:
        chunks[i] = (name, rng.randbytes(len(body)))
    elif how == 4:
        wide, high = rng.choice(NUMBERS), rng.choice(NUMBERS)
        rest = bytes((rng.choice((1, 2, 4, 8, 16, 3)), rng.randrange(8), 0, 0, rng.randrange(3)))
        chunks[0] = (b"IHDR", struct.pack(">II", wide & 0xFFFFFFFF, high & 0xFFFFFFFF) + rest)
    elif how == 5:
        text = rng.choice((b"zTXt", b"iCCP"))
        chunks.insert(1, (text, b"parameters\0\0" + zlib.compress(b"x" * rng.choice((10, 10**6, 40 * 10**6)), 1)))
    else:
        names = (b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"gAMA", b"eXIf", b"caBX", b"tEXt", b"IDAT")
        chunks.insert(i, (rng.choice(names), rng.randbytes(rng.choice((0, 4, 26, 300)))))
    out = io.BytesIO(data[:8])
    out.seek(8)
    for name, body in chunks:
        out.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
    return bytearray(out.getvalue())
