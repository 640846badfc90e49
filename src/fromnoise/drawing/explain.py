"""A plan, shown: what ``generate --explain`` prints instead of drawing."""

from __future__ import annotations

from collections.abc import Iterator

from fromnoise.drawing.plan import Plan, Words
from fromnoise.models.clip.tokenizer import WORD_END
from fromnoise.system.prompt import Chunks
from fromnoise.system.text_to_image import TextToImage
from fromnoise.system.texts import Reader

MOST_TIMES = 30  # noise levels that are written out


def explain(model: TextToImage, plan: Plan) -> list[tuple[str, str]]:
    """What will be done, as pairs of a heading and a line.

    Args:
        model: that the plan was made for.
        plan: what will be done.
    """
    return list(_lines(model, plan))


def _lines(model: TextToImage, plan: Plan) -> Iterator[tuple[str, str]]:
    yield "pictures", _counted(plan)
    if plan.best_of > 1:
        yield "candidates", f"{plan.best_of} for each picture; CLIP keeps the one that fits the words best"
    yield "size", _size(plan)
    if plan.transparent:
        yield "background", "made transparent where it is white"
    yield from _words(model, plan.words, "reads")
    if plan.on_the_way:
        yield "towards", f"{plan.amount:g} of the way to seed {plan.goal_seed}"
        yield from _words(model, plan.goal, "reads there")
    yield "begins with", _beginning(model, plan)
    options = ", ".join(f"{name} {value}" for name, value in plan.levels.options.items())
    yield "sampler", f"{plan.levels.sampler}, {plan.steps} steps" + (f" ({options})" if options else "")
    yield "levels", _levels(plan)
    yield "guidance", _guidance(plan)
    yield "computes in", f"{model.precision}, pictures in company are the same bits as alone"
    for note in plan.notes:
        yield "note", note


def _counted(plan: Plan) -> str:
    seeds = f"seed {plan.seed}" if plan.count == 1 else f"seeds {plan.seed} to {plan.seed + plan.count - 1}"
    batches = len(list(plan.batches()))
    return f"{plan.count}, {seeds}" + (f", in {batches} batches" if batches > 1 else "")


def _size(plan: Plan) -> str:
    width, height = plan.size.drawn
    return f"{width}x{height} pixels" + (f", enlarged to {plan.size.text}" if plan.size.enlarged else "")


def _words(model: TextToImage, words: Words, heading: str) -> Iterator[tuple[str, str]]:
    yield heading, f'"{words.wanted.text}"' if words.wanted.text else "nothing: no words"
    yield "tokens", _tokens(model.readers[0], words.wanted.chunks[0])
    if words.unwanted.text:
        yield "pushes from", f'"{words.unwanted.text}"'


def _tokens(reader: Reader, chunks: Chunks) -> str:
    """What is read: tokens with their weights, as brackets write them, and | between parts."""
    rows = zip(chunks.ids.tolist(), chunks.weights.tolist(), chunks.counts, strict=True)
    parts = [_part(reader, ids[1 : count + 1], weights[1 : count + 1]) for ids, weights, count in rows if count]
    return f"{sum(chunks.counts)}: {' | '.join(parts)}" if parts else "none"


def _part(reader: Reader, ids: list[int], weights: list[float]) -> str:
    tokens = [token.removesuffix(WORD_END) for token in reader.tokenizer.named(ids)]
    return " ".join(
        token if weight == 1 else f"({token}:{weight:.3g})" for token, weight in zip(tokens, weights, strict=True)
    )


def _beginning(model: TextToImage, plan: Plan) -> str:
    shape = "x".join(map(str, model.latent_shape(plan.drawn_size)))
    if not plan.from_picture:
        return f"noise, latents {shape}"
    walked = len(plan.levels.walk.after(plan.strength))
    return f"a picture, noised {plan.strength:g} of the way ({walked} of {plan.steps} steps), latents {shape}"


def _levels(plan: Plan) -> str:
    times = [f"{t:g}" for t in plan.levels.walk.times]
    shown = times if len(times) <= MOST_TIMES else [*times[: MOST_TIMES // 2], "…", *times[-MOST_TIMES // 2 :]]
    spread = plan.levels.sigmas or plan.levels.spacing
    return f"t = {' '.join(shown)} (999 is pure noise; {spread})"


def _guidance(plan: Plan) -> str:
    if not plan.guided:
        return "off: the U-Net is asked once a step"
    low, high = plan.interval
    inside = sum(low <= t <= high for t in plan.levels.walk.times)
    contrast = f", {plan.rescale:g} of the added contrast taken back" if plan.rescale else ""
    return f"{plan.guidance:g} for t in {low}…{high} ({inside} of {plan.steps} steps), else off{contrast}"
