"""What ``fromnoise generate`` does once its options are read: check all, draw, write."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fromnoise import __version__
from fromnoise.cli.files import Files, check_stamped
from fromnoise.cli.opened import Opening, planned, tell, tell_drawn, tell_line, tell_unmarked
from fromnoise.drawing.choice import Choice
from fromnoise.drawing.explain import explain
from fromnoise.drawing.generate import Finished, draw_plans, finish_plans
from fromnoise.drawing.generate import generate as events
from fromnoise.drawing.opened import open_model, origin_of
from fromnoise.drawing.picture_file import KEY, Origin, as_tensor, made_of, read_origin, save_png, stamped
from fromnoise.drawing.plan import Plan, alike, plan, plans
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import Start
from fromnoise.drawing.stereogram import as_shown
from fromnoise.drawing.style import as_drawn
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.file_bytes import MOST_TEXT, bytes_of
from fromnoise.ground.pictures import UNREADABLE
from fromnoise.ground.text import decoded, lines_of
from fromnoise.ground.whole import draft_of
from fromnoise.inspection.film import SUFFIXES, Film, save_film
from fromnoise.provenance.stamp import PLAIN
from fromnoise.system.opening import DEFAULT_MODEL, find_model
from fromnoise.system.text_to_image import TextToImage

ERRORS = Console(stderr=True)
AT_ONCE = 8  # lines of --prompts per batch: what an interruption can lose


@dataclass(frozen=True)
class Job:
    """One call of ``fromnoise generate``: what to draw with what, from and into which files."""

    name: str
    model: TextToImage
    opening: Opening
    request: Request
    files: Files
    shown_as: str = "picture"


def explain_drawing(job: Job) -> None:
    """Print what would be done."""
    made, _ = planned(job.model, job.request, job.files.image, job.files.mask)
    lines = [("model", f"{job.name} ({job.model.hash})"), *explain(job.model, made)]
    if job.shown_as == "stereogram":
        lines.append(("as", "a stereogram: hidden in coloured static"))
    job.files.stamp.check(made.size.given)
    if job.files.stamp != PLAIN:
        lines.append(("marks", job.files.stamp.sentence))
    tell_unmarked(job.files.stamp, job.shown_as, job.files.film)
    width = max(len(heading) for heading, _ in lines)
    for heading, line in lines:
        print(f"{heading:<{width}}  {one_line(line)}")


def draw_pictures(job: Job) -> list[Path]:
    """Draw a request's pictures, and their films if asked for; everything is checked before the first step."""
    made, start = planned(job.model, job.request, job.files.image, job.files.mask)
    job.files.stamp.check(made.size.given)
    files = _files(job.files.out or _free_name(_named_after(made), made.count), made.count, (".png",))
    films = _files(job.files.film, made.count, SUFFIXES) if job.files.film else []
    if set(files) & set(films):
        raise UserError("--film and --out name the same file")
    tell([made])
    tell_unmarked(job.files.stamp, job.shown_as, job.files.film)
    done: list[Path] = []
    with shown_bar() as bar:
        task = bar.add_task("drawing", total=made.steps * len(list(made.batches())))
        for part in made.batches():
            film = Film(job.model)
            for event in events(job.model, part, start):
                if isinstance(event, Finished):
                    first = len(done)
                    done += _write(event, part, job, start, files[first:], first)
                    said = zip(part.one_by_one(), event.choices, films[first:], strict=False)
                    for i, (each, choice, file) in enumerate(said):
                        frames = film.frames(i * part.best_of + (choice.kept if choice else 0))
                        save_film(frames, file, made=made_of(_origin(each, job, start, first + i, choice)))
                else:
                    bar.advance(task)
                    if films:
                        film.add(event)
    for file in (*done, *films):
        print(file)
    return done


def draw_prompts(job: Job, prompts: Path, any_seed: bool) -> int:
    """Draw one picture per line into ``folder/0000.png`` …; pictures that are there already are kept.

    Args:
        job: ``out`` is the folder; line i is drawn with the request's seed + i.
        prompts: a text file, one prompt per line.
        any_seed: nobody asked for the request's seed; the one of an interrupted run is taken up instead.

    Returns:
        The seed of the first line.
    """
    model, folder, lines = job.model, job.files.out or Path(), prompt_lines(prompts)
    width = max(4, len(str(len(lines) - 1)))
    files = [folder / f"{i:0{width}d}.png" for i in range(len(lines))]
    made, start = _line_plans(job, job.request, lines)
    job.files.stamp.check(made[0].size.given)
    before = _seed_before(files, made, model) if any_seed else None
    if before is not None:
        made, start = _line_plans(job, replace(job.request, seed=before), lines)
    make_folder(folder)
    todo = _still_to_draw(files, made, model)
    check_stamped([file for i, file in enumerate(files) if i not in set(todo)], job.files.stamp)
    if len(todo) < len(files):
        ERRORS.print(f"{len(files) - len(todo)} of {len(files)} are there already")
    tell([made[i] for i in todo])
    with shown_bar() as bar:
        task = bar.add_task("drawing", total=len(todo))
        for group in alike([made[i] for i in todo], AT_ONCE):
            lines_here = [todo[i] for i in group]
            drawn = finish_plans(model, [made[i] for i in lines_here], start)
            for i, picture, choice in zip(lines_here, drawn.pictures, drawn.choices, strict=True):
                save_png(picture, files[i], _origin(made[i], job, start, i, choice), job.files.stamp)
                tell_drawn(picture, files[i], choice)
            bar.advance(task, len(group))
    print(folder)
    return made[0].seed


