"""Settings of the tasks around the three networks: words alone before them, and what is learnt beside a finished model:
drawing in few steps, or a style from a few pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from fromnoise.diffusion.loss import TimeMix
from fromnoise.diffusion.schedule import DISTILLED_LEVELS, MOST_DISTILLED
from fromnoise.ground.config import Config, Wishes, check
from fromnoise.training.loop_config import LoopConfig


@dataclass(frozen=True)
class TextStage(Config):
    """The text tower by itself: from words whose meanings are known it learns what whole phrases mean, and no picture
    makes it forget that. CLIP's image tower then learns with it as it is (LiT, Zhai et al. 2021, arXiv 2111.07991).

    Its size, vocabulary and meanings are those of ``clip``.

    Attributes:
        inside: share of the phrases that are asked for at their last word, since the U-Net attends to words as well.
        smear: how far the embeddings of words are moved meanwhile, of their length; see ``ClipStage``.
        hands: weight of telling which style was named, beside the meaning.
        loop: how it is trained; its "pictures" are phrases.
    """

    inside: float = 0.5
    smear: float = 0.2
    hands: float = 0.2
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            pictures=800_000, batch=256, learning_rate=1e-3, warmup=50_000, weight_decay=0.05, ema=0.998
        )
    )

    def __post_init__(self) -> None:
        wishes: Wishes = (
            ("inside", 0 <= self.inside <= 1, "0…1"),
            ("smear", 0 <= self.smear <= 1, "0…1"),
            ("hands", 0 <= self.hands <= 100, "0…100"),
        )
        check(self, "text.", wishes)


@dataclass(frozen=True)
class DistillStage(Config):
    """Drawing in a few steps: what is baked into the weights, and the training of their difference.

    Attributes:
        rank: of the LoRA; the size of its file grows with it.
        skip: how many of the 50 levels a step of the teacher spans. More of them carry what is learnt at the clean end
            to pure noise in fewer steps, and follow the teacher's trajectories less exactly.
        guidance, interval, rescale: the guidance that is baked in, as ``Request`` has it; None: the model's own.
        huber: where the loss turns from squares to absolute values.
        plain: weight of the ordinary loss of diffusion, which keeps the network on real pictures.
        mirror: as in ``DiffusionStage``.
        prompts: are drawn for the sample sheets; empty takes captions from the data.
        steps: of the pictures on the sheets.
    """

    rank: int = 32
    skip: int = 4
    guidance: float | None = None
    interval: tuple[int, int] | None = None
    rescale: float | None = None
    huber: float = 0.001
    plain: float = 0.1
    mirror: float = 0.15
    prompts: tuple[str, ...] = ()
    steps: int = 4
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            pictures=64_000, batch=32, learning_rate=3e-4, warmup=640, weight_decay=0.0, ema=0.98
        )
    )

    def __post_init__(self) -> None:
        wishes: Wishes = (
            ("rank", 1 <= self.rank <= 1024, "1…1024"),
            ("skip", 1 <= self.skip <= DISTILLED_LEVELS, f"1…{DISTILLED_LEVELS}"),
            ("guidance", self.guidance is None or 0 <= self.guidance <= 100, "0…100"),
            ("rescale", self.rescale is None or 0 <= self.rescale <= 1, "0…1"),
            ("huber", 0 < self.huber < 10, "above 0 and below 10"),
            ("plain", 0 <= self.plain <= 100, "0…100"),
            ("mirror", 0 <= self.mirror <= 1, "0…1"),
            ("steps", 1 <= self.steps <= MOST_DISTILLED, f"1…{MOST_DISTILLED}"),
        )
        check(self, "distill.", wishes)


LAYERS = ("all", "attention")


@dataclass(frozen=True)
class LoraStage(Config):
    """A style or a thing learnt from a few pictures beside a finished model: a LoRA (Hu et al. 2021, arXiv 2106.09685).

    Attributes:
        rank: of the LoRA; the size of its file grows with it.
        layers: "all" of the U-Net, or those of "attention", as is usual for Stable Diffusion.
        known: pictures that the model draws before the training, of what it knows; so it is kept from forgetting
            (prior preservation, Ruiz et al. 2022, arXiv 2208.12242).
        replay: share of those in every batch; what is asked of them is what the model says without the LoRA.
        hold: what one of those counts in the loss, beside 1 of a picture to be learnt.
        mirror: as in ``DiffusionStage``.
        time_mix: as in ``DiffusionStage``; all levels equally often by default.
        checkpointing: compute activations again on the way back (Chen et al. 2016, arXiv 1604.06174): a third slower,
            and a large model fits.
        prompts: are drawn for the sample sheets; empty takes captions of the pictures, and of what the model knows.
        steps: of the pictures on the sheets.
        drawings: how many prompts a sheet has at most.
    """

    rank: int = 16
    layers: str = "all"
    known: int = 384
    replay: float = 0.5
    hold: float = 16.0
    mirror: float = 0.15
    time_mix: TimeMix = field(default_factory=lambda: TimeMix(logit_normal=0.0, uniform=1.0, terminal=0.0))
    checkpointing: bool = False
    prompts: tuple[str, ...] = ()
    steps: int = 20
    drawings: int = 8
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            pictures=0, batch=16, learning_rate=1e-3, warmup=1_000, warmup_most=0.05, weight_decay=0.0, ema=0.99
        )
    )

    def __post_init__(self) -> None:
        self.time_mix.check()
        wishes: Wishes = (
            ("rank", 1 <= self.rank <= 1024, "1…1024"),
            ("layers", self.layers in LAYERS, f"one of {', '.join(LAYERS)}"),
            ("known", 0 <= self.known <= 100_000, "0 (none) or more"),
            ("replay", 0 <= self.replay < 1, "0 or more and below 1"),
            ("hold", 0 <= self.hold <= 1000, "0…1000"),
            ("mirror", 0 <= self.mirror <= 1, "0…1"),
            ("steps", 1 <= self.steps <= 1000, "1…1000"),
            ("drawings", 1 <= self.drawings <= 64, "1…64"),
        )
        check(self, "lora.", wishes)
