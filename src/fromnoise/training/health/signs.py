"""Signs that a training goes wrong, each a pure function of what it has told so far: a sentence, or None.

They use nothing but figures that the loop has anyway. A sign keeps quiet until it can tell itself from chance: it asks
for enough rows, and compares means by their standard errors. What they say is for a person who never trained anything.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fromnoise.training.health.history import History, Series, mean_and_error

Sign = Callable[[History], str | None]

ROWS = 15  # below which nothing is said of a curve
STEPS = 150  # that CLIP may take to begin to see
CHANCE = 0.97  # of ln(batch): a contrastive loss above that tells no picture from another
FLAT = 0.02  # share of the loss: where it has surely fallen by less than that in a third, it does not fall
RISE = 0.1  # share by which a loss must have risen above its best part
TIMES, MANY_TIMES = 10.0, 100.0  # as large as at first: exploding gradients, the latter also while the loss falls
WORSE = 0.03  # share by which a held-out loss must have risen since its best
NEARER = 0.2  # by how much the share of drawings next to a training picture must have risen
SURE = 3.0  # standard errors
DETAIL = 0.4  # of the pictures' fine detail that must come back from the VAE; 0.6 of stickers from the shipped one
LEARNT = 0.5  # share of a VAE's training after which its pictures should be crisp


def guessing(history: History) -> str | None:
    """CLIP's loss stays at ln(batch), that of guessing which caption belongs to which picture."""
    loss = history.series("contrast")
    if len(loss) < ROWS or history.progress < 0.2 or loss.pictures[-1] < STEPS * history.batch:
        return None
    chance, parts = math.log(history.batch), [statistics.fmean(part) for part in loss.parts(3)]
    first, newest = min(parts[0], chance), parts[-1]
    if newest < CHANCE * chance or first - newest > (1 - CHANCE) / 3 * chance:  # slow beginnings are common
        return None
    return (
        f"CLIP still only guesses which caption belongs to which picture: its loss is {newest:.2f}, and guessing among "
        f"{history.batch} is ln {history.batch} = {chance:.2f}. Look at whether the captions stand beside the right "
        "pictures and differ from each other; if they do, lower clip.loop.learning_rate."
    )


def flat(history: History) -> str | None:
    """The loss has not fallen for a third of the training so far, as far as its noise lets one tell."""
    loss = _above_floor(history)
    if len(loss) < 2 * ROWS or not 0.25 <= history.progress < 0.9 or guessing(history):
        return None
    (before, error), (now, other) = (mean_and_error(part) for part in loss.parts(3)[1:])
    unsure = SURE * math.hypot(error, other)
    if before - now + unsure >= FLAT * before or now - before > max(unsure, FLAT * before):  # falling, or rising
        return None
    return (
        f"The loss has not fallen for the last third of this training ({before:.3g} before, {now:.3g} now). If the "
        "sheets "
        "look good, it has learnt what it can and may be stopped; if not, it needs more or more varied pictures, or "
        "another learning rate."
    )


def rising(history: History) -> str | None:
    """The loss rises well above its best; it may end in something that is no number."""
    loss = _above_floor(history)
    if len(loss) < ROWS or not history.steady:
        return None
    parts = [mean_and_error(part) for part in loss.parts(5)]
    (best, error), (now, other) = min(parts), parts[-1]
    if now - best <= max(RISE * abs(best), SURE * math.hypot(error, other)):
        return None
    return (
        f"The loss is rising: {now:.3g} now, {best:.3g} at its best. If that goes on, the training ends with a loss "
        "that is "
        "no number. The usual cause is a learning rate that is too high: stop, and begin anew with a third of it."
    )


def exploding(history: History) -> str | None:
    """Gradients are much larger than they were; the learning rate is too high."""
    norm = history.series("gradient_norm")
    if len(norm) < ROWS:
        return None
    parts = norm.parts(3)
    first, now = statistics.median(parts[0]), statistics.median(parts[-1][-5:])
    learns = len(loss := _above_floor(history)) >= ROWS and _falls(loss)  # CLIP's gradients grow as it begins to see
    if now <= (MANY_TIMES if learns else TIMES) * first:
        return None
    return (
        f"Gradients explode: they are {now / first:.0f} times as large as in the beginning ({first:.2g} then, "
        f"{now:.2g} now). "
        "The learning rate is too high: stop, and begin anew with a third of it."
    )


