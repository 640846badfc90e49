"""A folder that cannot be written, and a disk that is full for a while: one clear line, and nothing is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from filelock import FileLock

from fromnoise.ground.errors import UserError
from fromnoise.training import checkpoint, run_folder
from fromnoise.training.loop import Trainer
from fromnoise.training.run import train
from training.test_loop import Line, bits, config
from training.test_run import small

LITTLE = {"data.limit": "8"}


@pytest.mark.parametrize(("number", "which"), [(errno.EROFS, "folder"), (errno.EACCES, "lock")])
def test_a_folder_that_cannot_be_written_is_told_in_one_line_and_nothing_begins(
    number: int, which: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, as a read-only disk or another user's folder would have it."""
    out, made = tmp_path / "runs" / "mine", Path.mkdir
    out.parent.mkdir()

    def refused(what: Any) -> None:
        raise OSError(number, os.strerror(number), str(what))

    def mkdir(self: Path, *args: Any, **more: Any) -> None:
        refused(self) if self == out else made(self, *args, **more)

    if which == "folder":
        monkeypatch.setattr(Path, "mkdir", mkdir)
    else:
        out.mkdir()
        monkeypatch.setattr(FileLock, "acquire", lambda self, **_: refused(self.lock_file))
    done = run("train", "first_model", "--data", "starter", "--out", out, "--set", "data.limit=8")
    assert done.code == 2
    said = [line for line in done.err.splitlines() if line.startswith("fromnoise") or "Traceback" in line]
    assert said == [
        f"fromnoise: cannot write to {out}: {os.strerror(number)}; take an --out that you may write to, where there is "
        "room"
    ]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


class FullOnce:
    """A disk that is full when the nth file of tensors is written, after half of it, and has room again later."""

    def __init__(self, nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.save = nth, checkpoint.save_file
        monkeypatch.setattr(checkpoint, "save_file", self)

    def __call__(self, tensors: Any, file: Any, *more: Any, **named: Any) -> None:
        self.save(tensors, file, *more, **named)
        self.left -= 1
        if self.left == 0:
            os.truncate(file, Path(file).stat().st_size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("nth", [1, 2, 4, 9, 12])
def test_a_checkpoint_that_fails_once_costs_no_bit(nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file of whichever checkpoint it is: the run ends with one line, and the same again ends as unbroken."""
    expected = bits(Trainer(Line(config()), tmp_path / "whole", 0).run())
    FullOnce(nth, monkeypatch)
    folder, ended = tmp_path / "broken", []
    while not (trainer := Trainer(Line(config()), folder, 0)).clock.done:
        try:
            trainer.run(10)
        except UserError as error:
            ended.append(str(error))
            assert not list(folder.glob(".*"))  # no draft is left
    assert bits(trainer.averaged()) == expected
    assert [line.partition(": ")[0] for line in ended] == [f"cannot write a checkpoint to {folder}"]
    assert ended[0].endswith("; free some space and run again")


def test_a_run_whose_disk_was_full_for_a_while_ends_as_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(**LITTLE, **{"clip.loop.pictures": "16", "clip.loop.batch": "8"})

    def learnt(out: Path) -> dict[str, torch.Tensor]:
        found, _ = checkpoint.newest(out / "clip")
        assert found is not None
        return found.groups["ema"]

    train(recipe, "starter", tmp_path / "whole", ("clip",))
    FullOnce(2, monkeypatch)
    with pytest.raises(
        UserError, match=r"cannot write a checkpoint to .*No space left.*; free some space and run again$"
    ):
        train(recipe, "starter", tmp_path / "broken", ("clip",))
    train(recipe, "starter", tmp_path / "broken", ("clip",))
    whole, again = learnt(tmp_path / "whole"), learnt(tmp_path / "broken")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_curves_on_a_full_disk_are_one_line() -> None:
    def full(name: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as TensorBoard's own thread does, without a name

    with pytest.raises(UserError, match=r"^cannot write the run's curves: No space left on device; free some space"):
        run_folder.curves(type("Full", (), {"init_trackers": staticmethod(full)}))


@pytest.mark.parametrize("kind", ["mps", "xpu", None])
def test_an_accelerator_that_nobody_tried_is_left_alone_and_that_is_said(
    kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """accelerate would take an M processor's GPU."""

    class Fake:
        def __init__(self, cpu: bool, **_: Any) -> None:
            self.device = torch.device("cpu" if cpu or kind is None else kind)

    monkeypatch.setattr(accelerate, "Accelerator", Fake)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: device)
    assert run_folder.accelerator(tmp_path).device.type == "cpu"
    said = capsys.readouterr().err.splitlines()
    assert said == ([] if kind is None else [
        f"training on the CPU: this machine's {kind} is not used, since nothing was ever tried on it"
    ])  # fmt: skip


def test_a_gpu_of_cuda_is_taken_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(accelerate, "Accelerator", lambda cpu, **_: asked.append(cpu))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    run_folder.accelerator(tmp_path)
    assert asked == [False]
    assert capsys.readouterr().err == ""
