"""The VAE's adversary: its formulas and gradients; that it learns and resumes; that without it nothing changes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.models.layers.convolution import Convolution3x3
from fromnoise.models.vae import VAEConfig
from fromnoise.models.vae.discriminator import Discriminator
from fromnoise.training import checkpoint
from fromnoise.training.adversary import Adversary, AdversaryConfig, gradient_penalty, relativistic
from fromnoise.training.clock import Clock
from fromnoise.training.loop import Trainer
from fromnoise.training.recipe import LoopConfig, Recipe, VAEStage
from fromnoise.training.rival import NOBODY, Rival
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import VAETask, random_crops

CPU = torch.device("cpu")
MODEL = VAEConfig(latent_channels=8, block_out_channels=(16, 32), norm_num_groups=8)
ON = AdversaryConfig(weight=0.1, learning_rate=1e-3, widths=(8, 8))


def pictures(count: int = 24, side: int = 24) -> Tensor:
    """Flat squares on flat grounds, uint8 [count,3,side,side]."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 1, 1), generator=rng).repeat(1, 1, side, side)
    for image, (y, x) in zip(images, torch.randint(2, side - 12, (count, 2), generator=rng).tolist(), strict=True):
        image[:, y : y + 10, x : x + 10] = torch.randint(0, 256, (3, 1, 1), generator=rng)
    return images.to(torch.uint8)


def task(adversary: AdversaryConfig = ON, dtype: torch.dtype = torch.float32, **settings: Any) -> VAETask:
    torch.manual_seed(0)
    loop = LoopConfig(pictures=10**6, batch=8, warmup=0, learning_rate=2e-3, log_steps=1)
    stage = VAEStage(MODEL, adversary=adversary, loop=loop, **settings)
    network = MODEL.build().to(dtype)
    return VAETask(stage, (pictures(), pictures()[:4]), network, Compute(CPU, dtype, torch.contiguous_format), 0)


def alive(adversary: Adversary, seed: int = 3) -> Adversary:
    """With weights of no zeros, so that every layer has a gradient."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in adversary.weights.values():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=rng))
    return adversary


class Slope(nn.Module):
    """A discriminator by hand: logits ``a x`` at every pixel, summed over colours."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x.sum(1, keepdim=True)


def by_hand(a: float, gamma: float) -> Adversary:
    adversary = Adversary(AdversaryConfig(weight=1.0, gamma=gamma), CPU, 0)
    adversary.network = Slope(a).requires_grad_(False)
    adversary.weights = dict(adversary.network.named_parameters())
    return adversary


def test_both_players_losses_are_those_of_a_case_done_by_hand() -> None:
    """D(x) = 2 Σ colours: pixels of 0.5 have the logit 3, of their reconstruction, 0.25, 1.5: apart by 1.5.

    D's gradient is 2 at each of 3 colours, so 12 in squares at each of the 16 pixels, which have a logit each: R1 = R2
    = 12. By a: d/da softplus(-0.75 a) = -0.75 σ(-1.5), and d/da γ/2 (2 · 3 a²) = 6 γ a.
    """
    adversary = by_hand(2.0, gamma=0.3)
    real, fake = torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 4, 4), 0.25).requires_grad_()
    fooled = adversary.fooled(fake, real)
    assert float(fooled.detach()) == pytest.approx(math.log(1 + math.exp(1.5)), rel=1e-6)
    fooled.backward()  # type: ignore[no-untyped-call]
    share = 1 / (1 + math.exp(-1.5))  # σ(1.5): what the decoder still has to gain
    torch.testing.assert_close(fake.grad, torch.full_like(fake, -2 * share / 32))
    found = {name.removeprefix("adversary_"): float(value) for name, value in adversary.losses().items()}
    gradient = -0.75 / (1 + math.exp(1.5)) * 2 / 2 + 6 * 0.3 * 2
    assert found == pytest.approx(
        {
            "loss": math.log(1 + math.exp(-1.5)) + 0.15 * 24, "real": 3.0, "fake": 1.5, "r1": 12.0, "r2": 12.0,
            "right": 1.0, "gradient_norm": gradient,
        },
        rel=1e-5,
    )  # fmt: skip
    grad = adversary.weights["a"].grad
    assert grad is not None
    assert float(grad) == pytest.approx(gradient, rel=1e-5)


