"""The pool of the world: the clock alone says what a step learns from, whatever was killed or lost in between."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fromnoise.data.world import Drawing, World, WorldMix
from fromnoise.data.world.captions import caption
from fromnoise.data.world.paint import paint
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.models.vae import VAEConfig
from fromnoise.training import pool as module
from fromnoise.training.clock import Clock
from fromnoise.training.pool import Maker, WorldExamples
from fromnoise.training.tasks.base import Compute
from fromnoise.training.world_config import WorldConfig

CPU = torch.device("cpu")
CONFIG = WorldConfig(shard=32, shards=2, repeats=2.0, wordings=3, workers=0)
BATCH = 8


def drawing(name: str, colour: str) -> Drawing:
    body = f'<circle cx="32" cy="32" r="24" fill="{colour}"/>'
    return Drawing(
        name=name, noun=name, style="noto", key=f"name:{name}", group="food-drink", subgroup="food-fruit", body=body,
        box=(0, 0, 64, 64), colours=("red",), licence="MIT", author="somebody",
    )  # fmt: skip


@pytest.fixture
def maker() -> Maker:
    torch.manual_seed(0)
    vae = VAEConfig(latent_channels=4, block_out_channels=(16, 16), norm_num_groups=8).build().eval()
    world = World([drawing("apple", "#dd2e32"), drawing("pear", "#50a53c")], WorldMix())
    compute = Compute(CPU, torch.float32, torch.contiguous_format)
    return Maker(world, CONFIG, 16, 3, vae.requires_grad_(False), compute, "stamp")


def clock(pictures: int) -> Clock:
    return Clock(pictures // BATCH, BATCH, 10**6, 5)


def same(a: tuple[torch.Tensor, list[str]], b: tuple[torch.Tensor, list[str]]) -> bool:
    return torch.equal(a[0], b[0]) and a[1] == b[1]


def test_the_window_moves_by_a_shard_whenever_the_newest_was_seen_often_enough() -> None:
    config = replace(CONFIG, shard=64, shards=3, repeats=4.0)
    assert [config.window(n) for n in (0, 255, 256, 511, 512)] == [
        range(1), range(1), range(2), range(2), range(3)
    ]  # fmt: skip
    assert config.window(768) == range(1, 4)
    assert config.window(10 * 256) == range(8, 11)


def test_what_is_learnt_from_are_the_worlds_pictures_and_true_captions_of_them(maker: Maker, tmp_path: Path) -> None:
    clean, texts = WorldExamples(tmp_path, maker).at(clock(0), CPU)
    assert len(clean) == len(texts) == BATCH
    assert clean.dtype is torch.float32
    known = {}
    for number in range(CONFIG.shard):
        described = maker.world.choose(3, number)
        picture = torch.from_numpy(paint(maker.world, described, 16).picture.copy()).permute(2, 0, 1)[None]
        latent = maker.vae.encode(from_bytes(picture)).mean[0]
        known[number] = latent, {caption(described, CONFIG.captions, again) for again in range(CONFIG.wordings)}
    for latent, text in zip(clean, texts, strict=True):
        near = min(known, key=lambda n: float((known[n][0] - latent).abs().max()))
        assert float((known[near][0] - latent).abs().max()) < 2e-3  # half precision
        assert text in known[near][1]
    assert len({float(latent.sum()) for latent in clean}) > 4


def test_a_run_that_was_killed_goes_on_with_the_same_pictures(maker: Maker, tmp_path: Path) -> None:
    unbroken = WorldExamples(tmp_path / "a", maker)
    steps = [unbroken.at(clock(n), CPU) for n in range(0, 4 * 64, BATCH)]
    assert not same(steps[0], steps[1])
    late = WorldExamples(tmp_path / "b", maker)
    assert same(late.at(clock(100), CPU), unbroken_at(steps, 100))
    again = WorldExamples(tmp_path / "b", maker)  # from files
    assert same(again.at(clock(104), CPU), unbroken_at(steps, 104))
    assert same(again.at(clock(200), CPU), unbroken_at(steps, 200))
    (tmp_path / "b" / "00000002.safetensors").write_bytes(b"damaged")
    (tmp_path / "b" / "00000003.safetensors").unlink()
    again = WorldExamples(tmp_path / "b", maker)
    assert same(again.at(clock(208), CPU), unbroken_at(steps, 208))


def unbroken_at(steps: list[tuple[torch.Tensor, list[str]]], pictures: int) -> tuple[torch.Tensor, list[str]]:
    return steps[pictures // BATCH]


def test_disk_and_memory_hold_the_pool_and_no_more(maker: Maker, tmp_path: Path) -> None:
    examples = WorldExamples(tmp_path, maker)
    for n in range(0, 5 * 64, BATCH):
        examples.at(clock(n), CPU)
        names = sorted(int(file.stem) for file in tmp_path.iterdir())
        assert names == sorted(examples._shards) == list(CONFIG.window(n))


def test_shards_of_other_latents_are_made_again(maker: Maker, tmp_path: Path) -> None:
    before = WorldExamples(tmp_path, maker).at(clock(0), CPU)
    other = replace(maker, stamp="another VAE")
    with torch.no_grad():
        for weight in other.vae.parameters():
            weight.mul_(1.5)
    after = WorldExamples(tmp_path, other).at(clock(0), CPU)
    assert before[1] == after[1]
    assert not torch.equal(before[0], after[0])
    assert len({maker.name(), other.name(), replace(maker, seed=4).name(), replace(maker, pixels=32).name()}) == 4


def test_a_row_of_shards_comes_from_one_stream(maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    real = module.world_stream

    def counted(world: World, stream: Any, captions: Any) -> Any:
        begun.append(stream.start)
        return real(world, stream, captions)

    monkeypatch.setattr(module, "world_stream", counted)
    examples = WorldExamples(tmp_path, maker)
    for n in (0, 64, 128, 192):
        examples.at(clock(n), CPU)
    assert begun == [0]  # workers that draw ahead are not ended and begun anew


def test_what_an_earlier_session_left_behind_is_cleared(maker: Maker, tmp_path: Path) -> None:
    WorldExamples(tmp_path, maker).at(clock(0), CPU)
    late = WorldExamples(tmp_path, maker)  # begins behind that shard
    late.at(clock(200), CPU)
    assert sorted(int(file.stem) for file in tmp_path.iterdir()) == list(CONFIG.window(200))


def test_processes_draw_the_same_and_leave_ctrl_c_to_who_waits_for_them(maker: Maker, tmp_path: Path) -> None:
    here = WorldExamples(tmp_path / "here", maker).at(clock(0), CPU)
    examples = WorldExamples(tmp_path / "beside", replace(maker, config=replace(CONFIG, workers=1)))
    for n in (0, 64):
        drawn = examples.at(clock(n), CPU)
        for worker in multiprocessing.active_children():
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGINT)  # as a terminal does
        assert n or same(drawn, here)
    examples.close()
    assert not multiprocessing.active_children()


def test_a_full_disk_is_one_line(maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(UserError, match=r"cannot write .*00000000.safetensors: .*No space left.*free some space"):
        WorldExamples(tmp_path, maker).at(clock(0), CPU)


@pytest.mark.parametrize("wrong", [{"shard": 33}, {"shard": 0}, {"shards": 0}, {"repeats": 0}, {"workers": -2}])
def test_wrong_sizes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"data.world.{next(iter(wrong))}"):
        replace(CONFIG, **wrong)
