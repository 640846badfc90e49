"""Signatures: intact, altered by one byte, taken away, by someone else; also by a reader that shares no code."""

from __future__ import annotations

import io
import random
import zlib
from pathlib import Path

import pytest
from cryptography import x509
from PIL import Image

from fromnoise.ground.errors import UserError
from fromnoise.provenance.credentials import MOST_BYTES, Seal, credentials_in
from fromnoise.provenance.identity import Identity
from fromnoise.provenance.marks import Made
from provenance.independent import chunks, verify

MADE = Made("a red apple", "stickers (abc)", "1.0")
KINDS = ("PNG", "JPEG", "WEBP")


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.made(tmp_path_factory.mktemp("museum"), "Museum of Noise")


def plain(kind: str) -> bytes:
    buffer, rng = io.BytesIO(), random.Random(0)
    Image.frombytes("RGB", (24, 24), rng.randbytes(24 * 24 * 3)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def signed(museum: Identity) -> dict[str, bytes]:
    return {kind: Seal(museum).sealed(plain(kind), kind, MADE) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_picture_is_intact_and_its_pixels_are_the_same(
    kind: str, signed: dict[str, bytes], museum: Identity
) -> None:
    found = credentials_in(signed[kind], kind, museum.root)
    assert (found.state, found.signer, found.known) == ("intact", "Museum of Noise", True)
    assert found.source_types == ("trainedAlgorithmicMedia",)
    assert found.program == "fromnoise 1.0"
    pixels = [Image.open(io.BytesIO(data)).tobytes() for data in (plain(kind), signed[kind])]
    assert pixels[0] == pixels[1]
    assert credentials_in(plain(kind), kind).state == "none"


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_byte_shows_or_changes_nothing(kind: str, signed: dict[str, bytes], museum: Identity) -> None:
    """The frame around a signature (lengths, labels, room kept free) is not signed; but no byte of it can change what
    is seen or what is said."""
    whole, rng = signed[kind], random.Random(1)
    original = credentials_in(whole, kind, museum.root)
    shown = 0
    for at in sorted(rng.sample(range(len(whole)), 150)):
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.randrange(8)
        found = credentials_in(bytes(changed), kind, museum.root)
        shown += found.state != "intact"
        if found.state == "intact":
            assert found == original, at
            assert without_signature(bytes(changed), kind) == without_signature(whole, kind), at
    assert shown > 50


def without_signature(data: bytes, kind: str) -> list[bytes]:
    """All of a file but the chunk with the signature."""
    if kind == "PNG":
        return [data[begin:end] for name, begin, end in chunks(data) if name != b"caBX"]
    begin = data.index(b"\xff\xeb" if kind == "JPEG" else b"C2PA")
    size = data[begin + 2 : begin + 4] if kind == "JPEG" else data[begin + 4 : begin + 8]
    length = int.from_bytes(size, "big" if kind == "JPEG" else "little") + (2 if kind == "JPEG" else 8)
    return [data[:begin], data[begin + length :]]


def test_the_same_name_on_another_certificate_is_not_the_same_signer(
    signed: dict[str, bytes], museum: Identity, tmp_path: Path
) -> None:
    forger = Identity.made(tmp_path, "Museum of Noise")
    forged = Seal(forger).sealed(plain("PNG"), "PNG", MADE)
    found = credentials_in(forged, "PNG", museum.root)
    assert (found.state, found.signer, found.known) == ("intact", "Museum of Noise", False)
    assert credentials_in(forged, "PNG", museum.root + forger.root).known
    assert credentials_in(signed["PNG"], "PNG").known is False  # nobody is known where no root is given


def test_an_independent_reader_agrees(signed: dict[str, bytes], museum: Identity) -> None:
    png = signed["PNG"]
    verdict = verify(png)
    assert verdict.intact
    root = x509.load_pem_x509_certificates(museum.root)[0]
    verdict.certificates[0].verify_directly_issued_by(root)
    (begin, end) = next((begin, end) for kind, begin, end in chunks(png) if kind == b"IDAT")
    for at in (begin + 8, (begin + end) // 2, end - 1):
        changed = bytearray(png)
        changed[at] ^= 1
        assert not verify(bytes(changed)).bytes_as_signed
    title = png.index(b"a red apple")
    lied = verify(png[:title] + b"a new apple" + png[title + 11 :])
    assert (lied.bytes_as_signed, lied.signature_holds) == (True, False)


def test_what_is_written_afterwards_breaks_the_signature(signed: dict[str, bytes], museum: Identity) -> None:
    picture, buffer = Image.open(io.BytesIO(signed["PNG"])), io.BytesIO()
    picture.load()
    picture.save(buffer, "PNG")
    assert credentials_in(buffer.getvalue(), "PNG", museum.root).state == "none"  # Pillow leaves it out
    png = signed["PNG"]
    end = len(png) - 12
    text = b"tEXtparameters\0forged"
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    found = credentials_in(png[:end] + chunk + png[end:], "PNG", museum.root)
    assert found.state == "altered"
    assert "assertion.dataHash.mismatch" in found.problems


def test_no_file_makes_the_reader_fall(signed: dict[str, bytes]) -> None:
    rng = random.Random(2)
    for kind, whole in signed.items():
        for _ in range(40):
            begin = rng.randrange(len(whole))
            broken = whole[:begin] + rng.randbytes(rng.randrange(40)) + whole[begin + rng.randrange(60) :]
            assert credentials_in(broken, kind).state in ("none", "altered", "damaged")
    assert credentials_in(b"", "PNG").state in ("none", "damaged")
    assert credentials_in(b"GIF", "a kind of its own").state == "none"
    with pytest.raises(UserError, match="MiB"):
        credentials_in(bytes(MOST_BYTES + 1), "PNG")
