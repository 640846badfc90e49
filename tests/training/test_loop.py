"""The loop: resume gives the same bits, NaN stops it, checkpoints survive damage."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.ground.errors import UserError
from fromnoise.training import checkpoint, ema, loop
from fromnoise.training.clock import Clock, GroupedOrder, Order
from fromnoise.training.log import Log, Telling
from fromnoise.training.loop import Paused, Trainer, learning_rate
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.tasks.base import Task


class Line(Task):
    """Fit y = 3x with a small network; one batch is a pure function of the clock."""

    name = "line"

    def __init__(self, config: LoopConfig, dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 4)).to(dtype)
        self.config, self.order, self.dtype = config, Order(torch.ones(50), 0), dtype
        self.poison_at = -1

    def batch(self, clock: Clock) -> Tensor:
        return torch.randn(clock.batch, 4, generator=clock.generator("x"))

    def losses(self, batch: Tensor, clock: Clock) -> dict[str, Tensor]:
        loss = (self.network(batch.to(self.dtype)).float() - 3 * batch).square().mean()
        return {"loss": loss * (float("nan") if clock.step == self.poison_at else 1)}

    def samples_for_log(self, network: nn.Module) -> Any:
        return None


def config(**changes: Any) -> LoopConfig:
    return LoopConfig(**{"pictures": 640, "batch": 16, "warmup": 64, "learning_rate": 1e-2, **changes})


def bits(network: nn.Module) -> list[bytes]:
    return [p.detach().float().numpy().tobytes() for p in network.parameters()]


@pytest.mark.formats
@pytest.mark.parametrize(
    ("dtype", "optimizer"), [(torch.float32, "adamw"), (torch.bfloat16, "adamw"), (torch.float32, "muon")]
)
def test_a_run_stopped_twice_ends_with_the_same_bits(tmp_path: Path, dtype: torch.dtype, optimizer: str) -> None:
    settings = config(optimizer=optimizer)
    whole = Trainer(Line(settings, dtype), tmp_path / "whole", seed=5)
    expected = bits(whole.run())
    for steps in (7, 13, None):
        broken = Trainer(Line(settings, dtype), tmp_path / "broken", seed=5)
        result = broken.run(steps)
    assert bits(result) == expected
    assert [m.numpy().tobytes() for m in broken.masters] == [m.numpy().tobytes() for m in whole.masters]


def test_a_stop_that_is_asked_for_as_soon_as_it_is_told_to_begin_is_honoured_after_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The studio's Pause comes as early as that: a run that ended without a checkpoint would have to begin anew."""
    monkeypatch.setattr(Log, "note", lambda self, text: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        Trainer(Line(config()), tmp_path, seed=5).run()
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.facts["step"] == 1


def test_a_run_whose_time_is_over_saves_and_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    expected = bits(Trainer(Line(config()), tmp_path / "whole", seed=5).run())
    for steps in range(1, 4):  # with a deadline in the past every call takes one step
        with pytest.raises(Paused, match=f"line has seen {16 * steps} of 640 pictures"):
            Trainer(Line(config()), tmp_path / "broken", seed=5, deadline=time.monotonic()).run()
    trainer = Trainer(Line(config()), tmp_path / "broken", seed=5)
    assert trainer.clock.step == 3
    assert bits(trainer.run()) == expected


def test_what_is_not_trained_comes_back_from_the_checkpoint(tmp_path: Path) -> None:
    """A run goes on with the frozen weights it had, also where a fresh network would begin with others."""
    first = Line(config())
    first.network[0].weight.requires_grad_(False)
    kept = first.network[0].weight.clone()
    Trainer(first, tmp_path, 0).run(4)
    again = Line(config())
    again.network[0].weight.requires_grad_(False).zero_()
    trainer = Trainer(again, tmp_path, 0)
    assert torch.equal(again.network[0].weight, kept)
    assert torch.equal(trainer.averaged()[0].weight, kept)


def test_another_seed_gives_other_bits(tmp_path: Path) -> None:
    runs = [bits(Trainer(Line(config()), tmp_path / str(seed), seed).run()) for seed in (1, 2)]
    assert runs[0] != runs[1]


@pytest.mark.formats
def test_training_in_bf16_keeps_fp32_masters(tmp_path: Path) -> None:
    trainer = Trainer(Line(config(learning_rate=1e-6), torch.bfloat16), tmp_path, 0)
    before = trainer.masters[0].clone()
    trainer.run(5)
    # A step of 1e-6 is far below what bf16 can add to a weight near 0.1, but not below fp32.
    assert not torch.equal(before, trainer.masters[0])
    assert trainer.masters[0].dtype == torch.float32


def test_nan_stops_with_a_message_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    Trainer(Line(config()), tmp_path, 0).run(6)
    trainer = Trainer(Line(config()), tmp_path, 0)
    trainer.task.poison_at = 9  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"stopped at step 9.*step 6 is kept.*learning_rate"):
        trainer.run()
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.facts["step"] == 6
    assert all(torch.isfinite(t).all() for group in found.groups.values() for t in group.values())
    # The weights in memory are untouched by the bad step, too.
    assert all(torch.isfinite(m).all() for m in trainer.masters)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    trainer = Trainer(Line(config()), tmp_path, 0)
    for _ in range(2):
        trainer.step()
        trainer.save()
    newest = sorted(tmp_path.glob("step-*"))[-1]
    file = newest / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1  # one flipped bit in the last weight
    file.write_bytes(data)
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.facts["step"] == 1
    assert "damaged" in damaged[0]