def test_pictures_meet_their_own_reconstructions_place_by_place() -> None:
    real = torch.tensor([[1.0, 5.0], [0.0, -2.0]])
    fake = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    told = [math.log(1 + math.exp(apart)) for apart in (2.0, -1.0, 0.0, 4.0)]
    assert float(relativistic(real, fake)) == pytest.approx(sum(told) / 4)
    assert float(relativistic(real + 100, fake + 100)) == pytest.approx(sum(told) / 4)  # nothing but differences
    adversary = by_hand(1.0, gamma=0.0)
    x = torch.zeros(1, 3, 2, 2)
    x[0, 0] = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    adversary.fooled(x + torch.tensor([[0.0, 0.1], [-0.1, -0.1]]), x)
    assert float(adversary.losses()["adversary_right"]) == 0.5


def test_with_one_logit_the_penalty_is_the_squared_norm_of_its_gradient() -> None:
    x = torch.tensor([[3.0, 4.0], [1.0, 0.0]]).reshape(2, 1, 1, 2).requires_grad_()
    logit = x.square().sum((1, 2, 3)).reshape(2, 1, 1, 1)  # its gradient is 2 x
    assert gradient_penalty(logit, x).tolist() == [100.0, 4.0]


def test_one_gamma_suits_crops_of_every_size() -> None:
    network = alive(Adversary(ON, CPU, 0)).network
    pattern = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for times in (8, 16):
        x = pattern.repeat(1, 1, times, times).requires_grad_()
        found.append(float(gradient_penalty(network(x), x).detach()))
    assert found[1] == pytest.approx(found[0], rel=0.15)  # but for the margins


def test_gradients_of_the_penalties_are_those_of_finite_differences() -> None:
    """In float64, of the discriminator's whole loss by its weights: the penalty is differentiated twice."""
    network = alive(Adversary(AdversaryConfig(weight=1.0, widths=(2, 3)), CPU, 0)).network.double()
    network.requires_grad_(True)
    rng = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(1, 3, 8, 8, generator=rng, dtype=torch.float64) for _ in range(2))
    names = [name for name, _ in network.named_parameters()]

    def loss(*weights: Tensor) -> Tensor:
        pair = torch.cat([real, fake]).requires_grad_()
        logits = torch.func.functional_call(network, dict(zip(names, weights, strict=True)), pair)
        return relativistic(*logits.chunk(2)) + 5 * gradient_penalty(logits, pair).mean()

    assert torch.autograd.gradcheck(loss, tuple(network.parameters()), eps=1e-7, atol=1e-5, fast_mode=False)


def test_what_the_adversary_learns_by_is_the_gradient_of_the_loss_it_tells() -> None:
    """One weight is moved a little, in both directions: the loss changes as its gradient says, penalties and all."""
    adversary = alive(Adversary(replace(ON, gamma=3.0), CPU, 0))
    adversary.network.double()
    adversary.weights = dict(adversary.network.named_parameters())
    x = from_bytes(pictures(6)).double()
    y = F.avg_pool2d(x, 3, 1, 1)

    def loss() -> float:
        adversary.fooled(y, x)
        return float(adversary.losses()["adversary_loss"])

    loss()
    for name, weight in adversary.weights.items():
        assert weight.grad is not None
        wanted, at = float(weight.grad.flatten()[0]), weight.data.flatten()[0].item()
        sides = []
        for moved in (at + 1e-6, at - 1e-6):
            weight.data.view(-1)[0] = moved
            sides.append(loss())
        weight.data.view(-1)[0] = at
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(wanted, rel=1e-4, abs=1e-7), name


def test_it_learns_to_tell_sharp_pictures_from_blurred_ones_and_the_penalty_holds_it_back() -> None:
    images = from_bytes(pictures(64))
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    slopes = []
    for gamma in (0.0, 1.0):
        adversary = Adversary(replace(ON, gamma=gamma), CPU, 0)
        for step in range(60):
            few = slice(8 * (step % 6), 8 * (step % 6) + 8)
            adversary.fooled(blurred[few], images[few])
            first = adversary.losses()
            if step == 0:  # it begins without an opinion, and so teaches the decoder nothing
                assert float(first["adversary_loss"]) == pytest.approx(math.log(2))
                assert float(first["adversary_real"]) == float(first["adversary_fake"]) == 0
            adversary.step(1.0)
        real, fake = adversary.network(images[48:]).mean((1, 2, 3)), adversary.network(blurred[48:]).mean((1, 2, 3))
        assert (real > fake).all()  # of pictures that it has never seen
        slopes.append(float((real - fake).mean()))
    assert slopes[0] > 1.0
    assert slopes[1] < 0.5 * slopes[0]


