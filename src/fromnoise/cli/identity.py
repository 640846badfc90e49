"""``fromnoise identity``: who signs the pictures; and the options of every command that signs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fromnoise.ground.errors import UserError
from fromnoise.provenance.stamp import Stamp

Signing = Annotated[
    bool, typer.Option("--sign", envvar="FROMNOISE_SIGN", help="Sign (C2PA) with what fromnoise identity made.")
]
Signer = Annotated[
    Path | None,
    typer.Option("--identity", help="With --sign: a folder with another signer than yours."),
]
Marking = Annotated[
    bool,
    typer.Option("--watermark", envvar="FROMNOISE_WATERMARK", help="Hide in the pixels that fromnoise drew them."),
]


def stamp_of(watermark: bool, sign: bool, identity: Path | None) -> Stamp:
    """What is put on every picture.

    Raises:
        UserError: no signer is there, it cannot be used, or one is named and nothing is to be signed.
    """
    if not sign and identity is not None:
        raise UserError("--identity says who signs: give --sign too, or leave it out")
    if not sign:
        return Stamp(watermark)
    from fromnoise.provenance.credentials import Seal
    from fromnoise.provenance.identity import KEY, Identity, own_folder

    seal = Seal(Identity.read(identity or own_folder()))
    seal.check()
    if seal.identity.open_to_others:
        file = seal.identity.folder / KEY
        typer.echo(f"other users of this machine can read {file}, and sign in your name: chmod 600 {file}", err=True)
    return Stamp(watermark, seal)


def identity(
    name: Annotated[str | None, typer.Option(help="Make a signer of this name: yours, or your museum's.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where it lies. Default: this user's settings.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="Write the certificate that others know you by to this .pem.")
    ] = None,
) -> None:
    """Make, or show, the signer of your pictures. Its key never leaves its folder; the root is what you give to others.

    fromnoise identity --name "Museum of Noise" --root museum.pem
    fromnoise generate "a red apple" --sign --out apple.png
    fromnoise inspect origin apple.png --root museum.pem
    """
    from fromnoise.ground.whole import write_atomically
    from fromnoise.provenance.identity import CERTIFICATES, KEY, Identity, own_folder

    place = folder or own_folder()
    found = Identity.read(place) if name is None else Identity.made(place, name)
    if root is not None:
        write_atomically(root, found.root)
    print(f"{'signer':<12} {found.name}")
    print(f"{'certificate':<12} SHA-256 {found.fingerprint}")
    print(f"{'folder':<12} {place}: {KEY} (secret), {CERTIFICATES}")
    written = "" if root is None else f", written to {root}"
    print(f"{'root':<12} SHA-256 {found.root_fingerprint}{written}")