def spoil(step: Path, kind: str) -> None:
    if kind == "half":
        (step / "ema.safetensors").write_bytes((step / "ema.safetensors").read_bytes()[:100])
    elif kind == "no file":
        (step / "weights.safetensors").unlink()
    else:
        (step / "state.json").write_text(kind)


KINDS = ["half", "no file", "", "[]", '{"sha256": {}}', '{"sha256": {}, "facts": {}}', '{"sha256": [], "facts": {}}']


@pytest.mark.parametrize("kind", KINDS)
def test_where_no_checkpoint_can_be_read_nothing_begins_anew_in_silence(tmp_path: Path, kind: str) -> None:
    trainer = Trainer(Line(config()), tmp_path / "line", 0)
    for _ in range(2):
        trainer.step()
        trainer.save()
    for step in (tmp_path / "line").glob("step-*"):
        spoil(step, kind)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(UserError, match=r"no checkpoint in .*line can be read \(step-00000002: .*move .*line away"):
        Trainer(Line(config()), tmp_path / "line", 0)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    (tmp_path / "line").rename(tmp_path / "away")
    assert Trainer(Line(config()), tmp_path / "line", 0).clock.step == 0


def test_a_damaged_checkpoint_is_set_aside_and_never_outlives_new_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps 1, 4 (damaged): training goes on from 1, and its new steps 2 and 3 stay though 4 is more than they are."""
    expected = bits(Trainer(Line(config()), tmp_path / "whole", 0).run())
    folder = tmp_path / "line"
    trainer = Trainer(Line(config()), folder, 0)
    for steps in (1, 3):
        for _ in range(steps):
            trainer.step()
        trainer.save()
    spoil(folder / "step-00000004", "no file")
    trainer = Trainer(Line(config()), folder, 0)
    for _ in range(2):
        trainer.step()
        trainer.save()
    assert sorted(p.name for p in folder.iterdir()) == ["damaged-step-00000004", "step-00000002", "step-00000003"]
    trainer = Trainer(Line(config()), folder, 0)
    assert trainer.clock.step == 3
    assert bits(trainer.run()) == expected
    assert "damaged" not in capsys.readouterr().err
    for name in ("step-00000040", "step-00000040"):  # the same step is damaged twice: neither is lost
        spoil(folder / name, "no file")
        Trainer(Line(config()), folder, 0).run()
    assert "going back to the one before, and it is now called damaged-step-00000040\n" in capsys.readouterr().err
    assert {p.name for p in folder.glob("damaged-*")} == {
        "damaged-step-00000004", "damaged-step-00000040", "damaged-step-00000040-1",
    }  # fmt: skip


def test_a_checkpoint_that_was_just_written_is_never_dropped(tmp_path: Path) -> None:
    for step in (7, 8, 3):
        checkpoint.save(tmp_path, step, checkpoint.Checkpoint({}, {"step": step, "batch": 1}))
    assert (tmp_path / "step-00000003").is_dir()


def test_only_two_checkpoints_are_kept_and_no_draft(tmp_path: Path) -> None:
    trainer = Trainer(Line(config()), tmp_path, 0)
    for _ in range(4):
        trainer.step()
        trainer.save()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(Line(config()), tmp_path, 0)
    trainer.step()
    trainer.save()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    trainer.step()
    with pytest.raises(UserError, match=r"No space left.*free some space"):
        trainer.save()
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_a_model_that_could_not_be_written_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    trainer = Trainer(Line(config()), tmp_path, 0, on_save=full)
    with pytest.raises(UserError, match=r"model could not be written \(.*No space left.*free some space"):
        trainer.run(3)
    assert Trainer(Line(config()), tmp_path, 0).clock.step == 3


def test_figures_and_sheets_that_cannot_be_written_end_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk fills up and is freed before the last checkpoint: the bits are those of an undisturbed training."""
    expected = bits(Trainer(Line(config()), tmp_path / "whole", 0).run())

    class Drawing(Line):
        def samples_for_log(self, network: nn.Module) -> Any:
            return Image.new("RGB", (2, 2))

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            raise OSError(28, "No space left on device")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    curves: Any = SimpleNamespace(figures=full, sheet=full)
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: Full() if self.suffix == ".jsonl" else real(self, *a, **k))
    folder = tmp_path / "broken"
    assert bits(Trainer(Drawing(config(log_steps=1)), folder, 0, Telling(curves)).run()) == expected
    assert len(list((folder / "sheets").iterdir())) == 2
    monkeypatch.setattr(loop, "write_atomically", full)
    Trainer(Drawing(config(log_steps=1)), tmp_path / "other", 0, Telling(curves)).run()
    said = capsys.readouterr().err
    assert said.count("figures are no longer written (No space left on device); training goes on") == 2
    assert said.count("this sheet is left out: [Errno 28] No space left on device") == 2


