"""``fromnoise evaluate``: draw, judge, and print every figure beside its floor and its ceiling."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.data.record import Record
from fromnoise.errors import UserError
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.retrieval import (
    Gallery,
    Question,
    Score,
    choose_questions,
    held_out_questions,
    relevant,
    score,
    share_of_the_way,
)
from fromnoise.evaluation.style import StyleJudge, style_features
from fromnoise.evaluation.synonyms import synonym_questions
from fromnoise.generate import Request, draw_all
from fromnoise.inspection.sheet import contact_sheet
from fromnoise.picture_file import write_atomically
from fromnoise.system import TextToImage

CONCEPTS = 100
AT_ONCE = 16  # pictures per batch
STYLE_PICTURES = 2400  # real pictures that the style judge learns from


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        model, model_hash: which model.
        seed: of the choice of concepts and of the drawings.
        retrieval: by kind of picture.
        share: the way from floor to ceiling in top-1 retrieval.
        style_accuracy: by kind of picture.
        held_out: retrieval of (concept, style) pairs the model never saw, among ``held_out_concepts``.
        synonyms: retrieval of what is drawn for concepts' own names and for words that no caption has, among
            ``synonym_concepts``.
    """

    model: str
    model_hash: str
    seed: int
    retrieval: dict[str, Score]
    share: float
    style_accuracy: dict[str, float]
    held_out: dict[str, Score]
    held_out_concepts: int
    synonyms: dict[str, Score]
    synonym_concepts: int


def run(model: TextToImage, name: str, data: Path | str, out: Path, seed: int = 0, copies: bool = False) -> Report:
    """Measure a model and write ``out/report.json`` and ``out/sheet.png``; with ``copies`` what it copies as well.

    Raises:
        UserError: unusable data, a model without styles, or missing packages.
    """
    if not model.styles:
        raise UserError("this evaluation asks for styles, and the model has none")
    side = model.latent_shape()[1] * model.vae.factor
    pictures = load_folder(data, side)
    records = asked_of(model, pictures)
    keys, questions = choose_questions(records, model.styles, CONCEPTS, seed)
    out.mkdir(parents=True, exist_ok=True)  # once everything that can be wrong has been looked at
    shown = _pictures(model, pictures, questions, seed)
    scores = _scores(pictures, keys, questions, shown)
    styles = _style_accuracy(model, pictures, set(keys), shown, questions)
    unseen = held_out_questions(records, model.styles, CONCEPTS, seed)
    if unseen[1]:
        wanted = ("real (ceiling)", "drawn", "noise (floor)")
        of_unseen = _pictures(model, pictures, unseen[1], seed)
        held_out = _scores(pictures, *unseen, {kind: of_unseen[kind] for kind in wanted})
    else:
        held_out = {}
    keys, words, names = synonym_questions(records, model.styles)
    if words:
        own = _pictures(model, pictures, names, seed)
        shown_words = {"real (ceiling)": own["real (ceiling)"], "own name": own["drawn"]}
        shown_words |= {"word never seen": _drawn(model, words, seed), "noise (floor)": own["noise (floor)"]}
        synonyms = _scores(pictures, keys, words, shown_words)
    else:
        synonyms = {}
    tops = {kind: s.top1 for kind, s in scores.items()}
    share = share_of_the_way(tops["drawn"], tops["noise (floor)"], tops["real (ceiling)"])
    report = Report(name, model.hash, seed, scores, share, styles, held_out, len(unseen[0]), synonyms, len(keys))
    _write(out, report, shown["drawn"], questions, model.styles)
    _print(report)
    if copies:
        from fromnoise.evaluation.copies.section import copies_section, write

        prompts = [f"{q.text}, {q.style} style" for q in questions]
        write(copies_section(model, shown["drawn"], prompts, pictures, seed), out)
    return report


