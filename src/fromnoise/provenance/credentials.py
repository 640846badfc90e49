"""Signatures of pictures, by C2PA (Content Credentials), with the c2pa package.

A signature covers the whole file, so it comes last: whatever is written afterwards breaks it. What it shows is that the
file is as its signer left it. Who the signer is rests on the certificate: anybody can make one with any name in it, so
a name counts only where the chain ends in a root that the reader knows.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from fromnoise.ground.errors import UserError, missing_packages, one_line
from fromnoise.ground.file_bytes import MOST_BYTES
from fromnoise.provenance.identity import Identity
from fromnoise.provenance.marks import Made, source_types_in

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff"}
MOST_WORDS = 200  # characters of a title
UNKNOWN_SIGNER = "signingCredential.untrusted"  # the one finding that speaks against nothing
KNOWN_SIGNER = "signingCredential.trusted"  # of the chain alone: the signature may have been copied from elsewhere
HOLDS = "claimSignature.validated"  # the certificate's key made the signature
OUT_OF_DATE = ("signingCredential.expired", "claimSignature.outsideValidity")
ABOUT_WHO = ("signingCredential.", "timeStamp.", "algorithm.", *OUT_OF_DATE)  # who and when, not the file
WORDS = {  # C2PA specification 2.2, 15.2.2: failure codes
    **dict.fromkeys(OUT_OF_DATE, "its certificate is out of date"),
    **dict.fromkeys(
        ("assertion.dataHash.mismatch", "assertion.bmffHash.mismatch", "assertion.boxesHash.mismatch"),
        "the file is not, byte for byte, the one that was signed",
    ),
    "assertion.hashedURI.mismatch": "what was signed beside the picture is not what stands there",
    "assertion.missing": "something that was signed beside the picture is missing",
    "claim.hardBindings.missing": "the signature does not say which file it is for",
    "claimSignature.mismatch": "the signature does not fit what it signs",
    "claimSignature.missing": "the signature itself is missing",
    "signingCredential.invalid": "its certificate is not one that may sign pictures",
    "signingCredential.revoked": "its certificate was called back",
    "signingCredential.ocsp.revoked": "its certificate was called back",
    "algorithm.unsupported": "it is made in a way that is not known here",
}
State = Literal["none", "intact", "expired", "doubtful", "altered", "damaged"]


@dataclass(frozen=True)
class Credentials:
    """What the signature of a picture shows.

    Attributes:
        state: "none" is there; it is "intact"; intact, but made with a certificate that is out of date by now
            ("expired"); not contradicted by the file, but not to be relied on ("doubtful"); file and signature do not
            belong together ("altered" after signing, or copied from another file); or so "damaged" that it cannot be
            read.
        signer: the name in the certificate. Anybody can write any.
        known: the signature was made with a key whose chain ends in one of the roots that the reader knows, so that
            the name is true, also of a file that was altered since. Of a chain that is out of date nobody can say.
        holds: the signature was made with its certificate's key; otherwise nobody can be said to have signed.
        program: what wrote the signature.
        source_types: what kind of source it names, as "trainedAlgorithmicMedia".
        problems: what does not fit, in C2PA's own codes; of a damaged one, the reader's words.
    """

    state: State
    signer: str = ""
    known: bool = False
    holds: bool = False
    program: str = ""
    source_types: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """The problems in plain words, none of them twice."""
        return tuple(dict.fromkeys(WORDS.get(code, f"a check of it failed ({code})") for code in self.problems))


@dataclass(frozen=True)
class Seal:
    """Signs pictures as one signer."""

    identity: Identity

    def sealed(self, data: bytes, kind: str, made: Made) -> bytes:
        """A picture's file with its signature.

        Args:
            data: the whole file.
            kind: "PNG", "JPEG", "WEBP", … (Pillow's names; :data:`TYPES`).
            made: how it was made.

        Raises:
            UserError: it cannot be signed.
        """
        tools = _tools()
        name = self.identity
        info = tools.C2paSignerInfo(
            alg=name.algorithm.encode(), sign_cert=name.certificates, private_key=name.key, ta_url=None
        )
        target = io.BytesIO()
        try:
            builder = tools.Builder(_claim(made), context=_context({"builder": {"thumbnail": {"enabled": False}}}))
            builder.sign(tools.Signer.from_info(info), TYPES[kind], io.BytesIO(data), target)
        except tools.C2paError as error:
            why = name.flaw or one_line(str(error))
            raise UserError(f"the picture cannot be signed with {name.folder}: {why}") from None
        return target.getvalue()

    def check(self) -> None:
        """Sign a picture of one pixel, so that what cannot sign is known before anything is drawn.

        Raises:
            UserError: it cannot.
        """
        file = io.BytesIO()
        Image.new("L", (1, 1)).save(file, "PNG")
        self.sealed(file.getvalue(), "PNG", Made("", "", ""))


def credentials_in(data: bytes, kind: str, roots: bytes = b"") -> Credentials:
    """Check the signature of a picture; nothing is fetched from anywhere.

    Args:
        data: the whole file.
        kind: as of :meth:`Seal.sealed`.
        roots: PEM certificates that the reader knows.

    Raises:
        UserError: the package is missing, or the file is too large.
    """
    tools = _tools()
    if kind not in TYPES:
        return Credentials("none")
    if len(data) > MOST_BYTES:
        raise UserError(f"the file has {len(data) / 2**20:,.0f} MiB; signatures are looked for in up to 256 MiB")
    trust = {"trust": {"user_anchors": roots.decode("ascii", "replace")}} if roots else {}
    quiet = {"verify": {"verify_trust": bool(roots), "remote_manifest_fetch": False, "ocsp_fetch": False}}
    try:
        found = json.loads(tools.Reader(TYPES[kind], io.BytesIO(data), context=_context(trust | quiet)).json())
        return _read(found)
    except tools.C2paError.ManifestNotFound:
        return Credentials("none")
    except (tools.C2paError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Credentials("damaged", problems=(one_line(str(error))[:MOST_WORDS],))


def _read(found: dict[str, Any]) -> Credentials:
    manifest = found["manifests"][found["active_manifest"]]
    problems = [str(each["code"]) for each in found.get("validation_status") or ()]
    active = (found.get("validation_results") or {}).get("activeManifest") or {}
    held = {str(each["code"]) for each in active.get("success") or ()}
    signed = manifest.get("signature_info") or {}
    programs = manifest.get("claim_generator_info") or [{}]
    text = json.dumps([each.get("data") for each in manifest.get("assertions") or ()])
    bad = tuple(dict.fromkeys(code for code in problems if code != UNKNOWN_SIGNER))
    return Credentials(
        _state(bad, found.get("validation_state") == "Invalid"),
        one_line(str(signed.get("common_name") or signed.get("issuer") or ""))[:MOST_WORDS],
        {KNOWN_SIGNER, HOLDS} <= held,
        HOLDS in held,
        one_line(" ".join(str(programs[0].get(key) or "") for key in ("name", "version"))).strip()[:MOST_WORDS],
        source_types_in(text),
        bad,
    )


def _state(bad: tuple[str, ...], invalid: bool) -> State:
    """What the problems are about: the file, or only who signed it, and when."""
    if not all(code.startswith(ABOUT_WHO) for code in bad):
        return "altered"
    if bad and set(bad) <= set(OUT_OF_DATE):
        return "expired"
    return "doubtful" if bad or invalid else "intact"


def _claim(made: Made) -> dict[str, Any]:
    """What is signed beside the file's bytes (C2PA specification 2.2, 18.15: actions)."""
    action = {
        "action": "c2pa.created",
        "digitalSourceType": made.source_type,
        "softwareAgent": {"name": f"fromnoise, model {made.model}", "version": made.version},
    }
    return {
        "claim_generator_info": [{"name": "fromnoise", "version": made.version}],
        "title": made.prompt[:MOST_WORDS] or "a picture without words",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }


def _context(settings: dict[str, Any]) -> Any:
    tools = _tools()
    return tools.Context(settings=tools.Settings.from_dict(settings))


def _tools() -> Any:
    """The c2pa package.

    Raises:
        UserError: it is missing.
    """
    try:
        import c2pa
    except ImportError:
        raise missing_packages("signatures of pictures need packages", "sign") from None
    return c2pa
