"""The forward process as a figure: a picture drowning in noise, the guesses from each level, and where it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.captions import Captions, captions_of
from fromnoise.inspection.charts import Line, line_chart
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.noise import DRAWS, Guess, Level, Looked, Lost, best_places, check, lost, noise_levels
from fromnoise.inspection.panels import below, headed
from fromnoise.system.text_to_image import TextToImage

ABOUT = (
    "The machine learnt from pictures that were drowned in noise, a little or completely, and had to guess what had "
    "been there. Here it does that again: from a little noise it sees the picture, from much of it hardly more than "
    "what the words say, and from noise alone it can only guess."
)
ROWS = ("noise on the colours", "noise on the latents, as a picture", "guess without words", "guess with words")


def noise_figure(
    model: TextToImage, looked: Looked, times: Sequence[int], draws: int = DRAWS, command: str = ""
) -> Figure:
    """A picture at several noise levels, and what the model makes of each.

    Args:
        model: what guesses.
        looked: the picture.
        times: levels, -1 (clean) to the last.
        draws: over so many noises errors are averaged.
        command: what makes the figure again.

    Raises:
        UserError: see :func:`fromnoise.inspection.noise.noise_levels`.
    """
    check(model, looked, times, draws)  # before captions are read
    captions = captions_for(model, looked.style) if looked.words.strip() else None
    levels = list(noise_levels(model, looked, times, draws, captions))
    gone, steps = lost(levels, captions), model.schedule.steps
    said = f', "{looked.words}"' if looked.words else ""
    found = verdict(gone, steps)
    parts = [headed(f"one picture{said}, from no noise to noise alone. {found}", _sheet(levels, steps))]
    return Figure(
        f"Noise{said and ': '}{looked.words}",
        f"{ABOUT} {found}",
        below(*parts, *_charts(levels, steps)),
        _facts(levels, gone, captions),
        command,
        [_frame(level, steps) for level in levels],
        [_errors_table(levels, steps, found), _likeness_table(levels, steps, captions)],
    )


def captions_for(model: TextToImage, style: str | None) -> Captions | None:
    """Among what a caption in a style is ranked; None without CLIP, or anything to rank it among."""
    if model.clip is None or not (model.copies or model.known):
        return None
    return captions_of(model, style)


def verdict(gone: Lost, steps: int) -> str:
    """Sentences: where the picture is lost."""
    parts = []
    if gone.by_distance is not None:
        parts.append(
            f"Measured by distance, its guess without words loses this picture at {_percent(gone.by_distance, steps)} "
            "of the noise levels: from there on it is off by more than half of what a blind guess is."
        )
    if gone.recognised is False:
        parts.append("The model's CLIP does not find the caption even for the picture itself, so its ranks say little.")
    elif gone.recognised and gone.by_caption is not None:
        parts.append(f"Its CLIP finds the caption in that guess up to just below {_percent(gone.by_caption, steps)}.")
    elif gone.recognised:
        parts.append("Its CLIP finds the caption in that guess at every level that was looked at.")
    return " ".join(parts)


def _percent(t: int, steps: int) -> str:
    """How far up the levels t is."""
    return f"{100 * (t + 1) / steps:.3g} %"


def _title(level: Level, steps: int) -> str:
    return "clean" if level.t < 0 else f"{_percent(level.t, steps)}, t={level.t}"


def _pictures(level: Level) -> list[Image.Image]:
    found = [level.pixels, level.decoded, level.without.picture]
    found += [level.with_words.picture] if level.with_words is not None else []
    return [to_image(picture) for picture in found]


def _sheet(levels: Sequence[Level], steps: int) -> Image.Image:
    columns = [_pictures(level) for level in levels]
    rows = [list(row) for row in zip(*columns, strict=True)]
    zoom = max(1, 128 // rows[0][0].width)
    return contact_sheet(rows, ROWS[: len(rows)], [_title(level, steps) for level in levels], zoom)


def _frame(level: Level, steps: int) -> Image.Image:
    pictures = _pictures(level)
    sheet = contact_sheet([pictures], [""], ROWS[: len(pictures)], max(1, 192 // pictures[0].width))
    return headed(f"{_title(level, steps)}: {level.alpha**2:.1%} picture, {level.sigma**2:.1%} noise", sheet)


def _charts(levels: Sequence[Level], steps: int) -> list[Image.Image]:
    """The errors, and what words are worth; both over the levels."""
    places = ["clean" if level.t < 0 else _percent(level.t, steps) for level in levels]
    errors = [Line("without words", [level.without.error for level in levels])]
    told = [level for level in levels if level.with_words is not None]
    if told:
        errors.append(Line("with words", [v.with_words.error if v.with_words else None for v in levels]))
    found = [line_chart("error of the guess", errors, places, "noise level")]
    worth = [Line("error that words take away", [level.gain for level in levels])] if told else []
    shares = [level.share for level in levels]
    worth += [Line("share of all lessons up to here from the level before", shares)] if shares[-1] is not None else []
    return [*found, line_chart("what is taught", worth, places, "noise level")] if worth else found


def _guess_facts(guess: Guess | None) -> dict[str, Any] | None:
    if guess is None:
        return None
    clear = min(guess.decibel, 99.0)  # equal pictures: JSON has no infinity
    loss = None if guess.loss is None else round(guess.loss, 5)
    return {"error": round(guess.error, 5), "loss": loss, "decibel": round(clear, 2), "rank": guess.rank}


def _facts(levels: Sequence[Level], gone: Lost, captions: Captions | None) -> dict[str, Any]:
    found = [
        {
            "t": v.t, "alpha": round(v.alpha, 6), "sigma": round(v.sigma, 6), "log_snr": _finite(v.log_snr),
            "without": _guess_facts(v.without), "with_words": _guess_facts(v.with_words),
            "gain": None if v.gain is None else round(v.gain, 4), "share": v.share and round(v.share, 4),
        }
        for v in levels
    ]  # fmt: skip
    where = {"by_caption": gone.by_caption, "by_distance": gone.by_distance, "recognised": gone.recognised}
    among = None if captions is None else {"captions": len(captions.texts), "best": best_places(len(captions.texts))}
    return {"levels": found, "lost": where, "ranked_among": among}


def _finite(value: float) -> float | None:
    """A number that JSON has; None for the infinities at both ends of a schedule."""
    return round(value, 4) if abs(value) < float("inf") else None


def _errors_table(levels: Sequence[Level], steps: int, found: str) -> Table:
    """What training sees: the error of the guess, and how often it looks there."""
    words, known = levels[0].with_words is not None, levels[-1].share is not None
    heads = ["level", "t", "log-SNR", "error", *(["with words", "taken away"] if words else [])]
    heads += ["lessons"] if known else []
    lines = []
    for level in levels:
        line = [_name(level, steps), str(level.t), f"{level.log_snr:.2f}", f"{level.without.error:.3f}"]
        line += [f"{level.with_words.error:.3f}" if level.with_words else ""] if words else []
        line += ["" if level.gain is None else f"{level.gain:.0%}"] if words else []
        lines.append(line + ([f"{level.share:.0%}"] if level.share is not None else []))
    caption = f"{found} Each level: the error of the guess (latents have a variance of 1)"
    caption += ", how much of it words take away" if words else ""
    caption += ", and the share of all lessons in training from the level before up to this one" if known else ""
    return Table(heads, lines, caption.strip())


def _likeness_table(levels: Sequence[Level], steps: int, captions: Captions | None) -> Table:
    """What a person sees: how like the picture the guess is, and whether it could be called by its name."""
    words = levels[0].with_words is not None
    heads = ["level", "likeness, dB", *(["with words"] if words else [])]
    heads += ["place of the caption", "with words"] if captions else []
    lines = []
    for level in levels:
        guesses = [level.without, *([level.with_words] if level.with_words else [])]
        line = [_name(level, steps), *(f"{guess.decibel:.1f}" for guess in guesses)]
        lines.append(line + ([str(guess.rank) for guess in guesses] if captions else []))
    among = f", and its caption's place among {len(captions.texts)} {captions.source}" if captions else ""
    return Table(heads, lines, f"Each guess: how like the picture it is{among}")


def _name(level: Level, steps: int) -> str:
    return "clean" if level.t < 0 else _percent(level.t, steps)
