"""stickers-128 on a laptop: the endless world in eighteen hands, 128 px, words first, then three networks, on CPU.

    fromnoise data drawings --out data/drawings
    fromnoise data meanings --data data/drawings --out data/meanings.safetensors
    fromnoise train stickers_cpu --data data/drawings --out runs/stickers-128

Shapes come sooner where ``stickers_first`` has learnt them at 64 pixels before, and ``stickers_second`` goes on.

Latents are 16×16×16: the VAE of eight times smaller sides that 64-pixel pictures taught was far better at 128 pixels
than one of sixteen times smaller sides after three sessions. The U-Net is thin where they are large and attends where
they are small (docs/training.md). It needs days, and can be drawn with from its first checkpoint on. CLIP
comes last, since it also learns from what the U-Net draws; ``--tasks clip`` lets it come earlier.
"""

from fromnoise.data.world import WorldMix
from fromnoise.diffusion.loss import TimeMix
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.training.recipe import ClipStage, DataConfig, DiffusionStage, LoopConfig, Recipe, VAEStage
from fromnoise.training.stages import TextStage
from fromnoise.training.world_config import WorldConfig

STYLES = (
    *("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji-3d"),
    *("fluent-emoji", "emojione", "noto-v1", "fxemoji"),
    *("streamline-emojis", "icon-park", "streamline", "kameleon", "marketeq", "meteocons", "cyber", "plump", "flex"),
    "game-icons",
)
PROMPTS = (
    "red apple, noto style",
    "a blue dog",
    "cat face, twemoji style",
    "a red dragon, fluent-emoji-flat style",
    "sad face",
    "house, fluent-emoji-3d style",
    "a cat on a car, noto style",
    "three yellow stars, twemoji style",
    "a purple elephant, fluent-emoji-flat style",
    "a red apple and a green pear, noto style",
    "guitar, game-icons style",
    "a tiny mushroom in the snow, noto style",
    "a fish on a blue background, twemoji style",
    "two cats, twemoji style",
    "snow globe",
    "a fox to the left of a tree, noto style",
)


def recipe() -> Recipe:
    """Return the recipe."""
    return Recipe(
        name="stickers-128",
        tasks=("text", "vae", "diffusion", "clip"),
        default_style="fluent-emoji-flat",
        data=DataConfig(pixels=128, styles=STYLES, world=WorldConfig(mix=WorldMix(silhouettes=0.1), sample=24_000)),
        text=TextStage(),
        clip=ClipStage(
            vocabulary=16_384,
            text=TextConfig(width=256, layers=3, heads=4, context=32),
            image=ImageConfig(pixels=128, patch=16, width=256, layers=4, heads=4),
            projection=192,
            meanings="data/meanings.safetensors",
            together=4,
            hard_negatives=0.5,
            redrawn=6_000,
            loop=LoopConfig(pictures=400_000, batch=128, learning_rate=1e-3, ema=0.998, weight_decay=0.1),
        ),
        vae=VAEStage(
            model=VAEConfig(latent_channels=16, block_out_channels=(16, 32, 64, 128), layers_per_block=1),
            equivariance=0.25,
            noise=0.2,
            crop=64,
            loop=LoopConfig(pictures=600_000, batch=16, learning_rate=1e-3, warmup=6_400, ema=0.998),
        ),
        diffusion=DiffusionStage(
            model=UNetConfig(
                sample_size=16,
                in_channels=16,
                out_channels=16,
                block_out_channels=(96, 192, 256),
                layers_per_block=1,
                attention=(False, True, True),
                cross_attention_dim=256,
                head_dim=64,
                norm_num_groups=16,
            ),
            # Words decide what an 8×8 latent is at log-SNR below 0 (docs/training.md). Twice the side shows the same
            # through twice the noise (Esser et al. 2024, arXiv 2403.03206, eq. 23), so samples move by ln 2 of it.
            time_mix=TimeMix(logit_normal=0.80, uniform=0.12, terminal=0.08, mean=0.9, std=1.2),
            prompts=PROMPTS,
            loop=LoopConfig(
                pictures=4_000_000,
                batch=64,
                optimizer="muon",
                learning_rate=1.6e-3,
                falls_from=40_000,
                ema=0.999,
                decay=0.25,
            ),
        ),
    )
