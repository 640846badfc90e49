"""The page and the store: what goes in comes out, escaped, whole, and never another model's."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from fromnoise.evaluation.page import page
from fromnoise.evaluation.plots import Axes, Line, line_plot
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.store import Store

NASTY = "<script>alert('&')</script>\"x\""
FACTS = {
    "model": NASTY, "model_hash": "abc", "precision": "fp32", "seed": 0, "data": "d", "version": "1", "hardware": "h",
    "quick": True, "settings": "s", "note": NASTY,
}  # fmt: skip


def film() -> bytes:
    import io

    buffer = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def section(name: str = "one") -> Section:
    plot = line_plot([Line("a", [1, 2], [0.1, 0.2]), Line("b", [1, 2], [0.3, 0.1])], Axes("x", "y"))
    pictures = (
        Picture(f"{name}_sheet", Image.new("RGB", (3, 2), "red"), NASTY, NASTY),
        Picture(f"{name}_plot", plot, "a plot", "falls"),
        Picture(f"{name}_film", film(), "a film", "moves"),
    )
    table = Table(("pictures", NASTY), ((NASTY, "1 → 2"),), NASTY)
    headline = Headline(NASTY, 0.25, 0.0, 1.0, 0.2, 0.3, 40, "at most 8")
    data = {"a": [1, 2.5, None], "nan": float("nan"), "deep": {"inf": float("inf")}}
    return Section(name, NASTY, (NASTY, "second"), (table,), pictures, data, (headline, Headline("bare", 2.0, unit="")))


class Reader(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_on_the_page_is_markup_or_asks_the_network() -> None:
    text = page(FACTS, [section()])
    tags = Reader(text).tags
    assert "script" not in {tag for tag, _ in tags}
    assert text.count("alert(&#39;&amp;&#39;)") >= 8  # title, headings, note, texts, table, alt: escaped, not lost
    for _, attributes in tags:
        for name in ("src", "href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:", "#")), value
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_can_be_heard_and_walked_through() -> None:
    tags = Reader(page(FACTS, [section("one"), section("two")])).tags
    headings = [int(tag[1]) for tag, _ in tags if tag in ("h1", "h2", "h3")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))
    assert [bool(a.get("alt")) for tag, a in tags if tag == "img"] == [True] * 6
    assert all(a.get("scope") in ("col", "row") for tag, a in tags if tag == "th")
    tables = [tag for tag, _ in tags].count("table")
    assert [tag for tag, _ in tags].count("caption") == tables == 3
    anchors = {a["id"] for _, a in tags if a.get("id")}
    links = {(a["href"] or "")[1:] for tag, a in tags if tag == "a"}
    assert links <= anchors
    assert {"one", "two"} <= links
    assert ("html", {"lang": "en"}) in tags


def test_the_summary_says_how_far_it_is_from_floor_to_ceiling() -> None:
    assert Headline("x", 0.25, 0.0, 1.0).way == 0.25
    assert Headline("kid", 8.0, 29.0, 1.0).way == pytest.approx(0.75)  # lower is better here
    assert Headline("x", 1.0).way is None
    text = page(FACTS, [section()])
    assert "25.0%" in text
    assert "20.0–30.0%" in text
    assert ">25%<" in text


def test_a_section_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store, own = Store(tmp_path, {"model": "a", "sizes": (1, 2)}), section()
    store.save(own)
    back = store.load("one")
    assert back is not None
    store.save(Section("none", "t", (), headlines=(Headline("ratio", float("nan"), 0.0, 1.0),)))
    nothing = store.load("none")
    assert nothing is not None
    assert math.isnan(nothing.headlines[0].value)
    assert ">–<" in page(FACTS, [nothing])
    assert (back.name, back.title, back.text, back.tables, back.headlines) == (
        own.name, own.title, own.text, own.tables, own.headlines,
    )  # fmt: skip
    assert back.data == {"a": [1, 2.5, None], "nan": None, "deep": {"inf": None}}
    assert [p.alt for p in back.pictures] == [p.alt for p in own.pictures]
    assert isinstance(back.pictures[0].picture, Image.Image)
    assert back.pictures[0].picture.getpixel((0, 0)) == (255, 0, 0)
    assert [p.picture for p in back.pictures[1:]] == [p.picture for p in own.pictures[1:]]
    assert page(FACTS, [back]) == page(FACTS, [own])


def test_what_another_model_or_a_broken_file_says_is_never_read(tmp_path: Path) -> None:
    Store(tmp_path, {"model": "a", "seed": 0}).save(section())
    for other in ({"model": "b", "seed": 0}, {"model": "a", "seed": 1}, {"model": "a"}):
        store = Store(tmp_path, other)
        assert store.load("one") is None
        assert store.strangers() == ["one"]
    same = Store(tmp_path, {"seed": 0, "model": "a"})
    assert same.strangers() == []
    (tmp_path / "sections" / "one_plot.svg").unlink()
    assert same.load("one") is None
    file = tmp_path / "sections" / "one.json"
    file.write_text(file.read_text()[:50])
    assert same.load("one") is None
    assert same.load("two") is None


def test_a_stored_picture_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    store = Store(tmp_path / "report", {})
    store.save(section())
    (tmp_path / "secret.png").write_bytes(b"secret")
    file = tmp_path / "report" / "sections" / "one.json"
    facts = json.loads(file.read_text())
    facts["pictures"][0]["file"] = "../../secret.png"
    file.write_text(json.dumps(facts))
    assert store.load("one") is None


def test_plots_are_the_same_bytes_every_time_and_light_in_the_dark() -> None:
    line = Line("a", [1, 2, 4], [0.1, 0.5, 0.4], [0.0, 0.4, 0.3], [0.2, 0.6, 0.5])
    axes = Axes("steps", "found", (1, 2, 4), log=True, level=(("real", 0.9),))
    first, second = line_plot([line], axes), line_plot([line], axes)
    assert first == second
    assert b"prefers-color-scheme: dark" in first
    assert b"<dc:date>" not in first
    assert line_plot([Line("a", [1, 2, 4], [0.1, 0.5, 0.3])], axes) != first
    assert b"#000000" not in first  # ink that would stay black in the dark
