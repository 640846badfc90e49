"""What is to be thought of a picture's origin, in one sentence: who signed, who drew, and if it contradicts itself.

Names that others chose stand last and in quotes that they cannot close, so that no name completes a sentence of ours.
"""

from __future__ import annotations

from fromnoise.drawing.provenance import Provenance
from fromnoise.ground.errors import quoted
from fromnoise.provenance.marks import FROM_AI

FORGED = "anybody can write that into a file"


def verdict(found: Provenance) -> str:
    """The sentence: who drew it, as far as anything says so, and who signed it."""
    signed, drawn = _signed(found), _drawn(found)
    if not signed and not drawn:
        return "nothing says where it comes from"
    but = "it contradicts itself (see below)" if found.contradictions else ""
    return "; ".join(part for part in (drawn, but, signed) if part)


def signature(found: Provenance) -> str:
    """What the signature shows, and why it does not show more."""
    by = found.credentials
    if found.signature == "none":
        return "none: nothing shows who made the file, or whether it was changed"
    if found.signature == "removed":
        return "removed, or never there: the settings in the file speak of one, which anybody can write"
    why = ", ".join(by.reasons)
    if found.signature == "damaged":
        return f"damaged: it cannot be read ({', '.join(by.problems)})"
    if found.signature == "intact":
        return "intact: not a byte of the file was changed since"
    if found.signature == "expired":
        return (
            f"expired: not a byte of the file was changed since, but {why}; without a time stamp nothing shows that it "
            "was made before that day"
        )
    return f"{found.signature}: {why}"


def signer(found: Provenance) -> str:
    """Whose signature it is, and how far that is known; "" where there is none."""
    name = quoted(found.credentials.signer)
    if found.signature in ("none", "removed", "damaged"):
        return ""
    if not found.credentials.holds:
        return f"nobody can be said to have made this signature, whoever is named: {name}"
    check = "" if found.credentials.known or found.asked else " (check with --root and that signer's root certificate)"
    return f"{_whose(found)}{check}: {name}"


def _signed(found: Provenance) -> str:
    by, name = found.credentials, quoted(found.credentials.signer)
    changed = "changed after it was signed, or signed as another file"
    if found.signature == "none":
        return "NOT signed by a signer whom you know, nor by anybody" if found.asked else ""
    if found.signature == "removed":
        assert found.origin is not None
        said = quoted(found.origin.signer)
        return f"it says that it was signed, and no signature is there; the name that it gives is {said}"
    if found.signature == "damaged":
        return "it carries a signature that cannot be read, so that nothing is shown"
    if not by.holds and found.signature == "altered":
        return f"its signature does not hold: nobody can be said to have signed it, whoever is named: {name}"
    how = {
        "altered": changed,
        "intact": "signed, and unchanged since",
        "expired": "signed, and unchanged since, with a certificate that is out of date",
        "doubtful": "its signature cannot be relied on",
    }[found.signature]
    return f"{how}; {_whose(found)}: {name}"


def _whose(found: Provenance) -> str:
    by = found.credentials
    if found.yours:
        return "the signer is you"
    if by.known:
        return "by a signer whom you know"
    if found.signature == "expired":
        return "whose it is cannot be shown any more; the certificate says"
    if found.asked:
        return "NOT by a signer whom you know, but by someone who says to be"
    return "by someone who says to be, as anybody can"


def _drawn(found: Provenance) -> str:
    """Who drew it, and on whose word."""
    marked = found.watermark is not None and found.watermark.found
    kinds = tuple(dict.fromkeys((*found.credentials.source_types, *found.source_types)))
    by_signer = found.signature == "intact"
    word = "says its signer" if by_signer else f"says the file ({FORGED})"
    if found.origin is not None:
        if marked and not by_signer:
            return "fromnoise drew it, say the file and the watermark in its pixels (both can be forged)"
        return f"fromnoise drew it, {word}"
    if marked:
        return "fromnoise may have drawn it, or part of it: its pixels hold our watermark (which can be copied)"
    if any(kind in FROM_AI for kind in kinds):
        return f"a model made it, {word}"
    return f"no model made it, {word}" if kinds else ""