def test_the_last_checkpoint_is_there_before_the_last_sheet(tmp_path: Path) -> None:
    class Failing(Line):
        def samples_for_log(self, network: nn.Module) -> Any:
            if len(list(tmp_path.glob("step-*"))) or (self.network.training and self.drawn):
                raise MemoryError
            self.drawn = True

        drawn = False

    with pytest.raises(MemoryError):
        Trainer(Failing(config()), tmp_path, 0).run()
    assert Trainer(Line(config()), tmp_path, 0).clock.done


def test_another_network_is_refused(tmp_path: Path) -> None:
    Trainer(Line(config()), tmp_path, 0).run(2)
    other = Line(config())
    other.network = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))
    with pytest.raises(UserError, match="another network"):
        Trainer(other, tmp_path, 0)


def test_another_optimizer_is_refused(tmp_path: Path) -> None:
    Trainer(Line(config(optimizer="muon")), tmp_path, 0).run(2)
    with pytest.raises(UserError, match="another optimizer"):
        Trainer(Line(config()), tmp_path, 0)
    with pytest.raises(UserError, match="adamw, muon, not 'sgd'"):
        config(optimizer="sgd")


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch", 0), ("batch", 10**8), ("pictures", -5), ("learning_rate", 1e9), ("learning_rate", float("nan")),
     ("decay", 1.5), ("ema", 1.0), ("betas", (0.9, 1.0)), ("log_steps", 0), ("save_minutes", 0.0)],
)  # fmt: skip
def test_a_number_that_cannot_work_is_refused_before_anything_starts(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"loop.{name} must be"):
        config(**{name: value})


def killable(folder: Path) -> bytes:
    """Train a toy task that saves after every few steps, or go on with that; returns its weights and their averages."""
    torch.set_num_threads(1)
    trainer = Trainer(Line(config(pictures=4800)), folder, seed=5)
    while not trainer.clock.done:
        trainer.step()
        if trainer.clock.step % 5 == 0:
            trainer.save()
    return b"".join(m.numpy().tobytes() for m in (*trainer.masters, *trainer.averages))


def test_kill_minus_nine_at_any_moment_ends_with_the_same_bits(tmp_path: Path) -> None:
    """The process is killed soon after it has written something new, later each time; this one ends its work."""
    threads, broken = torch.get_num_threads(), tmp_path / "broken"
    command = [sys.executable, str(Path(__file__).with_name("killable_run.py")), str(broken)]
    for attempt in range(3):
        known = set(broken.glob("step-*"))
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        deadline = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < deadline and not set(broken.glob("step-*")) - known:
            time.sleep(0.005)
        time.sleep(0.01 * attempt)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run had ended, or failed, before it could be killed"
        found, _ = checkpoint.newest(broken)
        assert found is not None
        assert 0 < found.facts["step"] < 300
    try:
        assert killable(broken) == killable(tmp_path / "whole")
    finally:
        torch.set_num_threads(threads)


def test_learning_rate_rises_holds_and_falls_to_zero() -> None:
    c = LoopConfig(pictures=1000, batch=10, warmup=100, decay=0.4, learning_rate=1.0)
    rate = [learning_rate(c, Clock(step, 10, 1000, 0)) for step in range(101)]
    assert rate[0] == pytest.approx(0.1)
    assert rate[9] == rate[59] == 1.0
    assert rate[80] == pytest.approx(0.5)
    assert rate[100] == 0.0


