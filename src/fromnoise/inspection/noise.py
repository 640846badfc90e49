"""Noise, forwards: a picture drowns in it level by level, and the network guesses back from each.

    x_t = alpha(t) x_0 + sigma(t) noise        (:class:`fromnoise.diffusion.schedule.NoiseSchedule`)

At every level the guess is compared with the picture that was there before. Training does just this, with millions of
pictures; where words lower the loss, words are what it learns from.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.loss import TimeMix, diffusion_loss, sample_t
from fromnoise.diffusion.prediction import from_x0
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.drawing.plan import Plan, Words, plan
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import open_photo, start_from
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.ground.wording import styled
from fromnoise.inspection.captions import Captions, direction_of, directions
from fromnoise.inspection.pixels import psnr
from fromnoise.models.vae.bands import encode_any_size
from fromnoise.system.text_to_image import TextToImage

SHARES = tuple(range(10, 101, 10))  # percent of the levels
DRAWS = 4  # noises over which errors are averaged
MOST_DRAWS = 64
BLIND = 0.1  # share of the picture below which nothing of it is seen
RECOGNISED = 0.01  # of all captions: so far up a picture's own must be
COUNTED = 200_000  # levels drawn as training draws them, to see how often it visits each


@dataclass(frozen=True, eq=False)
class Looked:
    """What is drowned, and what is said to be in it.

    Attributes:
        picture: uint8 [3,H,W], of the model's own size.
        words: the caption; "" for none.
        style: that the caption is said in.
        seed: of the noise.
    """

    picture: Tensor
    words: str = ""
    style: str | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Guess:
    """The clean estimate from one level.

    Attributes:
        latents: float32 [C,h,w], from the first noise.
        picture: of those, uint8 [3,H,W].
        error: mean squared error of the latents, whose variance is 1, over all noises.
        loss: what training minimises at this level, over all noises; None at a level without noise.
        decibel: peak signal-to-noise ratio of the picture to what was put in.
        rank: the caption's place among all captions for this picture, 1 the best; None where that is not asked.
    """

    latents: Tensor
    picture: Tensor
    error: float
    loss: float | None
    decibel: float
    rank: int | None


@dataclass(frozen=True, eq=False)
class Level:
    """One noise level.

    Attributes:
        t: from -1, no noise, to the last level.
        alpha, sigma: share of picture and of noise.
        log_snr: log(alpha²/sigma²).
        pixels: the picture with as much noise on its colours, uint8 [3,H,W].
        latents: the noised latents, float32 [C,h,w].
        decoded: those as a picture, uint8 [3,H,W]: what the network is given, seen through the VAE.
        without: the guess without words.
        with_words: the guess with words; None where none are given.
        share: of all lessons in training that lay above the level before and up to this one; None where unknown.
    """

    t: int
    alpha: float
    sigma: float
    log_snr: float
    pixels: Tensor
    latents: Tensor
    decoded: Tensor
    without: Guess
    with_words: Guess | None
    share: float | None

    @property
    def gain(self) -> float | None:
        """How much of the error words take away, at most 1; below 0 where they mislead. None without words."""
        if self.with_words is None or self.without.error == 0:
            return None
        return 1 - self.with_words.error / self.without.error


def noise_levels(
    model: TextToImage, looked: Looked, times: Sequence[int], draws: int = DRAWS, captions: Captions | None = None
) -> Iterator[Level]:
    """Noise a picture to each level, the least noisy first, and guess back; closing the generator cancels.

    Args:
        model: what guesses.
        looked: the picture.
        times: levels, -1 (clean) to the last, in any order.
        draws: over so many noises errors are averaged.
        captions: among which the caption is ranked, by the model's CLIP; None leaves that out.

    Raises:
        UserError: before anything is computed: no such level, too many draws, a model for inpainting, or words that
            drawing would refuse.
    """
    check(model, looked, times, draws)
    return _levels(_Guesser(model, looked, draws, captions), sorted(set(times)))


def check(model: TextToImage, looked: Looked, times: Sequence[int], draws: int) -> None:
    """Refuse what :func:`noise_levels` cannot do.

    Raises:
        UserError: see there.
    """
    check_times(times, model.schedule)
    if not 1 <= draws <= MOST_DRAWS:
        raise UserError(f"errors are averaged over 1…{MOST_DRAWS} noises, not {draws}", "draws", advice=" (--draws)")
    if model.for_inpainting:
        raise UserError("this model fills in parts of pictures; its guesses need a mask, and this view has none")
    words_of(model, looked)


def _levels(guesser: _Guesser, times: Sequence[int]) -> Iterator[Level]:
    shares = training_shares(guesser.model.card, guesser.model.schedule, times)
    for t, share in zip(times, shares, strict=True):
        yield guesser.level(t, share)


class _Guesser:
    """A picture in a model's latents, its noises, and the words as the network reads them."""

    def __init__(self, model: TextToImage, looked: Looked, draws: int, captions: Captions | None) -> None:
        self.model, self.looked, self.captions = model, looked, captions
        words = words_of(model, looked)
        zero = [False, model.zero_empty and not words.unwanted.text]
        size = (looked.picture.shape[1], looked.picture.shape[2])
        self.cond, self.away = model.read_tokens([words.wanted, words.unwanted], size, zero).split(1)
        self.clean = encoded(model, looked.picture)
        noise, self.grain = noises(looked, self.clean.shape[1:], draws)
        self.noise = noise.to(self.clean.device)
        self.said = None if captions is None else directions(model, [styled(looked.words, looked.style)])[0]

    def level(self, t: int, share: float | None) -> Level:
        """What there is to see at level t."""
        at = self.model.schedule
        noised = forward(at, self.clean.expand_as(self.noise), self.noise, t)
        pixels = to_bytes(forward(at, from_bytes(self.looked.picture)[None], self.grain[None], t))[0]
        decoded = self.model.decode(noised[:1])[0]
        plain = self.guess(noised, t, self.away)
        told = self.guess(noised, t, self.cond) if self.looked.words.strip() else None
        level = (at.alpha(t), at.sigma(t), at.log_snr(t))
        return Level(t, *level, pixels, noised[0].cpu(), decoded, plain, told, share)

    def guess(self, noised: Tensor, t: int, cond: Tensor) -> Guess:
        """The clean estimate from noised latents [D,C,h,w], and how far off it is."""
        if t < 0:
            found, loss = noised, None
        else:
            times = torch.full((len(noised),), t, device=noised.device)
            found = self.model.denoiser()(noised, times, cond.expand(len(noised), -1, -1))
            loss = training_loss(self.model, found, self.clean.expand_as(found), noised, t)
        picture = self.model.decode(found[:1])[0]
        rank = None
        if self.captions is not None and self.said is not None:
            rank = self.captions.rank(direction_of(self.model, picture), self.said)
        error = float(diffusion_loss(found, self.clean.expand_as(found)).mean())
        return Guess(found[0].cpu(), picture, error, loss, psnr(picture, self.looked.picture), rank)


