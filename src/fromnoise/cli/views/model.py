"""``fromnoise inspect model``: what a model learnt from, and by which recipe."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from fromnoise.ground.errors import one_line


def model(
    model: Annotated[str | None, typer.Argument(help="A model: folder or name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Say what a model learnt from: every set with licence, author and number, what was left out, and by which recipe.

    fromnoise inspect model runs/mine/model
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from fromnoise.system.data_statement import sources_in
    from fromnoise.system.defaults import read_facts
    from fromnoise.system.opening import check_weights, find_model

    folder = find_model(model)
    check_weights(folder)
    card = read_facts(folder).card
    if as_json:
        print(json.dumps(card, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False)
    for heading, text in _facts(card):
        console.print(f"{heading:<14}{escape(one_line(text))}", soft_wrap=True)
    sources = sources_in(card)
    if not sources:
        console.print("It does not say from which pictures it learnt.")
        return
    table = Table("set", "licence", "author", "pictures", box=None)
    for each in sources:
        count = "not said" if each.pictures is None else f"{each.pictures:,}"
        table.add_row(*(escape(one_line(text or "not said")) for text in (each.name, each.licence, each.author)), count)
    console.print(table)


def _facts(card: dict[str, Any]) -> list[tuple[str, str]]:
    told = card.get("data")
    data: dict[str, Any] = told if isinstance(told, dict) else {}
    recipe = card.get("recipe")
    rows = [("model", str(card.get("name") or "without a name"))]
    if isinstance(recipe, dict):
        rows.append(("recipe", str(recipe.get("name") or "without a name")))
    for heading, key in (("hardware", "hardware"), ("U-Net saw", "pictures_seen"), ("began with", "started_from")):
        if key in card:
            rows.append((heading, f"{_many(card[key])} pictures" if key == "pictures_seen" else str(card[key])))
    rows.append(("learnt from", _learnt_from(card, data)))
    left = data.get("left_out")
    if isinstance(left, dict) and left:
        rows.append(("left out", "; ".join(f"{_many(count)}: {reason}" for reason, count in left.items())))
    elif data:
        rows.append(("left out", "nothing"))
    if data.get("name"):
        rows.append(("pictures are", f"{data['name']} (the same digits, the same pictures and captions)"))
    return rows


def _learnt_from(card: dict[str, Any], data: dict[str, Any]) -> str:
    count = data.get("pictures", card.get("pictures"))
    said = f"{_many(count)} pictures"
    scenes = _scenes(card)
    if scenes and isinstance(count, int) and count > scenes:
        said += f": {_many(count - scenes)} of the sets below, and {_many(scenes)} scenes made of them"
    if "captioned" in data:
        said += f" with {_many(data['captioned'])} different captions"
    if data.get("held_out"):
        said += f"; {_many(data['held_out'])} were kept aside"
    return f"{said}, made of {_many(card['drawings'])} drawings" if card.get("drawings") else said


def _scenes(card: dict[str, Any]) -> int:
    """How many of its pictures are scenes that the training composed of the others, as its recipe says."""
    recipe = card.get("recipe")
    data = recipe.get("data") if isinstance(recipe, dict) else None
    found = data.get("scenes") if isinstance(data, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _many(count: object) -> str:
    return f"{count:,}" if isinstance(count, int) else "an unknown number of" if count is None else str(count)
