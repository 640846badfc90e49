"""Each task can overfit one batch to what theory allows, and says how it does on held-out pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fromnoise.data.captions import CaptionSampler
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.pictures import from_bytes
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import Posterior, VAEConfig
from fromnoise.training.clock import Clock
from fromnoise.training.examples import Latents, StoredExamples
from fromnoise.training.loop import Trainer
from fromnoise.training.recipe import ClipStage, DiffusionStage, LoopConfig, VAEStage
from fromnoise.training.tasks.base import Compute, Task
from fromnoise.training.tasks.clip import CLIPTask
from fromnoise.training.tasks.diffusion import Conditioning, DiffusionTask
from fromnoise.training.tasks.vae import VAETask, reconstruction_losses, ssim

COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.channels_last)
LOOP = LoopConfig(pictures=10**6, batch=8, warmup=0, learning_rate=3e-3, weight_decay=0.0, ema=0.9)


@pytest.fixture(scope="module")
def pictures() -> PictureSet:
    return load_folder("starter", 32, styles=["noto", "noto-v1"])


@pytest.fixture(scope="module")
def tokenizer(pictures: PictureSet) -> Tokenizer:
    return Tokenizer.train([r.text for r in pictures.records], vocab_size=700, context=12)


def text_config(tokenizer: Tokenizer) -> TextConfig:
    return TextConfig(tokenizer.vocab_size, width=32, layers=1, heads=2, context=12, eos_token_id=tokenizer.eos_id)


def clip_task(pictures: PictureSet, tokenizer: Tokenizer) -> CLIPTask:
    torch.manual_seed(0)
    config = CLIPConfig(text_config(tokenizer), ImageConfig(32, 8, width=32, layers=1, heads=2), projection=32)
    words = (tokenizer, CaptionSampler(pictures.records))
    return CLIPTask(ClipStage(loop=LOOP), (pictures, pictures), words, config.build(), COMPUTE, 0)


def vae_task(pictures: PictureSet) -> VAETask:
    torch.manual_seed(0)
    config = VAEConfig(latent_channels=8, block_out_channels=(16, 32, 32), norm_num_groups=8)
    stage = VAEStage(config, loop=replace(LOOP, learning_rate=4e-3))
    return VAETask(stage, (pictures.images[:64], pictures.images[64:96]), config.build(), COMPUTE, 0)


def diffusion_task(pictures: PictureSet, tokenizer: Tokenizer, levels: str = "default") -> DiffusionTask:
    torch.manual_seed(0)
    unet = UNetConfig(
        sample_size=4, in_channels=4, out_channels=4, block_out_channels=(48, 64), layers_per_block=1,
        attention=(True, True), cross_attention_dim=32, head_dim=16, norm_num_groups=8,
    )  # fmt: skip
    count = len(pictures.records)
    latents = torch.randn(count, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    cached = Latents(latents, latents.flip(3), torch.zeros(count, dtype=torch.bool), torch.ones(count))
    words = Conditioning(tokenizer, text_config(tokenizer).build().eval())
    vae = VAEConfig(latent_channels=4, block_out_channels=(16, 16, 16, 16), norm_num_groups=8).build().eval()
    stage = DiffusionStage(unet, levels, ("red apple", ""), sheet_steps=3, loop=LOOP)
    examples = StoredExamples(cached, CaptionSampler(pictures.records), stage.mirror, 0)
    return DiffusionTask(stage, examples, words, (unet.build(), ScheduleConfig().build(), vae), COMPUTE)


def overfit(task: Task, steps: int) -> list[float]:
    """Train on the batch of step 0 again and again; the loss after every step."""
    batch = task.batch(Clock(0, 8, 10**6, 0))
    optimizer = torch.optim.Adam(task.parameters(), lr=task.config.learning_rate)
    found = []
    for _ in range(steps):
        loss = task.losses(batch, Clock(0, 8, 10**6, 0))["loss"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def test_clip_overfits_one_batch_to_the_entropy_of_its_targets(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = clip_task(pictures, tokenizer)
    floor = float(task.losses(task.batch(Clock(0, 8, 10**6, 0)), Clock(0, 8, 10**6, 0))["floor"])
    found = overfit(task, 60)
    assert found[0] > floor + 1.0
    assert found[-1] == pytest.approx(floor, abs=0.05)


def test_the_vae_overfits_one_batch(pictures: PictureSet) -> None:
    found = overfit(vae_task(pictures), 120)
    assert found[-1] < 0.35 * found[0]


def test_diffusion_overfits_one_batch(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    found = overfit(diffusion_task(pictures, tokenizer), 250)
    # The U-Net starts at zero output, so its first loss is the variance of v, which is 1 for unit latents and noise.
    assert found[0] == pytest.approx(1.0, abs=0.15)
    assert found[-1] < 0.05


@pytest.mark.parametrize("make", ["clip", "vae", "diffusion"])
def test_every_task_resumes_to_the_same_bits(
    make: str, pictures: PictureSet, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    def task() -> Task:
        if make == "vae":
            return vae_task(pictures)
        return clip_task(pictures, tokenizer) if make == "clip" else diffusion_task(pictures, tokenizer)

    whole = Trainer(task(), tmp_path / "whole", seed=3)
    whole.run(6)
    Trainer(task(), tmp_path / "broken", seed=3).run(2)
    broken = Trainer(task(), tmp_path / "broken", seed=3)
    broken.run(4)
    assert broken.clock == whole.clock
    for a, b in zip((*whole.masters, *whole.averages), (*broken.masters, *broken.averages), strict=True):
        assert torch.equal(a, b)
    assert sorted((tmp_path / "broken" / "sheets").glob("*.png"))


def test_batches_differ_from_step_to_step_but_not_from_run_to_run(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = diffusion_task(pictures, tokenizer)
    first, again, next_ = (task.batch(Clock(step, 8, 10**6, 0)) for step in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[:3], next_[:3], strict=True))


def test_mirrored_latents_are_used_only_where_allowed(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = diffusion_task(pictures, tokenizer)
    allowed = torch.arange(len(pictures.records)) % 2 == 0
    examples = task.examples
    assert isinstance(examples, StoredExamples)
    examples.latents = replace(examples.latents, mirrored=examples.latents.plain + 100, may_mirror=allowed)
    mirrored = 0
    for step in range(20):
        clock = Clock(step, 8, 10**6, 0)
        flags = task.batch(clock)[0].mean((1, 2, 3)) > 50
        assert not (flags & ~allowed[examples.order.indices(clock)]).any()
        mirrored += int(flags.sum())
    assert 20 < mirrored < 60  # half of the half that may be


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_recipe_says_how_many_are_mirrored(share: float) -> None:
    plain, clock = torch.zeros(4, 1, 1, 1), Clock(0, 1000, 10**6, 0)
    latents = Latents(plain, plain + 1, torch.tensor([True, True, True, False]), torch.ones(4))
    shown = latents.shown(torch.arange(1000) % 4, share, clock, COMPUTE.device).reshape(250, 4)
    assert not shown[:, 3].any()
    assert float(shown[:, :3].mean()) == pytest.approx(share, abs=0.05 * (0 < share < 1))


def test_the_curriculum_begins_with_little_noise(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = diffusion_task(pictures, tokenizer, "curriculum")
    assert task.batch(Clock(0, 8, 10**6, 0))[2].max() < 100
    late = torch.cat([task.batch(Clock(step, 8, 10**6, 0))[2] for step in range(124_000, 124_050)])
    assert late.max() > 900


def test_the_loss_is_logged_per_noise_level(
    pictures: PictureSet, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One picture of the log's eight bins each at the cleanest and the noisiest level, and six in the middle."""
    task = diffusion_task(pictures, tokenizer)
    given = iter([torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 80.0]), torch.full((8,), 10.0)])
    monkeypatch.setattr("fromnoise.training.tasks.diffusion.diffusion_loss", lambda *_: next(given))
    clock = Clock(0, 8, 10**6, 0)
    clean, noise, _, words = task.batch(clock)
    middle = int((task.schedule.alpha(torch.arange(1000)) > 0.5**0.5).sum())  # the first t with log-SNR below 0
    t = torch.tensor([0, 0, middle - 1, middle - 1, middle, middle, middle, 999])
    assert float(task.losses((clean, noise, t, words), clock)["loss"]) == 13.5
    means = {"loss_log_snr_..-4": 80.0, "loss_log_snr_-2..0": 6.0, "loss_log_snr_0..2": 3.5, "loss_log_snr_4..": 1.5}
    assert task.details() == means
    assert task.details() == {}
    assert float(task.losses((clean, noise, t, words), clock)["loss"]) == 10.0
    assert task.details() == dict.fromkeys(means, 10.0)


