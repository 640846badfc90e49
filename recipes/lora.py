"""A style or a thing from a few of your own pictures, beside a model that can draw already: a LoRA.

    fromnoise train lora --data MY_FOLDER --out runs/mine --trigger linocut [--model stickers-64] [--minutes 10]
    fromnoise generate "a cat, linocut style" --lora runs/mine/lora.safetensors

The model itself stays as it is; what is learnt is a file of a few MiB that is added when you want it. Twenty to fifty
pictures are enough. Each needs a caption of what it shows ("a cat"), in words that the model knows; ``--trigger`` gives
their look a name. Half of the time it is asked for what the model knows, and has to say what the model says without it:
so that it forgets little (how much: docs/training.md).
"""

from dataclasses import replace

from fromnoise.data.captions import CaptionMix
from fromnoise.ground.errors import UserError
from fromnoise.system.opening import DEFAULT_MODEL
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.distilling import recipe_for
from fromnoise.training.recipe import DataConfig, LoopConfig
from fromnoise.training.situation import Shown, Situation, Suited
from fromnoise.training.stages import LoraStage

PER_ROOT = 2_000  # 40 pictures are seen 12,600 times in all, 300 of them 35,000 times
LARGE = 10**8  # weights of the U-Net: Stable Diffusion and the like
EACH = 50  # a large model sees each picture so often; more is too slow on a laptop, and seldom better
MOST = 2_000
MEASURED = (
    "the usual length brought a new style through in three of ten drawings of other things, with 40 pictures "
    "(docs/training.md)"
)


def recipe(asked: Situation) -> Suited:
    """Return the recipe for some pictures and a model."""
    if not asked.pictures:
        raise UserError(
            "a LoRA is learnt from pictures, and drawings are none yet: make some with 'fromnoise data world "
            "--drawings MY_DRAWINGS --out world.parquet --count 200', and give those as --data"
        )
    place = asked.model or DEFAULT_MODEL
    model = TextToImage.load(place)
    known, name = recipe_for(model), str(model.card.get("name") or place)
    size = sum(weight.numel() for weight in model.unet.parameters())
    stage, reason = _large(asked, size) if size > LARGE else _small(asked)
    called = f"; asked for with “{asked.trigger} style”" if asked.trigger else ""
    first = f"{asked.pictures:,} pictures, a LoRA of rank {stage.rank} beside {name}{called}"
    captions = known.data.captions if size > LARGE else _always_named(known.data.captions)
    made = replace(
        known,
        name=asked.trigger or "my-lora",
        start_from=place,
        tasks=("lora",),
        fits_minutes=True,
        data=DataConfig(pixels=model.pixels, captions=captions, fit=asked.fit, trigger=asked.trigger),
        lora=stage,
    )
    shown = Shown(stage.loop.pictures, MEASURED) if size <= LARGE else None
    return Suited(made, (first, reason), asked.pictures, asked.fit_told(), shown)


def _always_named(mix: CaptionMix) -> CaptionMix:
    """Captions that always say whose look it is, for without that, and without words, all stays as it was."""
    full = mix.full + mix.keywords + mix.object_only + mix.empty  # every second list of keywords names no style
    return replace(mix, full=full, keywords=0.0, object_only=0.0, empty=0.0)


def _small(asked: Situation) -> tuple[LoraStage, str]:
    """One of our own models: all layers, and half of what is asked is what the model says itself."""
    pictures = 100 * round(PER_ROOT * asked.pictures**0.5 / 100)
    loop = replace(LoraStage().loop, pictures=pictures, sheet_minutes=2.0, save_minutes=2.0)
    each = round(0.5 * pictures / asked.pictures)
    return LoraStage(loop=loop), (
        f"each is seen about {each:,} times in its own and its mirrored form; of the rest it has to say what the"
        " model says without it, so that little is forgotten"
    )


def _large(asked: Situation, size: int) -> tuple[LoraStage, str]:
    """Stable Diffusion: its attention alone, one picture at a time, and activations computed again to save memory."""
    pictures = min(MOST, EACH * asked.pictures)
    again = asked.memory < 2 * size * 4 / 2**30 + 12
    loop = LoopConfig(
        pictures=pictures, batch=1, learning_rate=1e-4, warmup=50, weight_decay=0.0, ema=0.95, log_steps=1,
        sheet_minutes=120.0, save_minutes=10.0,
    )  # fmt: skip
    stage = LoraStage(
        rank=8, layers="attention", known=0, replay=0.0, mirror=0.0, checkpointing=again, drawings=1, loop=loop
    )
    memory = ", activations computed twice to fit into memory" if again else ""
    return stage, (
        f"{size / 1e6:,.0f} million weights: {pictures:,} steps of one picture each, on its attention{memory}"
    )
