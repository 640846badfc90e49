"""What a view hands out: a picture, what was measured, and the command that makes both again.

One figure can be written as a picture (.png), a film (.gif, .webp), a page that needs nothing else (.html), or numbers
for programs (.json). All of them carry the command.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from fromnoise import __version__
from fromnoise.ground.errors import UserError
from fromnoise.ground.templates import templates
from fromnoise.ground.whole import write_atomically
from fromnoise.inspection.film import film_bytes
from fromnoise.provenance.marks import PNG_KEYWORD, Made, xmp_of

FOLDER = Path(__file__).parent.parent / "assets" / "inspection"
KEY = "command"  # of the text in a .png
FILMS = (".gif", ".webp")
SHOWN = Made("", "", __version__, from_a_picture=True)  # pictures of a model may be on it, beside others


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers for people.

    Attributes:
        heads: of the columns.
        rows: what stands in them, already worded.
        caption: what they are, in one sentence.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Figure:
    """One view of one thing.

    Attributes:
        title: a few words.
        about: two plain sentences, for somebody who has never seen a line of code.
        picture: what is to be seen, RGB.
        facts: what was measured, as JSON writes it.
        command: what makes it again.
        frames: the same in time, for a film; all of one size. Empty where nothing moves.
        tables: the measured numbers, for people.
        page: makes the page, as HTML, of a view that has one of its own; None for the usual one.
    """

    title: str
    about: str
    picture: Image.Image
    facts: Mapping[str, Any]
    command: str
    frames: Sequence[Image.Image] = ()
    tables: Sequence[Table] = field(default_factory=tuple)
    page: Callable[[], str] | None = None

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings of files that it can be written to."""
        return (".png", *(FILMS if self.frames else ()), ".html", ".json")


def check_out(out: Path, moves: bool) -> None:
    """Refuse a file that no figure can be written to, before anything is drawn.

    Args:
        out: the file.
        moves: whether the figure will have frames.

    Raises:
        UserError: another ending, or a folder.
    """
    suffixes = (".png", *(FILMS if moves else ()), ".html", ".json")
    if out.suffix.lower() not in suffixes or out.is_dir():
        raise UserError(f"'{out}' should be a file that ends in {', '.join(suffixes[:-1])} or {suffixes[-1]}")


def save_figure(figure: Figure, out: Path) -> None:
    """Write a figure, whole or not at all; the ending says as what.

    Raises:
        UserError: an ending that it cannot be written as, a missing package, or a file that cannot be written.
    """
    check_out(out, bool(figure.frames))
    write_atomically(out, figure_bytes(figure, out.suffix.lower()))


def figure_bytes(figure: Figure, suffix: str) -> bytes:
    """A figure as a file; see :func:`save_figure`."""
    if suffix == ".json":
        stored = {"title": figure.title, "about": figure.about, "command": figure.command, **figure.facts}
        return f"{json.dumps(stored, ensure_ascii=False, indent=1)}\n".encode()
    if suffix == ".html":
        return (figure.page() if figure.page else _page(figure)).encode()
    if suffix in FILMS:
        return film_bytes(figure.frames, suffix, zoom=1, made=SHOWN)
    return png_of(figure.picture, figure.command)


def png_of(picture: Image.Image, command: str = "") -> bytes:
    """A picture as the bytes of a .png that says which command made it, and that there may be pictures of a model on
    it."""
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    if command:
        info.add_itxt(KEY, command)
        info.add_itxt(PNG_KEYWORD, xmp_of(SHOWN))
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def data_url(data: bytes, kind: str = "image/png") -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _page(figure: Figure) -> str:
    """One page that asks nothing of the network. Texts are escaped by Jinja2, whatever stands in a prompt."""
    environment = templates(FOLDER)
    film = data_url(film_bytes(figure.frames, ".webp", zoom=1), "image/webp") if figure.frames else ""
    picture = data_url(png_of(figure.picture, figure.command))
    text: str = environment.get_template("figure.html.j2").render(figure=figure, picture=picture, film=film)
    return text
