"""Whose pictures these are: a key that stays on this machine, and the certificates that go with every picture.

Where nobody has a certificate from an authority, one is made: a root of one's own, and below it the certificate that
signs. Such a signature shows that nothing was changed, and that the same signer made both of two pictures; who that is
only those know who were given the root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from fromnoise.ground.errors import UserError, missing_packages
from fromnoise.ground.file_bytes import bytes_of
from fromnoise.ground.whole import draft_of, write_atomically

KEY, CERTIFICATES = "key.pem", "certificates.pem"
MOST_KEY = 2**20  # bytes of a file with a key or certificates


@dataclass(frozen=True)
class Identity:
    """A signer.

    Attributes:
        folder: where it lies.
        key: the private key, PEM; it stands in its own file and nowhere else.
        certificates: PEM, the signing one first, the root last.
        algorithm: of the signature, as COSE calls it in small letters.
    """

    folder: Path
    key: bytes = field(repr=False)
    certificates: bytes
    algorithm: str

    @property
    def name(self) -> str:
        """Who signs, as the certificate says."""
        return str(_keys().name_in(self.certificates))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signing certificate, hex digits."""
        return str(_keys().fingerprint_of(self.certificates))

    @property
    def root_fingerprint(self) -> str:
        """SHA-256 of :attr:`root`, hex digits: what others compare before they believe it."""
        return str(_keys().fingerprint_of(self.root))

    @property
    def root(self) -> bytes:
        """PEM of the last certificate: what others need to know these pictures by."""
        return bytes(_keys().root_of(self.certificates))

    @property
    def flaw(self) -> str:
        """Why C2PA may refuse to sign with it; "" where no reason is known."""
        return str(_keys().flaw_of(self.certificates))

    @property
    def open_to_others(self) -> bool:
        """Whether other users of this machine can read the key, where that can be seen."""
        return os.name == "posix" and bool((self.folder / KEY).stat().st_mode & 0o077)

    @classmethod
    def read(cls, folder: Path) -> Identity:
        """The signer that lies in a folder.

        Raises:
            UserError: it is not there, damaged, out of date, or of a kind that C2PA does not know.
        """
        keys = _keys()
        if not all((folder / name).exists() for name in (KEY, CERTIFICATES)):
            raise UserError(
                f"there is no signer in {folder}: make one with fromnoise identity --name NAME, or put the key and the "
                f"chain of a certificate of yours there as {KEY} and {CERTIFICATES}"
            )
        key, certificates = (bytes_of(folder / name, MOST_KEY) for name in (KEY, CERTIFICATES))
        try:
            return cls(folder, key, certificates, keys.algorithm_of(key, certificates))
        except ValueError as error:
            raise UserError(f"the signer in {folder} cannot be used: {error}") from None

    @classmethod
    def made(cls, folder: Path, name: str) -> Identity:
        """A new signer with a root of its own.

        Args:
            folder: where to; made if it is not there.
            name: of the signer, as it will stand in every picture.

        Raises:
            UserError: there is one already, no name, or the folder cannot be written to.
        """
        keys, name = _keys(), name.strip()
        if not name or len(name) > keys.MOST_NAME or not name.isprintable():
            raise UserError(f"a signer's name has 1 to {keys.MOST_NAME} printable characters; give it with --name")
        if any((folder / file).exists() for file in (KEY, CERTIFICATES)):
            raise UserError(f"there is a signer in {folder} already, and it stays: its pictures are known by it")
        key, certificates = keys.new(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / CERTIFICATES, certificates)
            _write_secret(folder / KEY, key)
        except OSError as error:
            raise UserError(f"cannot write the signer to {folder}: {error.strerror or error}") from None
        return cls.read(folder)


def own_folder() -> Path:
    """Where a user's own signer lies."""
    import platformdirs

    return Path(platformdirs.user_config_dir("fromnoise", appauthor=False)) / "identity"


def own_root() -> bytes:
    """What a user's own pictures are known by, PEM; b"" where there is no signer, or none that can be read.

    Without the key nothing more is signed, but what it signed is still its owner's, until the certificate's last day.
    """
    try:
        return bytes(_keys().root_of(bytes_of(own_folder() / CERTIFICATES, MOST_KEY)))
    except (UserError, ValueError, IndexError):
        return b""


def known_roots(file: Path) -> bytes:
    """The certificates of a file, PEM.

    Raises:
        UserError: it cannot be read, or holds none.
    """
    try:
        return bytes(_keys().all_of(bytes_of(file, MOST_KEY)))
    except ValueError:
        raise UserError(
            f"{file} holds no certificate in PEM; a signer writes one with fromnoise identity --root FILE"
        ) from None


def _write_secret(file: Path, data: bytes) -> None:
    """Write a file that nobody else can read at any moment, whole or not at all."""
    draft = draft_of(file)
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(data)
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def _keys() -> ModuleType:
    """What knows keys and certificates.

    Raises:
        UserError: its package is missing.
    """
    try:
        from fromnoise.provenance import keys
    except ImportError:
        raise missing_packages("signing pictures needs packages", "sign") from None
    return keys
