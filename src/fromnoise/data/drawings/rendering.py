"""A drawing's pixels, and what is measured from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from fromnoise.data.stickers.render import RefusedError, colour_words, render_file, render_svg
from fromnoise.data.world.drawing import Drawing

PIXELS = 64
THUMB = 16
DIFFERENT = 40  # of 255: drawings of one set that nowhere differ by more at 16 pixels are the same one


def rendered(drawing: Drawing, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Its pixels on white, uint8 [pixels,pixels,3], and its alpha, uint8 [pixels,pixels].

    Raises:
        RefusedError: it reaches outside itself.
        OSError, ValueError: it cannot be drawn.
    """
    if drawing.picture:
        return render_file(drawing.picture, pixels)
    return render_svg(drawing.body, drawing.box, pixels)


def measured(drawing: Drawing) -> tuple[Drawing | None, bytes, str]:
    """The drawing with its colour words and a thumbnail (uint8 [16,16,4]), or None and why it cannot be used."""
    try:
        picture, alpha = rendered(drawing, PIXELS)
    except RefusedError as error:
        return None, b"", f"refused: {error}"
    except (OSError, ValueError) as error:
        return None, b"", f"cannot be drawn: {str(error)[:100]}"
    if (alpha > 60).sum() < 20:
        return None, b"", "blank"
    rgba = Image.fromarray(np.dstack([picture, alpha])).resize((THUMB, THUMB), Image.Resampling.BOX)
    return replace(drawing, colours=tuple(colour_words(picture, alpha))), rgba.tobytes(), ""


def copies(thumbs: list[bytes]) -> set[int]:
    """Indices of the pictures that look like an earlier one.

    Args:
        thumbs: as :func:`measured` gives them.
    """
    if not thumbs:
        return set()
    pixels = np.stack([np.frombuffer(thumb, np.uint8) for thumb in thumbs]).astype(np.int16)
    means = pixels.reshape(len(pixels), -1, 4).mean(1)
    found: set[int] = set()
    for i in range(1, len(pixels)):
        near = np.flatnonzero(np.abs(means[:i] - means[i]).max(1) < DIFFERENT / 8)
        near = np.array([j for j in near if j not in found], int)
        if len(near) and np.abs(pixels[near] - pixels[i]).max(1).min() < DIFFERENT:
            found.add(i)
    return found
