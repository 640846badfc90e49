"""Icon sources to pixels: SVG through resvg, WebP through Pillow; and the colour words of what came out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from PIL import Image

from fromnoise.data.decoding import fit
from fromnoise.data.reading import square
from fromnoise.ground.errors import missing_packages
from fromnoise.ground.pictures import open_picture

# resvg would load a local file that an <image> names, and text depends on the machine's fonts.
REFUSED = re.compile(
    r"<(?:\w+:)?(script|foreignObject|image|text|use\s[^>]*href\s*=\s*[\"'](?!#))\b"
    r"|href\s*=\s*[\"'](?!#)|url\(\s*(?![\"']?#)|@import|<!ENTITY|<!DOCTYPE",
    re.IGNORECASE,
)

_FILTER = re.compile(r"""\sfilter\s*=\s*("[^"]*"|'[^']*')|\bfilter\s*:\s*url\([^)]*\)""")

PALETTE = {
    "black": (25, 25, 28),
    "gray": (140, 142, 148),
    "white": (245, 245, 245),
    "red": (221, 46, 50),
    "orange": (245, 140, 40),
    "yellow": (254, 211, 70),
    "green": (80, 165, 60),
    "teal": (30, 160, 160),
    "light blue": (110, 195, 245),
    "blue": (40, 100, 210),
    "purple": (135, 80, 190),
    "pink": (240, 130, 180),
    "brown": (125, 75, 45),
    "beige": (240, 205, 160),
    "dark blue": (25, 45, 100),
    "dark green": (25, 85, 45),
    "dark red": (130, 20, 35),
}


def need_resvg() -> Any:
    """The package that draws SVGs.

    Raises:
        UserError: it is missing.
    """
    try:
        import resvg_py
    except ImportError:
        raise missing_packages("drawing SVG needs resvg-py", "train") from None
    return resvg_py


class RefusedError(ValueError):
    """An SVG that could reach outside itself."""


def render_svg(body: str, box: tuple[float, float, float, float], pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw an SVG body.

    Args:
        body: what stands between ``<svg>`` and ``</svg>``.
        box: left, top, width, height of its view box.
        pixels: side of the square.

    Returns:
        uint8 [pixels,pixels,3] on white, and its alpha, uint8 [pixels,pixels].

    Raises:
        RefusedError: scripts, text, pictures, or references that do not stay inside the drawing.
    """
    return _on_white(
        rasterised(body, f'width="{pixels}" height="{pixels}" viewBox="{" ".join(map(str, box))}"'), pixels
    )


def rasterised(body: str, frame: str) -> Image.Image:
    """What stands between ``<svg>`` and ``</svg>`` as RGBA.

    Args:
        body: that.
        frame: attributes of ``<svg>``: width and height in pixels, and the view box.

    Raises:
        RefusedError: scripts, text, pictures, or references that do not stay inside the drawing.
        ValueError: resvg cannot draw it.
        UserError: resvg-py is missing.
    """
    resvg = need_resvg()
    if found := REFUSED.search(body):
        raise RefusedError(f"holds '{found[0].strip()[:40]}'")
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    # At a few sizes resvg's filters read beyond their edge and the library panics, which is no Exception in Python. The
    # same drawing without its filters (glow, shade) shows the same thing, and an endless row of pictures goes on.
    for drawn in (body, _FILTER.sub("", body)):
        svg = f'<svg {spaces} color="black" {frame}>{drawn}</svg>'
        try:
            data = bytes(resvg.svg_to_bytes(svg_string=svg, skip_system_fonts=True, dpi=96))
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
        else:
            return open_picture(data).convert("RGBA")
    raise ValueError("resvg stopped while it drew this")


def render_file(data: bytes, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode a WebP or PNG file; the same return value as :func:`render_svg`."""
    return _on_white(open_picture(data).convert("RGBA"), pixels)


def _on_white(picture: Image.Image, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    alpha = picture.getchannel("A")
    mask = Image.merge("RGBA", [*(Image.new("L", picture.size, 0),) * 3, alpha])
    return fit(picture, square(pixels)), 255 - fit(mask, square(pixels))[..., 0]


def colour_words(picture: np.ndarray, alpha: np.ndarray) -> list[str]:
    """Up to three colour words, most common first, each for at least 15 % of the opaque pixels.

    Args:
        picture: uint8 [P,P,3].
        alpha: uint8 [P,P].
    """
    opaque = picture[alpha > 200]
    if len(opaque) < 20:
        return []
    distance = ((lab(opaque)[:, None] - _PALETTE_LAB) ** 2).sum(-1)
    share = np.bincount(distance.argmin(1), minlength=len(PALETTE)) / len(opaque)
    names = list(PALETTE)
    return [names[i] for i in np.argsort(-share, kind="stable")[:3] if share[i] >= 0.15]


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB 0…255 to CIE L*a*b* (D65), where distances are roughly what people see."""
    c = np.asarray(rgb, np.float32) / 255
    c = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    to_xyz = np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]], np.float32)
    xyz = c @ to_xyz / np.array([0.9505, 1, 1.089], np.float32)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


_PALETTE_LAB = lab(np.array(list(PALETTE.values())))
