"""Your own pictures, learnt by a model that can draw already: its U-Net goes on learning from your folder.

    fromnoise train finetune --data MY_FOLDER --out runs/mine [--model stickers-64] [--trigger linocut] [--minutes 8]

The result is a model of its own; a few pictures are better learnt beside it (``train lora``). Tokenizer, CLIP and VAE
stay what they are, so captions should use words that the model knows (it knows many thousand) and the pictures should
be like those it draws. Captions that end in a style ("a cat, linocut style") make that style, and ``--trigger`` gives
one to pictures without; the model's own styles stay. What it can draw already is repeated to it while it learns, so
that it forgets little. Check afterwards whether what it draws is a copy: docs/copies.md.
"""

from dataclasses import replace

from fromnoise.system.opening import DEFAULT_MODEL
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.distilling import recipe_for
from fromnoise.training.recipe import DataConfig
from fromnoise.training.situation import Shown, Situation, Suited

FEW = 60  # pictures, below which a LoRA is the better choice
KNOWN = 256  # drawings of what the model can draw already
EARLIER = 0.2  # of the usual length: so long was the training of 300 pictures that was measured
MEASURED = (
    "a fifth of the usual length (--minutes) brought a new style through in half of the drawings, with 300 pictures "
    "(docs/training.md)"
)


def recipe(asked: Situation) -> Suited:
    """Return the recipe: the model's own, with a short training of its U-Net on all the data's styles."""
    place = asked.model or DEFAULT_MODEL
    model = TextToImage.load(place)
    known, told = recipe_for(model), KNOWN if model.clip_map is not None else 0  # only its map says what it can draw
    loop = replace(
        known.diffusion.loop, pictures=0, minutes=0.0, learning_rate=6e-4, warmup=6_000, warmup_most=0.05,
        sheet_minutes=2.0, save_minutes=5.0,
    )  # fmt: skip
    made = replace(
        known,
        name="my-pictures",
        start_from=place,
        tasks=("diffusion",),
        fits_minutes=True,
        data=DataConfig(pixels=model.pixels, captions=known.data.captions, fit=asked.fit, trigger=asked.trigger),
        diffusion=replace(known.diffusion, prompts=(), loop=loop, known=told, replay=0.2 if told else 0.0),
    )
    name = str(model.card.get("name") or place)
    seen = loop.suited(asked.pictures).pictures
    shown = Shown(round(EARLIER * seen), MEASURED)
    return Suited(made, _reasons(asked, seen, name, told > 0), asked.pictures, asked.fit_told(), shown)


def _reasons(asked: Situation, seen: int, name: str, replayed: bool) -> tuple[str, ...]:
    each = (0.8 if replayed else 1.0) * seen / max(1, asked.pictures)
    found = [f"{asked.pictures:,} pictures, learnt by all of {name}'s U-Net: each is seen about {each:,.0f} times"]
    if replayed:
        found.append(f"a fifth of {seen:,} are {name}'s own drawings, so that it forgets little")
    else:
        found.append(f"{name} carries no map that says what it can draw, so nothing is repeated: it will forget some")
    if asked.pictures < FEW:
        found.append("so few are learnt sooner, and copied less, beside the model: fromnoise train lora")
    return tuple(found)
