"""A model of your own from nothing but your own captioned pictures: words, VAE and U-Net begin at random.

    fromnoise train scratch --data MY_FOLDER --out runs/mine [--trigger linocut] [--minutes 600]

It knows nothing but what your pictures show, which is the point: nobody else's picture has a part in it. That needs
many of them. With a few hundred, ``train finetune`` and ``train lora`` come to something much sooner. Sizes and lengths
follow the number of pictures and the machine.
"""

from fromnoise.diffusion.loss import TimeMix
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.training.recipe import ClipStage, DataConfig, DiffusionStage, LoopConfig, Recipe, VAEStage
from fromnoise.training.situation import Situation, Suited

FEW, MANY = 1_000, 20_000
# (words' width, layers, vocabulary), (U-Net's widths), by the number of pictures
SIZES = {
    "small": ((128, 2, 2_048), (96, 128)),
    "middle": ((192, 3, 8_192), (144, 192)),
    "large": ((256, 4, 16_384), (192, 256)),
}


def recipe(asked: Situation) -> Suited:
    """Return the recipe for so many pictures on this machine."""
    size = "small" if asked.pictures < FEW else "middle" if asked.pictures < MANY else "large"
    pixels = 128 if asked.side >= 128 and asked.gpu else 64
    (width, layers, vocabulary), channels = SIZES[size]
    side, levels = pixels // 8, len(channels)
    root = max(1, asked.pictures) ** 0.5
    clip, vae, unet = (round(per * root, -3) for per in (2_000, 2_500, 10_000))
    made = Recipe(
        name="my-own",
        fits_minutes=True,
        data=DataConfig(pixels=pixels, fit=asked.fit, trigger=asked.trigger),
        clip=ClipStage(
            vocabulary=vocabulary,
            text=TextConfig(width=width, layers=layers, heads=width // 64, context=32),
            image=ImageConfig(pixels=pixels, patch=pixels // 8, width=width, layers=layers, heads=width // 64),
            projection=width,
            loop=LoopConfig(pictures=int(clip), batch=128, learning_rate=1e-3, warmup_most=0.1, weight_decay=0.1),
        ),
        vae=VAEStage(
            model=VAEConfig(latent_channels=16, block_out_channels=(16, 32, 64, 128), layers_per_block=1),
            crop=64 if pixels > 64 else 0,
            loop=LoopConfig(pictures=int(vae), batch=16, learning_rate=1e-3, warmup=6_400, warmup_most=0.1, ema=0.998),
        ),
        diffusion=DiffusionStage(
            model=UNetConfig(
                sample_size=side,
                in_channels=16,
                out_channels=16,
                block_out_channels=channels,
                layers_per_block=1,
                attention=(True,) * levels,
                cross_attention_dim=width,
                head_dim=channels[0] // 3,
                norm_num_groups=16,
            ),
            time_mix=TimeMix(logit_normal=0.80, uniform=0.12, terminal=0.08, mean=0.5, std=1.2),
            mirror=0.15,
            loop=LoopConfig(
                pictures=int(unet),
                batch=64,
                optimizer="muon",
                learning_rate=1.6e-3,
                warmup_most=0.05,
                ema=0.998,
                decay=0.35,
            ),
        ),
    )
    return Suited(made, _reasons(asked, size, pixels), asked.pictures, asked.fit_told())


def _reasons(asked: Situation, size: str, pixels: int) -> tuple[str, ...]:
    why = "" if pixels == 128 or asked.side < 128 else "; 128 pixels would take four times as long, and there is no GPU"
    found = [f"{asked.pictures:,} pictures of about {asked.side:,} pixels: {size} networks, {pixels} pixels{why}"]
    if asked.pictures < FEW:
        found.append(
            "so few teach little from nothing, and most of what is drawn will be near to one of them: fromnoise train "
            "finetune or lora comes to something sooner"
        )
    return tuple(found)
