"""Whose pictures these are: a key that nobody else can read, and certificates that belong to it."""

from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fromnoise.ground.errors import UserError
from fromnoise.provenance.credentials import Seal
from fromnoise.provenance.identity import CERTIFICATES, KEY, Identity


def put(folder: Path, key: Any, password: bytes | None = None, days: int = 9, subject: Any = None) -> Path:
    """A signer of somebody's own: a certificate that signs itself, and its key."""
    now, name = datetime.datetime.now(datetime.UTC), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Mine")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key((subject or key).public_key()).not_valid_before(now - datetime.timedelta(days=10))
    builder = builder.not_valid_after(now + datetime.timedelta(days=days))
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    folder.mkdir(exist_ok=True)
    (folder / CERTIFICATES).write_bytes(builder.sign(key, digest).public_bytes(Encoding.PEM))
    secret = BestAvailableEncryption(password) if password else NoEncryption()
    (folder / KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    return folder


def test_a_new_signer_is_found_again_and_its_key_is_secret(tmp_path: Path) -> None:
    made = Identity.made(tmp_path / "a" / "b", "  Museum of Noise ")
    found = Identity.read(tmp_path / "a" / "b")
    assert found == made
    assert (found.name, found.algorithm, len(found.fingerprint)) == ("Museum of Noise", "es256", 64)
    assert stat.S_IMODE(os.stat(tmp_path / "a" / "b" / KEY).st_mode) == 0o600
    assert sorted(file.name for file in (tmp_path / "a" / "b").iterdir()) == [CERTIFICATES, KEY]
    assert "PRIVATE" not in repr(found)
    assert b"PRIVATE" not in found.certificates
    first, root = x509.load_pem_x509_certificates(found.certificates)
    first.verify_directly_issued_by(root)
    assert x509.load_pem_x509_certificates(found.root) == [root]
    assert found.root_fingerprint == root.fingerprint(hashes.SHA256()).hex() != found.fingerprint


def test_a_signer_is_never_written_over(tmp_path: Path) -> None:
    before = Identity.made(tmp_path, "One")
    with pytest.raises(UserError, match="already, and it stays"):
        Identity.made(tmp_path, "Two")
    (tmp_path / KEY).unlink()
    with pytest.raises(UserError, match="already, and it stays"):
        Identity.made(tmp_path, "Two")
    assert (tmp_path / CERTIFICATES).read_bytes() == before.certificates


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines"])
def test_a_name_must_be_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="1 to 64 printable"):
        Identity.made(tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_keys_of_an_authority_are_taken_by_their_kind(tmp_path: Path) -> None:
    kinds = {
        "es384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ps256": rsa.generate_private_key(65537, 2048),
    }
    for algorithm, key in kinds.items():
        assert Identity.read(put(tmp_path / algorithm, key)).algorithm == algorithm


def test_what_cannot_sign_is_refused(tmp_path: Path) -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    for name, folder, said in (
        ("none", tmp_path / "none", "there is no signer in"),
        ("other", put(tmp_path / "other", key, subject=other), "not that of the first certificate"),
        ("secret", put(tmp_path / "secret", key, b"1234"), "has a password"),
        ("old", put(tmp_path / "old", key, days=-1), "it cannot sign today"),
        ("strange", put(tmp_path / "strange", ec.generate_private_key(ec.SECP256K1())), "does not know this kind"),
    ):
        with pytest.raises(UserError, match=said):
            Identity.read(folder)
        assert name
    (tmp_path / "old" / KEY).write_bytes(b"-----BEGIN nothing")
    with pytest.raises(UserError, match=r"cannot be used: key\.pem is no private key in PEM$"):
        Identity.read(tmp_path / "old")
    put(tmp_path / "chain", key)
    (tmp_path / "chain" / CERTIFICATES).write_bytes(b"-----BEGIN nothing")
    with pytest.raises(UserError, match=r"cannot be used: certificates\.pem is no certificate in PEM$"):
        Identity.read(tmp_path / "chain")


def test_a_certificate_that_c2pa_refuses_is_refused_with_the_reason(tmp_path: Path) -> None:
    signs_itself = Identity.read(put(tmp_path / "self", ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(UserError, match="its certificate signs itself"):
        Seal(signs_itself).check()
    made = Identity.made(tmp_path / "made", "Museum of Noise")
    Seal(made).check()
    assert made.flaw == ""


def test_a_key_that_others_can_read_is_seen(tmp_path: Path) -> None:
    made = Identity.made(tmp_path, "Museum of Noise")
    assert not made.open_to_others
    (tmp_path / KEY).chmod(0o644)
    assert made.open_to_others