def redraw(files: Files, opening: Opening) -> None:
    """Draw a picture again from what its file says, bit for bit.

    Args:
        files: ``again`` is the picture's file, ``out`` where to; the picture and the mask that it started from, if it
            did.
        opening: the model, if it is not a shipped one, and the LoRAs it was drawn with.
    """
    assert files.again is not None
    picture, start, out = files.again, (files.image, files.mask), files.out
    said = read_origin(picture)
    origin = replace(said, signer="")
    if said.signer and files.stamp.seal is None:
        tell_line(f"{picture} is signed, and the picture that is drawn again will not be; sign it with --sign")
    needed = f"{picture} was drawn by {origin.model} ({origin.model_hash})"
    if len(opening.loras) != len(origin.loras):
        raise UserError(
            f"{needed} with {len(origin.loras)} LoRAs ({', '.join(origin.loras)[:200]}); give them with --lora"
        )
    if (start[0] is None) != (origin.start is None):
        other = "was not made from another picture; leave out --image" if start[0] else "started from another picture"
        raise UserError(f"{picture} {other}" + ("" if start[0] else "; give it with --image, and its --mask"))
    place = opening.place if opening.place is not None else _shipped(origin.model, needed)
    drawn_by = replace(opening, place=place, precision=origin.precision, backend=origin.backend, fast=origin.fast)
    name, model = open_model(drawn_by)
    if model.hash != origin.model_hash:
        too = ", and with --lora the very files" if opening.loras else ""
        raise UserError(f"{needed}; this model is {name} ({model.hash}). Give its folder with --model{too}")
    file = _files(out or _free_name(picture.with_name(f"{picture.stem}-again.png"), 1), 1, (".png",))[0]
    before = as_tensor(picture, 4 if origin.request.transparent else 3)
    made, begun = planned(model, replace(as_drawn(model, origin.request), count=1), *start)
    files.stamp.check(made.size.given)
    if begun is not None and begun.digest != origin.start:
        raise UserError(f"{picture} started from another picture or mask than {start[0]}")
    tell([made])
    tell_unmarked(files.stamp, origin.shown_as, None)
    drawn = draw_plans(model, [made], begun)[0]
    shown = as_shown(drawn, origin)
    save_png(shown, file, replace(origin, version=__version__, precision=model.precision), files.stamp)
    print(file)
    tell_drawn(drawn, file, origin=origin)
    if not torch.equal(stamped(shown, origin)[0], before):
        ERRORS.print("the pixels differ from the file: it was edited, or drawn on another kind of machine")


def _write(event: Finished, part: Plan, job: Job, start: Start | None, files: list[Path], first: int) -> list[Path]:
    """Write the pictures of a part of a request, whose first picture has this number; their files."""
    drawn = zip(part.one_by_one(), event.pictures, event.choices, files, strict=False)
    for i, (made, picture, choice, file) in enumerate(drawn):
        origin = _origin(made, job, start, first + i, choice)
        save_png(as_shown(picture, origin), file, origin, job.files.stamp)
        tell_drawn(picture, file, choice, origin)
    return files[: part.count]


def _origin(made: Plan, job: Job, start: Start | None, index: int, choice: Choice | None = None) -> Origin:
    origin = origin_of(made, job.name, job.model, job.opening, start, index, choice)
    return replace(origin, shown_as=job.shown_as)


def _files(out: Path, count: int, suffixes: tuple[str, ...]) -> list[Path]:
    """The files to write, checked for a known suffix and a writable folder."""
    if out.suffix.lower() not in suffixes:
        raise UserError(f"'{out}' should end in {' or '.join(suffixes)}")
    files = names_for(out, count)
    for file in files:
        check_file(file)
    return files


def names_for(out: Path, count: int) -> list[Path]:
    """The files for this many pictures."""
    return [out] if count == 1 else [out.with_name(f"{out.stem}-{i}{out.suffix}") for i in range(count)]


def check_file(file: Path) -> None:
    """Refuse a file that cannot be written, whatever its folder's permissions say, before anything is drawn."""
    check_writable(file.parent)
    draft = draft_of(file)  # as long as the name it will be written under
    try:
        if file.is_dir():
            raise UserError(f"'{file}' is a folder; name a file")
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from None


