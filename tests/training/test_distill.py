"""Distillation: only the difference learns, the loss falls, a run resumes to the bit and ends in a model that draws."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fromnoise.data.captions import CaptionSampler
from fromnoise.data.record import Record
from fromnoise.data.starter import starter_path
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.few_steps import save_few_steps, with_few_steps
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import Clock
from fromnoise.training.continuing import Call
from fromnoise.training.distillation import distill
from fromnoise.training.examples import Latents, StoredExamples
from fromnoise.training.loop import Trainer
from fromnoise.training.low_rank import LowRank
from fromnoise.training.recipe import DistillStage, LoopConfig, Recipe
from fromnoise.training.run_folder import check_earlier
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.diffusion import Conditioning
from fromnoise.training.tasks.distill import DistillTask, Teaching

COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.channels_last)
LOOP = LoopConfig(pictures=10**6, batch=8, warmup=0, learning_rate=3e-3, weight_decay=0.0, ema=0.9)
GUIDANCE = (3.0, (60, 850), 0.5)


def task(model: TextToImage, rank: int = 8) -> DistillTask:
    latents = torch.randn(32, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    cached = Latents(latents, latents.flip(3), torch.zeros(32, dtype=torch.bool), torch.ones(32))
    records = [Record(f"{i}.png", text) for i, text in enumerate(["red apple", "blue house"] * 16)]
    words = Conditioning(model.tokenizer, model.text_tower)
    network = LowRank(copy.deepcopy(model.unet), rank, 0)
    teaching = Teaching(network, model.schedule, "v", model.vae, GUIDANCE)
    examples = StoredExamples(cached, CaptionSampler(records), 0.15, 0)
    return DistillTask(DistillStage(prompts=("red apple", ""), loop=LOOP), examples, words, teaching, COMPUTE)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, 8, 8, generator=rng), torch.tensor([999, 519, 19]), torch.randn(3, 12, 32, generator=rng)


def moved(network: LowRank) -> LowRank:
    """With a difference that is not zero."""
    rng = torch.Generator().manual_seed(2)
    for up in network.up.values():
        up.data = 0.1 * torch.randn(up.shape, generator=rng)
    return network


def test_the_difference_is_nothing_at_first_and_the_base_never_learns(tiny_model: TextToImage) -> None:
    t = task(tiny_model)
    assert torch.equal(t.network(*inputs()), tiny_model.unet(*inputs()))
    before = {name: x.clone() for name, x in t.network.base.state_dict().items()}
    assert {name.split(".")[0] for name, p in t.network.named_parameters() if p.requires_grad} == {"down", "up"}
    t.losses(t.batch(Clock(0, 8, 10**6, 0)), Clock(0, 8, 10**6, 0))["loss"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in t.network.base.parameters())
    assert all(p.grad is not None and bool(p.grad.any()) for p in t.network.up.values())
    assert all(torch.equal(x, before[name]) for name, x in t.network.base.state_dict().items())


def test_what_is_stored_is_what_was_trained(tiny_model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model_folder, tmp_path / "model")
    model = TextToImage.load(tmp_path / "model")
    network = moved(LowRank(copy.deepcopy(model.unet), 8, 0)).eval()
    trained = network(*inputs()).detach()
    assert (trained - model.unet(*inputs())).abs().max() > 0.1
    save_few_steps(tmp_path / "model", network.changes(), model.unet.config, model.schedule, "v")
    stored = with_few_steps(TextToImage.load(tmp_path / "model")).unet(*inputs())
    torch.testing.assert_close(stored, trained, rtol=5e-3, atol=5e-3)  # the file is float16


def test_the_teacher_is_the_model_as_it_is_drawn_with(tiny_model: TextToImage) -> None:
    t = task(tiny_model)
    moved(t.network)
    x, times, cond = inputs()
    times = torch.tensor([999, 519, 319])
    uncond = tiny_model.embed([""]).expand(3, -1, -1)
    wanted = ClassifierFreeGuidance(tiny_model.denoiser(), tiny_model.unet.read(uncond), *GUIDANCE)(
        x, times, tiny_model.unet.read(cond)
    )
    with torch.no_grad():
        torch.testing.assert_close(t._teacher(3)(x, times, cond), wanted, rtol=1e-4, atol=1e-5)


def test_batches_follow_from_the_clock_and_visit_the_lessons_levels(tiny_model: TextToImage) -> None:
    t = task(tiny_model)
    first, again, later = (t.batch(Clock(step, 8, 10**6, 0)) for step in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[:3], later[:3], strict=True))
    seen = torch.cat([t.batch(Clock(step, 64, 10**6, 0))[2] for step in range(20)])
    assert set(seen.tolist()) == set(range(19, 1000, 20))


def test_distilling_one_batch_lowers_its_loss(tiny_model: TextToImage) -> None:
    t = task(tiny_model, rank=16)
    t.stage = replace(t.stage, plain=0.0)
    clean, noise, _, context = t.batch(Clock(0, 8, 10**6, 0))
    optimizer, found = torch.optim.Adam(t.parameters(), lr=1e-3), []
    for _ in range(25):  # at t = 79 the teacher guides, and its step lands at the clean end: the target stands still
        loss = t.losses((clean, noise, torch.full((8,), 79), context), Clock(0, 8, 10**6, 0))["loss"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(loss.detach()))
    assert found[-1] < 0.3 * found[0]


def test_one_step_from_clean_the_student_is_the_teacher_already(tiny_model: TextToImage) -> None:
    """At t = 19 guidance is off and the target is where the teacher lands: nothing is left to learn at first."""
    t = task(tiny_model)
    t.stage = replace(t.stage, plain=0.0)
    clean, noise, _, context = t.batch(Clock(0, 8, 10**6, 0))
    batch = clean, noise, torch.full((8,), 19), context
    assert float(t.losses(batch, Clock(0, 8, 10**6, 0))["loss"].detach()) < 1e-5
    moved(t.network)
    assert float(t.losses(batch, Clock(0, 8, 10**6, 0))["loss"].detach()) > 1e-3


def test_a_broken_run_ends_with_the_bits_of_an_unbroken_one(tiny_model: TextToImage, tmp_path: Path) -> None:
    whole = Trainer(task(tiny_model), tmp_path / "whole", seed=3)
    whole.run(4)
    Trainer(task(tiny_model), tmp_path / "broken", seed=3).run(2)
    broken = Trainer(task(tiny_model), tmp_path / "broken", seed=3)
    broken.run(2)
    for a, b in zip((*whole.masters, *whole.averages), (*broken.masters, *broken.averages), strict=True):
        assert torch.equal(a, b)
    assert any(bool(m.any()) for m, name in zip(whole.masters, whole.names, strict=True) if name.startswith("up"))
    assert sorted((tmp_path / "broken" / "sheets").glob("*.png"))


SETTINGS = {
    "precision": "fp32", "threads": "1", "data.styles": "noto", "data.limit": "64", "distill.rank": "4",
    "distill.loop.pictures": "32", "distill.loop.batch": "16", "distill.loop.warmup": "16",
}  # fmt: skip


def test_a_model_without_its_run_becomes_one_that_draws_fast(tiny_model_folder: Path, tmp_path: Path) -> None:
    out = distill(tiny_model_folder, starter_path(), tmp_path / "run", SETTINGS)
    plain, fast = TextToImage.load(out), with_few_steps(TextToImage.load(out))
    assert plain.hash == TextToImage.load(tiny_model_folder).hash
    assert fast.hash != plain.hash
    pictures = draw(fast, Request(prompt="red apple", seed=1, count=2))
    assert pictures.float().std() > 1
    stamps = {f: f.stat().st_mtime_ns for f in (tmp_path / "run" / "distill").iterdir()}
    assert distill(tiny_model_folder, starter_path(), tmp_path / "run", SETTINGS) == out  # nothing is left to do
    assert with_few_steps(TextToImage.load(out)).hash == fast.hash
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "run" / "distill").iterdir()} == stamps
    stored = (tmp_path / "run" / "run.json").read_bytes()
    fewer = {name: value for name, value in SETTINGS.items() if name != "distill.rank"}
    with pytest.raises(UserError, match=r"\(distill\.rank: 4 → 32\)\. Give the same --set again"):
        distill(tiny_model_folder, starter_path(), tmp_path / "run", fewer)
    assert distill(tiny_model_folder, starter_path(), tmp_path / "run", {}, Call(as_before=True)) == out
    assert (tmp_path / "run" / "run.json").read_bytes() == stored


def test_another_models_distillation_is_not_gone_on_with(tiny_model_folder: Path, tmp_path: Path) -> None:
    short = {**SETTINGS, "distill.loop.pictures": "16"}
    out = distill(tiny_model_folder, starter_path(), tmp_path / "run", short)
    model = TextToImage.load(out)
    with torch.no_grad():
        model.unet.conv_in.weight.add_(0.5)
    model.save(out)
    with pytest.raises(UserError, match="started with another model"):
        distill(tiny_model_folder, starter_path(), tmp_path / "run", short)
    with pytest.raises(UserError, match="started with another model"):
        distill(out, starter_path(), tmp_path / "run", short)
    file = tmp_path / "run" / "run.json"
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != "made_from"}))
    with pytest.raises(UserError, match="distilled another model"):  # runs of earlier versions tell by their latents
        distill(out, starter_path(), tmp_path / "run", short)


def test_a_run_without_a_model_has_nothing_to_distil(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trained model yet"):
        check_earlier(tmp_path, ("distill",))
    check_earlier(tmp_path, ("clip", "vae", "diffusion", "distill"))
    assert "distill" not in Recipe.__dataclass_fields__["tasks"].default
