"""Keys and certificates as C2PA wants them (specification 2.2, 14.5.1), by the cryptography package."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

YEARS = 10
MOST_NAME = 64  # characters that a certificate's name may have (RFC 5280, ub-common-name)
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}  # COSE's algorithms, specification 13.2


def new(name: str) -> tuple[bytes, bytes]:
    """A new key, and its certificate below a root of its own; both PEM.

    The root's key is thrown away: nobody can sign a second certificate with it, not even who made it.
    """
    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"{name} (own root)")
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    ends = usage | {"digital_signature": True, "key_cert_sign": False, "crl_sign": False}
    signs = usage | {"digital_signature": False, "key_cert_sign": True, "crl_sign": True}
    root = (
        _begun(issuer, above, issuer, above)
        .add_extension(x509.BasicConstraints(True, 0), critical=True)
        .add_extension(x509.KeyUsage(**signs), critical=True)
        .sign(above, hashes.SHA256())
    )
    certificate = (
        _begun(_name(name), own, issuer, above)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.KeyUsage(**ends), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .sign(above, hashes.SHA256())
    )
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, certificate.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)


def algorithm_of(key: bytes, certificates: bytes) -> str:
    """How the owner of a key and a chain signs, as COSE calls it in small letters.

    Raises:
        ValueError: they are damaged, do not belong together, are out of date, or of a kind that C2PA does not know.
    """
    try:
        private: Any = load_pem_private_key(key, None)
    except TypeError:
        raise ValueError("the key has a password; store it without one, in a folder that only you can read") from None
    except ValueError:  # whose words end in an address of the package's own pages
        raise ValueError("key.pem is no private key in PEM") from None
    try:
        chain = x509.load_pem_x509_certificates(certificates)
    except ValueError:
        raise ValueError("certificates.pem is no certificate in PEM") from None
    first = chain[0]
    if _bytes(private.public_key()) != _bytes(first.public_key()):
        raise ValueError("the key is not that of the first certificate")
    begin, end = first.not_valid_before_utc, first.not_valid_after_utc
    if not begin <= datetime.datetime.now(datetime.UTC) <= end:
        raise ValueError(f"the certificate is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, so it cannot sign today")
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES:
        return CURVES[private.curve.name]
    raise ValueError("C2PA does not know this kind of key; take ECDSA P-256, RSA or Ed25519")


def flaw_of(certificates: bytes) -> str:
    """Why C2PA may refuse to sign with a certificate (14.5.1), in plain words; "" where nothing of that is the case."""
    first = x509.load_pem_x509_certificates(certificates)[0]
    if first.issuer == first.subject:
        return "its certificate signs itself, and C2PA takes only one that a root, or an authority, has signed"
    try:
        usage = first.extensions.get_extension_for_class(x509.KeyUsage).value
        uses = first.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return "its certificate does not say what it is for, as C2PA wants it: key usage and extended key usage"
    if not usage.digital_signature or x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses:
        return "its certificate is not for signatures, or for anything at all; C2PA takes one for signatures"
    return ""


def name_in(certificates: bytes) -> str:
    """Who the first certificate says it is for."""
    found = x509.load_pem_x509_certificates(certificates)[0].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else "(no name)"


def fingerprint_of(certificates: bytes) -> str:
    """SHA-256 of the first certificate, hex digits."""
    return x509.load_pem_x509_certificates(certificates)[0].fingerprint(hashes.SHA256()).hex()


def root_of(certificates: bytes) -> bytes:
    """PEM of the last certificate: what others know this signer by."""
    return x509.load_pem_x509_certificates(certificates)[-1].public_bytes(Encoding.PEM)


def all_of(certificates: bytes) -> bytes:
    """The certificates that a file holds, PEM, and nothing else of it.

    Raises:
        ValueError: none, or a damaged one.
    """
    return b"".join(each.public_bytes(Encoding.PEM) for each in x509.load_pem_x509_certificates(certificates))


def _begun(subject: x509.Name, own: Any, issuer: x509.Name, above: Any) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:MOST_NAME])])


def _bytes(public: Any) -> bytes:
    found: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
