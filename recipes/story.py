"""The story game: a model that finds one-line plots in random words, and repairs sentences.

    fromnoise data plots
    fromnoise train story --data data/plots --out runs/story

About four hours on one CPU core.
"""

from fromnoise.models.story.denoiser import WordDenoiserConfig
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.story import StoryRecipe
from fromnoise.training.tasks.story import StoryStage


def recipe() -> StoryRecipe:
    """The shipped story model."""
    return StoryRecipe(
        name="story", threads=1,
        vocabulary=20_000,
        network=WordDenoiserConfig(context=32, embedding=124, fixed=100, ends=False, width=192, layers=4, heads=6),
        words=StoryStage(
            masks=0.25, most_weight=5.0, clean_weight=0.1, clean_share=0.15, silent=0.15,
            real=0.33, told=0.27, empty=0.12,
        ),
        loop=LoopConfig(
            pictures=2_600_000, batch=256, optimizer="muon", learning_rate=5e-3, warmup=20_000, decay=0.5, ema=0.999,
            sheet_minutes=10, save_minutes=5, log_steps=50,
        ),
    )  # fmt: skip
