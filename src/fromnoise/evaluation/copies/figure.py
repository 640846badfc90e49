"""The figure of ``fromnoise inspect copies``: each picture beside the training pictures that are nearest to it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from fromnoise.evaluation.copies.answers import Answer, Answers, square
from fromnoise.evaluation.copies.check import COLUMNS, beside, trust
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.figure import Figure, Table

ABOUT = (
    "Beside each picture stand the two training pictures that are most like it: by what another network sees in them, "
    "and by their colours. A star marks what may be a copy; a ratio says how near the nearest is, where the fifty next "
    "ones are 1."
)
Looked = tuple[str, bytes, Answers]  # a picture's name, its file, and what is said of it


def copies_figure(looked: Sequence[Looked], command: str) -> Figure:
    """What was found, for pictures whose verdicts are known.

    Args:
        looked: the pictures.
        command: what makes it again.
    """
    every = [(name, data, answer) for name, data, said in looked for answer in said.each]
    rows = [row for name, data, answer in every for row in _row(name, data, answer)]
    labels = [f"{'* ' if answer.verdict.copy else ''}{name}, {answer.source.name}" for name, _, answer in every]
    sources = list(dict.fromkeys(answer.source for *_, answer in every))
    facts = {
        "pictures": [{"picture": name, **said.to_dict()} for name, _, said in looked],
        "trust": {source.name: trust(source.index) for source in sources},
    }
    title = f"Is it a copy? {looked[0][0]}" if len(looked) == 1 else f"Are they copies? {len(looked)} pictures"
    return Figure(title, ABOUT, contact_sheet(rows, labels, COLUMNS), facts, command, tables=[_table(looked)])


def _row(name: str, data: bytes, answer: Answer) -> list[list[Image.Image]]:
    index = answer.source.index
    return beside(index, square(data, index.side, name)[None], [answer.verdict])


def _table(looked: Sequence[Looked]) -> Table:
    rows = []
    for name, _, said in looked:
        for answer in said.each:
            verdict, limits = answer.verdict, answer.source.index.limits
            ratios = (f"{verdict.features:.3f} (a copy below {limits.features:.3f})",
                      f"{verdict.pixels:.3f} (a copy below {limits.pixels:.3f})")  # fmt: skip
            rows.append([name, answer.source.name, answer.sentence, *ratios])
        rows += [[name, "", f"not looked at: {unasked}", "", ""] for unasked in said.unasked]
    return Table(("picture", "model", "verdict", "by features", "by pixels"), rows, "What is said of each")