def test_a_decoder_that_asks_it_is_led_to_sharper_pictures() -> None:
    """Of a trained adversary: along its gradient, blurred pictures come nearer to their originals' gradients."""
    images = from_bytes(pictures(16))
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    adversary = Adversary(replace(ON, gamma=0.03), CPU, 0)
    for _ in range(60):
        adversary.fooled(blurred, images)
        adversary.losses()
        adversary.step(1.0)
    asked = blurred.clone().requires_grad_()
    adversary.fooled(asked, images).backward()  # type: ignore[no-untyped-call]
    assert asked.grad is not None
    moved = blurred - 0.05 * asked.grad / asked.grad.std()
    energy = lambda x: float(x.diff(dim=2).square().mean() + x.diff(dim=3).square().mean())  # noqa: E731
    assert energy(blurred) < 0.8 * energy(images)
    assert energy(blurred) < energy(moved)
    assert float(((moved - blurred) * (images - blurred)).sum()) > 0


def test_the_decoders_loss_moves_no_weight_of_the_adversary_and_the_other_way_round() -> None:
    learner = task()
    assert learner.adversary is not None
    alive(learner.adversary)
    clock = Clock(0, 8, 10**6, 0)
    learner.losses(learner.batch(clock), clock)["adversarial"].backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is None for weight in learner.adversary.weights.values())
    given = [None if p.grad is None else p.grad.clone() for p in learner.network.parameters()]
    assert any(g is not None and g.any() for g in given)
    learner.rival.losses()
    assert all(weight.grad is not None and weight.grad.any() for weight in learner.adversary.weights.values())
    for p, before in zip(learner.network.parameters(), given, strict=True):
        assert p.grad is before is None or (p.grad is not None and before is not None and torch.equal(p.grad, before))


def test_the_adversarial_part_has_its_weight_in_the_loss() -> None:
    clock, learner = Clock(0, 8, 10**6, 0), task(replace(ON, weight=7.0))
    assert learner.adversary is not None
    alive(learner.adversary)
    losses = learner.losses(learner.batch(clock), clock)
    others = task(AdversaryConfig())
    expected = others.losses(others.batch(clock), clock)["loss"] + 7 * losses["adversarial"]
    torch.testing.assert_close(losses["loss"], expected)


def bits(trainer: Trainer) -> list[bytes]:
    rival = [w for group in trainer.task.rival.state().values() for _, w in sorted(group.items())]
    return [x.detach().numpy().tobytes() for x in (*trainer.masters, *trainer.averages, *rival)]


def test_without_a_weight_nothing_changes_whatever_else_is_set(tmp_path: Path) -> None:
    """Not one bit of the weights, no group more in the checkpoint, no figure more in the log."""
    plain = Trainer(task(AdversaryConfig()), tmp_path / "plain", 0)
    other = Trainer(task(replace(ON, weight=0.0)), tmp_path / "other", 0)
    state = torch.get_rng_state()
    for trainer in (plain, other):
        assert trainer.task.rival is NOBODY
        trainer.run(4)
    assert bits(plain) == bits(other)
    assert torch.equal(torch.get_rng_state(), state)
    found, _ = checkpoint.newest(tmp_path / "other")
    assert found is not None
    assert set(found.groups) == {"weights", "ema", "first_moment", "second_moment"}
    line = json.loads((tmp_path / "other" / "log.jsonl").read_text().splitlines()[0])
    assert not [name for name in line if "advers" in name]


