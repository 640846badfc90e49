"""Whose training pictures must be asked before a picture can be said to be no copy?

Those of the model that drew it, and of the model that this one was trained further from. A picture of ours says which
model drew it, by its hash; whatever was not asked (a LoRA's pictures, the picture it began with, another model's) is
said beside the verdict, and a picture whose drawer is unknown is compared only with a model that was named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fromnoise.data.pictures import load_folder
from fromnoise.drawing.picture_file import Origin
from fromnoise.evaluation.copies.build import built
from fromnoise.evaluation.copies.check import index_of
from fromnoise.evaluation.copies.index import Index
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import LORA
from fromnoise.system.text_to_image import TextToImage

# Models whose training pictures are all in the index of the shipped one, which was trained further from them: the first
# version of stickers-64 learnt from 3,190 pictures, which are those of its four styles among the 5,696 of today's. What
# others trained further from them is compared with the shipped index too.
INCLUDED = frozenset({"73adef740c86"})

SIDE = 64  # pixels, at which the pictures of a folder are looked at

UNNAMED = (
    "the training pictures of whatever model drew it; the file does not name one, so it was compared only "
    "with what was named here"
)

# Opens a model by its place (None: the shipped one), with the LoRAs of the command if the flag says so, and with few
# steps if the other one says so; gives its name and itself.
Open = Callable[[str | None, bool, bool], tuple[str, TextToImage]]
MakeIndex = Callable[[TextToImage], Index]


@dataclass(frozen=True, eq=False)
class Source:
    """A model whose training pictures are compared with, or a folder of pictures.

    Attributes:
        name, hash: of the model; of a folder its path and "".
        index: of its training pictures.
        base: hash of the model that it was trained further from, or "".
    """

    name: str
    hash: str
    index: Index
    base: str = ""

    @property
    def pictures(self) -> str:
        """Its training pictures, in words."""
        count = self.index.trained
        which = "the one picture" if count == 1 else f"any of the {count:,} pictures"
        if not self.hash:
            return f"{which} in {self.name}"
        return f"{which} that {self.name} ({self.hash}) was trained on"


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked about one picture.

    Attributes:
        file: of the picture.
        sources: whose training pictures it is compared with, the most telling first.
        unasked: what was not looked at, each as "what ... learnt from" or the like.
    """

    file: Path
    sources: tuple[Source, ...]
    unasked: tuple[str, ...] = ()


