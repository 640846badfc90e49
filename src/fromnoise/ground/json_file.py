"""JSON of others: read within bounds, its fields of the types that are expected, or refused in one line.

The line names the file, the field and what was expected. Bounded are the size of a file, how deep it is nested and how
long its whole numbers are, since Python fails at each of them in a way of its own, and often only later.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from fromnoise.ground.errors import UserError, one_line

T = TypeVar("T")
MOST_BYTES = 64 * 2**20  # the largest that is usual, a tokenizer.json, has 4 MiB
MOST_DEPTH = 32  # of lists and objects in each other
MOST_DIGITS = 40  # of a whole number; transformers writes one of 31 where there is no limit
_NEEDED: Any = object()


def parsed(data: bytes | str, whose: object) -> Any:
    """The value that JSON says.

    Args:
        data: the JSON; bytes are UTF-8.
        whose: the file, or what else it stands in, for the message.

    Raises:
        UserError: it is not JSON, or beyond the bounds.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        if len(text) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} characters")
        value = json.loads(text, parse_int=_whole)
        if text.count("[") + text.count("{") > MOST_DEPTH:
            _check_depth(value)
        if "\\ud" in text or "\\uD" in text or not text.isascii():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise UserError(
            f"{whose} is damaged, it cannot be read as JSON: it is nested more than {MOST_DEPTH} deep"
        ) from None
    except UnicodeEncodeError:
        raise UserError(f"{whose} is damaged, it cannot be read as JSON: it holds halves of characters") from None
    except ValueError as error:
        raise UserError(f"{whose} is damaged, it cannot be read as JSON: {one_line(str(error))}") from None
    return value


def read_object(file: Path, missing: str = "") -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        file: of somebody.
        missing: what else to say where there is no such file.

    Raises:
        UserError: there is none, it cannot be read, is beyond the bounds, or holds something else.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{file} is missing{f'; {missing}' if missing else ''}") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from None
    value = parsed(data, file)
    if not isinstance(value, dict):
        raise UserError(f"{file} should hold a JSON object, not {shown(value)}")
    return value


def expect(values: Mapping[str, Any], name: str, kind: type[T], whose: object, default: T = _NEEDED) -> T:
    """A field of an object, of the type that is expected; nothing is converted.

    Args:
        values: the object.
        name: of the field.
        kind: such as ``dict[str, list[int]]``; whole numbers count as ``float``, true and false as no number.
        whose: as in :func:`parsed`.
        default: where the field is left out; without one it must be there.

    Raises:
        UserError: it is not there, or of another type; what is wrong inside of it is named too.
    """
    if name not in values:
        if default is _NEEDED:
            raise UserError(f"{whose} lacks {name}")
        return default
    value = values[name]
    if _is_plain(kind):  # pydantic takes a while to import
        if type(value) is not kind:
            raise UserError(f"{whose}: {name} should be {WORDS[kind]}, not {shown(value)}")
        return value
    from pydantic import ValidationError

    hint: Any = kind

    try:
        found: T = _adapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join([name, *(one_line(str(part))[:40] for part in first["loc"])])
        expected = one_line(str(first["msg"])).replace("Input should be", "should be")
        raise UserError(f"{whose}: {place} {expected}, not {shown(first['input'])}") from None
    return found


def shown(value: Any, most: int = 60) -> str:
    """A value of somebody as it may stand in a line: short, and of containers only what they are."""
    if isinstance(value, dict | list) and value:
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    said = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return said if len(said) <= most else f"{said[: most - 1]}…"


WORDS: dict[Any, str] = {str: "text", bool: "true or false", int: "a whole number", dict: "an object", list: "a list"}


def _is_plain(kind: Any) -> bool:
    return kind in WORDS


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits; the most is {MOST_DIGITS}")
    return int(digits)


def _check_depth(value: Any) -> None:
    """Raise ``RecursionError`` where a value is nested deeper than is allowed; Python's own limit is another."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [inner for part in level for inner in _inside(part) if isinstance(inner, dict | list)]
        if not level:
            return
    raise RecursionError


def _inside(part: Any) -> Any:
    return part.values() if isinstance(part, dict) else part
