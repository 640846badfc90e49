"""Your own pictures, learnt by the model that comes with fromnoise: its U-Net goes on learning from your folder.

    fromnoise train my_pictures --data MY_FOLDER --out runs/mine [--minutes 8]

Tokenizer, CLIP and VAE stay what they are, so captions should use words that the model knows (it knows many
thousand) and the pictures should be like stickers: things on white. Captions that end in a style ("a cat, linocut
style") make that style; the model's own styles stay. Length, warm-up and decay follow the number of pictures, or
``--minutes`` if that is shorter: 300 pictures take about twenty minutes on two CPU cores, 40 about eight. Check
afterwards whether what it draws is a copy: docs/copies.md.
"""

from dataclasses import replace

from fromnoise.system.opening import DEFAULT_MODEL
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.recipe import DataConfig, Recipe


def recipe() -> Recipe:
    """Return the recipe: the default model's, with a short training of its U-Net on all the data's styles."""
    model = TextToImage.load(DEFAULT_MODEL)
    known = Recipe.from_dict(model.card["recipe"])
    loop = replace(
        known.diffusion.loop, pictures=0, learning_rate=6e-4, warmup=6_000, warmup_most=0.05, sheet_minutes=2.0,
        save_minutes=5.0,
    )  # fmt: skip
    return replace(
        known,
        name="my-pictures",
        start_from=DEFAULT_MODEL,
        tasks=("diffusion",),
        fits_minutes=True,
        precision="auto",
        threads=0,
        data=DataConfig(pixels=known.data.pixels, captions=known.data.captions),
        diffusion=replace(known.diffusion, prompts=(), loop=loop),
    )