def check_writable(folder: Path) -> None:
    """Refuse a folder that does not exist or cannot be written to, before anything is drawn."""
    if not folder.is_dir():
        raise UserError(f"there is no folder '{folder}'; make it first or name another --out")
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder '{folder}' cannot be written to; name another --out")


def make_folder(folder: Path) -> None:
    """Make a folder that may exist already, or say why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder '{folder}': {error.strerror}") from None
    check_writable(folder)


def _named_after(made: Plan) -> Path:
    words = re.sub(r"[^a-z0-9]+", "-", made.words.wanted.text.lower()).strip("-")[:48]
    return Path(f"{words or ('free' if made.free else 'picture')}.png")


def _free_name(file: Path, count: int) -> Path:
    """A name that we chose ourselves, changed until it overwrites nothing."""
    for i in range(10_000):
        candidate = file.with_stem(f"{file.stem}-v{i}") if i else file
        if not any(f.exists() for f in (candidate, *names_for(candidate, count))):
            return candidate
    raise UserError(f"there are too many pictures called {file.stem}; name an --out")


def prompt_lines(prompts: Path) -> list[str]:
    """The prompts in a text file, one a line; refused with one clear line if there are none."""
    try:
        lines = [line.strip() for line in lines_of(decoded(bytes_of(prompts, MOST_TEXT, pipe=True)))]
    except ValueError:
        raise UserError(f"cannot read the prompts in {prompts}: it is no text in UTF-8 or UTF-16") from None
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{prompts} holds no prompts; write one per line")
    if "" in lines:
        raise UserError(f"line {lines.index('') + 1} of {prompts} is empty; every line is a prompt")
    return lines


def _line_plans(job: Job, request: Request, lines: list[str]) -> tuple[list[Plan], Start | None]:
    """A plan for each line, and the picture that all of them start from."""
    asked = [replace(request, prompt=line, seed=request.seed + i) for i, line in enumerate(lines)]
    first, start = planned(job.model, asked[0], job.files.image, job.files.mask)
    width, height = first.size.given
    return [first, *plans(job.model, [replace(r, width=width, height=height) for r in asked[1:]])], start


def _still_to_draw(files: list[Path], made: list[Plan], model: TextToImage) -> list[int]:
    """The lines without a picture. A damaged picture counts as none; somebody else's is not drawn over.

    Raises:
        UserError: a file holds a picture of something else.
    """
    todo = [i for i, each in enumerate(made) if not _is_drawn(files[i], each.request, model)]
    others = [files[i] for i in todo if files[i].exists() and not _is_our_damaged(files[i])]
    if others:
        raise UserError(
            f"{others[0]} is something else, shows another prompt, or was drawn with other options or another model "
            f"({len(others)} of {len(files)} files); give the options of before, or another --out"
        )
    return todo


def _is_our_damaged(file: Path) -> bool:
    """Whether a file begins like a picture of ours and cannot be read: a copy that was interrupted."""
    if file.is_dir() or KEY.encode() not in file.read_bytes()[:64]:
        return False
    try:
        as_tensor(file)
    except UNREADABLE:
        return True
    return False


def _seed_before(files: list[Path], made: list[Plan], model: TextToImage) -> int | None:
    """The seed of an interrupted run of these very requests, or None: read from its first picture."""
    for i, (file, each) in enumerate(zip(files, made, strict=True)):
        if file.exists():
            with contextlib.suppress(UserError):
                seed = read_origin(file).asked.seed
                if seed >= i and _is_drawn(file, replace(each.request, seed=seed), model):
                    return seed - i
    return None


def _is_drawn(file: Path, request: Request, model: TextToImage) -> bool:
    """Whether the file already holds this request, drawn by this model, for all to see."""
    try:
        origin = read_origin(file)
        if origin.shown_as != "picture":
            return False
        # Planned again: a file of an earlier version does not say what has become an option since.
        return origin.model_hash == model.hash and plan(model, as_drawn(model, origin.asked)).request == request
    except UserError:
        return False


def _shipped(name: str, needed: str) -> Path:
    """The shipped model of this name. A name from a file is never used as a path.

    Raises:
        UserError: there is none; ``needed`` tells which model is asked for.
    """
    if name != DEFAULT_MODEL and (not re.fullmatch(r"[\w-]+", name) or Path(name).exists()):
        raise UserError(f"{needed}. Give the model's folder with --model")
    try:
        return find_model(None if name == DEFAULT_MODEL else Path(name))
    except UserError:
        raise UserError(f"{needed}, which is not shipped with fromnoise. Give its folder with --model") from None


def shown_bar() -> Progress:
    """How far the work is, on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Off a terminal a bar would leave an empty line in what should hold one clear line at most.
    return Progress(*columns, console=ERRORS, transient=True, disable=not ERRORS.is_terminal)
