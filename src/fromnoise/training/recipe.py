"""A recipe: every number of a training run in one typed config.

Recipes are Python functions (``recipes/*.py``) that return a :class:`Recipe`; the command line overrides single
numbers by dotted names (``--set diffusion.loop.pictures=200000``); the whole recipe is stored in the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from fromnoise.data.captions import CaptionMix
from fromnoise.diffusion.loss import TimeMix
from fromnoise.diffusion.schedule import DISTILLED_LEVELS, MOST_DISTILLED
from fromnoise.ground.config import Config, Wishes, check
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet.unet import UNetConfig
from fromnoise.models.vae.vae import VAEConfig
from fromnoise.training import precision
from fromnoise.training.adversary import AdversaryConfig
from fromnoise.training.noise_levels import KINDS as NOISE_LEVELS

OPTIMIZERS = ("adamw", "muon")
TASKS = ("clip", "vae", "diffusion", "distill")
LARGEST_BATCH = 65_536
PER_ROOT = 6_900  # 300 pictures are seen 400 times each, 40 a thousand times
LARGEST_PICTURE = 4_096


@dataclass(frozen=True)
class LoopConfig(Config):
    """How one task is trained.

    Attributes:
        pictures: pictures seen in the whole run (a clock in pictures does not change with the batch size); 0: as many
            as suit the data, see :func:`suited`.
        minutes: of training, at most; warm-up and decay follow. 0: no limit.
        batch: pictures per step.
        optimizer: "adamw", or "muon" for the hidden matrices (AdamW moves the rest).
        learning_rate: after warm-up.
        warmup: pictures over which the learning rate rises from 0.
        warmup_most: largest share of the run that may take; 0: all of it.
        decay: last share of the run over which the learning rate falls linearly to 0.
        weight_decay: on matrices and kernels only.
        betas: of AdamW.
        clip_norm: largest norm of the gradient.
        ema: decay of the weights' moving average per step (it warms up).
        log_steps: steps between two lines in the curves.
        sheet_minutes: minutes between two sample sheets.
        save_minutes: minutes between two checkpoints.
    """

    pictures: int = 200_000
    minutes: float = 0.0
    batch: int = 64
    optimizer: str = "adamw"
    learning_rate: float = 8e-4
    warmup: int = 20_000
    warmup_most: float = 0.2
    decay: float = 0.4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    ema: float = 0.999
    log_steps: int = 20
    sheet_minutes: float = 5.0
    save_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, not '{self.optimizer}'")
        wishes: Wishes = (
            ("pictures", 0 <= self.pictures <= 10**12, "1 or more, or 0 for as many as suit the data"),
            ("minutes", 0 <= self.minutes <= 10**6, "0 (no limit) or more"),
            ("batch", 1 <= self.batch <= LARGEST_BATCH, f"1…{LARGEST_BATCH}"),
            ("learning_rate", 0 < self.learning_rate < 10, "above 0 and below 10"),
            ("warmup", self.warmup >= 0, "0 or more"),
            ("warmup_most", 0 <= self.warmup_most <= 1, "0…1"),
            ("decay", 0 <= self.decay <= 1, "0…1"),
            ("weight_decay", 0 <= self.weight_decay < 10, "0 or more and below 10"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "two numbers of 0 or more and below 1"),
            ("clip_norm", self.clip_norm > 0, "above 0"),
            ("ema", 0 <= self.ema < 1, "0 or more and below 1"),
            ("log_steps", self.log_steps >= 1, "1 or more"),
            ("sheet_minutes", self.sheet_minutes > 0, "above 0"),
            ("save_minutes", self.save_minutes > 0, "above 0"),
        )
        check(self, "loop.", wishes)

    def suited(self, count: int) -> LoopConfig:
        """The loop for a set of ``count`` pictures: where its length is left to the data, it grows with the set's
        square root. Few pictures are seen more often each, and many need longer in all.
        """
        return self if self.pictures else replace(self, pictures=round(PER_ROOT * math.sqrt(max(1, count))))


@dataclass(frozen=True)
class DataConfig(Config):
    """Which pictures are trained on.

    Attributes:
        pixels: side of the square pictures.
        styles: keep only these styles; empty keeps all.
        groups: keep only these groups of concepts; empty keeps all.
        limit: keep at most this many pictures (0: all), for a quick try.
        scenes: how many pictures of two or three things are composed from them.
        scene_share: how often the U-Net sees one of those.
        captions: how captions are drawn.
        said_styles: take the end of "a cat, linocut style" for the picture's style.
    """

    pixels: int = 64
    styles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    limit: int = 0
    scenes: int = 0
    scene_share: float = 0.12
    captions: CaptionMix = field(default_factory=CaptionMix)
    said_styles: bool = True

    def __post_init__(self) -> None:
        wishes: Wishes = (
            ("pixels", 8 <= self.pixels <= LARGEST_PICTURE, f"8…{LARGEST_PICTURE}"),
            ("limit", self.limit >= 0, "0 (all) or more"),
            ("scenes", 0 <= self.scenes <= 1_000_000, "0 (none) or more"),
            ("scene_share", 0 <= self.scene_share < 1, "0 or more and below 1"),
        )
        check(self, "data.", wishes)


@dataclass(frozen=True)
class ClipStage(Config):
    """CLIP: the size of both towers and their training.

    Attributes:
        vocabulary: the tokenizer's size.
        text, image, projection: sizes of the towers and of the space they share.
        meanings: a file of ``fromnoise data meanings`` that teaches words without pictures; "" for none.
        meaning_weight: of those lessons beside CLIP's own loss.
        meaning_batch: phrases per step.
        smear: how far the embeddings of words with meanings are moved while the towers learn, of their length; 0 leaves
            them where they are.
        keep: how strongly the text tower is held to what the one of ``Recipe.start_from`` says, so that its U-Net goes
            on understanding; 0 lets it go.
        loop: how it is trained.
    """

    vocabulary: int = 4096
    text: TextConfig = field(default_factory=TextConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    projection: int = 256
    meanings: str = ""
    meaning_weight: float = 5.0
    meaning_batch: int = 256
    smear: float = 0.0
    keep: float = 0.0
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(batch=128, learning_rate=1e-3))


@dataclass(frozen=True)
class VAEStage(Config):
    """VAE: its size, its loss weights (docs/training.md) and its training.

    ``equivariance`` asks that a smaller latent decode to a smaller picture. ``decoder_only`` leaves the encoder as it
    began (see ``Recipe.start_from``), so that a U-Net trained with it stays right. ``whiten`` gives every channel of
    the latents zero mean and unit variance before the U-Net learns from them.

    With ``prefixes``, such as (8, 32, 64), each picture is decoded from its first 8, 32 or 64 channels alone, so that
    these say what it is and the last ones how crisp it is (DC-AE 1.5, arXiv 2508.00413). ``noise`` is the most that is
    added to latents before decoding, in standard deviations, so that the decoder forgives (as in arXiv 2507.15856).
    ``crop`` is the side of the random squares of pictures that are learnt from; 0: whole pictures. ``adversary`` is a
    second network, which learns to tell pictures from reconstructions, and so makes the decoder crisp.
    ``perceptual`` is of runs of earlier versions; nothing learns by it any more (``training/retired.py``).
    """

    model: VAEConfig = field(default_factory=VAEConfig)
    multiscale: float = 0.5
    gradient: float = 0.5
    ssim: float = 0.2
    kl: float = 1e-6
    perceptual: float = 0.0
    equivariance: float = 0.0
    decoder_only: bool = False
    whiten: bool = True
    prefixes: tuple[int, ...] = ()
    noise: float = 0.0
    crop: int = 0
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(learning_rate=1e-3))

    def __post_init__(self) -> None:
        channels, factor = self.model.latent_channels, 2 ** (len(self.model.block_out_channels) - 1)
        crop_fits = self.crop == 0 or (self.crop >= 8 and self.crop % factor == 0)
        wishes: Wishes = (
            ("prefixes", all(1 <= n <= channels for n in self.prefixes), f"numbers of 1…{channels}, the VAE's latents"),
            ("noise", 0 <= self.noise < 100, "0 or more and below 100"),
            ("crop", crop_fits, f"a multiple of {factor} and 8 or more, or 0 for whole pictures"),
        )
        check(self, "vae.", wishes)

    def weights(self) -> dict[str, float]:
        """The weight of each part of the loss; L1 is the others' yardstick."""
        return {
            "l1": 1.0, "multiscale": self.multiscale, "gradient": self.gradient, "ssim": self.ssim, "kl": self.kl,
            "equivariance": self.equivariance, "adversarial": self.adversary.weight,
        }  # fmt: skip


