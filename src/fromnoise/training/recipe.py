"""A recipe: every number of a training run in one typed config.

Recipes are Python functions (``recipes/*.py``) that return a :class:`Recipe`; the command line overrides single
numbers by dotted names (``--set diffusion.loop.pictures=200000``); the whole recipe is stored in the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fromnoise.diffusion.loss import TimeMix
from fromnoise.ground.config import Config, Wishes, check
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet.unet import UNetConfig
from fromnoise.models.vae.vae import VAEConfig
from fromnoise.training import precision
from fromnoise.training.adversary import AdversaryConfig
from fromnoise.training.data_config import DataConfig as DataConfig
from fromnoise.training.ema import WIDEST
from fromnoise.training.loop_config import LARGEST_BATCH, LoopConfig
from fromnoise.training.names import TASKS as TASKS
from fromnoise.training.noise_levels import KINDS as NOISE_LEVELS
from fromnoise.training.stages import DistillStage, LoraStage, TextStage

# Settings of a task that other tasks read, too: sizes that have to fit together, words, and how drawings are guided.
ALSO_READ = {
    "clip": ("vocabulary", "meanings", "projection", "text.", "image.", "locked"),
    "vae": ("model.", "whiten", "decoder_only", "grows"),
    "diffusion": ("model.", "guidance", "prompts"),
}


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
        together: pictures of one thing that come together in a batch, so that contrast has to tell apart what differs
            between them; 0 shuffles all.
        hard_negatives: share of the captions beside which one stands that is nearly right ("a blue apple"), for
            pictures to tell apart; see ``data/world/nearly_right.py``.
        locked: leave the text tower of ``Recipe.start_from`` as it is and teach the image tower alone, so that the
            model can choose better among drawings; its U-Net hears what it is used to. A model without an image tower
            gets one. The U-Net may learn before or after.
        redrawn: how many of the pictures are seen a second time, as the run's own U-Net draws them; it has to have
            begun then, so such a recipe's tasks have clip last.
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
    together: int = 0
    hard_negatives: float = 0.0
    locked: bool = False
    redrawn: int = 0
    keep: float = 0.0
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(batch=128, learning_rate=1e-3))

    def __post_init__(self) -> None:
        wishes: Wishes = (
            ("meaning_weight", 0 <= self.meaning_weight <= 1000, "0…1000"),
            ("meaning_batch", self.meaning_batch >= 1, "1 or more"),
            ("smear", 0 <= self.smear <= 10, "0…10"),
            ("together", 0 <= self.together <= LARGEST_BATCH, "0 (all shuffled) or more"),
            ("hard_negatives", 0 <= self.hard_negatives <= 1, "0…1"),
            ("redrawn", 0 <= self.redrawn <= 10**6, "0 (none) or more"),
            ("keep", 0 <= self.keep <= 1000, "0…1000"),
        )
        check(self, "clip.", wishes)


@dataclass(frozen=True)
class VAEStage(Config):
    """VAE: its size, its loss weights (docs/training.md) and its training.

    ``equivariance`` asks that a smaller latent decode to a smaller picture. ``decoder_only`` leaves the encoder as it
    began (see ``Recipe.start_from``), so that a U-Net trained with it stays right. ``grows`` keeps the latents of
    ``Recipe.start_from``'s VAE, too, but with one level more, for pictures of twice the side (``training/growing.py``).
    ``whiten`` gives every channel of the latents zero mean and unit variance before the U-Net learns from them.

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
    grows: bool = False
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
            (
                "grows",
                not (self.grows and (self.decoder_only or self.equivariance or self.prefixes)),
                "alone: its latents are another VAE's, so leave out decoder_only, equivariance and prefixes",
            ),
        )
        check(self, "vae.", wishes)

    @property
    def keeps_latents(self) -> bool:
        """Whether its latents are those of ``start_from``, so that a U-Net trained with them stays right."""
        return self.decoder_only or self.grows

    def weights(self) -> dict[str, float]:
        """The weight of each part of the loss; L1 is the others' yardstick."""
        return {
            "l1": 1.0, "multiscale": self.multiscale, "gradient": self.gradient, "ssim": self.ssim, "kl": self.kl,
            "equivariance": self.equivariance, "adversarial": self.adversary.weight, "latents": 1.0,
        }  # fmt: skip


@dataclass(frozen=True)
class DiffusionStage(Config):
    """U-Net: its size, how noise levels are drawn ("default", "uniform" or "curriculum") and its training.

    With ``remember``, captions that are few enough to keep what the text tower says of them (256 MiB) are read once,
    and not anew in each step.

    ``time_mix`` holds the shares of "default"; ``mirror`` is the share of pictures that are shown mirrored, where
    their captions allow it. ``known`` pictures are drawn by the model of ``Recipe.start_from`` before the training, and
    are a share ``replay`` of every batch, so that it does not forget (Ruiz et al. 2022, arXiv 2208.12242). ``prompts``
    are drawn for the sample sheets; empty takes captions from the data.
    Averages of the weights with these ``widths`` are stored every ``snapshots`` pictures, for ``fromnoise average``
    (:mod:`fromnoise.training.ema`).
    """

    model: UNetConfig = field(default_factory=UNetConfig)
    noise_levels: str = "default"
    prompts: tuple[str, ...] = ()
    sheet_steps: int = 16
    guidance: float = 3.0
    time_mix: TimeMix = field(default_factory=TimeMix)
    mirror: float = 0.5
    remember: bool = True
    known: int = 0
    replay: float = 0.0
    widths: tuple[float, ...] = ()
    snapshots: int = 50_000
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        self.time_mix.check()
        wishes: Wishes = (
            ("noise_levels", self.noise_levels in NOISE_LEVELS, f"one of {', '.join(NOISE_LEVELS)}"),
            ("sheet_steps", 1 <= self.sheet_steps <= 1000, "1…1000"),
            ("guidance", 0 <= self.guidance <= 100, "0…100"),
            ("mirror", 0 <= self.mirror <= 1, "0…1"),
            ("known", 0 <= self.known <= 100_000, "0 (none) or more"),
            ("replay", 0 <= self.replay < 1, "0 or more and below 1"),
            ("widths", all(0.01 <= w <= WIDEST for w in self.widths), f"each 0.01…{WIDEST}"),
            ("widths", len({round(w, 4) for w in self.widths}) == len(self.widths) <= 4, "at most four, each once"),
            ("snapshots", 1 <= self.snapshots <= 10**12, "1 or more"),
        )
        check(self, "diffusion.", wishes)


