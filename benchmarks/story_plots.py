"""What is judged of drawn plots: are they sentences, of the genre that was asked for, and their own?

Nothing here is part of a model or was taught by one: a parser of English, a reader of genres, a list of what was
read while training.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch

from fromnoise.data.plots import Line
from fromnoise.data.plots.grammar import MADE, REAL, TOLD
from fromnoise.ground.errors import UserError
from fromnoise.story.draw import StoryRequest, draw_stories, story_steps
from fromnoise.story.model import StoryModel
from fromnoise.story.revise import Revision, revisions
from fromnoise.story.vocabulary import sentence_of, words_of

RUN = 8  # words in a row that count as copied
PARSER = "link-parser"
REVISIONS = (Revision(0), Revision(4), Revision(12), Revision(12, 20.0), Revision(12, 6.0))


@dataclass(frozen=True, eq=False)
class Together(StoryModel):
    """The same model, which computes the sentences of a batch together: faster, and bits do not matter here."""

    denoiser = StoryModel.together


def faster(model: StoryModel) -> Together:
    """The model for drawing many plots."""
    return Together(**{f.name: getattr(model, f.name) for f in fields(StoryModel)})


def classifier(lines: Sequence[Line]) -> Any:
    """Words and word pairs to genre, independent of the model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    reader = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, max_features=30_000),
        LogisticRegression(max_iter=100, C=8.0),
    )
    return reader.fit([line.text.lower() for line in lines], [line.genre for line in lines])


def genres(model: StoryModel, train: Sequence[Line], held_out: Sequence[Line], each: int) -> dict[str, Any]:
    """Share of drawn plots whose genre is read as the one asked for, by guidance; and of held-out lines."""
    plots = [line for line in train if line.kind != REAL]
    told = [line for line in plots if line.kind == TOLD]
    reader = classifier(random.Random(0).sample(plots, min(12_000, len(plots))) + told)
    known = sorted({line.genre for line in plots})
    test = [line for line in held_out if line.kind == (TOLD if told else MADE)][:4000]
    ceiling = sum(reader.predict([x.text.lower() for x in test]) == [x.genre for x in test]) / len(test)
    found: dict[str, Any] = {"ceiling": float(ceiling), "chance": 1 / len(known), "n": each * len(known)}
    for guidance in (0.0, 1.0, 2.0, 3.0):
        asked = [(g, StoryRequest(genre=g, guidance=guidance, count=each, seed=1000)) for g in known]
        said = [(genre, text) for genre, request in asked for text in draw_stories(faster(model), request)]
        right = reader.predict([text.lower() for _, text in said]) == [genre for genre, _ in said]
        found[f"guidance {guidance:g}"] = float(right.mean())
    return found


def copying(model: StoryModel, train: Sequence[Line], held_out: Sequence[Line], count: int) -> dict[str, Any]:
    """How varied plots are, and how much of them stands in a training line in a row."""
    drawn = [words_of(t.lower()) for t in draw_stories(faster(model), StoryRequest(count=min(256, count), seed=5000))]
    others = [words_of(line.text.lower()) for line in held_out if line.kind != REAL][: len(drawn)]
    seen: set[int] = set()
    for line in train:
        words = words_of(line.text.lower())
        seen |= {hash(tuple(words[i : i + RUN])) for i in range(len(words) - RUN + 1)}
    whole = {" ".join(words_of(line.text.lower())) for line in train}

    def copied(rows: Sequence[Sequence[str]]) -> float:
        hits = sum(any(hash(tuple(r[i : i + RUN])) in seen for i in range(len(r) - RUN + 1)) for r in rows)
        return hits / len(rows)

    def distinct(rows: Sequence[Sequence[str]], n: int) -> float:
        grams = [tuple(r[i : i + n]) for r in rows for i in range(len(r) - n + 1)]
        return len(set(grams)) / max(1, len(grams))

    return {
        "drawn": copied(drawn),
        "held out": copied(others),
        "whole lines": sum(" ".join(r) in whole for r in drawn) / len(drawn),
        **{f"distinct-{n}": distinct(drawn, n) for n in (1, 2, 3)},
        **{f"distinct-{n} held out": distinct(others, n) for n in (1, 2, 3)},
        "n": len(drawn),
    }


def grammar(model: StoryModel, held_out: Sequence[Line], each: int) -> dict[str, Any]:
    """Share of plots in which the Link Grammar parser of English (Sleator & Temperley 1993, arXiv cmp-lg/9508004) finds
    a place for every word, and in which a word stands twice in a row; by how many words could be changed in the end,
    and how readily, beside held-out plots told by hand. ``distinct-2`` is the share of different pairs among all pairs.

    Raises:
        UserError: the parser is not installed.
    """
    texts: dict[Revision, list[str]] = {how: [] for how in REVISIONS}
    for genre in model.vocabulary.story_genres:
        request = StoryRequest(genre=genre, count=each, seed=1000, revisions=0)
        *_, last = story_steps(faster(model), request)
        labels = torch.tensor([model.vocabulary.label(genre, "")] * each)
        for how, found in texts.items():
            *_, end = last, *revisions(model, last, labels, torch.zeros_like(last.x_next, dtype=torch.bool), how)
            found += [sentence_of(model.vocabulary.text(row)) for row in end.x_next.tolist()]
    told = [line.text for line in held_out if line.kind == TOLD][:300]
    shown = {f"{how.most} changes to what is {how.surer:g} times as likely": found for how, found in texts.items()}
    return {"told by hand": _of_texts(told)} | {name: _of_texts(found) for name, found in shown.items()}


def _of_texts(texts: Sequence[str]) -> dict[str, Any]:
    rows = [words_of(text.lower()) for text in texts]
    pairs = [pair for row in rows for pair in pairwise(row)]
    return {
        "parsed": parsed(texts),
        "doubled": sum(any(a == b for a, b in pairwise(row)) for row in rows) / len(rows),
        "distinct-2": len(set(pairs)) / len(pairs),
        "words": f"{sum(map(len, rows)) / len(rows):.1f}",
        "n": len(rows),
    }


def parsed(texts: Sequence[str]) -> float:
    """Share of sentences that the parser takes whole.

    Raises:
        UserError: the parser is not installed.
    """
    if shutil.which(PARSER) is None:
        raise UserError(
            "whether plots are sentences is judged by Link Grammar: install its link-parser (Debian: link-grammar)"
        )
    told = subprocess.run(
        [PARSER, "en", "-batch", "-graphics=0", "-timeout=10"], input="\n".join(texts) + "\n",
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return 1 - len(re.findall(r"^\++ error", told.stdout, re.MULTILINE)) / len(texts)
