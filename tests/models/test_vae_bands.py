"""Bands of rows give what the whole gives."""

import pytest
import torch

from fromnoise.models.layers.packed import packed_copy
from fromnoise.models.vae import bands
from fromnoise.models.vae.bands import decode_in_bands, encode_in_bands
from fromnoise.models.vae.vae import VAE, VAEConfig


def network(attention: bool = True, widths: tuple[int, ...] = (32, 64, 64)) -> VAE:
    torch.manual_seed(3)
    config = VAEConfig(
        latent_channels=4, block_out_channels=widths, layers_per_block=2, norm_num_groups=8, mid_attention=attention
    )
    vae = VAE(config).eval().requires_grad_(False)
    for parameter in vae.parameters():  # norms that do something, and sums of another size than of the others
        parameter.add_(0.1 * torch.randn_like(parameter))
    return vae


def uneven(*shape: int) -> torch.Tensor:
    """Noise that is brighter below, so that parts have another mean and variance than the whole."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return x * torch.linspace(0.2, 2, shape[2])[:, None] + torch.linspace(-1, 1, shape[2])[:, None]


@pytest.mark.parametrize("positions", [1, 700, 1 << 16])
@pytest.mark.parametrize("size", [(16, 12), (22, 5), (1, 1), (3, 40)])
def test_decoding_in_bands_is_decoding_the_whole(
    positions: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bands, "POSITIONS", positions)
    vae, latents = network().double(), uneven(2, 4, *size)
    torch.testing.assert_close(decode_in_bands(vae, latents), vae.decode(latents), rtol=0, atol=1e-10)


@pytest.mark.parametrize("positions", [1, 700, 1 << 16])
@pytest.mark.parametrize("size", [(64, 48), (88, 20), (4, 4)])
def test_encoding_in_bands_is_encoding_the_whole(
    positions: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bands, "POSITIONS", positions)
    vae, pictures = network(attention=False).double(), uneven(2, 3, *size)
    found, whole = encode_in_bands(vae, pictures), vae.encode(pictures)
    torch.testing.assert_close(found.mean, whole.mean, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.logvar, whole.logvar, rtol=0, atol=1e-10)


def test_blocks_that_widen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "POSITIONS", 500)
    vae, latents = network(widths=(64, 32, 32)).double(), uneven(1, 4, 20, 20)
    torch.testing.assert_close(decode_in_bands(vae, latents), vae.decode(latents), rtol=0, atol=1e-10)


@pytest.mark.formats
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_networks_differ_in_rounding_only(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "POSITIONS", 2000)
    vae, latents = network(), uneven(1, 4, 32, 24).float()
    exact, drawing = vae.decode(latents), packed_copy(vae, dtype)
    off = (drawing.decode(latents).float() - exact).abs().mean()
    assert (decode_in_bands(drawing, latents).float() - exact).abs().mean() < 1.5 * off + 1e-6


@pytest.mark.formats
def test_a_picture_is_the_same_bits_in_any_company_and_the_input_stays() -> None:
    vae, latents = network(), uneven(3, 4, 20, 20).float()
    before = latents.clone()
    together = decode_in_bands(vae, latents)
    assert torch.equal(together[1], decode_in_bands(vae, latents[1:2])[0])
    assert torch.equal(latents, before)


def test_tiles_that_do_not_share_statistics_would_be_seen() -> None:
    """What the other tests could overlook: halves that are decoded apart differ by far more than they allow."""
    vae, latents = network(attention=False).double(), uneven(1, 4, 16, 16)
    apart = torch.cat([vae.decode(half) for half in latents.chunk(2, dim=2)], dim=2)
    assert (apart - vae.decode(latents)).abs().max() > 1e-2
