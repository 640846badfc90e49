"""stickers-64, the first shipped model: eight styles, five groups of things, 64 px, three networks from scratch on CPU.

Few styles and few concepts, because on a CPU quality is a question of how often each is seen. The latents are
8×8: fewer positions with more channels measured better than 16×16×12 (docs/training.md).
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
    "red apple, fluent-emoji-3d style",
    "cat face, twemoji style",
    "dog face, fluent-emoji-flat style",
    "sun, noto style",
    "house, fluent-emoji-3d style",
    "automobile, twemoji style",
    "sailboat, noto style",
    "pizza, fluent-emoji-flat style",
    "tulip, fluent-emoji-3d style",
    "guitar, twemoji style",
    "mushroom, noto style",
    "fish, fluent-emoji-3d style",
    "two cats, twemoji style",
    "apple and banana, noto style",
    "an orange cat",
)


def recipe() -> Recipe:
    """Return the recipe."""
    return Recipe(
        name="stickers-64",
        data=DataConfig(pixels=64, styles=STYLES, groups=GROUPS, scenes=3_000, captions=CaptionMix(article=0.15)),
        clip=ClipStage(
            vocabulary=16_384,
            text=TextConfig(width=192, layers=4, heads=3, context=32),
            image=ImageConfig(pixels=64, patch=8, width=192, layers=3, heads=3),
            projection=192,
            meanings="data/meanings.safetensors",
            loop=LoopConfig(pictures=130_000, batch=128, learning_rate=1e-3, ema=0.998, weight_decay=0.1),
        ),
        vae=VAEStage(
            model=VAEConfig(latent_channels=16, block_out_channels=(16, 32, 64, 128), layers_per_block=1),
            loop=LoopConfig(pictures=120_000, batch=32, learning_rate=1e-3, warmup=6_400, ema=0.998),
        ),
        diffusion=DiffusionStage(
            model=UNetConfig(
                sample_size=8,
                in_channels=16,
                out_channels=16,
                block_out_channels=(144, 192),
                layers_per_block=1,
                attention=(True, True),
                cross_attention_dim=192,
                head_dim=48,
                norm_num_groups=16,
            ),
            # Words decide a picture at log-SNR below 0 and change nothing above it (docs/training.md), so half of
            # the samples are there; and a car that always faces the same way is learnt in fewer passes.
            time_mix=TimeMix(logit_normal=0.80, uniform=0.12, terminal=0.08, mean=0.5, std=1.2),
            mirror=0.15,
            prompts=PROMPTS,
            loop=LoopConfig(pictures=960_000, batch=64, optimizer="muon", learning_rate=1.6e-3, ema=0.998, decay=0.35),
        ),
    )
