"""What will be done: a request with everything decided, checked, and cut into tokens, once.

``plan(model, request)`` is the only way down from what a person says to what is drawn. A Plan is frozen, has nothing
optional in it, and can be shown (``fromnoise generate --explain``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fromnoise.drawing.checks import (
    check_choice,
    check_fixed,
    check_length,
    check_size,
    check_towards,
    check_unicode,
    check_words,
)
from fromnoise.drawing.levels import Levels, fill, lay
from fromnoise.drawing.notes import notes
from fromnoise.drawing.request import Request, Towards
from fromnoise.drawing.size import AS_IT_IS, Size, own_area, too_large
from fromnoise.drawing.style import read_style, with_style
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled
from fromnoise.system.foreign_syntax import refuse_foreign_syntax
from fromnoise.system.text_to_image import TextToImage
from fromnoise.system.texts import Tokens

MOST_AT_ONCE = 64  # pictures per batch; more are drawn batch after batch, so memory stays flat


@dataclass(frozen=True, eq=False)
class Words:
    """What one picture is told.

    Attributes:
        prompt, negative: as they were said.
        style: one of the model's, also where it is the model's own choice; "" or "any" for none.
        wanted: prompt and style as the model reads them.
        unwanted: the negative prompt as the model reads it.
    """

    prompt: str
    negative: str
    style: str
    wanted: Tokens
    unwanted: Tokens

    @property
    def differ(self) -> bool:
        """Whether guidance has a direction: equal words pull nowhere."""
        return self.wanted.text != self.unwanted.text


@dataclass(frozen=True)
class Kind:
    """What pictures of one batch have in common: all but words and seeds.

    Attributes:
        settings: sampler, steps, levels, guidance, sizes and strength, as a request writes them.
        guided: whether guidance changes anything.
        parts: in how many parts the words are read.
    """

    settings: Request
    guided: bool
    parts: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that will be done for ``count`` pictures of one request.

    Attributes:
        seed: of the first picture; picture i uses seed + i.
        count: how many pictures.
        words: what they show.
        free: drawn without a prompt.
        goal: the words of the picture they go towards; ``words`` where there is none.
        goal_seed: seed of that picture; ``seed`` where there is none.
        amount: how far they go there, 0…1.
        levels: how the noise is taken away.
        guidance: scale of classifier-free guidance; 1 = off.
        interval: (lowest, highest) t at which it acts.
        rescale: 0…1, how far the contrast that it adds is taken back.
        size: what is drawn and what is handed out.
        native: larger than the model's own pictures because that was asked for.
        strength: how far a given picture may be changed, above 0…1; 1 without one.
        from_picture: whether the pictures begin with a given one.
        parts: in how many parts all words are read.
        transparent: whether the thing is cut out of its white background.
        best_of: how many candidates of each picture one is chosen from.
        notes: sentences for the person: what is done otherwise than they may expect.
    """

    seed: int
    count: int
    words: Words
    free: bool
    goal: Words
    goal_seed: int
    amount: float
    levels: Levels
    guidance: float
    interval: tuple[int, int]
    rescale: float
    size: Size
    native: bool
    strength: float
    from_picture: bool
    parts: int
    transparent: bool
    best_of: int
    notes: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Moves of the whole way."""
        return self.levels.steps

    @property
    def work(self) -> int:
        """Moves of all candidates of one picture."""
        return self.steps * self.best_of

    @property
    def guided(self) -> bool:
        """Whether guidance changes anything."""
        return self.guidance != 1.0 and (self.words.differ or self.goal.differ)

    @property
    def on_the_way(self) -> bool:
        """Whether the pictures go towards another one."""
        return self.goal is not self.words or self.goal_seed != self.seed

    @property
    def drawn_size(self) -> tuple[int, int]:
        """(height, width) of what is drawn, in pixels."""
        return self.size.drawn[1], self.size.drawn[0]

    @property
    def request(self) -> Request:
        """The same as a request with nothing left open, as files and galleries keep it."""
        w, to = self.words, None
        if self.on_the_way:
            same = self.goal is w
            g = self.goal
            to = Towards(
                self.amount,
                self.goal_seed,
                None if same else g.prompt,
                "" if same else g.negative,
                None if same else g.style or None,
            )
        words = Request(w.prompt, w.negative, w.style or None, self.seed, self.count, free=self.free, towards=to)
        return replace(
            words,
            steps=self.levels.steps,
            guidance=self.guidance,
            interval=self.interval,
            rescale=self.rescale,
            sampler=self.levels.sampler,
            spacing=self.levels.spacing,
            sigmas=self.levels.sigmas,
            width=self.size.given[0],
            height=self.size.given[1],
            native=self.native,
            strength=self.strength if self.from_picture else None,
            transparent=self.transparent,
            best_of=self.best_of,
        )

    @property
    def kind(self) -> Kind:
        """What it must share with others to be drawn in their batch."""
        alone = replace(self.request, prompt="", negative="", style=None, seed=0, count=1, free=False, towards=None)
        return Kind(alone, self.guided, self.parts)

    def moved(self, by: int, count: int) -> Plan:
        """The plan of the pictures from number ``by`` on: every picture has seeds of its own."""
        return replace(self, seed=self.seed + by, goal_seed=self.goal_seed + by, count=count)

    def one_by_one(self) -> list[Plan]:
        """A plan for each picture."""
        return [self.moved(i, 1) for i in range(self.count)]

    def batches(self, size: int = MOST_AT_ONCE) -> Iterator[Plan]:
        """Plans that fit into memory; the pictures stay the same bits."""
        most = at_once(self.best_of, size)
        for start in range(0, self.count, most):
            yield self.moved(start, min(most, self.count - start))


def plan(model: TextToImage, request: Request) -> Plan:
    """Decide and check everything, before anything is drawn.

    Args:
        model: what will draw.
        request: what a person says.

    Raises:
        UserError: a number out of range, said or the model's own; an unknown style or sampler, an empty prompt without
            ``free``, or what another program would read in the prompt; its ``field`` says which field it is about.
    """
    check_fixed(request, model)
    filled = fill(model, request)
    levels = lay(model, request, filled)
    check_size(request, model)
    check_choice(request, model)
    words, goal, parts = _told(model, request)
    size = _size(model, request)
    return Plan(
        seed=request.seed,
        count=request.count,
        words=words,
        free=request.free,
        goal=goal,
        goal_seed=request.other.seed,
        amount=request.towards.amount if request.towards else 0.0,
        levels=levels,
        guidance=filled.guidance,
        interval=filled.interval,
        rescale=filled.rescale,
        size=size,
        native=request.native and _large(model, request),  # of other sizes it says nothing
        strength=1.0 if request.strength is None else request.strength,
        from_picture=request.strength is not None,
        parts=parts,
        transparent=request.transparent,
        best_of=request.best_of,
        notes=notes(model, request, [text for w in (words, goal) for text in (w.wanted, w.unwanted)], size),
    )


def plans(model: TextToImage, requests: Sequence[Request]) -> list[Plan]:
    """A plan for each request; errors as :func:`plan`."""
    return [plan(model, request) for request in requests]


def check_told(model: TextToImage, request: Request) -> None:
    """Refuse words that :func:`plan` would refuse, in a fifth of its time: for many prompts that share the rest."""
    _told(model, request)


def alike(plans: Sequence[Plan], size: int = MOST_AT_ONCE) -> list[list[int]]:
    """Indices of plans for one picture that can be drawn together, at most ``size`` candidates per group."""
    groups: dict[Kind, list[int]] = {}
    for i, each in enumerate(plans):
        groups.setdefault(each.kind, []).append(i)
    sizes = {kind: at_once(kind.settings.best_of, size) for kind in groups}
    return [g[at : at + sizes[kind]] for kind, g in groups.items() for at in range(0, len(g), sizes[kind])]


def at_once(best_of: int, size: int) -> int:
    """How many pictures with so many candidates each make a batch of at most ``size`` candidates: one at least."""
    return max(1, size // best_of)


def _told(model: TextToImage, request: Request) -> tuple[Words, Words, int]:
    """The words of the pictures, those of the picture they go towards, and in how many parts all are read."""
    request = with_style(model, request)
    other = request.other
    same = (other.prompt, other.negative, other.style) == (request.prompt, request.negative, request.style)
    if request.towards is not None:
        check_towards(request, request.towards)
    known: dict[str, Tokens] = {}  # of this request: equal texts are cut into tokens once
    words = _words(model, request, known)
    goal = words if same else _there(model, other, known)
    parts = max(tokens.parts for tokens in known.values())
    padded = _padded(model, words, parts)
    return padded, padded if same else _padded(model, goal, parts), parts


def _there(model: TextToImage, other: Request, known: dict[str, Tokens]) -> Words:
    try:
        return _words(model, other, known)
    except UserError as error:
        field = f"towards.{error.field}" if error.field else "towards"
        raise error.behind("of the other picture: ", field) from None


def _words(model: TextToImage, request: Request, known: dict[str, Tokens]) -> Words:
    wanted = styled(request.prompt, read_style(model, request.style))
    said = (("prompt", request.prompt, wanted), ("negative", request.negative, request.negative))
    for field, text, read in said:
        check_unicode(text, field)
        refuse_foreign_syntax(text, field)
        if read not in known:
            known[read] = _tokens(model, read, field)
        check_length(known[read].parts, field, model)
    check_words(request, model)
    return Words(request.prompt, request.negative, request.style or "", known[wanted], known[request.negative])


def _tokens(model: TextToImage, text: str, field: str) -> Tokens:
    try:
        return model.tokens(text)
    except UserError as error:
        raise error.behind("", error.field or field) from None


def _padded(model: TextToImage, words: Words, parts: int) -> Words:
    wanted, unwanted = (tokens.padded(model.readers, parts) for tokens in (words.wanted, words.unwanted))
    return replace(words, wanted=wanted, unwanted=unwanted)


def _size(model: TextToImage, request: Request) -> Size:
    given = _given(model, request)
    if request.native or not _large(model, request):
        return Size(given, given)
    return Size(own_area(given, model.pixels, model.vae.factor), given)


def _given(model: TextToImage, request: Request) -> tuple[int, int]:
    return request.width or model.pixels, request.height or model.pixels


def _large(model: TextToImage, request: Request) -> bool:
    """Whether it is drawn smaller and enlarged; a picture to start from brings its shape along, and may be a strip."""
    given = _given(model, request)
    if request.strength is not None:
        return math.prod(given) > (AS_IT_IS * model.pixels) ** 2
    return too_large(given, model.pixels)
