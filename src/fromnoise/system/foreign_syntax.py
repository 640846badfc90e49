"""What prompts of other programs say with signs that are not read here: refused by name, never drawn as words."""

from __future__ import annotations

import re

from fromnoise.ground.errors import UserError

# pattern, what it is and what to do instead, and which options of the command line do it
SIGNS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"<\s*(lora|lyco|lycoris|loha)\s*:[^>]*>", re.IGNORECASE),
        "adds a LoRA in other programs; leave this out",
        ", and give its file with --lora FILE:WEIGHT",
    ),
    (
        re.compile(r"<\s*\w+\s*:[^>]*>"),
        "is an instruction of another program; leave it out",
        "",
    ),
    (
        re.compile(r"\bembedding\s*:\s*\S+", re.IGNORECASE),
        "names a textual inversion, which is not supported; leave it out",
        "",
    ),
    (
        re.compile(r"<[A-Za-z]\w*(?:[-*][\w*]*|\d)>"),
        "stands for a textual inversion, which is not supported; leave it out",
        "",
    ),
    (
        re.compile(r"(?<!\\)\[[^\[\]]*:\s*[0-9]*\.?[0-9]+\s*\]"),
        r"changes words while drawing in other programs, which is not done here; write \[ and \] for plain brackets",
        "",
    ),
    (
        re.compile(r"(?<!\\)\[[^\[\]]*\|[^\[\]]*\]"),
        r"changes words at every step in other programs, which is not done here; write \[ and \] for plain brackets",
        "",
    ),
    (
        re.compile(r"\{[^{}]*[|$][^{}]*\}"),
        "chooses among words in other programs; write the one you want",
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
        re.compile(r"\w\s*::\s*-?[0-9.]*(?=\s|$)"),
        "weighs parts of a prompt in other programs; here (words:1.3) does",
        "",
    ),
)
AND = re.compile(r"(?<=\S)\s+AND\s+(?=\S)")


def refuse_foreign_syntax(text: str, field: str = "prompt") -> None:
    """Refuse what would be drawn as words though it means something else where it comes from.

    Args:
        text: a prompt or a negative prompt.
        field: which of them, for the error.

    Raises:
        UserError: naming the part and what to do instead.
    """
    for pattern, meaning, advice in SIGNS:
        found = pattern.search(text)
        if found:
            raise UserError(f"'{found[0].strip()}' in the prompt {meaning}", field, advice=advice)
    # A prompt in capitals may well have an AND; one that is not means the sign.
    if AND.search(text) and any(sign.islower() for sign in text):
        raise UserError("'AND' in the prompt joins two prompts in other programs; write 'and' for the word", field)
