"""Text files of others: whatever their editor wrote in front of the words is no part of them."""

from __future__ import annotations

import json
import re

MARK = "\ufeff"  # the byte-order mark: Windows editors put it before UTF-8 too


def decoded(data: bytes, errors: str = "strict") -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 as its first bytes tell; without byte-order mark.

    Args:
        data: the file's bytes.
        errors: what to do with bytes that are no text, as :meth:`bytes.decode` takes it.

    Raises:
        ValueError: it is not such text.
    """
    encoding = json.detect_encoding(data)  # by the mark, or by where the zeros are; UTF-8 otherwise
    return data.decode(encoding, errors).removeprefix(MARK)


def mark_of(data: bytes) -> str:
    """What a file's first bytes say beside its text, in words: "UTF-16", "a byte-order mark"; "" for plain UTF-8."""
    encoding = json.detect_encoding(data)
    return {"utf-8": "", "utf-8-sig": "a byte-order mark"}.get(encoding, encoding[:6].upper())


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: no halves of signs, as JSON, files and terminals may bring."""
    return not any("\ud800" <= sign < "\ue000" for sign in text)


def spelled(name: str) -> str:
    """A file's name that can be written as UTF-8: bytes that are none, which Python holds as halves of signs, as
    "\\udce9"."""
    return name if is_unicode(name) else name.encode("utf-8", "backslashreplace").decode()


def lines_of(text: str) -> list[str]:
    """Lines that end as Unix, Windows or old Macs end them, and nowhere else; U+2028 may stand inside JSON."""
    return re.split("\r\n|\r|\n", text)