def test_reconstruction_losses_vanish_for_equal_pictures_and_see_blur() -> None:
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    same = reconstruction_losses(pictures, pictures)
    assert all(float(v) == pytest.approx(0, abs=1e-5) for v in same.values())
    blurred = torch.nn.functional.avg_pool2d(pictures, 3, 1, 1)
    assert float(reconstruction_losses(blurred, pictures)["gradient"]) > 0.2
    assert float(ssim(blurred, pictures)) < 0.8


def test_similarity_of_contrasts_is_what_it_is_worth() -> None:
    """Rows of -3…3 repeat every 7 pixels: in each window the mean is 0 and the variance 4 s², here just c_2."""
    a = (0.03 * (torch.arange(28.0) % 7 - 3)).expand(1, 3, 28, 28)
    for factor, expected in ((1, 1), (-1, -1 / 3), (0, 1 / 2), (2, 5 / 6)):
        assert float(ssim(factor * a, a)) == pytest.approx(expected, abs=1e-4)


def test_each_part_of_the_reconstruction_sees_its_own_kind_of_fault() -> None:
    """Blocks of 4x4 pixels, 1 too light and 1 too dark in turn: seen at scales 2 and 4, not at 8."""
    pictures = torch.zeros(1, 3, 32, 32)
    block = torch.arange(32) // 4
    fault = 1 - 2 * ((block[:, None] + block) % 2).float()
    losses = reconstruction_losses(pictures + fault, pictures)
    assert float(losses["l1"]) == 1
    assert float(losses["multiscale"]) == pytest.approx(2 / 3)
    assert float(losses["gradient"]) == pytest.approx(14 / 31)  # 7 edges of height 2 among 31 steps
    lighter = reconstruction_losses(pictures + 0.25, pictures)
    assert [float(lighter[name]) for name in ("l1", "multiscale", "gradient")] == pytest.approx([0.25, 0.25, 0])


