"""Does the model know what else a thing is called? Words that no caption has, beside the concept's own name."""

from __future__ import annotations

from fromnoise.evaluation.bench import NAMES, Bench
from fromnoise.evaluation.intervals import ratio_of_means
from fromnoise.evaluation.retrieval import score
from fromnoise.evaluation.section import Headline, Section, Table
from fromnoise.evaluation.sections.retrieval import COLUMNS, rows_of
from fromnoise.evaluation.synonyms import synonym_questions
from fromnoise.evaluation.words import number, number_interval

TEXT = (
    "A fixed list of everyday words that occur in no caption, keyword or other name of the pictures, each with "
    'the concept it means: a "tomcat" is a cat. Each is drawn, and its concept\'s own name from the same noise in '
    "the same style; the judge says which of the list's concepts it sees.",
    "The ceiling for an unknown word is what the known name reaches; the ceiling for that is the real picture.",
)


def words_section(bench: Bench) -> Section:
    """Retrieval of what is drawn for words never seen, and for the known names."""
    title = "Words that were never seen"
    keys, words, names = synonym_questions(bench.records, bench.styles)
    chosen = sorted(bench.some(list(range(len(words))), bench.sizes.words, salt=4))
    words, names = [words[i] for i in chosen], [names[i] for i in chosen]
    if not words:
        return Section("words", title, ("The data has none of the concepts that the list has words for.",))
    gallery = bench.gallery(keys)
    own = bench.shown_for(names, "known words")
    shown = {"real": own["real"], "own name": own["drawn"]}
    shown |= {"word never seen": bench.draw(bench.asked_requests(words), "words never seen"), "noise": own["noise"]}
    ranks = {kind: gallery.ranks(bench.judge(pictures), words) for kind, pictures in shown.items()}
    scores = {kind: score(r) for kind, r in ranks.items()}
    ratio = ratio_of_means(ranks["word never seen"] == 0, ranks["own name"] == 0)
    found, floor, known = (scores[k] for k in ("word never seen", "noise", "own name"))
    ratio_rows = (("word never seen / own name, top-1", number(ratio.value), number_interval(ratio),
                   str(ratio.n)),)  # fmt: skip
    return Section(
        "words",
        title,
        TEXT,
        (
            Table(COLUMNS, rows_of(scores), f"Concept found by the judge, among {len(keys)}."),
            Table(("figure", "value", "95 %", "n"), ratio_rows, "1 would be: as good as the name it knows."),
        ),
        (),
        {**{NAMES.get(k, k): s.to_dict() for k, s in scores.items()}, "ratio": ratio.to_dict(), "concepts": len(keys)},
        (
            Headline(f"words never seen, concept found (of {len(keys)})", found.top1, floor.top1, known.top1,
                     found.low, found.high, found.n),
        ),
    )  # fmt: skip
