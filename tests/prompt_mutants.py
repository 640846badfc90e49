"""Prompts that nobody should type, at random and repeatably."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

WORDS = ("a", "red", "apple", "cat", "two", "cats", "on", "the", "left", "blue", "smiling", "face", "of")
PIECES = (
    "\0", "\x07", "\x1b[2J\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\u200b", "\u200d", "\u202e",
    "\u2066", "\ud800", "\udfff",
    "مرحبا", "שלום", "日本語", "ก็็็็็", "e" + "\u0301" * 40, "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "𝒳", "ﬁ", "İ", "ß",
    "\U0010ffff", "\uffff",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;&#0;", "{{7*7}}", "${jndi:ldap://x}",
    "{0.__class__}", "%s%n%x",
    "'; DROP TABLE pictures; --", "\" onload=\"x", "../../../../etc/passwd", "C:\\con", "$(reboot)", "`id`",
    "| cat", "\r\nSet-Cookie: a=b",
    "\n", "\r", "\t", "  ", ",", ".", "!", "(", ")", "[", "]", "((", "))", "(apple:2)", "(apple:-1)",
    "(apple:1e99)", "(apple:nan)", "(:)",
    "(a:)", "[a:b:0.5]", "<lora:x:1>", "BREAK", "AND", "\\(", "\\", "a\\", "{a|b}", "__class__", "--steps 5",
    "-1", "style:", "in the style of",
)  # fmt: skip
LONG = 100_000


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 9)))


def _mixed(rng: random.Random) -> str:
    parts = [rng.choice((rng.choice(PIECES), _sentence(rng))) for _ in range(rng.randrange(1, 8))]
    return rng.choice(("", " ")).join(parts)


def _points(rng: random.Random) -> str:
    return "".join(
        chr(rng.choice((rng.randrange(0x110000), rng.randrange(0x3000), rng.randrange(128)))) for _ in range(60)
    )


def _long(rng: random.Random) -> str:
    piece = rng.choice((*PIECES, _sentence(rng) + " "))
    return (piece * (LONG // len(piece) + 1))[: rng.choice((300, 5000, LONG))]


def _nested(rng: random.Random) -> str:
    depth = rng.choice((3, 40, 3000))
    opened, closed = rng.choice(("()", "[]", "{}", "<>"))
    return opened * depth + _sentence(rng) + closed * rng.choice((depth, depth - 1, 0))


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "mixed": _mixed, "code points": _points, "long": _long, "nested": _nested,
    "bytes": lambda rng: rng.randbytes(50).decode("utf-8", "surrogateescape"),
    "blank": lambda rng: rng.choice(("", " ", "\u3000", "\u200b", "\n\n", "\0")),
}  # fmt: skip


def odd_prompt(file: Path, data: bytes, rng: random.Random) -> str:
    """Write an odd prompt into a file; returns its kind."""
    kind = rng.choice(("mixed", *MAKERS))
    file.write_bytes(MAKERS[kind](rng).encode("utf-8", "surrogatepass"))
    return kind
