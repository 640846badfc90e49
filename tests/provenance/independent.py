"""A reader of signed PNG files that shares nothing with the library that signs: JUMBF boxes, CBOR and COSE by hand.

After the C2PA specification 2.2: 11.1 (boxes), 13.2 (signature), 18.5 (hash of the data), A.3 (PNG).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


@dataclass(frozen=True)
class Verdict:
    """Whether each link of the chain holds, and who signed."""

    bytes_as_signed: bool
    assertions_as_claimed: bool
    signature_holds: bool
    certificates: tuple[x509.Certificate, ...]

    @property
    def intact(self) -> bool:
        return self.bytes_as_signed and self.assertions_as_claimed and self.signature_holds


def chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of each chunk."""
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], at, at + 12 + length
        at += 12 + length


def boxes(data: bytes) -> dict[str, bytes]:
    """Label → content of every superbox below, by its path; content is without the describing box."""
    found: dict[str, bytes] = {}

    def walk(part: bytes, path: str) -> None:
        at = 0
        while at < len(part):
            size, kind = struct.unpack(">I4s", part[at : at + 8])
            body = part[at + 8 : at + size]
            if kind == b"jumb":
                (first,) = struct.unpack(">I", body[:4])
                label = body[8 + 17 : first].split(b"\0")[0].decode()
                here = f"{path}/{label}" if path else label
                found[here] = body
                walk(body[first:], here)
            at += size

    walk(data, "")
    return found


def content(box: bytes) -> bytes:
    """What stands in a superbox behind its description: the first box's payload."""
    (first,) = struct.unpack(">I", box[:4])
    size, _ = struct.unpack(">I4s", box[first : first + 8])
    return box[first + 8 : first + size]


def verify(png: bytes) -> Verdict:
    """Check a signed PNG."""
    (begin, end) = next((begin, end) for kind, begin, end in chunks(png) if kind == b"caBX")
    found = boxes(png[begin + 8 : end - 4])
    base = next(path for path in found if path.count("/") == 1)
    claim_bytes = next(content(box) for path, box in found.items() if path.endswith(("/c2pa.claim.v2", "/c2pa.claim")))
    claim = cbor2.loads(claim_bytes)
    data = cbor2.loads(content(found[f"{base}/c2pa.assertions/c2pa.hash.data"]))
    digest, at = hashlib.sha256(), 0
    for gap in data["exclusions"]:
        digest.update(png[at : gap["start"]])
        at = gap["start"] + gap["length"]
        assert (gap["start"], at) == (begin, end), "only the signature's own chunk may be left out"
    digest.update(png[at:])
    claimed = [*claim.get("created_assertions", claim.get("assertions", [])), *claim.get("gathered_assertions", [])]
    right = [
        hashlib.sha256(found[f"{base}/{each['url'].partition('=')[2]}"]).digest() == each["hash"] for each in claimed
    ]
    assert any(each["url"].endswith("c2pa.hash.data") for each in claimed)
    protected, _, _, signature = cbor2.loads(content(found[f"{base}/c2pa.signature"])).value
    headers = cbor2.loads(protected)
    chain = headers.get(33, headers.get("x5chain"))
    ders = chain if isinstance(chain, list) else [chain]
    certificates = tuple(x509.load_der_x509_certificate(each) for each in ders)
    assert headers[1] == -7  # ES256
    message = cbor2.dumps(["Signature1", protected, b"", claim_bytes])  # RFC 9052, 4.4
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key = certificates[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        holds = True
    except InvalidSignature:
        holds = False
    return Verdict(digest.digest() == data["hash"], all(right), holds, certificates)
