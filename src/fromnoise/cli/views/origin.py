"""``fromnoise inspect origin``: where pictures come from."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.ground.errors import one_line

if TYPE_CHECKING:
    from fromnoise.drawing.provenance import Provenance

FROM_AI = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")


def origin(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, whoever made them.")],
    root: Annotated[
        list[Path] | None, typer.Option(help="A .pem of a signer you know (fromnoise identity --root); repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where pictures come from: is the signature whole, and whose; is the watermark there; made by AI; drawn how.

    Ends with code 1 where a picture was changed after it was signed, or its signature is gone.

    fromnoise inspect origin apple.png --root museum.pem
    """
    from fromnoise.drawing.provenance import provenance_of
    from fromnoise.provenance.identity import known_roots, own_root

    own, known = own_root(), b"".join(known_roots(file) for file in root or ())
    found = [(file, provenance_of(file, own, known)) for file in pictures]
    if as_json:
        print(json.dumps([{"picture": str(f), **each.to_dict()} for f, each in found], ensure_ascii=False, indent=1))
    else:
        for file, each in found:
            _print(file, each)
    if not all(each.sound for _, each in found):
        raise typer.Exit(1)


def _print(file: Path, found: Provenance) -> None:
    drawn = found.origin
    size = f"{found.size[0]}×{found.size[1]}" if found.size else "cannot be unpacked"
    said = dict.fromkeys((*found.credentials.source_types, *found.source_types))
    rows = [
        ("picture", f"{found.kind}, {size}"),
        ("signature", _signature(found)),
        ("watermark", _watermark(found)),
        ("made by AI", _by_ai(tuple(said))),
        ("drawn by", f"{drawn.model} ({drawn.model_hash}), fromnoise {drawn.version}" if drawn else found.why_not),
    ]
    if drawn:
        rows.append(("prompt", drawn.request.prompt or "(none)"))
        rows.append(("again", f"fromnoise generate --again {shlex.quote(str(file))}"))
    elif found.parameters:
        rows.append(("parameters", found.parameters))
    print(one_line(str(file)))
    for heading, text in rows:
        print(f"  {heading:<11} {one_line(text)}")


def _signature(found: Provenance) -> str:
    by, whole = found.credentials, found.signature
    if whole == "none":
        return "none: nothing shows who made the file, or whether it was changed"
    if whole == "removed":
        assert found.origin is not None
        return f"removed: the file says that '{found.origin.signer}' signed it, and the signature is gone"
    if whole == "damaged":
        return f"damaged: it cannot be read ({', '.join(by.problems)})"
    if whole == "altered":
        return f"altered: the file is not as '{by.signer}' signed it ({', '.join(by.problems)})"
    if found.yours:
        return f"intact: yours ('{by.signer}')"
    if by.known:
        return f"intact: by '{by.signer}', whom you know"
    return f"intact: by someone who says to be '{by.signer}'; check with the signer's root certificate (--root FILE)"


def _watermark(found: Provenance) -> str:
    """Whether the invisible mark is there."""
    mark, promised = found.watermark, found.origin is not None and found.origin.watermark
    if mark is None:
        return "its pixels cannot be looked at"
    if mark.found:
        wide, high = mark.share
        part = "" if mark.share == (1.0, 1.0) else f"; about {wide:.0%} × {high:.0%} of the marked picture are left"
        return f"found (score {mark.score:.1f}): fromnoise drew it{part}"
    return "gone: the file says that it has one, and the pixels do not" if promised else "none found"


def _by_ai(kinds: tuple[str, ...]) -> str:
    if any(kind in FROM_AI for kind in kinds):
        return f"yes, it says so ({', '.join(kinds)})"
    return f"it says otherwise ({', '.join(kinds)})" if kinds else "it does not say"