def test_an_adversary_takes_nothing_from_chance_around_it(tmp_path: Path) -> None:
    """The VAE's own batches, noise and first weights are those of a run without one: at a vanishing weight and a first
    step, the same bits.
    """
    plain, other = (task(AdversaryConfig(), noise=0.3), task(replace(ON, weight=1e-30), noise=0.3))
    for learner, name in ((plain, "plain"), (other, "other")):
        Trainer(learner, tmp_path / name, 0).step()
    for a, b in zip(plain.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.formats
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("decoder_only", [False, True])
def test_a_run_stopped_twice_ends_with_the_same_bits_of_both_players(
    dtype: torch.dtype, decoder_only: bool, tmp_path: Path
) -> None:
    def fresh(name: str) -> Trainer:
        learner = task(dtype=dtype, decoder_only=decoder_only, crop=16, noise=0.2, prefixes=(4, 8), equivariance=0.1)
        return Trainer(learner, tmp_path / name, 5)

    whole = fresh("whole")
    begun = bits(whole)
    whole.run(7)
    for steps in (2, 1, 4):
        broken = fresh("broken")
        broken.run(steps)
    assert bits(broken) == bits(whole)
    adversary = whole.task.rival
    assert isinstance(adversary, Adversary)
    assert all(weight.dtype == torch.float32 for weight in adversary.weights.values())
    first = Adversary(ON, CPU, 0)
    assert all(not torch.equal(adversary.weights[name], weight) for name, weight in first.weights.items())
    assert len(begun) < len(bits(whole))  # the moments came with the first step


def test_a_frozen_encoder_stays_beside_an_adversary(tmp_path: Path) -> None:
    learner = task(decoder_only=True, noise=0.2)
    before = {name: weight.clone() for name, weight in learner.network.named_parameters()}
    network = Trainer(learner, tmp_path, 0).run(3)
    for name, weight in network.named_parameters():
        assert torch.equal(weight, before[name]) != name.startswith("decoder."), name


def test_curves_tell_of_both_players(tmp_path: Path) -> None:
    Trainer(task(), tmp_path, 0).run(2)
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    names = ("loss", "real", "fake", "r1", "r2", "right", "gradient_norm")
    assert {f"adversary_{name}" for name in names} | {"adversarial"} <= set(line)
    assert line["adversary_loss"] == line["adversarial"] == pytest.approx(math.log(2))


def test_a_run_without_its_adversary_or_with_another_is_refused(tmp_path: Path) -> None:
    Trainer(task(AdversaryConfig()), tmp_path / "none", 0).run(1)
    with pytest.raises(UserError, match=r"another optimizer or adversary; use a new --out"):
        Trainer(task(), tmp_path / "none", 0)
    Trainer(task(), tmp_path / "small", 0).run(1)
    for widths in ((8, 16), (8, 8, 8)):
        with pytest.raises(UserError, match="another optimizer or adversary"):
            Trainer(task(replace(ON, widths=widths)), tmp_path / "small", 0)
    with pytest.raises(UserError, match="another optimizer or adversary"):  # nor is it taken away
        Trainer(task(AdversaryConfig()), tmp_path / "small", 0)


def test_an_adversary_that_is_no_number_stops_the_run_and_moves_nobody(tmp_path: Path) -> None:
    trainer = Trainer(task(), tmp_path, 0)
    trainer.run(1)
    before = bits(trainer)

    class Broken(Rival):
        def losses(self) -> dict[str, Tensor]:
            return {**real.losses(), "adversary_gradient_norm": torch.tensor(math.nan)}

        def step(self, share: float) -> None:
            raise AssertionError

    real = trainer.task.rival
    trainer.task.rival = Broken()
    with pytest.raises(UserError, match=r"stopped at step 1.*step 1 is kept"):
        trainer.step()
    trainer.task.rival = real
    assert bits(trainer) == before


def test_its_learning_rate_warms_up_and_decays_as_the_networks_does(tmp_path: Path) -> None:
    """Adam's first step is as long as its learning rate: a quarter of it when a quarter of the warm-up is seen."""
    learner = task()
    learner.config = replace(learner.config, warmup=32, pictures=10**4)
    adversary = learner.adversary
    assert adversary is not None
    before = adversary.weights["conv_out.bias"].clone(), adversary.weights["conv_out.weight"].clone()
    Trainer(learner, tmp_path, 0).step()
    moved = (adversary.weights["conv_out.weight"] - before[1]).abs()
    assert float(moved.max()) == pytest.approx(1e-3 / 4, rel=1e-3)


def test_it_takes_torchs_convolutions_and_any_size_of_picture() -> None:
    for widths in ((4,), (4, 8), (4, 8, 8)):
        network = Discriminator(widths)
        assert not [m for m in network.modules() if isinstance(m, Convolution3x3)]
        assert network(torch.zeros(2, 3, 32, 48)).shape == (2, 1, 32 >> len(widths), 48 >> len(widths))
        for side in (8, 9, 13):
            x = torch.rand(1, 3, side, side).requires_grad_()
            gradient_penalty(network(x), x).sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("widths", "seen"), [((4, 4), 46), ((4, 4, 4), 90)])
