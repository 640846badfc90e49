"""Many workers, one of which is killed while it draws; and a command line that says what is wrong before it begins."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tarfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fromnoise.cluster import pool
from fromnoise.cluster.painter import Painter
from fromnoise.cluster.pool import Pool, check_address, spread
from fromnoise.drawing.generate import Finished
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

LINES = [f"{colour} {thing}" for colour in ("red", "blue") for thing in ("apple", "house", "sun", "tree", "cat")] * 3


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    """A Ray of two cores on this machine, for the tests of this file."""
    if find_spec("ray") is None:
        pytest.skip("drawing on a cluster needs Ray: pip install 'fromnoise[cluster]'")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_ADDRESS", *pool.SETTINGS):
            patch.delenv(name, raising=False)
        pool.start_here(cores=2)
        import ray

        yield
        ray.shutdown()


def killed_once(mark: Path) -> type[Painter]:
    """A painter whose first life ends, without a chance to tidy up, in the middle of shard 1."""

    class Mortal(Painter):
        def draw(self, model: TextToImage, made: Sequence[Plan]) -> Finished:
            if made[0].seed == 16 + 5 + 8 and not mark.exists():  # the second batch of its second shard
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().draw(model, made)

    return Mortal


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    run: Any, two_workers: None, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.txt").write_text("\n".join(LINES))
    arguments = ("generate", "--prompts", "p.txt", "--model", tiny_model_folder, "--steps", 1, "--out")
    done: list[Any] = []

    def watched(*given: Any) -> Iterator[Any]:
        for each in pool.painted(*given, painter=killed_once(tmp_path / "killed")):
            done.append(each)
            yield each

    monkeypatch.setattr("fromnoise.cli.cluster.painted", watched)
    first = run(*arguments, "many", "--seed", 5, "--cluster", "ray", "--workers", 2, "--shard", 16)
    assert (first.code, first.err) == (0, "")
    assert (tmp_path / "killed").exists()
    assert {each.number: (each.drawn, each.taken) for each in done} == {0: (16, 0), 1: (6, 8)}  # 8 of its first life

    assert run(*arguments, "alone", "--seed", 5).code == 0
    files = sorted((tmp_path / "many").iterdir())
    assert [f.name for f in files] == [".lock", "00000.tar", "00001.tar", "job.json", "prompts.txt"]
    names = []
    for file in files[1:3]:
        with tarfile.open(file) as tar:
            names += [name for name in tar.getnames() if name.endswith(".png")]
            tar.extractall(tmp_path / "out", filter="data")
    pictures = sorted((tmp_path / "alone").iterdir())
    assert names == [f.name for f in pictures]  # each once
    assert all((tmp_path / "out" / f.name).read_bytes() == f.read_bytes() for f in pictures)

    monkeypatch.setattr("fromnoise.cli.cluster.connected", lambda _: pytest.fail("there is nothing to draw"))
    again = run(*arguments, "many", "--cluster", "ray")  # no seed, no size of shards: those of before
    assert (again.code, again.out) == (0, "many\nseed 5\n")
    assert again.err == "30 of 30 are there already\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", [], "holds no prompts"),
        ("sun\n\nmoon", [], "line 2 of p.txt is empty"),
        ("sun\n" * 70 + "\ue000" + "(sun:99)", [], "line 71 of the prompts: "),
        ("sun", ["--style", "nota"], "did you mean noto"),
        ("sun", ["--out", "mine"], "holds something else"),
        ("sun", ["--workers", "0"], "--workers must be at least 1"),
        ("sun", ["--cluster", "nowhere"], "HOST:PORT"),
        ("sun", ["--cluster", "ray://head:10001"], "HOST:PORT"),
        ("sun", ["-n", "2"], "one picture per line"),
        ("sun", ["--out", "a.png"], "should be a folder"),
    ],
)
def test_bad_input_is_said_in_one_line_before_anything_starts(
    run: Any, tiny_model_folder: Path, tmp_path: Path, text: str, options: list[str], message: str
) -> None:
    if find_spec("ray") is None:
        pytest.skip("drawing on a cluster needs Ray: pip install 'fromnoise[cluster]'")
    (tmp_path / "p.txt").write_text(text)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    arguments = ("--prompts", "p.txt", "--out", "many", "--cluster", "ray", "--model", tiny_model_folder)
    done = run("generate", *arguments, *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.glob("many/*.*"))


def test_a_cluster_that_does_not_answer_is_told_soon() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UserError, match=f"there is no Ray cluster at {address}"):
            check_address(address)


def test_without_ray_the_extra_is_named(
    run: Any, tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "p.txt").write_text("sun")
    arguments = ("--prompts", "p.txt", "--out", "many", "--model", tiny_model_folder)
    done = run("generate", *arguments, "--cluster", "ray")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "pip install 'fromnoise[cluster]'" in done.err
    for option in ("--workers", "--shard"):
        assert f"{option} is about a cluster" in run("generate", *arguments, option, 2).err
    assert "give --prompts FILE" in run("generate", "sun", "--cluster", "ray").err
    assert run("generate", *arguments, "--steps", 1).code == 0  # which needs none of it


@pytest.mark.parametrize(
    ("machines", "workers", "expected"),
    [
        ([2], None, Pool(2, 1)),
        ([2], 1, Pool(1, 2)),
        ([8, 8], 2, Pool(2, 8)),
        ([8, 8], 3, Pool(3, 4)),
        ([8, 2], 2, Pool(2, 4)),
        ([16, 0, 4], None, Pool(20, 1)),
    ],
)
def test_workers_take_the_cores_that_fit(machines: list[int], workers: int | None, expected: Pool) -> None:
    assert spread(machines, workers) == expected


@pytest.mark.parametrize(("machines", "workers"), [([2], 3), ([], None)])
def test_more_workers_than_cores_are_refused(machines: list[int], workers: int | None) -> None:
    with pytest.raises(UserError, match="more than the"):
        spread(machines, workers)
