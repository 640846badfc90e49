"""Pictures of the world in one file are what the world gives, and are opened as any other training pictures."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fromnoise.data.packed import read_packed
from fromnoise.data.world import World, WorldMix, WorldStream
from fromnoise.data.world import packing as module
from fromnoise.data.world.drawing import Drawing
from fromnoise.data.world.packing import pack_world
from fromnoise.data.world.paint import paint
from fromnoise.data.world.stream import record_of_description
from fromnoise.ground.errors import UserError

STREAM = WorldStream(pixels=32, seed=5, workers=0)


def drawing(name: str, split: str = "train") -> Drawing:
    body = '<circle cx="32" cy="32" r="24" fill="#dd2e32"/>'
    return Drawing(
        name=name, noun=name, style="noto", key=f"name:{name}", group="food-drink", subgroup="food-fruit", body=body,
        box=(0, 0, 64, 64), colours=("red",), licence="MIT", author="somebody", split=split,
    )  # fmt: skip


@pytest.fixture
def drawings() -> list[Drawing]:
    names = ("apple", "pear", "ball", "cup", "lamp", "bowl", "wheel", "drum")
    return [*map(drawing, names), drawing("melon", "test_concept")]


def test_the_file_holds_the_first_pictures_of_the_seed_and_tests_beside(
    drawings: list[Drawing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEST_SHARE", 0.1)
    learnt, tests = pack_world(drawings, tmp_path / "world.parquet", STREAM, 40)
    assert (learnt, tests) == (40, 8)  # nothing of these drawings is a held-out pair
    entries = read_packed(tmp_path / "world.parquet").entries
    assert Counter(e.record.split for e in entries) == {"train": 40, "test_concept": 4, "test_pair": 4}
    world = World(drawings)
    for number in (0, 31, 32, 39):  # of both batches
        described, entry = world.choose(5, number), entries[number]
        found = np.asarray(Image.open(io.BytesIO(entry.read())))
        assert np.array_equal(found, paint(world, described, 32).picture)
        assert replace(entry.record, file_name="") == record_of_description(world, described)
    assert len({e.record.file_name for e in entries}) == 48


def test_one_kind_alone(drawings: list[Drawing], tmp_path: Path) -> None:
    pack_world(drawings, tmp_path / "world.parquet", STREAM, 5, WorldMix.only("counts"))
    texts = [e.record.text for e in read_packed(tmp_path / "world.parquet").entries if e.record.split == "train"]
    assert all(text.split()[0] in {"a", "an", "one", "two", "three", "four", "five", *"12345"} for text in texts), texts


def test_what_cannot_be_written_is_said_in_one_line(drawings: list[Drawing], tmp_path: Path) -> None:
    for file, count, words in (
        ("world.zip", 5, "parquet"),
        ("no/world.parquet", 5, "folder"),
        ("w.parquet", 0, "1 or more"),
    ):
        with pytest.raises(UserError, match=words):
            pack_world(drawings, tmp_path / file, STREAM, count)
    assert not list(tmp_path.iterdir())
