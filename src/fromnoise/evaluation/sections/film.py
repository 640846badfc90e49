"""How the model learnt: the same prompts from the same noise, again and again while it was trained."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.section import Picture, Section
from fromnoise.ground.pictures import opened_file
from fromnoise.inspection.film import film_bytes

TITLE = "A film of the training"
TEXT = (
    "While the model was trained, a sheet was drawn every few minutes: always the same prompts from the same "
    "noise. So what changes from one sheet to the next is what was learnt in between.",
    "The number is how many training pictures had been shown by then, each counted every time.",
)
FRAMES, STRIP = 24, 6
SECONDS = 10.0
HEAD = 24  # pixels for the number


def film_section(bench: Bench) -> Section:
    """Make a film and a strip of a run's sheets; one sentence where there are none."""
    files = sheets_of(bench.run)
    if len(files) < 2:
        return Section("film", TITLE, ("Left out: the folder of the training is not known, or holds no sheets.",))
    chosen = spread_out(files, FRAMES)
    film = film_bytes([_frame(file) for file in chosen], ".gif", SECONDS, zoom=1)
    strip = _strip(spread_out(files, STRIP))
    count = int(files[-1].stem)
    alt = f"The same prompts at {len(chosen)} moments of the training, from noise to pictures."
    pictures = (
        Picture("training_strip", strip, alt, f"From left to right, up to {count:,} pictures."),
        Picture("training_film", film, alt, f"{len(chosen)} of {len(files)} sheets, up to {count:,} pictures."),
    )
    return Section("film", TITLE, TEXT, (), pictures, {"sheets": len(files), "pictures shown": count})


def sheets_of(run: Path | None) -> list[Path]:
    """The sheets of a run in the order in which they were drawn, as large as the last: prompts may have changed."""
    if run is None:
        return []
    files = (run / "diffusion" / "sheets").glob("*.png")  # named by the number of pictures shown
    ordered = sorted((f for f in files if f.stem.isdigit()), key=lambda f: int(f.stem))
    sizes = [_size(file) for file in ordered]
    return [file for file, size in zip(ordered, sizes, strict=True) if size and size == sizes[-1]]


def spread_out(files: list[Path], count: int) -> list[Path]:
    """The first, the last, and those nearest to equal distances between, by pictures shown; none twice."""
    first, last = int(files[0].stem), int(files[-1].stem)
    wanted = [first + (last - first) * i / (count - 1) for i in range(count)]
    return list(dict.fromkeys(min(files, key=lambda f, at=at: abs(int(f.stem) - at)) for at in wanted))  # type: ignore


def _size(file: Path) -> tuple[int, int] | None:
    try:
        with opened_file(file, ("PNG",)) as picture:
            return picture.size
    except (OSError, ValueError):
        return None


def _frame(file: Path) -> Image.Image:
    with opened_file(file, ("PNG",)) as picture:
        sheet = picture.convert("RGB")
    frame = Image.new("RGB", (sheet.width, sheet.height + HEAD), "white")
    frame.paste(sheet, (0, HEAD))
    ImageDraw.Draw(frame).text((4, 4), f"{int(file.stem):,} pictures", "black", ImageFont.load_default(14))
    return frame


def _strip(files: list[Path]) -> Image.Image:
    """Sheets at half size side by side."""
    frames = [_frame(file) for file in files]
    halves = [f.resize((f.width // 2, f.height // 2), Image.Resampling.LANCZOS) for f in frames]
    strip = Image.new("RGB", (sum(h.width + 6 for h in halves) - 6, halves[0].height), "white")
    x = 0
    for half in halves:
        strip.paste(half, (x, 0))
        x += half.width + 6
    return strip