def test_a_logit_sees_as_far_as_is_said(widths: tuple[int, ...], seen: int) -> None:
    torch.manual_seed(0)
    network = Discriminator(widths)
    for weight in network.parameters():
        nn.init.constant_(weight, 0.1)
    x = torch.ones(1, 3, 256, 256).requires_grad_()
    network(x)[0, 0, 12, 12].backward()
    assert x.grad is not None
    assert int((x.grad[0, 0] != 0).any(0).sum()) == seen


def test_brightness_and_colour_tell_it_nothing() -> None:
    network = alive(Adversary(ON, CPU, 0)).network
    images = from_bytes(pictures(4))
    shade = torch.tensor([0.3, -0.2, 0.1])[:, None, None]
    torch.testing.assert_close(network(images + shade), network(images), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(0.9 * images), network(images), rtol=1e-2)
    asked = images.clone().requires_grad_()
    network(asked).sum().backward()
    assert asked.grad is not None
    assert asked.grad.sum((2, 3)).abs().max() < 1e-3 * asked.grad.abs().sum((2, 3)).max()


# --- crops ------------------------------------------------------------------------------------------------------


def test_crops_are_squares_of_the_pictures_at_every_place_alike() -> None:
    """Pictures that say of every pixel where it is."""
    rows = torch.arange(6).view(6, 1).expand(6, 5)
    columns = torch.arange(5).expand(6, 5)
    picture = torch.stack([rows, columns, torch.zeros_like(rows)]).to(torch.uint8)
    counts = torch.zeros(3, 2)
    for step in range(40):
        crops = random_crops(picture.expand(60, 3, 6, 5), 4, Clock(step, 60, 10**6, 0).generator("crops"))
        for crop in crops:
            top, left = crop[:2, 0, 0].tolist()
            assert torch.equal(crop, picture[:, top : top + 4, left : left + 4])
            counts[top, left] += 1
    assert (counts / counts.sum() * 6 - 1).abs().max() < 0.15


def test_a_crop_of_the_whole_side_is_the_whole_picture_and_the_clock_decides() -> None:
    clock, whole = Clock(3, 8, 10**6, 0), task(AdversaryConfig())
    assert torch.equal(whole.batch(clock), task(AdversaryConfig(), crop=24).batch(clock))
    cropped = task(AdversaryConfig(), crop=16)
    first, again, other = (cropped.batch(Clock(step, 8, 10**6, 0)) for step in (3, 3, 4))
    assert first.shape == (8, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for crop, picture in zip(first, whole.batch(clock), strict=True):  # mirrored and coloured as the whole one is
        windows = picture.unfold(1, 16, 1).unfold(2, 16, 1)  # (3, 9, 9, 16, 16)
        assert (windows == crop[:, None, None]).flatten(3).all(3).all(0).any()


@pytest.mark.parametrize("crop", [-8, 4, 9, 8.5])
def test_crops_that_cannot_be_are_refused(crop: Any) -> None:
    with pytest.raises(UserError, match=r"vae\.crop must be a multiple of 2 and 8 or more, or 0"):
        VAEStage(MODEL, crop=crop)


def test_a_crop_larger_than_the_pictures_is_refused_before_anything_begins() -> None:
    recipe = Recipe("x")
    assert recipe.with_overrides({"vae.crop": "64"}).vae.crop == recipe.data.pixels
    with pytest.raises(UserError, match=r"vae\.crop = 72 is more than data\.pixels; set it to 64 or less, or to 0"):
        recipe.with_overrides({"vae.crop": "72"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("weight", -1.0), ("weight", math.nan), ("gamma", -0.1), ("learning_rate", 0.0), ("betas", (0.0, 1.0)),
     ("widths", ()), ("widths", (0,)), ("widths", (8,) * 7)],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"vae\.adversary\.{name} must be"):
        AdversaryConfig(**{name: value})
