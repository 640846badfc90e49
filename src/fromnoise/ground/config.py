"""Configs: frozen dataclasses that can be written to JSON, read back and overridden by dotted names.

A config sits beside the module it describes and has ``build()``. An unknown key is an error, so that a
typing mistake never trains the wrong model for three hours.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from typing import Any, Self

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import shown

Wishes = tuple[tuple[str, bool, str], ...]
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


class Config:
    """Mixin for frozen dataclasses: ``to_dict``, ``from_dict`` and ``with_overrides``."""

    def to_dict(self) -> dict[str, Any]:
        """Return the config as plain JSON types (tuples become lists)."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))  # type: ignore[call-overload]
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild a config from ``to_dict``'s output.

        Raises:
            UserError: a key that this config does not have, or a value of the wrong type.
        """
        hints = _hints(cls)
        if not isinstance(values, dict):
            raise UserError(f"{cls.__name__} is a group of settings, not {values!r:.60}")
        for key in values:
            if key not in hints:
                raise UserError(_unknown(cls, str(key), list(hints)))
        try:
            return cls(**{key: _coerce(hints[key], value, key) for key, value in values.items()})
        except TypeError as error:
            raise UserError(f"{cls.__name__} lacks a setting: {str(error).split(':')[-1].strip()}") from None

    def with_overrides(self, overrides: dict[str, Any]) -> Self:
        """Return a copy with dotted names replaced, e.g. ``{"unet.layers_per_block": "2"}``.

        Raises:
            UserError: an unknown name (near names are offered) or a value that does not fit its type.
        """
        tree: dict[str, Any] = {}
        for name, value in overrides.items():
            *path, last = name.split(".")
            branch = tree
            for part in path:
                branch = branch.setdefault(part, {})
                if isinstance(branch, _Value):
                    raise UserError(f"'{name}' cannot be set together with '{part}', which it is a part of")
            if last in branch:
                raise UserError(f"'{name}' cannot be set together with a part of it")
            branch[last] = _Value(value)
        return _replaced(self, tree, "")


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(cls: type) -> dict[str, Any]:
    """The types of a config's settings; looked up once, since a set of pictures has a record for each."""
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


@dataclasses.dataclass(frozen=True)
class _Value:
    """A leaf of the tree of overrides, so that a dict can itself be a value."""

    value: Any


def _replaced(config: Any, tree: dict[str, Any], prefix: str) -> Any:
    """Replace all settings of one config at once: two that only fit together must not be checked one by one."""
    hints = _hints(type(config))
    changes = {}
    for key, branch in tree.items():
        name = f"{prefix}{key}"
        if key not in hints:
            raise UserError(_unknown(type(config), name, list(hints)))
        inner = getattr(config, key)
        if isinstance(branch, _Value):
            changes[key] = _coerce(hints[key], branch.value, name)
        elif dataclasses.is_dataclass(inner):
            changes[key] = _replaced(inner, branch, f"{name}.")
        else:
            raise UserError(f"cannot set '{name}.{next(iter(branch))}': '{key}' has no settings inside it")
    return dataclasses.replace(config, **changes)


def _unknown(cls: type, key: str, known: list[str]) -> str:
    key = one_line(key)[:80]  # it may come from a file of others
    near = difflib.get_close_matches(key.rsplit(".", 1)[-1], known, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"{cls.__name__} has no setting '{key}'; {offer}"


def _coerce(hint: Any, value: Any, name: str) -> Any:
    """Turn JSON values and command-line strings into the annotated type."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, str):
            raise UserError(f"'{name}' is a group of settings; set one of them: {name}.{next(iter(_fields(hint)))}=…")
        return value if isinstance(value, hint) else hint.from_dict(value)  # type: ignore[attr-defined]
    if origin in (typing.Union, types.UnionType):
        return _coerce_optional(hint, value, name)
    if origin is typing.Literal:
        if not isinstance(value, str | int) or value not in typing.get_args(hint):
            known = ", ".join(map(str, filter(None, typing.get_args(hint))))
            raise UserError(f"'{name}' must be one of {known}, not {value!r:.60}")
        return value
    if origin in (tuple, list):
        return _coerce_sequence(hint, value, name)
    if origin is dict or hint is dict:
        return _coerce_table(value, name)
    return value if hint is Any else _coerce_scalar(hint, value, name)


def _fields(hint: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(hint)]


def _coerce_optional(hint: Any, value: Any, name: str) -> Any:
    if value is None or value in ("none", "None"):
        return None
    inner = [h for h in typing.get_args(hint) if h is not type(None)]
    return _coerce(inner[0], value, name)


def _coerce_table(value: Any, name: str) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"'{name}' must be a table as JSON writes it, {{\"name\": value}}, not {value!r:.60}")
    return found


def _coerce_sequence(hint: Any, value: Any, name: str) -> Any:
    if isinstance(value, str):  # as on the command line
        value = [v.strip() for v in value.strip("()[] ").split(",") if v.strip()]
    if not isinstance(value, list | tuple):
        raise UserError(f"'{name}' must be a list of values, not {value!r:.60}")
    items = list(value)
    args = typing.get_args(hint)
    fixed = len(args) > 1 and args[-1] is not Ellipsis
    if fixed and len(items) != len(args):
        raise UserError(f"'{name}' needs {len(args)} values separated by commas, not {len(items)}")
    kinds = args if fixed else [args[0] if args else str] * len(items)
    parts = [_coerce(kind, item, name) for kind, item in zip(kinds, items, strict=True)]
    return tuple(parts) if (typing.get_origin(hint) or hint) is tuple else parts


def _coerce_scalar(hint: Any, value: Any, name: str) -> Any:
    try:
        if hint is bool and isinstance(value, str):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[value.lower()]
        if isinstance(value, bool) != (hint is bool) and hint in KINDS and not isinstance(value, str):
            raise ValueError  # JSON's true is no number, and 1 is not true
        if hint is str and not isinstance(value, str):
            raise ValueError
        if hint is int and isinstance(value, float) and not value.is_integer():
            raise ValueError
        if hint is int and isinstance(value, str):
            return int(value)
        return hint(value) if hint in (int, float, str, bool) else value
    except (ValueError, TypeError, KeyError, OverflowError):
        kind = KINDS.get(hint, str(hint))
        raise UserError(f"'{name}' must be {kind}, not {value!r:.60}") from None


def check(config: Config, prefix: str, wishes: Wishes) -> None:
    """Raise ``UserError`` for the first (setting, whether it is fine, what it must be) that is not fine."""
    for name, fine, wish in wishes:
        if not fine:  # wishes are written so that a value that is not a number is not fine either
            raise UserError(f"{prefix}{name} must be {wish}, not {shown(vars(config)[name])}")
