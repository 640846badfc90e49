"""Held-out loss of each task: nothing for a perfect network, what theory says for an ignorant one."""

from __future__ import annotations

import copy
import errno
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.ground.errors import UserError
from fromnoise.ground.tensor_file import TensorFile
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.training.run_data import held_out_latents
from fromnoise.training.stored_latents import kept_latents, stamp_of
from fromnoise.training.tasks.diffusion import HeldOut
from training.test_tasks import clip_task, diffusion_task, pictures, tokenizer, vae_task

__all__ = ["pictures", "tokenizer"]  # fixtures


def test_who_knows_the_picture_has_no_loss_and_who_says_nothing_has_that_of_v(
    pictures: PictureSet, tokenizer: Tokenizer
) -> None:
    task = diffusion_task(pictures, tokenizer)
    assert task.score(task.network) == {}
    clean = torch.randn(48, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    held_out = HeldOut(clean, ["red apple"] * 48)
    told = iter(clean.repeat(2, 1, 1, 1).split(32))  # 48 are fewer than 64 pairs, so each is asked twice
    assert held_out.loss(lambda *_: next(told), task.schedule, task.words)["held_out_loss"] < 1e-6
    task.held_out = held_out
    silent: Any = lambda x, t, cond: torch.zeros_like(x)  # noqa: E731
    found = task.score(silent)["held_out_loss"]
    assert found == task.score(silent)["held_out_loss"]  # the same noise every time
    assert found == pytest.approx(1.0, abs=0.1)  # the variance of v for unit latents and unit noise


def test_held_out_pictures_are_spread_and_few(pictures: PictureSet) -> None:
    task = vae_task(pictures)
    found = held_out_latents(pictures, task.network, task.compute, most=9)
    assert found is not None
    assert found.latents.shape[0] == len(found.texts) == 9
    assert len({text.rsplit(", ")[-1] for text in found.texts}) == 2  # both styles
    none = PictureSet(pictures.images[:0], [], [])
    assert held_out_latents(none, task.network, task.compute) is None


def test_a_clip_that_sees_nothing_guesses_among_all_captions(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = clip_task(pictures, tokenizer)
    ones: Any = lambda x: torch.nn.functional.normalize(torch.ones(len(x), 8), dim=1)  # noqa: E731
    blind: Any = SimpleNamespace(embed_image=ones, embed_text=ones, logit_scale=torch.tensor(2.0))
    assert task.score(blind)["held_out_loss"] == pytest.approx(math.log(len(pictures.records)), rel=1e-4)


def test_a_vae_that_gives_back_its_picture_has_no_loss(pictures: PictureSet) -> None:
    task = vae_task(pictures)
    perfect: Any = SimpleNamespace(encode=lambda x: SimpleNamespace(mean=x), decode=lambda x: x)
    found = task.score(perfect)
    assert found["held_out_psnr"] == pytest.approx(100.0)
    assert found["held_out_loss"] == pytest.approx(0.0, abs=1e-5)

    def grey(x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    perfect.decode = grey
    assert task.score(perfect)["held_out_loss"] > 0.5


def test_latents_on_a_full_disk_and_damaged_ones(
    pictures: PictureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vae, file, compute = vae_task(pictures).network.eval(), tmp_path / "latents.safetensors", vae_task(pictures).compute

    def kept(stamp: str = "p") -> Tensor:
        return kept_latents(
            file, stamp, copy.deepcopy(vae), pictures, compute, True, 0.5
        ).plain.clone()  # no longer of the file

    wanted = kept()
    assert stamp_of(file) == "p"
    whole = file.read_bytes()
    for damaged in (b"", whole[:50], whole[:-4], b"junk" * 50):
        file.unlink()
        file.write_bytes(damaged)
        assert stamp_of(file) is None
        assert torch.equal(kept(), wanted)
        assert file.read_bytes() == whole
    kept()
    assert capsys.readouterr().err == ""
    kept("of other pictures")
    assert capsys.readouterr().err == "the pictures or the VAE changed: latents are made anew\n"
    kept()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TensorFile, "write", full)
    with pytest.raises(UserError, match=r"cannot write .*latents\.safetensors: .*No space left.*free some space"):
        kept("other")
    assert file.read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_few_held_out_pictures_are_asked_at_many_levels(pictures: PictureSet, tokenizer: Tokenizer, count: int) -> None:
    task = diffusion_task(pictures, tokenizer)
    clean = torch.randn(count, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    asked: list[tuple[int, float]] = []

    def silent(x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        asked.extend((i % count, level) for i, level in enumerate(t.tolist(), len(asked)))
        return torch.zeros_like(x)

    network: Any = silent
    held_out = HeldOut(clean, [f"red apple {i}" for i in range(count)])
    loss = held_out.loss(NetworkDenoiser(network, task.schedule, "v"), task.schedule, task.words)
    times = [level for _, level in asked]
    assert (times[0], times[-1]) == (0, 999)
    assert 64 <= len(set(times)) == len(times) < 64 + count
    for i in range(count):  # every picture is asked all over the levels
        own = [level for which, level in asked if which == i]
        assert min(own) < 150
        assert max(own) > 850
    energy = float(clean.square().mean())  # v of a silent network is noise at the clean end, the picture at the other
    assert loss["held_out_loss"] == pytest.approx((1 + energy) / 2, abs=0.15)
