"""Data sets of the hub, picture by picture: nothing is lost or doubled, however often a call breaks off."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fromnoise.data import stream as streams
from fromnoise.data.left_out import LEFT_OUT
from fromnoise.data.places import entries_of
from fromnoise.data.stream import smaller, stream
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import open_picture

datasets = pytest.importorskip("datasets")
COUNT = 23
WRONG = {4: b"no picture", 9: None}


def png(i: int, size: tuple[int, int] = (6, 9)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (10 * i, 255 - 10 * i, 40)).save(buffer, "PNG")
    return buffer.getvalue()


class Broken(Exception):
    """What a connection does."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A hub with one set of two splits in parquet files of five rows; ``after`` rows the next stream breaks off."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "big_dog"])})
    for split, numbers in (("train", range(18)), ("test", range(18, COUNT))):
        for first in range(0, len(numbers), 5):
            some = numbers[first : first + 5]
            files = ((i, WRONG.get(i, png(i))) for i in some)
            images = [None if data is None else {"bytes": data, "path": f"{i}.png"} for i, data in files]
            part = datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in some]}, features=features)
            part.to_parquet(tmp_path / f"{split}-{first:02d}.parquet")
    state: dict[str, Any] = {"after": None, "asked": [], "rows": 0}

    def load(*names: str, streaming: bool) -> Any:
        assert streaming
        state["asked"].append(names)
        files = {s: sorted(map(str, tmp_path.glob(f"{s}-*.parquet"))) for s in ("train", "test")}
        return real("parquet", data_files=files, streaming=True)

    real = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", load)

    def safely(rows: Any, name: str) -> Any:
        def counted() -> Any:
            for row in rows:
                if state["after"] is not None and state["rows"] >= state["after"]:
                    raise Broken("connection reset")
                state["rows"] += 1
                yield row

        return was(counted(), name)

    was = streams._safely
    monkeypatch.setattr(streams, "_safely", safely)
    monkeypatch.setattr(streams, "ROWS", 4)
    return state


def contents(folder: Path) -> list[tuple[str, str, str, bytes]]:
    return [(e.record.file_name, e.record.text, e.record.split, e.read()) for e in entries_of(folder).entries]


WHOLE = [
    (f"{i}.png", ("cat", "big dog")[i % 2], "train" if i < 18 else "test_pair", png(i))
    for i in range(COUNT)
    if i not in WRONG
]


def test_a_set_comes_over_whole(hub: dict[str, Any], tmp_path: Path) -> None:
    count, left_out = stream("hf:some/one/large", tmp_path / "out", 0)
    assert hub["asked"] == [("some/one", "large")]
    assert count == COUNT - 2
    assert contents(tmp_path / "out") == WHOLE
    assert left_out == [("4.png", "it is not a picture of a known kind"), ("train 10", "the row has no picture")]
    assert "train 10,the row has no picture" in (tmp_path / "out" / LEFT_OUT).read_text()
    hub["rows"] = 0
    assert stream("hf:some/one/large", tmp_path / "out", 0) == (count, left_out)  # all is there
    assert hub["rows"] == 0


@pytest.mark.parametrize("broken_after", [[1], [4], [7], [17], [18], [19], [22], [3, 3, 6, 2]])
def test_a_stream_that_broke_off_goes_on_where_it_was(
    broken_after: list[int], hub: dict[str, Any], tmp_path: Path
) -> None:
    """Rows of a file that was not whole are asked for once more, and no others."""
    for after in broken_after:
        hub["rows"], hub["after"] = 0, after
        with pytest.raises(UserError, match=r"broke off \(connection reset\); run the same command again"):
            stream("hf:some/one", tmp_path / "out", 0)
    whole = sum(len(entries_of(f).entries) for f in sorted((tmp_path / "out").glob("*.parquet")))
    wrong = sum(1 for i in WRONG if i < whole + 2)
    hub["rows"], hub["after"] = 0, None
    assert stream("hf:some/one", tmp_path / "out", 0)[0] == COUNT - 2
    assert contents(tmp_path / "out") == WHOLE
    assert COUNT - whole - wrong - 1 <= hub["rows"] <= COUNT - whole


def test_a_limit_stops_and_a_higher_one_goes_on(hub: dict[str, Any], tmp_path: Path) -> None:
    for limit in (1, 6, 6, 19, 0):
        count = stream("hf:some/one", tmp_path / "out", 0, limit)[0]
        assert count == (limit or COUNT - 2)
        assert contents(tmp_path / "out") == WHOLE[:count]


def test_another_set_or_size_is_refused(hub: dict[str, Any], tmp_path: Path) -> None:
    stream("hf:some/one", tmp_path / "out", 0, 3)
    for place, side in (("hf:some/other", 0), ("hf:some/one", 16)):
        with pytest.raises(UserError, match="was begun with other --side, or of another data set"):
            stream(place, tmp_path / "out", side, 3)
    (tmp_path / "out" / "00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"00000\.parquet is damaged"):
        stream("hf:some/one", tmp_path / "out", 0)


def test_what_is_no_data_set_of_the_hub_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="is here already"):
        stream(str(tmp_path), tmp_path / "out", 0)
    with pytest.raises(UserError, match="names no data set of the hub"):
        stream("data/mine", tmp_path / "out", 0)
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, streaming: 1 / 0)
    with pytest.raises(UserError, match="some/one cannot be opened"):
        stream("hf:some/one", tmp_path / "out", 0)
    assert not (tmp_path / "out").exists()


def test_large_pictures_are_made_smaller_and_small_ones_left_as_they_are() -> None:
    assert smaller(png(3, (6, 9)), 6) == png(3, (6, 9))
    assert open_picture(smaller(png(3, (60, 90)), 20)).size == (20, 30)
    assert open_picture(smaller(png(3, (90, 60)), 20)).size == (30, 20)
    assert smaller(png(3, (60, 90)), 0) == png(3, (60, 90))
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[:, :20], clear[:, 20:, 1] = (255, 0, 0, 255), 255  # red, beside green that cannot be seen
    buffer = io.BytesIO()
    Image.fromarray(clear).save(buffer, "PNG")
    small = np.asarray(open_picture(smaller(buffer.getvalue(), 10)).convert("RGBA"))
    assert small[..., 1].max() <= 1  # and does not bleed in
    assert small[0, 0].tolist() == [255, 0, 0, 255]


def test_the_command_says_what_there_is(hub: dict[str, Any], tmp_path: Path, run: Any) -> None:
    made = run("data", "fetch", "hf:some/one", tmp_path / "out", "--side", "8")
    assert made.code in (0, None), made.err
    assert made.out.startswith("21 pictures: ")
    assert "2 are left out" in made.out
