"""Your first model: about ten minutes on two CPU cores, from a few hundred pictures that come with fromnoise.

    fromnoise train first_model --data starter --out runs/first

It is far too small and too short to draw well. Watch the sheets in ``runs/first/*/sheets``: blots become
colours, colours become shapes. Then change a number and watch again.
"""

from fromnoise.diffusion.loss import TimeMix
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.training.recipe import ClipStage, DataConfig, DiffusionStage, LoopConfig, Recipe, VAEStage


def recipe() -> Recipe:
    """Return the recipe."""
    return Recipe(
        name="first-model",
        data=DataConfig(pixels=64),
        clip=ClipStage(
            vocabulary=1024,
            text=TextConfig(width=128, layers=2, heads=4, context=24),
            image=ImageConfig(pixels=64, patch=8, width=128, layers=2, heads=4),
            projection=128,
            loop=LoopConfig(pictures=40_000, batch=64, warmup=4_000, ema=0.995, sheet_minutes=1),
        ),
        vae=VAEStage(
            model=VAEConfig(latent_channels=16, block_out_channels=(16, 32, 64, 96), layers_per_block=1),
            loop=LoopConfig(
                pictures=24_000, batch=16, warmup=1_600, learning_rate=2e-3, ema=0.995, sheet_minutes=1, save_minutes=1
            ),
        ),
        diffusion=DiffusionStage(
            model=UNetConfig(
                sample_size=8,
                in_channels=16,
                out_channels=16,
                block_out_channels=(96, 128),
                layers_per_block=1,
                attention=(True, True),
                cross_attention_dim=128,
                head_dim=32,
                norm_num_groups=16,
            ),
            time_mix=TimeMix(logit_normal=0.80, uniform=0.12, terminal=0.08, mean=0.5, std=1.2),
            mirror=0.15,
            loop=LoopConfig(
                pictures=36_000,
                batch=32,
                optimizer="muon",
                warmup=3_200,
                learning_rate=1.6e-3,
                ema=0.995,
                sheet_minutes=1,
                save_minutes=1,
            ),
        ),
    )
