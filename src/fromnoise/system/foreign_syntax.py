"""What prompts of other programs say with signs that are not read here: refused by name, never drawn as words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fromnoise.ground.errors import UserError
from fromnoise.system.prompt import BREAK, PARTS, pairs_of

# pattern, what it is and what to do instead, and which options of the command line do it
SIGNS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"<\s*(lora|lyco|lycoris|loha)\s*:[^>]*>?", re.IGNORECASE),
        "adds a LoRA in other programs; leave this out",
        ", and give its file with --lora FILE:WEIGHT",
    ),
    (
        re.compile(r"<\s*hypernet\s*:[^>]*>?|<\s*\w+\s*:[^>]*>", re.IGNORECASE),
        "is an instruction of another program; leave it out",
        "",
    ),
    (
        re.compile(r"\bembedding\s*:\s*\S+", re.IGNORECASE),
        "names a textual inversion, which is not supported; leave it out",
        "",
    ),
    (
        # <b>bold</b> is a page's language.
        re.compile(r"<[A-Za-z]\w*(?:[-*][\w*-]*|\d)>|<(?P<name>[A-Za-z]\w{2,})>(?!.*</(?P=name)>)", re.DOTALL),
        "stands for a textual inversion, which is not supported; leave it out",
        "",
    ),
    (
        re.compile(r"\{[^{}]*[|$][^{}]*\}"),
        "chooses among words in other programs; write the one you want",
        "",
    ),
    (
        re.compile(r"\{\s*\{[^{}]*\}\s*\}"),
        "weighs words in other programs; here (words:1.3) does",
        "",
    ),
    (
        re.compile(r"(?<!\w)__[\w/*-]+__(?!\w)"),
        "is filled in from a list in other programs; write the words themselves",
        "",
    ),
    (
        re.compile(r"\)(\+{1,}|-{1,})(?=[\s,.]|$)|\b[a-z]{3,}(\+{2,}|-{2,})(?=[\s,.)]|$)"),
        "weighs words in other programs; here (words:1.3) does",
        "",
    ),
    (
        re.compile(r"\.(and|swap|blend)\s*\("),
        "combines prompts in other programs, which is not done here; write one prompt",
        "",
    ),
    (
        re.compile(r"(?<![\w-])--(ar|v|no|style|stylize|s|chaos|c|q|quality|seed|niji|iw|tile|weird|w|h|video)\b[^,]*"),
        "is an option of another program; give options beside the prompt",
        ", as --size, --seed or --negative",
    ),
    (
        re.compile(r"""[\w)\]}"'”’]\s*::\s*-?(?:[0-9]*\.)?[0-9]*(?=[\s,.;)]|$)"""),
        "weighs parts of a prompt in other programs; here (words:1.3) does",
        "",
    ),
)
AND = re.compile(r"\bAND\b")
AND_MORE = re.compile(r"\bAND_[A-Z]+\b")  # what an extension of another program adds
WHEN = re.compile(r":\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$")
BEHIND = re.compile(r"([0-9]+(\.[0-9]+)?|\.[0-9]+)(?=[\s,.;)]|$)")
PLAIN = r"which is not done here; write \[ and \] for plain brackets"
JOINS = "joins two prompts in other programs"


def refuse_foreign_syntax(text: str, field: str = "prompt") -> None:
    """Refuse what would be drawn as words though it means something else where it comes from.

    Args:
        text: a prompt or a negative prompt.
        field: which of them, for the error.

    Raises:
        UserError: naming the part and what to do instead.
    """
    for part, meaning, advice in (*_signs(text), *_brackets(text)):
        raise UserError(f"'{part.strip():.80}' in the prompt {meaning}", field, advice=advice)
    found = AND_MORE.search(text)
    if found:
        raise UserError(f"'{found[0]}' in the prompt {JOINS}, which is not done here; write one prompt", field)
    # A prompt in capitals may well have an AND; one that is not means the sign.
    if _has_and(text) and not _in_capitals(text):
        raise UserError(f"'AND' in the prompt {JOINS}; write 'and' for the word", field)


def read_otherwise(text: str) -> str | None:
    """A sentence about a sign of other programs that is drawn as the word it also is; None where there is none."""
    if _has_and(text):
        return f"'AND' is read as the word it is; it {JOINS}"
    return None


def _has_and(text: str) -> bool:
    return AND.search(text) is not None and any(sign.isalnum() for sign in AND.sub("", text))


def _in_capitals(text: str) -> bool:
    """Whether all other words are in capitals; scripts without capitals are not."""
    letters = [sign for sign in BREAK.sub("", AND.sub("", text)) if sign.isalpha()]
    return bool(letters) and all(sign.isupper() for sign in letters)


def _signs(text: str) -> Iterator[tuple[str, str, str]]:
    for pattern, meaning, advice in SIGNS:
        found = pattern.search(text)
        if found:
            yield found[0], meaning, advice


def _brackets(text: str) -> Iterator[tuple[str, str, str]]:
    """What pairs of brackets say, wherever they stand in one another."""
    parts = PARTS.findall(text)
    pairs = pairs_of(parts)
    for opening, closing in sorted(pairs.items()):
        whole = "".join(parts[opening : closing + 1])
        if parts[opening] == "(":
            if _weighed_behind(parts, opening, closing):
                yield whole + parts[closing + 1], "weighs words in other programs; here (words:1.3) does", ""
            continue
        own = _own(parts, pairs, opening, closing)
        if WHEN.search(parts[closing - 1]) and closing - 1 in own:
            yield whole, f"changes words while drawing in other programs, {PLAIN}", ""
        if any("|" in parts[i] for i in own):
            yield whole, f"changes words at every step in other programs, {PLAIN}", ""


def _own(parts: list[str], pairs: dict[int, int], opening: int, closing: int) -> list[int]:
    """Which parts stand in a pair of brackets, and in no other inside it."""
    found, i = [], opening + 1
    while i < closing:
        if i not in pairs:
            found.append(i)
        i = pairs.get(i, i) + 1
    return found


def _weighed_behind(parts: list[str], opening: int, closing: int) -> bool:
    """Whether a number stands right behind round brackets: "(blue ball)1.3", and not "Fe(OH)3" or "(555)1234"."""
    inside = "".join(parts[opening + 1 : closing])
    joined = opening > 0 and parts[opening - 1][-1:].isalnum()
    behind = parts[closing + 1] if closing + 1 < len(parts) else ""
    return not joined and any(sign.isalpha() for sign in inside) and BEHIND.match(behind) is not None
