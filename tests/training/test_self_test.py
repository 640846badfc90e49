"""The self-test before a run: a network that can learn passes, one that cannot is caught, and neither is changed."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from fromnoise.ground.errors import UserError
from fromnoise.training.continuing import Call
from fromnoise.training.health import self_test as module
from fromnoise.training.health.self_test import Learnt, self_test
from fromnoise.training.loop import Trainer
from fromnoise.training.run import train
from fromnoise.training.tasks.clip import CLIPTask
from fromnoise.training.tasks.vae import VAETask
from training.test_loop import Line, bits, config
from training.test_run import small


def rehearsed(task: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=40)
    self_test(task, 0, console)
    return str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]


def test_a_network_that_can_learn_passes_and_is_left_as_it_was() -> None:
    task = Line(config())
    before, state, settings = bits(task.network), torch.random.get_rng_state(), task.config
    (said,) = rehearsed(task)
    assert said.startswith("self-test passed: the loss of one batch of 16 falls, ")
    assert bits(task.network) == before
    assert all(p.grad is None for p in task.network.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert task.config is settings


def nearly_no_learning_rate() -> Line:
    return Line(config(learning_rate=1e-12))


def frozen() -> Line:
    task = Line(config())
    task.network.requires_grad_(False)
    return task


def cut_off() -> Line:
    """The loss does not come from the network."""

    class Cut(Line):
        def losses(self, batch: Tensor, clock: Any) -> dict[str, Tensor]:
            found = super().losses(batch, clock)["loss"]
            return {"loss": found.detach() + 0 * found}

    return Cut(config())


def other_pictures_every_time() -> Line:
    class Shuffled(Line):
        """What is asked and what is right have nothing to do with each other, and change from call to call."""

        def losses(self, batch: Tensor, clock: Any) -> dict[str, Tensor]:
            wanted = batch[torch.randperm(len(batch))].sign() * 3
            return {"loss": (self.network(batch) - wanted).square().mean()}

    return Shuffled(config(learning_rate=1e-3))


@pytest.mark.parametrize("fault", [nearly_no_learning_rate, frozen, cut_off, other_pictures_every_time])
def test_a_planted_fault_is_caught_in_one_line(fault: Any) -> None:
    with pytest.raises(UserError, match=r"^self-test failed: .*--no-self-test") as caught:
        rehearsed(fault())
    assert "\n" not in str(caught.value)


def test_a_learning_rate_that_is_far_too_high_is_caught() -> None:
    with pytest.raises(UserError, match=r"self-test failed|not a number|not finite"):
        rehearsed(Line(config(learning_rate=9.0)))


@pytest.mark.parametrize("batch", [2, 16, 40])
def test_it_says_how_many_it_has_looked_at(batch: int, tmp_path: Path) -> None:
    """Not more than sixteen, and of a smaller batch all; also where it fails."""
    looked = min(batch, 16)
    (said,) = rehearsed(Line(config(batch=batch)))
    assert f"the loss of one batch of {looked} falls, " in said
    with pytest.raises(UserError, match=rf"steps on one batch of {looked} pictures took the loss of line from"):
        rehearsed(Line(config(batch=batch, learning_rate=1e-12)))


def test_waiting_for_the_first_pictures_is_no_slowness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The endless world draws some thousands before the first step."""

    class Waiting(Line):
        waits = 0.5

        def batch(self, clock: Any) -> Any:
            time.sleep(self.waits)
            self.waits = 0.0
            return super().batch(clock)

    monkeypatch.setattr(module, "SECONDS", 0.4)
    assert module.learnt_by_heart(Waiting(config()), tmp_path, 0).steps > 1


def test_a_slow_machine_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)
    (said,) = rehearsed(nearly_no_learning_rate())
    assert "too slow to say anything in 0 s (0 steps" in said


def test_of_fewer_steps_less_is_asked() -> None:
    assert Learnt(1.0, 0.94, 30, 1.0).passed
    assert not Learnt(1.0, 0.96, 30, 1.0).passed
    assert Learnt(1.0, 0.98, 15, 1.0).passed is False
    assert Learnt(1.0, 0.974, 15, 1.0).passed


# --- in a run ------------------------------------------------------------------------------------------------------

SHORT = {
    "clip.loop.pictures": "64", "clip.loop.batch": "32", "vae.loop.pictures": "32", "vae.loop.batch": "16",
    "diffusion.loop.pictures": "64", "diffusion.loop.batch": "32", "data.limit": "40",
    "diffusion.sheet_steps": "1", "diffusion.loop.save_minutes": "60",
}  # fmt: skip


def weights(out: Path) -> dict[str, bytes]:
    files = sorted(out.rglob("step-*/*.safetensors"))
    assert len(files) >= 3
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


def test_a_run_with_and_without_ends_with_the_same_bits_and_one_that_goes_on_skips_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENOUGH", 0.98)  # a step or two are enough for this test
    for name, asked in (("with", True), ("without", False)):
        train(small(**SHORT), "starter", tmp_path / name, call=Call(self_test=asked))
        assert capsys.readouterr().err.count("self-test passed: the loss of one batch of") == 3 * asked
    assert weights(tmp_path / "with") == weights(tmp_path / "without")
    train(small(**SHORT), "starter", tmp_path / "with", call=Call(self_test=True))
    assert "self-test" not in capsys.readouterr().err


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is taken after the self-test."""

    def taken(self: Trainer, steps: int | None = None) -> nn.Module:
        raise AssertionError("the training began")

    monkeypatch.setattr(Trainer, "run", taken)


@pytest.mark.usefixtures("watched")
def test_captions_that_are_shuffled_are_caught_before_clip_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = CLIPTask._captions

    def shuffled(self: CLIPTask, clock: Any) -> tuple[Tensor, list[str]]:
        indices, texts = before(self, clock)
        return indices, [texts[i] for i in torch.randperm(len(texts)).tolist()]

    recipe = small(**{**SHORT, "clip.loop.batch": "16"})
    with pytest.raises(AssertionError, match="began"):
        train(recipe, "starter", tmp_path / "right", ("clip",), Call(self_test=True))
    monkeypatch.setattr(CLIPTask, "_captions", shuffled)
    with pytest.raises(UserError, match=r"self-test failed: .*clip.*captions belong to their pictures.*ln 16 = 2\.77"):
        train(recipe, "starter", tmp_path / "wrong", ("clip",), Call(self_test=True))


@pytest.mark.usefixtures("watched")
def test_a_network_that_is_frozen_by_mistake_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = VAETask.__init__

    def freezing(self: VAETask, *arguments: Any) -> None:
        parts(self, *arguments)
        self.network.requires_grad_(False)

    monkeypatch.setattr(VAETask, "__init__", freezing)
    with pytest.raises(UserError, match=r"no weight of vae may be trained"):
        train(small(**SHORT), "starter", tmp_path, ("vae",), Call(self_test=True))


def test_a_rival_and_what_is_noted_stay_with_the_task(tmp_path: Path) -> None:
    """The self-test of a VAE with an adversary moves neither."""
    recipe = small(**{**SHORT, "vae.adversary.weight": "0.2"})
    stages = {}
    for name, asked in (("with", True), ("without", False)):
        train(recipe, "starter", tmp_path / name, ("vae",), replace(Call(), self_test=asked))
        stages[name] = [f.read_bytes() for f in sorted((tmp_path / name / "vae").rglob("*.safetensors"))]
    assert stages["with"] == stages["without"]