def memorising(history: History) -> str | None:
    """Pictures that are kept aside are understood worse, those that are learnt from better."""
    held_out, loss = history.series("held_out_loss"), _above_floor(history)
    if len(held_out) < 4:
        return None
    best = min(range(len(held_out)), key=held_out.values.__getitem__)
    now = held_out.values[-2:]
    if best > len(held_out) - 3 or min(now) <= (1 + WORSE) * held_out.values[best]:
        return None
    before = loss.until(held_out.pictures[best]).values[-10:]
    after = loss.values[-10:]
    if len(before) < 2 or statistics.fmean(after) >= statistics.fmean(before):
        return None
    risen = statistics.fmean(now) / held_out.values[best] - 1
    return (
        f"It begins to learn your pictures by heart: since {held_out.pictures[best]:,} pictures the loss on pictures "
        "that "
        f"it never sees has risen by {100 * risen:.0f} %, while that on the others falls. Stop here, or begin anew "
        "with more "
        "pictures or a shorter training."
    )


def copying(history: History) -> str | None:
    """More and more drawings lie nearer to a picture that is learnt from than to one that is kept aside."""
    share = history.series("near_training")
    if len(share) < 4:
        return None
    half = len(share) // 2
    first, now = (statistics.fmean(part) for part in (share.values[:half], share.values[-half:]))
    if now - first < NEARER or now < 0.75:
        return None
    return (
        f"What is drawn comes ever closer to the training pictures: {100 * now:.0f} % of the drawings on the sheets "
        "lie "
        f"nearer to one of those than to any picture kept aside ({100 * first:.0f} % in the beginning). Look whether "
        "the "
        "sheets show copies, and stop before they do."
    )


def blurry(history: History) -> str | None:
    """The VAE brings back too little of the pictures' fine detail."""
    detail = history.series("detail")
    if not detail.values or detail.values[-1] >= DETAIL or history.progress < LEARNT:
        return None
    return (
        f"The VAE blurs these pictures: only {_percent(detail.values[-1])} of their finest detail comes back from "
        "it, and "
        "what is drawn cannot be crisper than that. Train it longer (vae.loop.pictures), or use pictures with larger "
        "shapes and fewer small marks."
    )


def _percent(share: float) -> str:
    return f"{max(0.0, 100 * share):.0f} %"


def blurred_before(history: History) -> str | None:
    """The VAE that the U-Net draws through, which is not trained any more, is too blurry for these pictures."""
    detail = history.series("vae_detail")
    if not detail.values or detail.values[-1] >= DETAIL:
        return None
    return (
        f"The VAE is too coarse for these pictures: only {_percent(detail.values[-1])} of their finest detail comes "
        "back from it, so drawings will look softer than they do. Pictures with larger shapes suit it better; where "
        "all of a model is trained, the VAE can learn them first (--tasks vae,diffusion)."
    )


SIGNS: Mapping[str, Sign] = MappingProxyType({
    "guessing": guessing, "exploding": exploding, "rising": rising, "memorising": memorising, "copying": copying,
    "blurry": blurry, "blurred_before": blurred_before, "flat": flat,
})  # fmt: skip


def _falls(loss: Series) -> bool:
    """Whether a loss is lower in its last fifth than in the one before."""
    before, now = (statistics.fmean(part) for part in loss.parts(5)[-2:])
    return now < before


def _above_floor(history: History) -> Series:
    """The loss above the least that it can be, where that is told beside it."""
    rows = [p for p in history.points if math.isfinite(p.values.get("loss", math.nan))]
    values = (p.values["loss"] - p.values.get("floor", 0.0) for p in rows)
    return Series(tuple(p.pictures for p in rows), tuple(values))