def noises(looked: Looked, shape: Sequence[int], draws: int) -> tuple[Tensor, Tensor]:
    """The noises of a look: for latents of a shape, [draws,C,h,w], and for the picture's colours, [3,H,W]."""
    makers = [torch.Generator().manual_seed(looked.seed + i) for i in range(draws)]
    return torch.stack([torch.randn(shape, generator=g) for g in makers]), torch.randn(
        looked.picture.shape, generator=makers[0]
    )


def words_of(model: TextToImage, looked: Looked) -> Words:
    """The caption as the network reads it.

    Raises:
        UserError: an unknown style, or words that drawing would refuse.
    """
    return words_plan(model, looked.words, looked.style, looked.seed).words


def words_plan(model: TextToImage, words: str, style: str | None, seed: int = 0) -> Plan:
    """The plan of a drawing of a picture's words, which may be none.

    Raises:
        UserError: as :func:`words_of`.
    """
    return plan(model, Request(words, style=style, free=not words.strip(), seed=seed))


def forward(schedule: NoiseSchedule, clean: Tensor, noise: Tensor, t: int) -> Tensor:
    """alpha(t) clean + sigma(t) noise, [B,C,H,W] as both of them: pictures in -1…1, or latents.

    It asks no network, so all levels of a schedule are quick; t = -1 gives the clean ones back.
    """
    return schedule.add_noise(clean, noise, torch.full((len(clean),), t, device=clean.device))


def training_loss(model: TextToImage, found: Tensor, clean: Tensor, noised: Tensor, t: int) -> float:
    """What training would minimise: the mean squared error of what the network predicts (v, epsilon …), [D,C,h,w]."""
    level = model.schedule.alpha(t), model.schedule.sigma(t)
    out, target = (from_x0(model.prediction, x0, noised, *level) for x0 in (found, clean))
    return float(diffusion_loss(out, target).mean())


