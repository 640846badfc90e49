"""Drawings of the world by themselves."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fromnoise.data.world import Drawing
from fromnoise.data.world.drawing import chosen_drawings
from fromnoise.data.world.singles import SINGLE, single_pictures
from fromnoise.ground.errors import UserError

BODIES = {
    "square": '<rect x="8" y="8" width="16" height="16" fill="#dd2e32"/>',
    "bar": '<rect x="4" y="12" width="60" height="6" fill="#1133aa"/>',
    "nothing": '<rect width="9" height="9" fill="none"/>',
}


def drawings(style: str = "noto") -> list[Drawing]:
    return [
        Drawing(name=name, noun=name, style=style, key=name, group="objects", body=body, box=(0, 0, 64, 64))
        for name, body in BODIES.items()
    ]


def test_each_stands_in_the_middle_as_large_as_it_may_and_what_shows_nothing_is_named() -> None:
    found = single_pictures(drawings(), 40)
    assert found.images.shape == (2, 3, 40, 40)
    assert [(r.file_name, r.text) for r in found.records] == [
        (f"{SINGLE}noto-00000", "square"),
        (f"{SINGLE}noto-00001", "bar"),
    ]
    assert found.quarantine == [(f"{SINGLE}noto-00002", "it shows nothing")]
    square, bar = (picture.float() for picture in found.images)
    assert (square[:, 4:36, 4:36].flatten(1).mean(1) - square[:, 20, 20]).abs().max() < 1  # 0.8 of 40 pixels, filled
    assert square[:, :3].min() == 255
    assert square[:, :, :3].min() == 255
    assert bar[2, 20, 20] > bar[0, 20, 20] + 60
    rows = (bar.amin(0) < 200).any(1)
    assert 2 <= int(rows.sum()) <= 5  # as flat as it is: a tenth of its width


def test_styles_and_groups_choose_and_none_left_is_one_line(tmp_path: Path) -> None:
    import dataclasses

    rows = [dataclasses.asdict(d) for style in ("noto", "flex") for d in drawings(style)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "drawings.parquet")
    assert len(chosen_drawings(tmp_path)) == 6
    assert {d.style for d in chosen_drawings(tmp_path, styles=("flex",))} == {"flex"}
    assert [d.name for d in chosen_drawings(tmp_path, limit=2)] == ["square", "square"]
    with pytest.raises(UserError, match="no drawings of these styles and groups"):
        chosen_drawings(tmp_path, groups=("flags",))