def test_half_of_the_vaes_pictures_are_mirrored_and_a_fifth_have_other_colours(pictures: PictureSet) -> None:
    task, mirrored, swapped, count = vae_task(pictures), 0, 0, 0
    for step in range(60):
        clock = Clock(step, 8, 10**6, 0)
        originals = from_bytes(task.images[task.order.indices(clock)])
        for picture, original in zip(task.batch(clock), originals, strict=True):
            grey, wanted = picture.sum(0), original.sum(0)  # whatever the order of the colours
            as_it_is, flipped = (torch.allclose(grey, x, atol=1e-5) for x in (wanted, wanted.flip(1)))
            assert as_it_is or flipped
            if as_it_is == flipped:
                continue  # it is its own mirror image
            count, mirrored = count + 1, mirrored + flipped
            swapped += not torch.equal(picture, original.flip(2) if flipped else original)
    assert count > 300
    assert mirrored / count == pytest.approx(0.5, abs=0.08)
    assert swapped / count == pytest.approx(0.2 * 5 / 6, abs=0.06)  # one of six orders is the old one


def test_the_vaes_score_is_the_mean_psnr_of_held_out_pictures(pictures: PictureSet) -> None:
    class Lighter:
        """Half of the pictures come back 0.2 lighter, the others 0.02."""

        def encode(self, x: Tensor) -> Posterior:
            return Posterior(0.5 * x, x)

        def decode(self, x: Tensor) -> Tensor:
            return 2 * x + torch.where(torch.arange(len(x)) % 2 == 0, 0.2, 0.02)[:, None, None, None]

    task = vae_task(pictures)
    task.watched = (task.watched[:6] * 0.5).to(torch.uint8)  # nothing is clamped
    assert task.score(Lighter())["held_out_psnr"] == pytest.approx((20 + 40) / 2, abs=1e-3)