def test_learning_rate_falls_with_the_root_of_the_pictures_seen() -> None:
    c = LoopConfig(pictures=10**4, batch=10, warmup=100, falls_from=200, decay=0.4, learning_rate=0.5)
    rate = [learning_rate(c, Clock(step, 10, 10**4, 0)) for step in range(1001)]
    assert rate[0] == pytest.approx(0.05)
    assert rate[9] == rate[20] == 0.5  # it begins to fall at 200 pictures
    assert rate[80] == pytest.approx(0.25)  # four times as many
    assert rate[500] == pytest.approx(0.1)  # 25 times
    assert rate[800] == pytest.approx(0.5 / 40**0.5 / 2)  # and half of the last fall
    assert rate[1000] == 0.0


def test_every_epoch_shows_every_picture_once_and_differs_from_the_last() -> None:
    order = Order(torch.ones(10), seed=3)
    seen = torch.cat([order.indices(Clock(step, 4, 10**6, 3)) for step in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10))
    assert sorted(seen[10:].tolist()) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()


def test_weights_decide_how_often_a_picture_comes() -> None:
    order = Order(torch.tensor([1.0, 3.0]), seed=0)
    seen = torch.cat([order.indices(Clock(step, 2, 10**6, 0)) for step in range(2000)])
    assert seen.float().mean().item() == pytest.approx(0.75, abs=0.01)


def test_generators_depend_on_step_and_purpose_only() -> None:
    draw = lambda step, purpose: torch.rand(3, generator=Clock(step, 8, 100, 1).generator(purpose)).tolist()  # noqa: E731
    assert draw(4, "t") == draw(4, "t")
    assert draw(4, "t") != draw(5, "t")
    assert draw(4, "t") != draw(4, "noise")


def test_ema_is_the_weighted_mean_of_the_weights() -> None:
    average, weights = [torch.zeros(1)], [torch.ones(1)]
    for _ in range(3):
        ema.update(average, weights, step=10**6, target=0.9)
    assert average[0].item() == pytest.approx(1 - 0.9**3)
    assert [ema.decay_at(step, 0.999) for step in (0, 8, 90, 10**6)] == pytest.approx([0.1, 0.5, 0.91, 0.999])


def test_pictures_of_one_thing_come_together_and_each_once_an_epoch() -> None:
    groups = ["apple"] * 9 + ["pear"] * 4 + [f"thing {i}" for i in range(7)]
    order = GroupedOrder(groups, seed=3, together=4)
    epochs = [torch.cat([order.indices(Clock(step, 5, 100, 3)) for step in range(4 * e, 4 * e + 4)]) for e in (0, 1)]
    for found in epochs:
        assert sorted(found.tolist()) == list(range(20))
        runs = [(name, len(list(run))) for name, run in groupby(groups[i] for i in found.tolist())]
        assert ("pear", 4) in runs  # never torn apart
        assert sum(1 for name, _ in runs if name == "apple") <= 3  # in fours, which may touch
    assert epochs[0].tolist() != epochs[1].tolist()
    again = GroupedOrder(groups, seed=3, together=4)
    assert torch.equal(again.indices(Clock(3, 5, 100, 3)), order.indices(Clock(3, 5, 100, 3)))
    other = GroupedOrder(groups, seed=4, together=4)
    assert not torch.equal(torch.cat([other.indices(Clock(s, 5, 100, 4)) for s in range(4)]), epochs[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(("call", "number"), [("save_file", 1), ("save_file", 4), ("_checksum", 2), ("_sync", 1),
                                              ("_sync", 5), ("_sync", 6), ("_sync", 7)])  # fmt: skip
def test_kill_minus_nine_while_it_saves_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The second checkpoint is cut off between two operations: file by file, before and after the folder's rename."""
    expected = bits(Trainer(Line(config()), tmp_path / "whole", 0).run())
    folder, real, made = tmp_path / "broken", getattr(checkpoint, call), []
    trainer = Trainer(Line(config()), folder, 0)
    trainer.run(4)

    def deadly(*arguments: Any) -> Any:
        made.append(call)
        if len(made) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        monkeypatch.setattr(checkpoint, call, deadly)
        try:
            trainer.run(4)
        finally:
            os._exit(1)  # it should have been killed
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    again = Trainer(Line(config()), folder, 0)
    assert again.clock.step == (8 if (call, number) == ("_sync", 7) else 4)
    assert bits(again.run()) == expected
    assert not list(folder.glob(".step-*"))
