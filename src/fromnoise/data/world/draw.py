"""One drawing to pixels, cut to what it shows, at its final size: by resvg, or by Pillow where it is a picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from fromnoise.data.stickers.render import rasterised
from fromnoise.ground.pictures import open_picture

Box = tuple[float, float, float, float]  # left, top, width, height


def render_vector(
    body: str, box: Box, width: int, height: int, window: Box | None = None, angle: float = 0
) -> Image.Image:
    """Draw an SVG body.

    Args:
        body: what stands between ``<svg>`` and ``</svg>``.
        box: its view box; nothing outside is drawn.
        width, height: of the picture, in pixels.
        window: the part to show, in the units of the view box, stretched to width and height; None shows all.
        angle: degrees clockwise about the middle of the view box.

    Returns:
        RGBA.

    Raises:
        RefusedError: scripts, text, pictures, or references that do not stay inside the drawing.
        ValueError: resvg cannot draw it.
        UserError: resvg-py is missing.
    """
    left, top, wide, high = box
    inner = (
        body
        if not angle
        # a window lies inside the box, so only what is turned needs to be cut to it
        else (
            f'<g transform="rotate({angle:.3f} {left + wide / 2} {top + high / 2})"><svg x="{left}" y="{top}" '
            f'width="{wide}" height="{high}" viewBox="{left} {top} {wide} {high}">{body}</svg></g>'
        )
    )
    seen = " ".join(f"{v:.5f}" for v in window or box)
    return rasterised(inner, f'width="{width}" height="{height}" preserveAspectRatio="none" viewBox="{seen}"')


def render_picture(data: bytes, width: int, height: int, window: Box | None = None, angle: float = 0) -> Image.Image:
    """The same of a WebP or PNG file, whose view box is its own size in pixels."""
    whole = _opened(data)
    full = (0.0, 0.0, *map(float, whole.size))
    left, top, wide, high = window or full
    # From a place of the result to one of the source: into the window, then back by the angle about the middle.
    turn = np.deg2rad(angle)
    c, s = np.cos(turn), np.sin(turn)
    x0, y0 = left - full[2] / 2, top - full[3] / 2
    scale = max(wide / width, high / height)
    if scale > 1:  # Pillow's transforms do not average, so draw it large first
        factor = int(np.ceil(scale))
        large = render_picture(data, width * factor, height * factor, window, angle)
        return large.convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
    a, b = wide / width, high / height
    matrix = (c * a, s * b, c * x0 + s * y0 + full[2] / 2, -s * a, c * b, -s * x0 + c * y0 + full[3] / 2)
    turned = whole.convert("RGBa").transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return turned.convert("RGBA")


@lru_cache(64)
def _opened(data: bytes) -> Image.Image:
    return open_picture(data).convert("RGBA")


def picture_box(data: bytes) -> Box:
    """The view box of a picture file."""
    width, height = _opened(data).size
    return (0.0, 0.0, float(width), float(height))
