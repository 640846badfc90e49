"""The VAE against diffusers' with the same weights, and the whitening of its latents."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL

from fromnoise.ground.errors import UserError
from fromnoise.models.vae import VAE, Posterior, VAEConfig
from fromnoise.weights.configs import vae_to_foreign
from fromnoise.weights.names import entries, to_foreign, vae_table

CONFIGS = {
    "ours": VAEConfig(latent_channels=6, block_out_channels=(16, 24, 32)),
    "two layers": VAEConfig(latent_channels=4, block_out_channels=(16, 32), layers_per_block=2),
    "no downsampling": VAEConfig(latent_channels=4, block_out_channels=(16,)),
    "stable diffusion": VAEConfig(latent_channels=4, block_out_channels=(16, 32), mid_attention=True),
}


def seeded(config: VAEConfig) -> VAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return config.build().eval()


def pictures() -> torch.Tensor:
    return torch.rand(3, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.formats
@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_equals_diffusers(name: str) -> None:
    config, x = CONFIGS[name], pictures()
    ours = seeded(config)
    peer = AutoencoderKL.from_config(vae_to_foreign(config)).eval()
    peer.load_state_dict(to_foreign(ours.state_dict(), entries(ours.state_dict(), vae_table(config))))
    posterior, expected = ours.encode(x), peer.encode(x).latent_dist
    torch.testing.assert_close(posterior.mean, expected.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(posterior.logvar, expected.logvar, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(posterior.kl(), expected.kl(), rtol=1e-5, atol=1e-3)
    rng = [torch.Generator().manual_seed(2) for _ in range(2)]
    torch.testing.assert_close(posterior.sample(rng[0]), expected.sample(rng[1]), rtol=1e-5, atol=1e-5)
    again = peer.decode(expected.mean).sample
    assert again.std() > 0.01
    torch.testing.assert_close(ours.decode(posterior.mean), again, rtol=1e-5, atol=1e-5)


def test_factor_is_what_encode_does() -> None:
    for config in CONFIGS.values():
        vae = seeded(config)
        assert vae.encode(pictures()).mean.shape[2:] == (16 // vae.factor, 24 // vae.factor)


@torch.no_grad()
def test_whitening_makes_unit_latents_and_keeps_pictures() -> None:
    vae = seeded(CONFIGS["ours"]).double()
    x = pictures().double()
    before, picture = vae.encode(x), vae.decode(vae.encode(x).mean)
    mean, std = before.mean.mean((0, 2, 3)), before.mean.std((0, 2, 3))
    vae.whiten_(mean, std)
    after = vae.encode(x)
    zeros, ones = torch.zeros_like(mean), torch.ones_like(std)
    torch.testing.assert_close(after.mean.mean((0, 2, 3)), zeros, rtol=0, atol=1e-10)
    torch.testing.assert_close(after.mean.std((0, 2, 3)), ones, rtol=0, atol=1e-10)
    # The spread of each latent number shrinks with the latents themselves.
    expected = before.logvar - 2 * std.log()[:, None, None]
    torch.testing.assert_close(after.logvar, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(vae.decode(after.mean), picture, rtol=0, atol=1e-10)


@torch.no_grad()
def test_whitening_composes() -> None:
    x = pictures().double()
    once, twice = (seeded(CONFIGS["ours"]).double() for _ in range(2))
    m, s = torch.randn(2, 6, dtype=torch.float64), torch.rand(2, 6, dtype=torch.float64) + 0.5
    twice.whiten_(m[0], s[0])
    twice.whiten_(m[1], s[1])
    once.whiten_(m[0] + s[0] * m[1], s[0] * s[1])
    torch.testing.assert_close(twice.encode(x).mean, once.encode(x).mean, rtol=0, atol=1e-10)
    torch.testing.assert_close(twice.encode(x).logvar, once.encode(x).logvar, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("std", "why"),
    [
        (torch.tensor([1.0, 1, 0, 1, 1, 1]), "channel is constant"),
        (torch.tensor([1.0, -1, 1, 1, 1, 1]), "channel is constant"),
        (torch.tensor([1.0, 1, 1, 1, 1, torch.nan]), "finite"),
        (torch.ones(5), "each of the 6"),
    ],
)
def test_whitening_refuses_dead_channels_and_leaves_the_network_as_it_was(std: torch.Tensor, why: str) -> None:
    vae = seeded(CONFIGS["ours"])
    before = vae.encode(pictures()).mean
    with pytest.raises(UserError, match=why):
        vae.whiten_(torch.zeros(6), std)
    assert torch.equal(vae.encode(pictures()).mean, before)


def test_posterior_statistics() -> None:
    """Samples have the mean and variance they claim, and the KL is torch's."""
    posterior = Posterior(torch.full((1, 1, 200, 200), 0.7), torch.full((1, 1, 200, 200), -1.2))
    drawn = posterior.sample(torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(0.7, abs=0.02)
    assert drawn.var().log().item() == pytest.approx(-1.2, abs=0.02)
    normal = torch.distributions.Normal(posterior.mean, torch.exp(0.5 * posterior.logvar))
    peer = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum()
    torch.testing.assert_close(posterior.kl()[0], peer, rtol=1e-5, atol=0)


@pytest.mark.formats
@torch.no_grad()
def test_bfloat16_is_the_same_function() -> None:
    vae, x = seeded(CONFIGS["ours"]), pictures()
    mean = vae.encode(x).mean
    expected = vae.decode(mean)
    vae.bfloat16()
    posterior = vae.encode(x)
    assert posterior.mean.dtype == torch.float32  # the KL term needs more than 8 bits
    assert (posterior.mean - mean).norm() < 0.03 * mean.norm()
    assert (vae.decode(mean).float() - expected).norm() < 0.03 * expected.norm()


def test_logvar_is_clamped() -> None:
    vae = seeded(CONFIGS["ours"])
    for shift, end in ((1000.0, 20.0), (-2000.0, -30.0)):
        with torch.no_grad():
            vae.quant_conv.bias += shift
        assert vae.encode(pictures()).logvar.unique().tolist() == [end]


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="norm_num_groups"):
        VAEConfig(block_out_channels=(12,))
