"""How a model learned: the film of its training that it carries, and one lesson of the same kind, given now.

A lesson is what training repeats: a picture, a noise level, a guess at what was there, and the error of that guess.
Training changes the weights a little in the direction that makes this number smaller; here they stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.inspection.noise import Level, Looked, encoded, noise_levels, times_of
from fromnoise.system.learning_file import Learning, Moment, read_learning
from fromnoise.system.text_to_image import TextToImage

SHARES = (20, 50, 80)  # percent of the noise levels, of the lessons that are given now
MIDDLE = ("..-4", "-2..0", "2..4")  # noise levels that say most: nearly all noise, about half, little


@dataclass(frozen=True, eq=False)
class Lesson:
    """One lesson.

    Attributes:
        percent: how far up the noise levels.
        level: what the network is given, and its guess with the words.
        errors: the squared error of the guess at each place of the latents, mean over their channels, float32 [h,w];
            1 is about as wrong as a blind guess.
    """

    percent: int
    level: Level
    errors: Tensor

    @property
    def loss(self) -> float:
        """The number that training makes smaller."""
        guess = self.level.with_words or self.level.without
        assert guess.loss is not None
        return guess.loss


def learning_of(model: TextToImage) -> Learning:
    """The film of its training that a model carries.

    Raises:
        UserError: it carries none, or the film is damaged, of another version, or another model's.
    """
    if model.learning is None:
        name = model.card.get("name") or "the model"
        raise UserError(
            f"{name} ({model.hash}) carries no film of its training. A training keeps one with its model by itself; "
            "from a run that has sheets already it is made with: fromnoise inspect make-film RUN"
        )
    return read_learning(model.learning, model.trained_on)


def lessons(model: TextToImage, looked: Looked, shares: Sequence[int] = SHARES) -> Iterator[Lesson]:
    """Give a model lessons on one picture, without changing it; the least noisy first.

    Args:
        model: what guesses.
        looked: the picture, and what is said of it.
        shares: percent of all noise levels, above 0.

    Raises:
        UserError: see :func:`fromnoise.inspection.noise.noise_levels`.
    """
    rising = sorted(set(shares))
    levels = noise_levels(model, looked, times_of(rising, model.schedule.steps), draws=1)
    return _lessons(encoded(model, looked.picture)[0].cpu(), rising, levels)


def _lessons(clean: Tensor, shares: Sequence[int], levels: Iterator[Level]) -> Iterator[Lesson]:
    for share, level in zip(shares, levels, strict=True):
        guess = level.with_words or level.without
        yield Lesson(share, level, (guess.latents - clean).square().mean(0))


@dataclass(frozen=True)
class Fall:
    """What the loss did.

    Attributes:
        held_out: whether it is that on pictures that were never learnt from.
        first, last: at the first and the last moment that have one.
        half: pictures seen at the first moment at which half of the fall, or more, is behind; None without a fall.
    """

    held_out: bool
    first: float
    last: float
    half: int | None


def fall_of(moments: Sequence[Moment]) -> Fall | None:
    """What the loss did over a film; None where the log of the training said too little."""
    for held_out in (True, False):
        known = [(m.pictures, loss) for m in moments if (loss := m.held_out if held_out else m.loss) is not None]
        if len(known) > 1:
            first, last = known[0][1], known[-1][1]
            middle = [seen for seen, loss in known if loss <= (first + last) / 2]
            return Fall(held_out, first, last, middle[0] if last < first else None)
    return None
