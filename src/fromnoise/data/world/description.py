"""What a picture of the world shows, whole and exact: it is drawn from this, and its captions are told from this."""

from __future__ import annotations

from dataclasses import dataclass

from fromnoise.ground.config import Config

Place = tuple[float, float, float, float]  # left, top, width, height, as shares of the picture


@dataclass(frozen=True)
class Thing(Config):
    """One drawing, once or several times.

    Attributes:
        drawing: its number in the world's list.
        names: true names, the usual first.
        thing: by what combinations are told, e.g. "apple".
        style: the hand.
        key: the concept.
        places: where each copy lies, as shares of the picture; as many as are shown.
        colour: the named colour it was given; "" where it has its own.
        own_colour: the named colour that it plainly has by itself; "" where it was given one.
        size: "tiny", "small", "big", "huge", or "" for what is not said.
        turn: "upside down", "tilted" or "".
        angle: degrees clockwise.
        place: "on the left", ... or "".
        attributes: further facts.
        keywords: words that fit.
    """

    drawing: int
    names: tuple[str, ...]
    thing: str
    style: str
    key: str
    places: tuple[Place, ...] = ()
    colour: str = ""
    own_colour: str = ""
    size: str = ""
    turn: str = ""
    angle: float = 0.0
    place: str = ""
    attributes: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How often it is shown."""
        return len(self.places)


@dataclass(frozen=True)
class Ground(Config):
    """What is behind.

    Attributes:
        kind: "" (nothing: white, and transparent), "plain", "gradient" or "scene".
        colours: one named colour of a plain ground, two of a gradient, from top to bottom.
        scene: a name in ``grounds.SCENES``.
        variant: which of the endless scenes of that name.
    """

    kind: str = ""
    colours: tuple[str, ...] = ()
    scene: str = ""
    variant: int = 0


@dataclass(frozen=True)
class Description(Config):
    """A picture.

    Attributes:
        seed, number: by which it was chosen.
        kind: of choice, a field of ``WorldMix``.
        things: one or two; the first lies before the second.
        relation: how the first is to the second: "left of", "above", "on", "in front of", "beside", "and", or "".
        ground: what is behind.
    """

    seed: int
    number: int
    kind: str
    things: tuple[Thing, ...]
    relation: str = ""
    ground: Ground = Ground()

    @property
    def styles(self) -> tuple[str, ...]:
        """The hands in it, each once."""
        return tuple(dict.fromkeys(thing.style for thing in self.things))