def test_clips_targets_share_equally_among_pictures_of_one_caption(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    targets = clip_task(pictures, tokenizer)._targets(["cat", "house", "cat", "cat"])
    third = 1 / 3
    expected = [[third, 0, third, third], [0, 1, 0, 0], [third, 0, third, third], [third, 0, third, third]]
    torch.testing.assert_close(targets, torch.tensor(expected))


@pytest.mark.parametrize(("right", "expected"), [(4, 1.0), (3, 0.75), (0, 0.0)])
def test_clips_score_is_the_share_whose_own_caption_is_nearest(
    pictures: PictureSet, tokenizer: Tokenizer, right: int, expected: float
) -> None:
    class Knows:
        """Embeds picture i as the i-th direction, and its caption as the same, or as the opposite."""

        logit_scale = torch.zeros(())

        def embed_image(self, x: Tensor) -> Tensor:
            return torch.eye(len(x))

        def embed_text(self, ids: Tensor) -> Tensor:
            return torch.eye(len(ids)) * torch.where(torch.arange(len(ids)) < right, 1.0, -1.0)[:, None]

    task = clip_task(pictures, tokenizer)
    records = [replace(record, text=f"thing {i}") for i, record in enumerate(pictures.records[:4])]
    task.held_out = PictureSet(pictures.images[:4], records, [])
    assert task.score(Knows())["held_out_top1"] == expected


def test_a_decoder_alone_leaves_the_latents_as_they_were(pictures: PictureSet) -> None:
    torch.manual_seed(0)
    network = VAEConfig(latent_channels=8, block_out_channels=(16, 32, 32), norm_num_groups=8).build()
    stage = VAEStage(network.config, decoder_only=True, equivariance=0.2, loop=LOOP)
    task = VAETask(stage, (pictures.images[:64], pictures.images[64:96]), network, COMPUTE, 0)
    watched = from_bytes(pictures.images[:4])
    before, drawn = network.encode(watched).mean.clone(), network.decode(network.encode(watched).mean).clone()
    found = overfit(task, 40)
    assert found[-1] < 0.9 * found[0]
    assert torch.equal(network.encode(watched).mean, before)
    assert not torch.allclose(network.decode(before), drawn, atol=0.05)


def test_the_vaes_loss_weighs_every_part_with_its_own_weight(
    pictures: PictureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that are powers of ten, and weights of one digit: the sum tells which weight went with which part."""
    network = VAEConfig(latent_channels=8, block_out_channels=(16, 32, 32), norm_num_groups=8).build()
    weights = {"multiscale": 2, "gradient": 3, "ssim": 4, "equivariance": 5, "kl": 6}
    task = VAETask(
        VAEStage(network.config, **weights, loop=LOOP), (pictures.images[:8], pictures.images[:0]), network, COMPUTE, 0
    )
    names = ("l1", "multiscale", "gradient", "ssim")
    parts = {name: torch.tensor(10.0**i) for i, name in enumerate(names)}
    monkeypatch.setattr("fromnoise.training.tasks.vae.reconstruction_losses", lambda *_: dict(parts))
    monkeypatch.setattr(task, "_equivariance", lambda *_: torch.tensor(10.0**4))
    monkeypatch.setattr("fromnoise.models.vae.vae.Posterior.kl", lambda _: torch.full((8,), 10.0**5))
    clock = Clock(0, 8, 10**6, 0)
    losses = task.losses(task.batch(clock), clock)
    assert float(losses.pop("loss")) == 654_321
    assert {name: float(value) for name, value in losses.items()} == {
        "l1": 1, "multiscale": 10, "gradient": 100, "ssim": 1000, "equivariance": 1e4, "kl": 1e5
    }  # fmt: skip


def test_parts_without_a_weight_are_not_computed(pictures: PictureSet) -> None:
    clock, task = Clock(0, 8, 10**6, 0), vae_task(pictures)
    assert set(task.losses(task.batch(clock), clock)) == {"loss", "l1", "multiscale", "gradient", "ssim", "kl"}


def test_a_decoder_that_scales_and_turns_with_its_latent_has_no_equivariance_loss(pictures: PictureSet) -> None:
    """Nearest-neighbour upscaling commutes with turning, and with scaling by area where pictures are flat."""
    torch.manual_seed(0)
    network = VAEConfig(latent_channels=8, block_out_channels=(16, 32, 32), norm_num_groups=8).build()
    task = VAETask(VAEStage(network.config, loop=LOOP), (pictures.images[:8], pictures.images[:0]), network, COMPUTE, 0)
    task._decode = lambda latents: latents.repeat_interleave(4, 2).repeat_interleave(4, 3)  # type: ignore[method-assign]
    flat = torch.rand(4, 3, 1, 1).expand(4, 3, 8, 8)
    striped = torch.rand(4, 3, 8, 8)
    for step in range(4):
        clock = Clock(step, 8, 10**6, 0)
        same = task._equivariance(flat, flat.repeat_interleave(4, 2).repeat_interleave(4, 3), clock)
        assert float(same) < 1e-6
        other = task._equivariance(striped, striped.flip(3).repeat_interleave(4, 2).repeat_interleave(4, 3), clock)
        assert float(other) > 0.05
