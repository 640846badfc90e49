"""JSON of others: what is beyond the bounds or of another type is refused by file, field and what was expected."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import MOST_BYTES, MOST_DEPTH, expect, parsed, read_object


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        (nested(MOST_DEPTH + 2), "nested more than 32 deep"),
        (nested(100_000), "nested more than 32 deep"),
        ('{"a":' * 100_000, "nested more than 32 deep"),
        ("9" * 41, "a number has 41 digits; the most is 40"),
        ("-" + "9" * 5000, "digits; the most is 40"),
        (r'"\ud800"', "halves of characters"),
        (r'{"\uDFFF": 1}', "halves of characters"),
    ],
)
def test_what_is_beyond_the_bounds_is_one_line(text: str, why: str) -> None:
    with pytest.raises(UserError) as error:
        parsed(text, "a.json")
    assert str(error.value).startswith("a.json is damaged, it cannot be read as JSON: ")
    assert why in str(error.value)
    assert str(error.value).isprintable()


def test_what_others_write_is_read() -> None:
    values = {"max": 10**30, "emoji": "\U0001f34e", "deep": json.loads(nested(MOST_DEPTH)), "least": -math.inf}
    assert parsed(json.dumps(values), "") == values
    assert parsed(json.dumps(values, ensure_ascii=False).encode(), "") == values


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)  # a hole, which takes no room
    with pytest.raises(UserError, match=f"has more than {MOST_BYTES:,} characters"):
        read_object(file)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[1]", "should hold a JSON object, not a list of 1"),
        (b"\xff\xfe", "is damaged, it cannot be read as JSON: 'utf-8' codec"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(UserError, match=rf"a\.json {why}"):
        read_object(tmp_path / "a.json")


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.json is missing; ask for it$"):
        read_object(tmp_path / "b.json", "ask for it")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_object(tmp_path)


WRONG: list[tuple[Any, Any, str]] = [
    (int, True, "a.json: x should be a whole number, not True"),
    (int, 1.0, "a.json: x should be a whole number, not 1.0"),
    (str, None, "a.json: x should be text, not None"),
    (dict, [1, 2], "a.json: x should be an object, not a list of 2"),
    (list[str], ["a", 7], "a.json: x.1 should be a valid string, not 7"),
    (dict[str, list[int]], {"": [1], "b": [[], {}]}, "a.json: x.b.0 should be a valid integer, not []"),
    (list[float], [1, "2\n3"], r"a.json: x.1 should be a valid number, not '2\n3'"),
    (list[float], [True], "a.json: x.0 should be a valid number, not True"),
]


@pytest.mark.parametrize(("kind", "value", "line"), WRONG, ids=lambda x: str(x)[:20])
def test_fields_of_another_type_are_named(kind: Any, value: Any, line: str) -> None:
    with pytest.raises(UserError) as error:
        expect({"x": value}, "x", kind, "a.json")
    assert str(error.value) == line


def test_fields_that_fit_come_back_as_they_are() -> None:
    assert expect({"x": {"a": [1, 2]}}, "x", dict[str, list[int]], "") == {"a": [1, 2]}
    assert expect({"x": [1, 2.5]}, "x", list[float], "") == [1, 2.5]
    assert expect({}, "x", str, "", "so") == "so"
    with pytest.raises(UserError, match=r"^a\.json lacks x$"):
        expect({}, "x", str, "a.json")