@dataclass(frozen=True)
class DiffusionStage(Config):
    """U-Net: its size, how noise levels are drawn ("default", "uniform" or "curriculum") and its training.

    ``time_mix`` holds the shares of "default"; ``mirror`` is the share of pictures that are shown mirrored, where
    their captions allow it. ``prompts`` are drawn for the sample sheets; empty takes captions from the data.
    """

    model: UNetConfig = field(default_factory=UNetConfig)
    noise_levels: str = "default"
    prompts: tuple[str, ...] = ()
    sheet_steps: int = 16
    guidance: float = 3.0
    time_mix: TimeMix = field(default_factory=TimeMix)
    mirror: float = 0.5
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        self.time_mix.check()
        wishes: Wishes = (
            ("noise_levels", self.noise_levels in NOISE_LEVELS, f"one of {', '.join(NOISE_LEVELS)}"),
            ("sheet_steps", 1 <= self.sheet_steps <= 1000, "1…1000"),
            ("guidance", 0 <= self.guidance <= 100, "0…100"),
            ("mirror", 0 <= self.mirror <= 1, "0…1"),
        )
        check(self, "diffusion.", wishes)


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


@dataclass(frozen=True)
class Recipe(Config):
    """A whole training run: data, the three tasks, and the distillation that may follow.

    Attributes:
        name: name of the model it makes.
        seed: everything random follows from it.
        precision: "auto" takes bf16 where the hardware multiplies it, else fp32; "bf16" or "fp32" decide.
        threads: CPU threads to train with (0: all).
        start_from: a model (folder or name) whose weights and tokenizer the run begins with; "" begins at random.
        tasks: what is trained, where the command does not say.
        fits_minutes: ``--minutes`` is the length of the training, into which warm-up and decay are fitted. Otherwise it
            is when to pause.
    """

    name: str
    seed: int = 0
    start_from: str = ""
    tasks: tuple[str, ...] = ("clip", "vae", "diffusion")
    fits_minutes: bool = False
    precision: str = "auto"
    threads: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    clip: ClipStage = field(default_factory=ClipStage)
    vae: VAEStage = field(default_factory=VAEStage)
    diffusion: DiffusionStage = field(default_factory=DiffusionStage)
    distill: DistillStage = field(default_factory=DistillStage)

    def __post_init__(self) -> None:
        precision.check(self.precision)
        wishes: Wishes = (
            ("seed", 0 <= self.seed < 2**63, "0 or more"),
            ("threads", 0 <= self.threads <= 1024, "0 (all) to 1024"),
            ("tasks", bool(self.tasks) and set(self.tasks) <= set(TASKS), f"some of {', '.join(TASKS)}"),
        )
        check(self, "", wishes)
        self._check_fit()

    def loops(self) -> dict[str, LoopConfig]:
        """How each task is trained, by its name."""
        return {
            "clip": self.clip.loop, "vae": self.vae.loop, "diffusion": self.diffusion.loop, "distill": self.distill.loop
        }  # fmt: skip

    def _check_fit(self) -> None:
        """Three networks are trained apart; sizes that do not fit together are told before the first one begins."""
        pixels, factor = self.data.pixels, 2 ** (len(self.vae.model.block_out_channels) - 1)
        unet = self.diffusion.model
        smallest = factor * 2 ** (len(unet.block_out_channels) - 1)
        if pixels % smallest:
            raise UserError(f"data.pixels must be a multiple of {smallest} for these networks, not {pixels}")
        if self.vae.crop > pixels:
            raise UserError(f"vae.crop = {self.vae.crop} is more than data.pixels; set it to {pixels} or less, or to 0")
        fits = (
            ("clip.image.pixels", self.clip.image.pixels, pixels, "data.pixels"),
            ("diffusion.model.in_channels", unet.in_channels, self.vae.model.latent_channels, "the VAE's latents"),
            ("diffusion.model.out_channels", unet.out_channels, self.vae.model.latent_channels, "the VAE's latents"),
            ("diffusion.model.cross_attention_dim", unet.cross_attention_dim, self.clip.text.width, "clip.text.width"),
            ("diffusion.model.sample_size", unet.sample_size, pixels // factor, f"latents of {pixels} pixels"),
        )
        for name, value, wanted, what in fits:
            if value != wanted:
                raise UserError(f"{name} = {value} does not fit {what}; set it to {wanted}")
