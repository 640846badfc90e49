"""``fromnoise inspect origin``: where pictures come from."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.ground.errors import UserError, one_line, quoted

if TYPE_CHECKING:
    from fromnoise.drawing.provenance import Provenance

MOST = 300  # signs of a row that quotes others


def origin(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, whoever made them.")],
    root: Annotated[
        list[Path] | None,
        typer.Option(help="A .pem of a signer you know (fromnoise identity --root): must be theirs; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where pictures come from: is the signature whole, and whose; is the watermark there; made by AI; drawn how.

    Ends with 0 where nothing speaks against any of them; 1 where one was changed after signing, contradicts itself, or,
    with --root, is not signed by a signer you know; 2 where one could not be looked at.

    fromnoise inspect origin apple.png --root museum.pem
    """
    from fromnoise.drawing.provenance import provenance_of
    from fromnoise.drawing.verdict import verdict
    from fromnoise.provenance.identity import known_roots, own_root

    own, known = own_root(), b"".join(known_roots(file) for file in root or ())
    worst, rows = 0, []
    for file in pictures:
        try:
            found = provenance_of(file, own, known)
        except UserError as error:
            worst = 2
            rows.append({"picture": str(file), "verdict": f"not looked at: {error.message}", "error": error.message})
            if not as_json:
                print(f"{one_line(str(file))}\n  {'verdict':<13} {rows[-1]['verdict']}")
            continue
        worst = max(worst, int(not found.sound))
        rows.append({"picture": str(file), "verdict": verdict(found), **found.to_dict()})
        if not as_json:
            _print(file, found)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    if worst:
        raise typer.Exit(worst)


def _print(file: Path, found: Provenance) -> None:
    from fromnoise.drawing.verdict import signature, signer, verdict

    size = f"{found.size[0]}×{found.size[1]}" if found.size else "cannot be unpacked"
    rows = [("verdict", verdict(found)), *(("contradiction", each) for each in found.contradictions)]
    rows += [("picture", f"{found.kind}, {size}"), ("signature", signature(found))]
    rows += [("signer", whose)] if (whose := signer(found)) else []
    rows += [("watermark", _watermark(found)), ("made by AI", _by_ai(found)), ("drawn by", _drawn_by(found))]
    if found.origin:
        rows.append(("prompt", quoted(found.origin.request.prompt, MOST) if found.origin.request.prompt else "(none)"))
        rows.append(("again", f"fromnoise generate --again {shlex.quote(str(file))}"))
    elif found.parameters:
        rows.append(("settings", quoted(found.parameters, 1000)))
    print(one_line(str(file)))
    for heading, text in rows:
        print(f"  {heading:<13} {one_line(text)}")


def _watermark(found: Provenance) -> str:
    """Whether the invisible mark is there."""
    mark, promised = found.watermark, found.origin is not None and found.origin.watermark
    if mark is None:
        return "its pixels cannot be looked at"
    if not mark.found:
        return "gone: the settings say that it has one, and the pixels do not" if promised else "none found"
    wide, high = mark.share
    part = "" if mark.share == (1.0, 1.0) else f"; about {wide:.0%} × {high:.0%} of the marked picture are left"
    return f"found (score {mark.score:.1f}): fromnoise's mark is in it; marks can be copied{part}"


def _by_ai(found: Provenance) -> str:
    from fromnoise.provenance.marks import FROM_AI

    kinds = tuple(dict.fromkeys((*found.credentials.source_types, *found.source_types)))
    if any(kind in FROM_AI for kind in kinds):
        return f"yes, it says so ({', '.join(kinds)})"
    return f"it says otherwise ({', '.join(kinds)})" if kinds else "it does not say"


def _drawn_by(found: Provenance) -> str:
    """What the settings say, as what they are: words that anybody can write."""
    if drawn := found.origin:
        held = "and they are part of what was signed" if found.signature == "intact" else "anybody can write them"
        said = f"model {quoted(drawn.model)}, {quoted(drawn.model_hash, 12)}, version {quoted(drawn.version, 20)}"
        return f"its settings say ({held}): {said}"
    if found.parameters:
        return "its settings are below, in the form that many programs write; --again cannot draw from them"
    return found.why_not