@torch.no_grad()
def encoded(model: TextToImage, picture: Tensor) -> Tensor:
    """The mean latents of a picture uint8 [3,H,W], float32 [1,C,h,w] on the model's device."""
    return encode_any_size(model.vae, from_bytes(picture.to(model.device))[None]).mean.float()


def picture_of(model: TextToImage, file: Path) -> Tensor:
    """A picture file as the model takes it, uint8 [3,pixels,pixels]: on white, fitted into its square.

    Raises:
        UserError: no file, or no picture.
    """
    return start_from(open_photo(file), (model.pixels, model.pixels)).picture


def times_of(shares: Sequence[float], steps: int) -> list[int]:
    """The level up to which a share of all levels reaches, in percent: 100 is the last one, 0 is the clean picture.

    Raises:
        UserError: a share that is none.
    """
    wrong = [share for share in shares if not 0 <= share <= 100]
    if wrong:
        raise UserError(f"levels are percents, 0…100, not {wrong[0]:g}", "levels", advice=" (--levels 10,50,100)")
    return [round(steps * share / 100) - 1 for share in shares]


def check_times(times: Sequence[int], schedule: NoiseSchedule) -> None:
    """Refuse levels that a schedule has not.

    Raises:
        UserError: which, or that there are none.
    """
    if not times:
        raise UserError("name at least one level", "levels", advice=" (--levels 10,50,100)")
    wrong = [t for t in times if not -1 <= t < schedule.steps]
    if wrong:
        raise UserError(f"there is no level t = {wrong[0]}; this model has 0…{schedule.steps - 1}", "at")


def training_shares(card: Mapping[str, Any], schedule: NoiseSchedule, times: Sequence[int]) -> list[float] | list[None]:
    """Which share of a training's lessons lay above each level's predecessor and up to it; Nones where nobody knows.

    Args:
        card: facts about the training.
        schedule: of the model.
        times: rising levels.
    """
    stage = (card.get("recipe") or {}).get("diffusion") or {}
    mix = stage.get("time_mix")
    if stage.get("noise_levels", "default") != "default" or not isinstance(mix, Mapping):
        return [None] * len(times)
    generator = torch.Generator().manual_seed(0)
    drawn = sample_t(COUNTED, generator, TimeMix.from_dict(dict(mix)), schedule)
    ends = [-1, *times]
    return [float(((drawn > a) & (drawn <= b)).double().mean()) for a, b in itertools.pairwise(ends)]


@dataclass(frozen=True)
class Lost:
    """Where a picture is lost.

    Attributes:
        by_caption: the first level from which on CLIP no longer finds the caption; None: to the end it does.
        by_distance: the first level from which on the guess has more than half of the blind one's error; None where no
            level was looked at at which the network guesses blindly.
        recognised: whether CLIP finds the caption for the picture itself; None where it is not asked.
    """

    by_caption: int | None
    by_distance: int | None
    recognised: bool | None


def lost(levels: Sequence[Level], captions: Captions | None) -> Lost:
    """Where the guess without words is no longer the picture.

    By caption: from there on the caption is not among the best hundredth of all captions at any noisier level. By
    distance: from there on the error of the latents is above half of that of the noisiest level, if that is so noisy
    that the network guesses blindly.

    Args:
        levels: rising.
        captions: among which the caption was ranked.
    """
    blind = levels[-1].without.error
    blindly = levels[-1].alpha < BLIND
    by_distance = _from(levels, [level.without.error > blind / 2 for level in levels]) if blindly else None
    if captions is None or levels[0].without.rank is None:
        return Lost(None, by_distance, None)
    limit = best_places(len(captions.texts))
    known = [level.without.rank is not None and level.without.rank <= limit for level in levels]
    return Lost(_from(levels, [not k for k in known]), by_distance, known[0])


def best_places(count: int) -> int:
    """How far up a caption must be among ``count`` to count as recognised: the best hundredth, at least the first."""
    return max(1, int(RECOGNISED * count))


def _from(levels: Sequence[Level], gone: Sequence[bool]) -> int | None:
    """The first level from which on everything is gone."""
    still = [i for i, away in enumerate(gone) if not away]
    first = still[-1] + 1 if still else 0
    return levels[first].t if first < len(levels) else None