@dataclass(eq=False)
class Witnesses:
    """Finds the models to ask.

    Args:
        open_model: opens models; asked once for each.
        model: the one that is said to have drawn the pictures; None for what they say themselves.
        against: further models whose pictures are compared with, whoever drew; and folders of pictures.
        make_index: of a model, instead of the index that it carries; for the first model that was named.
    """

    open_model: Open
    model: str | None = None
    against: Sequence[str] = ()
    make_index: MakeIndex | None = None
    _opened: dict[tuple[str | None, bool, bool], tuple[str, TextToImage]] = field(default_factory=dict)
    _sources: dict[str | None, Source] = field(default_factory=dict)

    def question(self, file: Path, origin: Origin | None) -> Question:
        """Whom to ask about a picture.

        Args:
            file: its name.
            origin: what it says of how it was drawn, or None.

        Raises:
            UserError: the model that drew it is not there, or nobody says which it was.
        """
        named = [self.source(place) for place in self.against]
        if origin is None:
            if self.model is None and not named:
                raise UserError(
                    f"{file} does not say which model drew it; name the model whose training pictures it is to be "
                    "compared with: --against MODEL"
                )
            sources = ([self.source(self.model)] if self.model is not None else []) + named
            return self._with_bases(file, sources, (UNNAMED,))
        drawer = self._drawer(file, origin)
        if drawer is None:
            loras = " with LoRAs (they are checked when given with --lora)" if origin.loras else ""
            drawn = (
                f"it was drawn by {origin.model} ({origin.model_hash}){loras}, whose training pictures were not asked"
            )
            return self._with_bases(file, named, (drawn, *beyond(origin)))
        return self._with_bases(file, [drawer, *(s for s in named if s is not drawer)], beyond(origin))

    def source(self, place: str | None) -> Source:
        """A model to ask, or pictures.

        Raises:
            UserError: it cannot be opened, or has no index.
        """
        if place not in self._sources and place is not None and holds_pictures(place):
            self._sources[place] = Source(place, "", built(load_folder(place, SIDE, split=None)))
        if place not in self._sources:
            name, model = self._open(place)
            first = self.against[0] if self.model is None and self.against else self.model
            index = self.make_index(model) if self.make_index and place == first else index_of(model, None)
            self._sources[place] = Source(name, model.hash, index, str(model.card.get("started_from") or ""))
        return self._sources[place]

    def _drawer(self, file: Path, origin: Origin) -> Source | None:
        """The model that drew a picture; None where other models are to be compared with and it is none of them.

        Raises:
            UserError: the model that was named, or the shipped one, did not draw it.
        """
        models = [place for place in self.against if not holds_pictures(place)]
        places = [self.model] if self.model is not None or not models else models
        for place in places:
            _, model = self._open(place, bool(origin.loras), origin.fast)
            if model.hash == origin.model_hash:
                return self.source(place)
        if self.model is None and self.against:
            return None
        name, model = self._open(places[0])
        loras = f" with the LoRAs {', '.join(origin.loras)} (give them with --lora)" if origin.loras else ""
        raise UserError(
            f"{file} was drawn by {origin.model} ({origin.model_hash}){loras}, and not by {name} ({model.hash}): give "
            "its folder with --model, or say with --against which model's training pictures to compare it with"
        )

    def _with_bases(self, file: Path, sources: Sequence[Source], unasked: tuple[str, ...]) -> Question:
        """The sources, and the models that they were trained further from where those are at hand."""
        found, missing = list(sources), []
        for source in found:
            if source.base and all(source.base != other.hash for other in found):
                if self._shipped_hash() == source.base or self._among_the_shipped(source.base):
                    if all(other.hash != self._shipped_hash() for other in found):
                        found.append(self.source(None))
                else:
                    missing.append(
                        f"{source.name} was trained further from the model {source.base}, whose training pictures "
                        "were not asked (name it with --against)"
                    )
        return Question(file, tuple(found), (*unasked, *missing))

    def _among_the_shipped(self, base: str) -> bool:
        """Whether the shipped model's index holds all that a model learnt from."""
        return base in INCLUDED and self.source(None).base == base

    def _shipped_hash(self) -> str:
        return self._open(None)[1].hash

    def _open(self, place: str | None, loras: bool = False, fast: bool = False) -> tuple[str, TextToImage]:
        key = (place, loras, fast)
        if key not in self._opened:
            self._opened[key] = self.open_model(*key)
        return self._opened[key]


def holds_pictures(place: str) -> bool:
    """Whether a place is one of pictures: a folder that is neither a model nor a run, or a packed file.

    Raises:
        UserError: it is the run of a LoRA, which is neither.
    """
    path = Path(place)
    if (path / LORA).is_file():
        raise UserError(
            f"{place} is the run of a LoRA: give that with --lora {path / LORA}, and the folder of the pictures that "
            "it learnt from with --against"
        )
    if path.is_dir():
        return not any((path / name).is_file() for name in ("model_index.json", "run.json", "story.json"))
    return path.is_file() and path.suffix.lower() in (".parquet", ".tar")


def beyond(origin: Origin) -> tuple[str, ...]:
    """What a picture may hold that no model's training pictures can tell of."""
    found = []
    if origin.loras:
        found.append(
            f"what its LoRAs learnt from ({', '.join(origin.loras)}) is not known; their pictures are compared with by "
            "--against FOLDER"
        )
    if origin.start is not None:
        found.append(
            "it began with another picture (--image, or one given in the studio), and likeness to that was not "
            "looked at"
        )
    return tuple(found)
