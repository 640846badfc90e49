"""Section: how many of the drawings are copies of training pictures?"""

from __future__ import annotations

from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.copies.section import copies_section
from fromnoise.evaluation.section import Section
from fromnoise.ground.wording import styled


def drawn_copies_section(bench: Bench) -> Section:
    """Look for copies among what was drawn for the main questions.

    Raises:
        UserError: the data is not what the model was trained on.
    """
    prompts = [styled(q.text, q.style) for q in bench.main.questions]
    return copies_section(bench.model, bench.main.shown["drawn"], prompts, bench.pictures, bench.seed)
