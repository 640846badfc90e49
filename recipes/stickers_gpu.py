"""stickers-128 on one data-centre GPU: eight aligned styles, five groups of things, 128 px, three networks.

Made for 25 minutes on an H200-class GPU, in pieces (``--minutes 9``) if need be, with the pictures as one packed file:

    fromnoise data stickers --pixels 128 --out data/stickers-128
    fromnoise data pack data/stickers-128 data/stickers-128.parquet --styles ... --groups ...
    fromnoise data meanings --data data/stickers-128
    fromnoise train stickers_gpu --data data/stickers-128.parquet --out runs/stickers-128 --minutes 9

The U-Net sees latents of 16×16×16 at three sizes; with 13 M parameters the whole model stays small enough to ship.
It has not yet been run in full on a GPU; the numbers of pictures are computed from its arithmetic (docs/training.md).
"""

from fromnoise.data.captions import CaptionMix
from fromnoise.diffusion.loss import TimeMix
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.training.recipe import ClipStage, DataConfig, DiffusionStage, LoopConfig, Recipe, VAEStage

STYLES = (
    *("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji-3d"),
    *("fluent-emoji", "emojione", "noto-v1", "fxemoji"),
)
GROUPS = ("animals-nature", "food-drink", "travel-places", "activities", "objects")
PROMPTS = (
    "red apple, noto style",
    "cat face, twemoji style",
    "house, fluent-emoji-3d style",
    "automobile, twemoji style",
    "sailboat, noto style",
    "guitar, fxemoji style",
    "two cats, twemoji style",
    "an orange cat",
)


def recipe() -> Recipe:
    """Return the recipe."""
    return Recipe(
        name="stickers-128",
        data=DataConfig(pixels=128, styles=STYLES, groups=GROUPS, scenes=6_000, captions=CaptionMix(article=0.15)),
        clip=ClipStage(
            vocabulary=16_384,
            text=TextConfig(width=192, layers=4, heads=3, context=32),
            image=ImageConfig(pixels=128, patch=16, width=192, layers=4, heads=3),
            projection=192,
            meanings="data/meanings.safetensors",
            meaning_batch=1024,
            loop=LoopConfig(pictures=1_500_000, batch=512, learning_rate=1e-3, ema=0.998, weight_decay=0.1),
        ),
        vae=VAEStage(
            model=VAEConfig(latent_channels=16, block_out_channels=(32, 64, 96, 128), layers_per_block=1),
            loop=LoopConfig(pictures=900_000, batch=128, learning_rate=1e-3, warmup=20_000, ema=0.998),
        ),
        diffusion=DiffusionStage(
            model=UNetConfig(
                sample_size=16,
                in_channels=16,
                out_channels=16,
                block_out_channels=(96, 144, 192),
                layers_per_block=1,
                attention=(True, True, True),
                cross_attention_dim=192,
                head_dim=48,
                norm_num_groups=16,
            ),
            time_mix=TimeMix(logit_normal=0.80, uniform=0.12, terminal=0.08, mean=0.5, std=1.2),
            mirror=0.15,
            prompts=PROMPTS,
            loop=LoopConfig(
                pictures=6_000_000,
                batch=256,
                optimizer="muon",
                learning_rate=1.6e-3,
                warmup=60_000,
                ema=0.9990,
                decay=0.35,
                sheet_minutes=2.0,
                save_minutes=2.0,
            ),
        ),
    )
