"""The variational autoencoder between pictures and latents."""

from fromnoise.models.vae.vae import VAE, Posterior, VAEConfig

__all__ = ["VAE", "Posterior", "VAEConfig"]
