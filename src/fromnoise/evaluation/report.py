"""``fromnoise evaluate``: measure section by section, store each, and make the page and the JSON of what is there."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table as Printed

from fromnoise import __version__
from fromnoise.data.pictures import load_folder
from fromnoise.evaluation.bench import Bench, fingerprint
from fromnoise.evaluation.measurements import MEASUREMENTS, ON_ALL_CONCEPTS, ON_REQUEST, chosen, function_of
from fromnoise.evaluation.page import page
from fromnoise.evaluation.progress import Bar, expected
from fromnoise.evaluation.section import Section
from fromnoise.evaluation.sizes import Sizes, quick
from fromnoise.evaluation.store import Store, json_ready
from fromnoise.evaluation.trained import reading_of
from fromnoise.evaluation.words import figure, interval, way
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically
from fromnoise.system.teachers import judging_teacher
from fromnoise.system.text_to_image import TextToImage

TAUGHT = (
    "The decoder learnt by the first blocks of the network whose features judge here ({}). So figures of retrieval, "
    "style and distance are a little flattered; the second judge of styles shares nothing with it."
)
MOST_SEED = 2**62  # drawings have seeds of their own above it


@dataclass(frozen=True)
class Wanted:
    """What to measure, and how.

    Attributes:
        only: names of sections with commas between; None for all.
        more: names of sections that are measured on request.
        quick: fewer drawings.
        seed: of the choice of concepts and of the drawings.
        again: measure also what is stored already.
        run: folder of the training, for the film.
        beside: (label, model) of further models on the curves.
    """

    only: str | None = None
    more: tuple[str, ...] = ()
    quick: bool = False
    seed: int = 0
    again: bool = False
    run: Path | None = None
    beside: Sequence[tuple[str, TextToImage]] = ()


@dataclass(frozen=True)
class Facts(Config):
    """What was measured, with what, on what.

    Attributes:
        model, model_hash, precision: which model, and in which number format it drew.
        seed: of the choice of concepts and of the drawings.
        data: fingerprint of the pictures.
        version: of fromnoise.
        hardware: of the machine that measured.
        quick: whether with fewer drawings.
        settings: how the model draws by default.
        note: what is to be kept in mind with all figures, a sentence or two, or "".
    """

    model: str
    model_hash: str
    precision: str
    seed: int
    data: str
    version: str
    hardware: str
    quick: bool
    settings: str
    note: str = ""


def run(model: TextToImage, name: str, data: Path | str, out: Path, wanted: Wanted | None = None) -> list[Section]:
    """Measure a model and write ``out/index.html``, ``out/report.json`` and ``out/sections/``.

    Sections that are stored for the same model, data, seed and sizes are not measured again.

    Raises:
        UserError: unusable data, a model without styles, an unknown section, or missing packages.
    """
    wanted = wanted or Wanted()
    names = chosen(wanted.only, wanted.more)
    _check(model, out, wanted)
    console = Console(stderr=True)
    with console.status("reading pictures"):
        side = model.latent_shape()[1] * model.vae.factor
        pictures = load_folder(data, side, reading=reading_of(model.card))
        facts = _facts(model, name, wanted, fingerprint(pictures))
    sizes = quick(len(model.styles)) if wanted.quick else Sizes()
    store = Store(out, _identity(facts, sizes, wanted))
    todo = [n for n in names if wanted.again or n == "film" or store.load(n) is None]
    steps = [other.defaults.steps for _, other in wanted.beside]
    work = expected(sizes, len(model.styles), steps)
    with Bar(console, {name: work.get(name, 1.0) for name in todo}) as bar:
        bench = Bench(model, pictures, wanted.seed, sizes, out / "drawings", wanted.beside, wanted.run, bar)
        if ON_ALL_CONCEPTS & set(names):
            _ = bench.main_questions  # data that does not fit is found before anything is drawn
        out.mkdir(parents=True, exist_ok=True)
        _tell_of_others(console, store, out, [n for n in names if n not in todo])
        try:
            for section in todo:
                bar.begin(section)
                store.save(function_of(section)(bench))
                write(out, facts, _stored(store))
        except KeyboardInterrupt:
            console.print(f"{len(_stored(store))} sections are in {out / 'index.html'}; the same command goes on")
            raise
        bar.end()
    sections = _stored(store)
    write(out, facts, sections)
    _print(facts, sections)
    return sections


def _tell_of_others(console: Console, store: Store, out: Path, there: Sequence[str]) -> None:
    """Say which sections will not be measured again, and which belong to something else."""
    if there:
        console.print(f"stored already: {', '.join(there)}", style="dim")
    for stranger in store.strangers():
        console.print(
            f"note: {stranger} in {out} was measured with another model or setting; it is left out", style="dim"
        )


def write(out: Path, facts: Facts, sections: Sequence[Section]) -> None:
    """Write the JSON and the page of sections."""
    tree: dict[str, Any] = {**facts.to_dict(), "headlines": [], "sections": {}}
    for section in sections:
        tree["headlines"] += [{**h.to_dict(), "share": h.way} for h in section.headlines]
        tables = [dataclasses.asdict(table) for table in section.tables]
        tree["sections"][section.name] = {"title": section.title, "data": section.data, "tables": tables}
    text = json.dumps(json_ready(tree), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(out / "report.json", f"{text}\n".encode())
    write_atomically(out / "index.html", page(facts.to_dict(), sections).encode())


def _check(model: TextToImage, out: Path, wanted: Wanted) -> None:
    """Everything that can be wrong and costs nothing to look at.

    Raises:
        UserError: it is wrong.
    """
    if not model.styles:
        raise UserError("this evaluation asks for styles, and the model has none")
    if not 0 <= wanted.seed < MOST_SEED:
        raise UserError(f"--seed must be 0…{MOST_SEED - 1}, not {wanted.seed}")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; --out is a folder")
    if wanted.run is not None and not wanted.run.is_dir():
        raise UserError(f"there is no folder {wanted.run}; --run is the folder of a training, as runs/my-model")


def _facts(model: TextToImage, name: str, wanted: Wanted, data: str) -> Facts:
    default = model.defaults
    settings = f"{default.steps} steps, guidance {default.guidance:g}, {default.sampler}"
    settings += f", in {model.default_style} where no style is named" if model.default_style else ""
    hardware = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    taught = judging_teacher(model.card)
    return Facts(
        name, model.hash, model.precision, wanted.seed, data, __version__, hardware, wanted.quick, settings,
        TAUGHT.format(taught) if taught else "",
    )  # fmt: skip


def _identity(facts: Facts, sizes: Sizes, wanted: Wanted) -> dict[str, Any]:
    """What must be equal for a stored section to be shown: all but the machine, the model's name and the note."""
    same = {k: v for k, v in facts.to_dict().items() if k not in ("hardware", "model", "note")}
    return {**same, "sizes": sizes.to_dict(), "beside": [[label, model.hash] for label, model in wanted.beside]}


def _stored(store: Store) -> list[Section]:
    found = (store.load(name) for name in (*MEASUREMENTS, *ON_REQUEST))
    return [section for section in found if section is not None]


def _print(facts: Facts, sections: Sequence[Section]) -> None:
    table = Printed(title=f"{facts.model} ({facts.model_hash})")
    for name in ("figure", "value", "95 %", "floor", "ceiling", "of the way", "n", "target"):
        table.add_column(name, justify="left" if name in ("figure", "target") else "right")
    for h in (headline for section in sections for headline in section.headlines):
        ends = (figure(end, h.unit) for end in (h.floor, h.ceiling))
        table.add_row(h.name, figure(h.value, h.unit), interval(h), *ends, way(h), str(h.n or ""), h.target)
    Console().print(table)
    if facts.note:
        Console().print(f"note: {facts.note}", highlight=False)
    if facts.quick:
        Console().print("quick: fewer drawings, wider intervals; figures that depend on n cannot be compared")
