"""Configs: what is written is read back, and whatever does not fit is refused in one line that names the setting."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError


@dataclass(frozen=True)
class Inner(Config):
    width: int = 8
    rate: float = 0.5
    names: tuple[str, ...] = ("a", "b")
    pair: tuple[int, float] = (1, 0.5)


@dataclass(frozen=True)
class Outer(Config):
    needed: str
    count: int = 1
    share: float = 0.25
    silent: bool = False
    kind: Literal["", "karras", "beta"] = ""
    perhaps: int | None = None
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    listed: list[int] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    nested: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.count * 10 < self.inner.width:
            raise UserError("width needs a count that is large enough")


BASE = Outer("x")
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(texts, x, max_size=3),
    max_leaves=4,
)
few = settings(max_examples=40)
inners = st.builds(
    Inner, st.integers(max_value=10), numbers, st.lists(texts, max_size=3).map(tuple), st.tuples(st.integers(), numbers)
)
outers = st.builds(
    Outer,
    texts,
    count=st.integers(min_value=1),
    share=numbers,
    silent=st.booleans(),
    kind=st.sampled_from(["", "karras", "beta"]),
    perhaps=st.none() | st.integers(),
    inner=inners,
    many=st.lists(inners, max_size=2).map(tuple),
    listed=st.lists(st.integers(), max_size=3),
    facts=st.dictionaries(texts, plain, max_size=2),
    nested=st.lists(st.tuples(st.integers(), st.integers()), max_size=2).map(tuple),
)


@few
@given(outers)
def test_what_is_written_is_read_back(config: Outer) -> None:
    stored = config.to_dict()
    text = json.dumps(stored, ensure_ascii=False)
    found = Outer.from_dict(json.loads(text))
    assert found == config
    assert json.dumps(found.to_dict(), ensure_ascii=False) == text


def test_the_written_form_is_plain_json() -> None:
    config = Outer("ü🍎", perhaps=3, many=(Inner(9),), nested=((1, 2),), inner=Inner(3, 1.0, ("é",), (2, 4.0)))
    assert config.to_dict() == {
        "needed": "ü🍎", "count": 1, "share": 0.25, "silent": False, "kind": "", "perhaps": 3,
        "inner": {"width": 3, "rate": 1.0, "names": ["é"], "pair": [2, 4.0]},
        "many": [{"width": 9, "rate": 0.5, "names": ["a", "b"], "pair": [1, 0.5]}],
        "listed": [], "facts": {}, "nested": [[1, 2]],
    }  # fmt: skip


def test_what_is_read_has_the_annotated_types() -> None:
    found = Outer.from_dict({"needed": "x", "count": 2.0, "share": 1, "inner": {"pair": [3.0, 4], "width": 9}})
    assert (found.count, found.share, found.inner.pair) == (2, 1.0, (3, 4.0))
    assert [type(x) for x in (found.count, found.share, *found.inner.pair)] == [int, float, int, float]
    assert type(found.inner) is Inner


NAMES = [f.name for f in dataclasses.fields(Outer)]


@few
@given(texts.filter(lambda name: name not in NAMES))
def test_an_unknown_key_is_refused_in_one_line(key: str) -> None:
    with pytest.raises(UserError) as said:
        Outer.from_dict({"needed": "x", key: 1})
    assert str(said.value).startswith("Outer has no setting '")
    assert str(said.value).splitlines() == [str(said.value)]
    assert len(str(said.value)) < 250


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"needd": "x"}, "Outer has no setting 'needd'; did you mean needed or nested?"),
        ({"needed": "x", "inner": {"widht": 1}}, "Inner has no setting 'widht'; did you mean width?"),
        ({"needed": "x", "many": [{"zzz": 1}]}, "Inner has no setting 'zzz'; known: width, rate, names, pair"),
        ({"needed": "x", 5: 1}, "Outer has no setting '5'; known: needed, count"),
        ({}, "Outer lacks a setting: 'needed'"),
        ([], "Outer is a group of settings, not []"),
        (None, "Outer is a group of settings, not None"),
        ({"needed": "x", "inner": [1]}, "Inner is a group of settings, not [1]"),
        ({"needed": "x", "inner": None}, "Inner is a group of settings, not None"),
        ({"needed": "x", "inner": "big"}, "'inner' is a group of settings; set one of them: inner.width=…"),
    ],
)
def test_what_is_no_such_group_is_told(values: Any, message: str) -> None:
    with pytest.raises(UserError) as said:
        Outer.from_dict(values)
    assert str(said.value).startswith(message)


WRONG: list[tuple[str, Any, str]] = [
    ("needed", 5, "text"),
    ("needed", None, "text"),
    ("needed", ["x"], "text"),
    ("needed", True, "text"),
    ("count", 1.5, "a whole number"),
    ("count", float("inf"), "a whole number"),
    ("count", float("nan"), "a whole number"),
    ("count", True, "a whole number"),
    ("count", None, "a whole number"),
    ("count", "1.5", "a whole number"),
    ("count", "", "a whole number"),
    ("count", "9" * 5000, "a whole number"),
    ("count", [1], "a whole number"),
    ("count", {}, "a whole number"),
    ("share", "much", "a number"),
    ("share", False, "a number"),
    ("share", None, "a number"),
    ("share", 10**400, "a number"),
    ("silent", 1, "true or false"),
    ("silent", 0.0, "true or false"),
    ("silent", None, "true or false"),
    ("silent", "maybe", "true or false"),
    ("kind", "karas", "one of karras, beta"),
    ("kind", None, "one of karras, beta"),
    ("kind", ["karras"], "one of karras, beta"),
    ("perhaps", 1.5, "a whole number"),
    ("perhaps", "x", "a whole number"),
    ("perhaps", True, "a whole number"),
    ("listed", 5, "a list of values"),
    ("listed", None, "a list of values"),
    ("listed", {"a": 1}, "a list of values"),
    ("listed", [1, "x"], "a whole number"),
    ("many", 5, "a list of values"),
    ("nested", [1], "a list of values"),
    ("facts", 5, "a table"),
    ("facts", [1], "a table"),
    ("facts", "{", "a table"),
    ("facts", "[1]", "a table"),
]


@pytest.mark.parametrize(("name", "value", "kind"), WRONG, ids=str)
@pytest.mark.parametrize("way", ["read", "override"])
def test_a_value_of_the_wrong_type_names_its_setting(name: str, value: Any, kind: str, way: str) -> None:
    with pytest.raises(UserError) as said:
        Outer.from_dict({"needed": "x", name: value}) if way == "read" else BASE.with_overrides({name: value})
    assert str(said.value).startswith(f"'{name}' must be {kind}")
    assert len(str(said.value)) < 200


@few
@given(st.sampled_from(NAMES), plain)
def test_nothing_but_a_user_error_ever_comes_of_what_is_in_a_file(name: str, value: Any) -> None:
    for read in (lambda: Outer.from_dict({"needed": "x", name: value}), lambda: BASE.with_overrides({name: value})):
        with contextlib.suppress(UserError):
            found = read()
            assert Outer.from_dict(found.to_dict()) == found


def test_a_pair_needs_two_values() -> None:
    for value in ([1], [1, 2.0, 3], "1", "1,2,3", []):
        with pytest.raises(UserError, match=r"'inner.pair' needs 2 values separated by commas, not \d"):
            BASE.with_overrides({"inner.pair": value})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("count", "7", 7),
        ("count", " 7 ", 7),
        ("share", "7", 7.0),
        ("share", "1e-3", 0.001),
        ("silent", "true", True),
        ("silent", "YES", True),
        ("silent", "1", True),
        ("silent", "false", False),
        ("silent", "No", False),
        ("silent", "0", False),
        ("needed", "7", "7"),
        ("needed", "none", "none"),
        ("needed", "ünïcödé 🍎", "ünïcödé 🍎"),
        ("kind", "beta", "beta"),
        ("perhaps", "7", 7),
        ("perhaps", "none", None),
        ("perhaps", "None", None),
        ("listed", "1,2,3", [1, 2, 3]),
        ("listed", "[1, 2]", [1, 2]),
        ("listed", "", []),
        ("inner.names", "noto, ünï", ("noto", "ünï")),
        ("inner.names", "()", ()),
        ("inner.pair", "(3, 4)", (3, 4.0)),
        ("facts", '{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_the_command_lines_text_becomes_the_annotated_type(name: str, text: str, expected: Any) -> None:
    found: Any = BASE.with_overrides({name: text})
    for part in name.split("."):
        found = getattr(found, part)
    assert (found, type(found)) == (expected, type(expected))


@few
@given(outers, outers)
def test_overriding_every_setting_by_its_dotted_name_gives_the_other_config(config: Outer, other: Outer) -> None:
    changes = {name: getattr(other, name) for name in NAMES if name != "inner"}
    changes |= {f"inner.{f.name}": getattr(other.inner, f.name) for f in dataclasses.fields(Inner)}
    before = config.to_dict()
    assert config.with_overrides(changes) == other
    assert config.with_overrides({}) == config
    assert config.to_dict() == before


def test_two_settings_that_only_fit_together_are_set_at_once() -> None:
    for names in (["count", "inner.width"], ["inner.width", "count"]):
        found = BASE.with_overrides({name: {"count": "3", "inner.width": "25"}[name] for name in names})
        assert (found.count, found.inner.width) == (3, 25)
    with pytest.raises(UserError, match="large enough"):
        BASE.with_overrides({"inner.width": "25"})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"inner.widht": 1}, "Inner has no setting 'inner.widht'; did you mean width?"),
        ({"iner.width": 1}, "Outer has no setting 'iner'; did you mean inner?"),
        ({"count.x": 1}, "cannot set 'count.x': 'count' has no settings inside it"),
        ({"many.width": 1}, "cannot set 'many.width': 'many' has no settings inside it"),
        ({"": 1}, "Outer has no setting ''"),
        ({"inner.": 1}, "Inner has no setting 'inner.'"),
        ({".width": 1}, "Outer has no setting ''"),
        ({"inner.width.deep": 1}, "cannot set 'inner.width.deep': 'width' has no settings inside it"),
        ({"inner": Inner(), "inner.width": 1}, "'inner.width' cannot be set together with 'inner'"),
        ({"inner.width": 1, "inner": Inner()}, "'inner' cannot be set together with a part of it"),
    ],
)
def test_a_dotted_name_that_leads_nowhere_is_told(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as said:
        BASE.with_overrides(overrides)
    assert str(said.value).startswith(message)
