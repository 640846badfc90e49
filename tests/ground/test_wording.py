"""One form of words for styles: what training says and what drawing asks is the same text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fromnoise.data.captions import CaptionMix, CaptionSampler
from fromnoise.data.pictures import load_folder
from fromnoise.data.reading import Reading
from fromnoise.data.record import Record
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.ground.wording import said_style, styled
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.recipe import DataConfig
from fromnoise.training.run_data import caption

FULL = CaptionMix(full=1, keywords=0, synonym=0, object_only=0, style_only=0, empty=0, colour=0)


@pytest.mark.parametrize("style", ["", "noto", "fluent-emoji-3d", "lino cut"])
def test_what_is_trained_is_what_is_asked(tiny_model: TextToImage, style: str) -> None:
    record = Record("a.png", "red apple", style=style)
    model = replace(tiny_model, styles=(style,) if style else ())
    asked = plan(model, Request(prompt="red apple", style=style or None)).words.wanted.text
    assert asked == caption(record) == ("red apple, " + style + " style" if style else "red apple")
    assert CaptionSampler([record], FULL)(0, torch.Generator().manual_seed(0)) == asked
    alone = CaptionMix(full=0, keywords=0, synonym=0, object_only=0, style_only=1, empty=0, colour=0)
    if style:
        only = CaptionSampler([record], alone)(0, torch.Generator().manual_seed(0))
        assert only == plan(model, Request(free=True, style=style)).words.wanted.text == f"{style} style"


@pytest.mark.parametrize(
    ("text", "thing", "style"),
    [
        ("a cat, linocut style", "a cat", "linocut"),
        ("Two cats, on a mat, Lino  Cut Style.", "Two cats, on a mat", "lino cut"),
        ("a cat, in the watercolour style", "a cat", "watercolour"),
        ("a cat ,in a naive style ", "a cat", "naive"),
        ("a cat in linocut style", "a cat in linocut style", ""),
        ("linocut style", "linocut style", ""),
        ("a cat, style", "a cat, style", ""),
        ("a cat, linocut styles", "a cat, linocut styles", ""),
        ("a cat, lifestyle", "a cat, lifestyle", ""),
        (", linocut style", ", linocut style", ""),
        ("", "", ""),
    ],
)
def test_a_style_is_read_from_the_end_of_a_caption(text: str, thing: str, style: str) -> None:
    assert said_style(text) == (thing, style)
    if style:
        assert said_style(styled(thing, style)) == (thing, style)


def test_captions_and_columns_make_styles(tmp_path: Path) -> None:
    for i, colour in enumerate(("red", "blue", "green", "black")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{i}.png")
    rows = [
        {"file_name": "0.png", "text": "a cat, Linocut style"},
        {"file_name": "1.png", "text": "a dog", "style": "linocut"},
        {"file_name": "2.png", "text": "a fox, linocut style", "style": "Linocut"},
        {"file_name": "3.png", "text": "a hen, linocut style", "style": "pencil"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = [(r.text, r.style) for r in load_folder(tmp_path, 8).records]
    assert found == [
        ("a cat", "linocut"), ("a dog", "linocut"), ("a fox", "Linocut"), ("a hen, linocut style", "pencil"),
    ]  # fmt: skip
    assert [r.text for r in load_folder(tmp_path, 8, styles=["linocut"]).records] == ["a cat", "a dog"]
    plain = load_folder(tmp_path, 8, reading=Reading(said_styles=False)).records
    assert [r.text for r in plain] == [row["text"] for row in rows]
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "1.txt").write_text("a dog, linocut style\n")
    assert [(r.text, r.style, r.key) for r in load_folder(tmp_path, 8).records] == [("a dog", "linocut", "name:a dog")]


def test_captions_with_commas_are_keywords_where_that_is_asked_for(tmp_path: Path) -> None:
    captions = ("cat, red hat,, sitting, linocut style", "a dog", "fox, snow")
    rows: list[dict[str, Any]] = [{"file_name": f"{i}.png", "text": text} for i, text in enumerate(captions)]
    rows[2]["keywords"] = ["animal"]
    for i, colour in enumerate(("red", "blue", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{i}.png")
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [r.keywords for r in load_folder(tmp_path, 8).records] == [(), (), ("animal",)]
    asked = DataConfig(tags=True).reading
    records = load_folder(tmp_path, 8, reading=asked).records
    assert [r.keywords for r in records] == [("cat", "red hat", "sitting"), (), ("animal",)]
    assert [r.text for r in records] == ["cat, red hat,, sitting", "a dog", "fox, snow"]
    sampler = CaptionSampler(records, CaptionMix(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    drawn = {sampler(0, torch.Generator().manual_seed(seed)).removesuffix(", linocut style") for seed in range(99)}
    assert {"sitting", "red hat, cat", "sitting, cat, red hat"} <= drawn