@dataclass(frozen=True)
class Recipe(Config):
    """A whole training run: data, the three networks, the words before them and the distillation that may follow.

    Attributes:
        name: name of the model it makes.
        seed: everything random follows from it.
        precision: "auto" takes bf16 where the hardware multiplies it, else fp32; "bf16" or "fp32" decide.
        threads: CPU threads to train with (0: all).
        start_from: a model (folder or name) whose weights and tokenizer the run begins with; "" begins at random.
        tasks: what is trained, where the command does not say, in their order.
        fits_minutes: ``--minutes`` is the length of the run, warm-up and decay fitted into it, and not when to pause.
        default_style: the style that drawing adds to prompts that name none; "" adds nothing.
    """

    name: str
    seed: int = 0
    start_from: str = ""
    tasks: tuple[str, ...] = ("clip", "vae", "diffusion")
    fits_minutes: bool = False
    default_style: str = ""
    precision: str = "auto"
    threads: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    text: TextStage = field(default_factory=TextStage)
    clip: ClipStage = field(default_factory=ClipStage)
    vae: VAEStage = field(default_factory=VAEStage)
    diffusion: DiffusionStage = field(default_factory=DiffusionStage)
    distill: DistillStage = field(default_factory=DistillStage)
    lora: LoraStage = field(default_factory=LoraStage)

    def __post_init__(self) -> None:
        precision.check(self.precision)
        wishes: Wishes = (
            ("seed", 0 <= self.seed < 2**63, "0 or more"),
            ("threads", 0 <= self.threads <= 1024, "0 (all) to 1024"),
            ("tasks", bool(self.tasks) and set(self.tasks) <= set(TASKS), f"some of {', '.join(TASKS)}"),
        )
        check(self, "", wishes)
        if self.clip.locked and not self.start_from:
            raise UserError("clip.locked keeps the words of start_from; set start_from too, or leave out clip.locked")
        before_clip = self.tasks[: self.tasks.index("clip")] if "clip" in self.tasks else ()
        if "diffusion" in before_clip and "text" not in before_clip and not self.clip.locked:
            raise UserError(
                f"tasks = {', '.join(self.tasks)}: clip comes before diffusion where no text tower learns first, and "
                "clip.locked does not keep the one of start_from"
            )
        self._check_fit()

    def check_tasks(self, tasks: tuple[str, ...]) -> None:
        """Refuse to train tasks that this recipe cannot.

        Raises:
            UserError: one of them.
        """
        if "text" in tasks and self.start_from:
            raise UserError(
                "start_from brings words that its U-Net listens to, so none are learnt anew: leave out start_from, or "
                "take text out of the tasks (--tasks)"
            )
        if "lora" in tasks and (not self.start_from or tasks != ("lora",)):
            raise UserError(
                "a LoRA is learnt beside a finished model, and nothing else with it: name the model with --model, and "
                "use the recipe lora"
            )
        if "text" in tasks and not self.clip.meanings:
            raise UserError(
                "the task text needs meanings to learn: make them with 'fromnoise data meanings', and name the file "
                "with --set clip.meanings=…"
            )

    def check_settings(self, names: Iterable[str], tasks: Iterable[str]) -> None:
        """Refuse settings of tasks that are not trained, which would change nothing.

        Args:
            names: dotted, of settings that somebody asked for.
            tasks: that are trained, now or later in the run.

        Raises:
            UserError: one of them.
        """
        known = self.ordered(tuple(set(tasks)))
        for name in names:
            of, _, rest = name.partition(".")
            read = of in known or of not in TASKS or (known != ("lora",) and rest.startswith(ALSO_READ.get(of, ())))
            if not read:
                raise UserError(
                    f"{name} changes nothing here: this trains {', '.join(known)}; leave it out, or train {of}"
                )

    def ordered(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """Tasks in the order in which they are trained: the recipe's, then the usual one for others."""
        usual = (*self.tasks, *TASKS)
        return tuple(sorted(tasks, key=usual.index))

    def loops(self) -> dict[str, LoopConfig]:
        """How each task is trained, by its name."""
        return {
            "text": self.text.loop, "clip": self.clip.loop, "vae": self.vae.loop, "diffusion": self.diffusion.loop,
            "distill": self.distill.loop, "lora": self.lora.loop,
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
        if (seen := self.vae.adversary.crop) > (most := self.vae.crop or pixels):
            raise UserError(f"vae.adversary.crop = {seen} is more than the VAE sees; set it to {most} or less, or to 0")
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