def _pictures(model: TextToImage, data: PictureSet, questions: list[Question], seed: int) -> dict[str, Tensor]:
    """The pictures to judge: real ones, their reconstructions, what the model draws, and noise."""
    real = data.images[[q.real for q in questions]]
    drawn = _drawn(model, questions, seed)
    with torch.inference_mode():
        again = torch.cat([model.decode(model.vae.encode(p.float() / 127.5 - 1).mean) for p in real.split(16)])
    noise = torch.randint(0, 256, real.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return {"real (ceiling)": real, "real through the VAE": again, "drawn": drawn, "noise (floor)": noise}


def _drawn(model: TextToImage, questions: list[Question], seed: int) -> Tensor:
    """One picture for each question, each from noise of its own."""
    requests = [Request(prompt=q.text, style=q.style, seed=seed + 1000 * i) for i, q in enumerate(questions)]
    parts = [requests[i : i + AT_ONCE] for i in range(0, len(requests), AT_ONCE)]
    shown = track(parts, "drawing", console=Console(stderr=True), transient=True)
    return torch.cat([draw_all(model, part) for part in shown])


def _scores(data: PictureSet, keys: list[str], questions: list[Question], shown: dict[str, Tensor]) -> dict[str, Score]:
    """How well the judge finds the caption of each kind of picture."""
    indices, records = relevant(data, keys)
    gallery = Gallery(keys, records, features(data.images[indices]))
    return {kind: score(gallery.ranks(features(pictures), questions)) for kind, pictures in shown.items()}


def _style_accuracy(
    model: TextToImage, data: PictureSet, asked: set[str], shown: dict[str, Tensor], questions: list[Question]
) -> dict[str, float]:
    """Learn the styles from other concepts' real pictures, then recognise them in ``shown``."""
    pool = [i for i, r in enumerate(data.records) if r.style in model.styles and r.key not in asked]
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(1))[:STYLE_PICTURES].tolist()
    chosen = [pool[i] for i in order]
    judge = StyleJudge(style_features(data.images[chosen]), [data.records[i].style for i in chosen], model.styles)
    return {kind: judge.accuracy(style_features(p), [q.style for q in questions]) for kind, p in shown.items()}


def asked_of(model: TextToImage, pictures: PictureSet) -> list[Record]:
    """The pictures' records, with those of concepts the model was not trained on taken out of every split."""
    recipe = model.card.get("recipe")
    groups = recipe["data"]["groups"] if isinstance(recipe, dict) else ()
    return [r if not groups or r.group in groups else replace(r, split="not asked") for r in pictures.records]


def _write(out: Path, report: Report, drawn: Tensor, questions: list[Question], styles: tuple[str, ...]) -> None:
    write_atomically(out / "report.json", (json.dumps(asdict(report), indent=1) + "\n").encode())
    rows = [q.text for q in questions[:: len(styles)]][:24]
    contact_sheet(drawn[: len(rows) * len(styles)], rows, styles, zoom=1).save(out / "sheet.png")


def _print(report: Report) -> None:
    table = Table(title=f"{report.model} ({report.model_hash}): which of {CONCEPTS} captions?")
    for name in ("pictures", "top-1", "95 %", "top-5", "style", "n"):
        table.add_column(name, justify="left" if name == "pictures" else "right")
    for kind, s in report.retrieval.items():
        style = f"{report.style_accuracy[kind]:.0%}"
        table.add_row(kind, f"{s.top1:.1%}", f"{s.low:.1%}–{s.high:.1%}", f"{s.top5:.1%}", style, str(s.n))
    for kind, s in report.held_out.items():
        row = f"pairs never seen: {kind.split()[0]}"
        table.add_row(row, f"{s.top1:.1%}", f"{s.low:.1%}–{s.high:.1%}", f"{s.top5:.1%}", "", str(s.n))
    for kind, s in report.synonyms.items():
        row = f"among {report.synonym_concepts}: {kind}"
        table.add_row(row, f"{s.top1:.1%}", f"{s.low:.1%}–{s.high:.1%}", f"{s.top5:.1%}", "", str(s.n))
    Console().print(table)
    Console().print(f"from floor to ceiling: {report.share:.0%} of the way (top-1)")
