"""Shards: the bytes that a single process writes, whatever happened on the way. Nothing here needs Ray."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fromnoise.cluster import painter as painters
from fromnoise.cluster.job import ClusterJob, Piece, begin, begun, check_same, digest_of, pieces, to_do, usual_shard
from fromnoise.cluster.painter import AT_ONCE, Done, Painter, Work, failed_in
from fromnoise.cluster.shard import Draft, Sample, is_whole, samples_in, shard_name
from fromnoise.drawing.generate import Finished
from fromnoise.drawing.opened import Opening
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

LINES = [f"{thing}{style}" for style in ("", ", noto style") for thing in ("red apple", "sun", "tree", "cat face", "a")]


@pytest.fixture(scope="module")
def work(tiny_model_folder: Path, tiny_model: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("whole")
    request = replace(plan(tiny_model, Request(LINES[0], seed=5, steps=2)).request, prompt="")
    job = ClusterJob("tiny", tiny_model.hash, "fp32", "torch", False, (), None, request, 10, digest_of(LINES), 10)
    begin(folder, job, LINES)
    return Work(folder, job, Opening(str(tiny_model_folder), precision="fp32"), cores=1)


@pytest.fixture(scope="module")
def whole(work: Work) -> bytes:
    """The only shard, drawn in one go."""
    assert Painter(work).paint(only_piece(work)).drawn == 10
    return (work.folder / shard_name(0)).read_bytes()


def only_piece(work: Work) -> Piece:
    (piece,) = pieces(work.job, LINES)
    return piece


def elsewhere(work: Work, folder: Path) -> Work:
    begin(folder, work.job, LINES)
    return replace(work, folder=folder)


class Counting(Painter):
    """A painter that notes how many pictures it draws, and can be stopped before a batch; all of them share a model."""

    shared: tuple[str, TextToImage] | None = None

    def __init__(self, work: Work, most: int = 99) -> None:
        super().__init__(work)
        self.drawn, self.most = 0, most

    def opened(self) -> tuple[str, TextToImage]:
        Counting.shared = Counting.shared or super().opened()
        return Counting.shared

    def draw(self, model: TextToImage, made: Sequence[Plan]) -> Finished:
        if self.drawn >= self.most:
            raise KeyboardInterrupt
        self.drawn += len(made)
        return super().draw(model, made)


def test_the_pictures_are_those_that_prompts_writes(
    run: Any, work: Work, whole: bytes, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("\n".join(LINES))
    arguments = ("--prompts", "p.txt", "--steps", 2, "--seed", 5, "--precision", "fp32", "--model", tiny_model_folder)
    assert run("generate", *arguments, "--out", "many").code == 0
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        tar.extractall(tmp_path / "shard", filter="data")
    for i, line in enumerate(LINES):
        assert (tmp_path / "shard" / f"{i:04d}.png").read_bytes() == (tmp_path / "many" / f"{i:04d}.png").read_bytes()
        assert (tmp_path / "shard" / f"{i:04d}.txt").read_text() == line
        facts = json.loads((tmp_path / "shard" / f"{i:04d}.json").read_text())
        assert (facts["prompt"], facts["seed"], facts["fromnoise"]["index"]) == (line, 5 + i, i)
    assert len(list((tmp_path / "shard").iterdir())) == 30


def test_other_libraries_read_the_shards(work: Work, whole: bytes, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = str(work.folder / "*.tar")
    read = datasets.load_dataset("webdataset", data_files=files, split="train", cache_dir=str(tmp_path))
    assert read["txt"][:] == LINES
    assert [row["seed"] for row in read["json"][:]] == list(range(5, 15))
    assert read[3]["png"].size == (32, 32)


@pytest.mark.parametrize("cut", [0, 700, 0.35, 0.79, 0.801, 0.98])
def test_what_a_dead_worker_drew_is_taken_up_wherever_it_stopped(
    work: Work, whole: bytes, tmp_path: Path, cut: float
) -> None:
    length = int(cut * len(whole)) if cut < 1 else int(cut)
    (tmp_path / ".00000.elsewhere-1-0.part").write_bytes(whole[:length])
    (tmp_path / ".00000.elsewhere-1-1.part").write_bytes(whole[:600])  # of one that died even earlier
    there = len(list(samples_in(tmp_path / ".00000.elsewhere-1-0.part")))
    again = Counting(elsewhere(work, tmp_path))
    done = again.paint(only_piece(work))
    assert (tmp_path / shard_name(0)).read_bytes() == whole
    assert again.drawn == done.drawn == 10 - there // AT_ONCE * AT_ONCE * (there < 10) - there * (there == 10)
    assert done.taken == 10 - done.drawn
    assert not list(tmp_path.glob(".*.part"))


def test_a_worker_that_is_stopped_leaves_what_it_drew(work: Work, whole: bytes, tmp_path: Path) -> None:
    first = Counting(elsewhere(work, tmp_path), most=AT_ONCE)
    with pytest.raises(KeyboardInterrupt):
        first.paint(only_piece(work))
    assert not (tmp_path / shard_name(0)).exists()
    again = Counting(first.work)
    assert (again.paint(only_piece(work)).taken, again.drawn) == (AT_ONCE, 10 - AT_ONCE)
    assert (tmp_path / shard_name(0)).read_bytes() == whole
    done = Counting(first.work, most=0).paint(only_piece(work))
    assert replace(done, worker="", began=0.0, seconds=0.0) == Done(0, taken=10)


def test_a_batch_that_kills_every_worker_is_given_up(work: Work, whole: bytes, tmp_path: Path) -> None:
    for death in range(painters.MOST_DEATHS):
        dying = Counting(replace(elsewhere(work, tmp_path), command="a"), most=0)
        with pytest.raises(KeyboardInterrupt):
            dying.paint(only_piece(work))
        assert len(list(tmp_path.glob(".*.part"))) == death + 1
    assert "5 workers died one after the other over lines 1 to 8" in dying.paint(only_piece(work)).error
    again = Counting(replace(dying.work, command="b"))  # the command is given again
    assert again.paint(only_piece(work)).drawn == 10
    assert (tmp_path / shard_name(0)).read_bytes() == whole


def test_a_shard_that_was_cut_off_while_copying_is_mended(work: Work, whole: bytes, tmp_path: Path) -> None:
    target = tmp_path / shard_name(0)
    again = Counting(elsewhere(work, tmp_path))
    for damaged in (whole[:-10240], whole[: len(whole) // 2], b""):
        target.write_bytes(damaged)
        assert not is_whole(target)
        assert to_do(tmp_path, work.job, LINES) == [only_piece(work)]
        assert not again.paint(only_piece(work)).error
        assert target.read_bytes() == whole
    assert to_do(tmp_path, work.job, LINES) == []


def test_pictures_that_a_power_cut_left_empty_are_drawn_again(work: Work, whole: bytes, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        at = tar.getmember("0005.png").offset_data
    (tmp_path / ".00000.x-1-0.part").write_bytes(whole[: at + 300] + bytes(512) + whole[at + 812 :])
    again = Counting(elsewhere(work, tmp_path))
    again.paint(only_piece(work))
    assert again.drawn == 10
    assert (tmp_path / shard_name(0)).read_bytes() == whole


def test_a_worker_that_was_thought_dead_does_no_harm(work: Work, whole: bytes, tmp_path: Path) -> None:
    late = Draft(tmp_path, 0)
    late.add([Sample("0000", b"half a", "x", {})])
    assert Counting(elsewhere(work, tmp_path)).paint(only_piece(work)).drawn == 10
    late.finish()  # its draft is gone
    assert (tmp_path / shard_name(0)).read_bytes() == whole


def test_a_line_that_cannot_be_drawn_is_named_and_the_others_are_drawn(
    work: Work, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(model: TextToImage, made: Sequence[Plan], start: object) -> Finished:
        if any(each.seed == 7 for each in made):
            raise UserError("the drawing became not-a-number")
        return finish(model, made)

    finish = painters.finish_plans
    monkeypatch.setattr(painters, "finish_plans", fails)
    done = Counting(elsewhere(work, tmp_path)).paint(only_piece(work))
    assert (done.drawn, done.failed, done.error) == (9, 1, "")
    assert failed_in(tmp_path, 0) == {2: "the drawing became not-a-number"}
    kept = {s.line: s for s in samples_in(work.folder / shard_name(0)) if s.line != 2}
    assert {s.line: s for s in samples_in(tmp_path / shard_name(0))} == kept
    (tmp_path / shard_name(0)).rename(tmp_path / ".00000.x-1-0.part")  # interrupted at the very end
    again = Counting(replace(work, folder=tmp_path))
    assert (again.paint(only_piece(work)).taken, again.drawn) == (9, 0)


def test_a_worker_refuses_what_is_not_the_job(work: Work, tmp_path: Path, tiny_model_folder: Path) -> None:
    piece = only_piece(work)
    assert "does not see the job" in Painter(replace(work, folder=tmp_path / "no")).paint(piece).error
    assert "does not see the job" in Painter(replace(work, folder=tmp_path)).paint(piece).error
    here = elsewhere(work, tmp_path)
    assert "install the same one" in Painter(replace(here, version="0.0.9")).paint(piece).error
    other = replace(here, job=replace(work.job, model_hash="0" * 12))
    begin(tmp_path, other.job, LINES)
    assert "is another model" in Painter(other).paint(piece).error
    begin(tmp_path, work.job, LINES)
    (tmp_path / "prompts.txt").write_text("red apple\n")
    assert "was changed" in Painter(here).paint(piece).error
    assert not list(tmp_path.glob("*.tar"))


def test_a_folder_says_which_job_it_was_begun_with(work: Work, tmp_path: Path) -> None:
    assert begun(tmp_path / "new") is None
    assert begun(tmp_path) is None
    begin(tmp_path, work.job, LINES)
    assert begun(tmp_path) == work.job
    check_same(tmp_path, work.job, work.job)
    other = replace(work.job, request=replace(work.job.request, steps=30))
    with pytest.raises(UserError, match="was begun with steps 2, not 30; give the options of before"):
        check_same(tmp_path, work.job, other)
    with pytest.raises(UserError, match="with shard 10, not 5"):
        check_same(tmp_path, work.job, replace(work.job, shard=5))
    with pytest.raises(UserError, match=r"other prompts \(10 lines\)"):
        check_same(tmp_path, work.job, replace(work.job, prompts="0", lines=4))
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(UserError, match=r"job\.json is damaged"):
        begun(tmp_path)
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "prompts.txt").write_text("a list of somebody's own")
    with pytest.raises(UserError, match="holds something else"):
        begun(tmp_path / "listed")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match=r"holds something else \(diary\.txt\)"):
        begun(tmp_path / "mine")


@pytest.mark.parametrize("lines", [1, 8, 9, 100, 12_345, 1_000_000])
def test_shards_cover_every_line_once(work: Work, lines: int) -> None:
    texts = [f"ä {i}" for i in range(lines)]
    job = replace(work.job, lines=lines, shard=usual_shard(lines))
    found = list(pieces(job, texts))
    assert [p.first for p in found] == list(range(0, lines, job.shard))
    assert sum(p.count for p in found) == lines
    data = "".join(f"{t}\n" for t in texts).encode()
    for p in (found[0], found[len(found) // 2], found[-1]):
        assert data[p.offset : p.offset + p.length].decode().split("\n")[:-1] == texts[p.first : p.first + p.count]
    assert len(found) <= max(64, lines // 1000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 9000, "nested"),
        ("[]", "JSON object"),
        ('{"surplus": "x"}', "'surplus' should be the number of a line"),
        ('{"3": null}', "'3' should be the number of a line"),
        ('{"99999999999999999999": "x"}', "should be the number of a line"),
    ],
)
def test_a_damaged_list_of_failed_lines_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "00000.failed.json").write_text(text)
    with pytest.raises(UserError, match=reason) as caught:
        failed_in(tmp_path, 0)
    assert "00000.failed.json" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_damaged_job_is_one_short_line(work: Work, tmp_path: Path) -> None:
    values = work.job.to_dict()
    for odd in ({"shard": 0}, {"lines": -1}, {"model": "x" * 5000 + "\n"}):
        (tmp_path / "job.json").write_text(json.dumps({**values, **odd}))
        with pytest.raises(UserError) as caught:
            check_same(tmp_path, begun(tmp_path) or work.job, work.job)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500 + len(str(tmp_path))
    for text in ("[" * 100_000, "[]", '{"lines": ' + "9" * 5000 + "}"):
        (tmp_path / "job.json").write_text(text)
        with pytest.raises(UserError, match=r"job\.json is damaged"):
            begun(tmp_path)


def test_what_is_no_shard_of_ours_holds_no_pictures(work: Work, whole: bytes, tmp_path: Path) -> None:
    """A packed file may unpack to anything, a name that is no number has no line, and JSON may be nested endlessly."""
    (tmp_path / "packed.tar").write_bytes(gzip.compress(whole))
    assert list(samples_in(tmp_path / "packed.tar")) == []
    for name, facts in (("x", b"{}"), ("0000", b"[" * 100_000), ("0000", b"[]"), ("0000", b"{}")):
        first = next(samples_in(work.folder / shard_name(0)))
        with tarfile.open(tmp_path / "odd.tar", "w") as tar:
            for kind, data in (("png", first.png), ("txt", b"a"), ("json", facts)):
                member = tarfile.TarInfo(f"{name}.{kind}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        lines = [each.line for each in samples_in(tmp_path / "odd.tar")]
        assert lines == ([0] if facts == b"{}" and name != "x" else [])
