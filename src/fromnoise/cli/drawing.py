"""What ``fromnoise generate`` does once its options are read: check all, draw, write."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fromnoise import __version__
from fromnoise.errors import UserError
from fromnoise.generate import Finished, Request, batches, complete, cut_off, draw, prompt_text
from fromnoise.generate import generate as events
from fromnoise.inspection.film import SUFFIXES, Film, save_film
from fromnoise.picture_file import Origin, as_tensor, read_origin, save_png
from fromnoise.system import DEFAULT_MODEL, TextToImage, find_model

PROMPTS_AT_ONCE = 16
ERRORS = Console(stderr=True)


@dataclass(frozen=True)
class Job:
    """One call of ``fromnoise generate``: what to draw with what, and where to."""

    model: tuple[str, TextToImage]
    request: Request
    out: Path | None
    film: Path | None


def load(folder: Path | None) -> tuple[str, TextToImage]:
    """The model and its name."""
    name = Path(folder).name if folder is not None else DEFAULT_MODEL
    return name, TextToImage.load(find_model(folder))


def draw_pictures(job: Job) -> list[Path]:
    """Draw a request's pictures, and their films if asked for; everything is checked before the first step."""
    name, model = job.model
    request = complete(model, job.request)
    files = _files(job.out or _free_name(request), request.count, (".png",))
    films = _files(job.film, request.count, SUFFIXES) if job.film else []
    if set(files) & set(films):
        raise UserError("--film and --out name the same file")
    _warn_of_cut(model, request)
    done: list[Path] = []
    with _bar() as bar:
        task = bar.add_task("drawing", total=(request.steps or 0) * -(-request.count // 64))
        for part in batches(request):
            film = Film(model)
            for event in events(model, part):
                if isinstance(event, Finished):
                    done += _write(event, part, (name, model), files[len(done) :])
                    for i, file in enumerate(films[len(done) - part.count : len(done)]):
                        save_film(film.frames(i), file)
                else:
                    bar.advance(task)
                    if films:
                        film.add(event)
    for file in (*done, *films):
        print(file)
    return done


def draw_prompts(model: tuple[str, TextToImage], request: Request, prompts: Path, folder: Path) -> None:
    """Draw one picture per line into ``folder/0000.png`` …; pictures that are there already are kept."""
    lines = _lines(prompts)
    requests = [complete(model[1], replace(request, prompt=line)) for line in lines]
    width = max(4, len(str(len(lines) - 1)))
    files = [folder / f"{i:0{width}d}.png" for i in range(len(lines))]
    _make_folder(folder)
    for r in requests:
        _warn_of_cut(model[1], r)
    todo = [(r, f) for r, f in zip(requests, files, strict=True) if not _is_drawn(f, r, model[1].hash)]
    if len(todo) < len(files):
        ERRORS.print(f"{len(files) - len(todo)} of {len(files)} are there already")
    with _bar() as bar:
        task = bar.add_task("drawing", total=len(todo))
        for r, file in todo:
            save_png(draw(model[1], r)[0], file, _origin(r, r.seed, model))
            bar.advance(task)
    print(folder)


def redraw(picture: Path, folder: Path | None, out: Path | None) -> None:
    """Draw a picture again from what its file says, bit for bit."""
    origin = read_origin(picture)
    model = load(folder if folder is not None else _model_named(origin.model))
    if model[1].hash != origin.model_hash:
        raise UserError(
            f"{picture} was drawn by {origin.model} ({origin.model_hash}); this model is {model[0]} "
            f"({model[1].hash}). Give its folder with --model"
        )
    file = _files(out or picture.with_name(f"{picture.stem}-again.png"), 1, (".png",))[0]
    drawn = draw(model[1], replace(origin.request, count=1))[0]
    save_png(drawn, file, replace(origin, version=__version__))
    same = torch.equal(drawn, as_tensor(picture)) if file != picture else True
    print(file)
    if not same:
        ERRORS.print("the pixels differ from the file: it was edited, or drawn on another kind of machine")


def _write(event: Finished, request: Request, model: tuple[str, TextToImage], files: list[Path]) -> list[Path]:
    written = []
    for picture, seed, file in zip(event.pictures, event.seeds, files, strict=False):
        save_png(picture, file, _origin(request, seed, model))
        written.append(file)
    return written


def _origin(request: Request, seed: int, model: tuple[str, TextToImage]) -> Origin:
    return Origin(replace(request, seed=seed, count=1), model[0], model[1].hash, __version__)


def _files(out: Path, count: int, suffixes: tuple[str, ...]) -> list[Path]:
    """The files to write, checked for a known suffix and a writable folder."""
    if out.suffix.lower() not in suffixes:
        raise UserError(f"'{out}' should end in {' or '.join(suffixes)}")
    if out.is_dir():
        raise UserError(f"'{out}' is a folder; name a file")
    _check_writable(out.parent)
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{i}{out.suffix}") for i in range(count)]


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"there is no folder '{folder}'; make it first or name another --out")
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder '{folder}' cannot be written to; name another --out")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder '{folder}': {error.strerror}") from None
    _check_writable(folder)


def _free_name(request: Request) -> Path:
    """A file name made of the prompt that overwrites nothing."""
    words = re.sub(r"[^a-z0-9]+", "-", prompt_text(request).lower()).strip("-")[:48] or "free"
    for i in range(10_000):
        file = Path(f"{words}{f'-v{i}' if i else ''}.png")
        if not any(f.exists() for f in _files(file, request.count, (".png",))):
            return file
    raise UserError("the folder is full of pictures of this prompt; name an --out")


def _lines(prompts: Path) -> list[str]:
    try:
        lines = [line.strip() for line in prompts.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the prompts in {prompts}: {error}") from None
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{prompts} holds no prompts; write one per line")
    if "" in lines:
        raise UserError(f"line {lines.index('') + 1} of {prompts} is empty; every line is a prompt")
    return lines


def _is_drawn(file: Path, request: Request, model_hash: str) -> bool:
    """Whether the file already holds this request, drawn by this model."""
    try:
        origin = read_origin(file)
    except UserError:
        return False
    return origin.request == request and origin.model_hash == model_hash


def _warn_of_cut(model: TextToImage, request: Request) -> None:
    if lost := cut_off(model, request):
        room = model.tokenizer.context - 2
        ERRORS.print(f"warning: the model reads {room} tokens; it does not see “{lost}”", highlight=False, markup=False)


def _model_named(name: str) -> Path | None:
    """The shipped model of this name, or None for the default one. A name from a file is never used as a path."""
    return Path(name) if re.fullmatch(r"[\w-]+", name) and not Path(name).exists() else None


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=ERRORS, transient=True)
