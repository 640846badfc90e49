"""``fromnoise story``: random words become a plot, or a wrong word is found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fromnoise.story.draw import StoryRequest
    from fromnoise.story.model import StoryModel


def story(
    genre: Annotated[str, typer.Option(help="Kind of story; --list names them. Default: the seed takes one.")] = "",
    place: Annotated[str, typer.Option(help="Where: France, castle, …; --list names them.")] = "",
    start: Annotated[str | None, typer.Option(help="Start from these words; those that fit may stay.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="With --start: the share of it that may be wrong, above 0 to 1; default 0.9.")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Words that must be in it, separated by commas; with --start, words of it that stay."),
    ] = None,
    words: Annotated[int, typer.Option(help="Length of the sentence; by default as stories are.", min=0)] = 0,
    steps: Annotated[int, typer.Option(help="Steps from noise to sentence.")] = 30,
    guidance: Annotated[float, typer.Option(help="How strongly genre and place are followed; 1 is off.")] = 2.0,
    temperature: Annotated[float, typer.Option(help="Below 1 prefers likely words.")] = 0.8,
    sampler: Annotated[str, typer.Option(help="confident or ancestral.")] = "confident",
    revisions: Annotated[int, typer.Option(help="Words that may change when it reads it again.", min=0)] = 12,
    seed: Annotated[int | None, typer.Option(help="The same seed, the same sentence. Default: a fresh one.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="Sentences.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the results, without the steps.")] = False,
    repair: Annotated[
        str | None, typer.Option(help="A sentence with wrong words: say which, and what they should be.")
    ] = None,
    errors: Annotated[int | None, typer.Option(help="With --repair: how many words are wrong; default 1.")] = None,
    lengths: Annotated[
        bool,
        typer.Option(
            "--lengths", help="With --repair: an error may be a word too many or too few, if the model learnt that."
        ),
    ] = False,
    model: Annotated[str | None, typer.Option(help="A story model's folder; by default the shipped one.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the genres and places that the model knows.")] = False,
) -> None:
    """Find a one-line story in random words, step by step; or repair a sentence.

    fromnoise story --genre mystery --place France

    fromnoise story --repair "A princess with magical towers sets off an eternal winter."
    """
    from fromnoise.drawing.request import any_seed
    from fromnoise.ground.errors import UserError
    from fromnoise.story.draw import StoryRequest
    from fromnoise.story.model import StoryModel
    from fromnoise.story.vocabulary import readable

    if repair is not None and (start is not None or keep is not None or words or count != 1):
        raise UserError("--repair takes a sentence by itself; leave out --start, --keep, --words and -n")
    if repair is None and (errors is not None or lengths):
        raise UserError(
            "--errors and --lengths say what is wrong with a sentence; give it with --repair, or leave them out"
        )
    if start is None and strength is not None:
        raise UserError("--strength says how much of --start may be wrong; give --start, or leave it out")
    if start is not None and words:
        raise UserError("with --start the length follows from the start; leave out --words")
    kept = tuple(word.strip() for word in (keep or "").split(",") if word.strip())
    if keep is not None and not kept:
        raise UserError("--keep needs words, separated by commas")
    for text in (repair, start):
        if text is not None:
            readable(text, 10**6)
    request = StoryRequest(
        genre, place, start or "", 0.9 if strength is None else strength, kept, words, steps, guidance, temperature,
        sampler, revisions, any_seed() if seed is None else seed, count,
    )  # fmt: skip  # refuses bad values before anything is loaded
    loaded = StoryModel.load(model)
    if list_:
        known = loaded.vocabulary
        for kind, names in (("genres", known.story_genres), ("places", known.story_places)):
            print(f"{kind}: {', '.join(names) or 'none'}")
    elif repair is not None:
        _repair(loaded, repair, (1 if errors is None else errors, lengths), genre, place)
    else:
        _draw(loaded, request, show=not quiet and count == 1, fresh=seed is None and count == 1)


def _repair(model: StoryModel, text: str, how: tuple[int, bool], genre: str, place: str) -> None:
    """Say what is wrong with a sentence, and how it should be; ``how``: errors, and whether its length may be wrong."""
    from fromnoise.ground.errors import UserError
    from fromnoise.story.repair import repair

    if how[1] and model.vocabulary.empty is None:
        raise UserError("this model has learnt sentences of one length only; leave out --lengths")
    found = repair(model, text, how[0], genre, place, how[1])
    for one in found.repairs:
        guesses = ", ".join(f"{guess.word or '(no word)'} {guess.probability:.0%}" for guess in one.guesses)
        where = f"word {one.place + 1}, '{one.word}' ({one.probability:.2%} likely there)"
        missing = f"a word is missing before word {one.place + 1} ({one.probability:.2%} likely that none is)"
        print(f"{where if one.word else missing}: {guesses}")
    print(found.text)


def _draw(model: StoryModel, request: StoryRequest, show: bool, fresh: bool) -> None:
    """Print what is drawn; ``fresh`` says the seed that nobody gave, so that it can be had again."""
    from rich.console import Console
    from rich.progress import track

    from fromnoise.story.draw import in_parts, story_steps
    from fromnoise.story.vocabulary import sentence_of

    read_as = model.vocabulary.read_as(request.start)
    for kind, words in (
        ("taken as noise", [word for word, like in read_as.items() if not like]),
        ("read as others", [f"{word} ({like})" for word, like in read_as.items() if like]),
    ):
        if words:
            print(f"not among its {len(model.vocabulary):,} words, so {kind}: {', '.join(words)}", file=sys.stderr)
    console = Console(highlight=False, soft_wrap=True)
    for part in in_parts(request):
        last = None
        steps = story_steps(model, part)
        if request.count > 1:
            drawn = f"drawing {part.seed - request.seed + part.count} of {request.count}"
            steps = track(steps, drawn, part.steps + part.revisions, console=Console(stderr=True), transient=True)  # type: ignore[assignment]
        for step in steps:
            if fresh and last is None:
                print(f"seed {request.seed}", file=sys.stdout if show else sys.stderr)
            if show and last is None:
                console.print(f"[dim]  noise   {_plain(model, step.x_t[0])}[/]")
            if show:
                _show(console, model, step)
            last = step
        assert last is not None
        for i, row in enumerate(last.x_next):
            text = sentence_of(model.vocabulary.text(row.tolist()))
            print(text if request.count == 1 else f"{part.seed + i:>6}  {text}", flush=True)


def _plain(model: StoryModel, row: object) -> str:
    from rich.markup import escape

    return escape(" ".join(model.vocabulary.text(row.tolist())))  # type: ignore[attr-defined]


def _show(console: Console, model: StoryModel, step: object) -> None:
    """A step's sentence: changed words bold and underlined, red where the model is unsure, green where it is sure."""
    from rich.text import Text

    from fromnoise.story.view import seen

    line = seen(model, step)  # type: ignore[arg-type]
    shown = Text("  again   " if line.revised else f"{line.noise:>6.0%}    ", style="dim")
    for word in line.words:
        colour = "green" if word.sure > 0.6 else "yellow" if word.sure > 0.2 else "red"
        shown.append(word.text or "·", style=f"bold underline {colour}" if word.changed else colour)
        shown.append(" ")
    console.print(shown)
