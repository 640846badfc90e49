"""Which CLIP chooses best among drawings? All of them choose among the same candidates.

    python benchmarks/eyes.py MODEL [MODEL ...] [--most 8] [--data data/stickers] [--concepts 60] [--unet]

The first model draws ``--most`` candidates of every prompt, as ``--best-of`` does; each model's CLIP then chooses among
the first one, two, four, ... of them. The models must read words alike: they differ in their image towers, as after
``--set clip.locked=true``. How good a choice is says the judge of the evaluation, which has no part in it: how often
the picture's own caption is its first among all concepts', and how often attributes (counts, colours, places, ...) are
drawn as asked. "best possible" is a choice by that judge itself. "better" is the chance of so many prompts or more on
which only the choice is right, and not the first candidate, if it were as good (exact sign test). Below the table
stands how often a right candidate scores higher than a wrong one of the same prompt: 50 % is chance, and this is seen
long before a choice gets better.

``--unet`` lets the first model's U-Net choose as well, without CLIP: a finished picture is noised again, and scored by
how much the words lower the error of the U-Net's estimate of it. That is the classifier hidden in a diffusion model
(Li et al. 2023, arXiv 2303.16203) for one caption against none. Twelve noises a candidate, each seen with and without
words, cost about half of a drawing of 20 steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file
from torch import Tensor

from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.data.pictures import load_folder
from fromnoise.drawing.best_of import fit
from fromnoise.drawing.choice import candidates
from fromnoise.drawing.generate import draw_plans
from fromnoise.drawing.plan import Plan, plans
from fromnoise.drawing.request import Request
from fromnoise.evaluation.attributes import NO_STYLE, Attribute, asked
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.intervals import mean_of, sign_test
from fromnoise.evaluation.retrieval import Gallery, Question, choose_questions, relevant
from fromnoise.evaluation.sections.attributes import rightness
from fromnoise.evaluation.sizes import Sizes
from fromnoise.ground.pictures import from_bytes
from fromnoise.system.text_to_image import TextToImage

AT_ONCE = 4  # prompts
LEVELS = (-4.5, -3.5, -2.5)  # log-SNR at which a finished picture is noised again; words help at no others
NOISES = 4  # of each level, the same for every candidate


@dataclass(frozen=True)
class Asked:
    """What is asked of the drawings: things by name, then attributes by kind, each in one of the styles or "".

    Attributes:
        bench: judges.
        gallery: what a thing is found among.
        questions: things.
        kinds: attributes.
        styles: of the attributes' drawings, in their order.
    """

    bench: Bench
    gallery: Gallery
    questions: list[Question]
    kinds: dict[str, list[Attribute]]
    styles: list[str]

    def right(self, pictures: Tensor) -> Tensor:
        """1 where a prompt's picture is right, float [prompts]."""
        at = len(self.questions)
        found = [(self.gallery.ranks(self.bench.judge(pictures[:at]), self.questions) == 0).float()]
        for asked_for in self.kinds.values():
            begin, at = at, at + len(asked_for)
            own = self.styles[begin - len(self.questions) : at - len(self.questions)]
            found.append(rightness(self.bench, asked_for, pictures[begin:at], own).diagonal().float())
        return torch.cat(found)


def questions_for(model: TextToImage, options: argparse.Namespace) -> tuple[Asked, list[Request]]:
    """What to ask, and what to draw for it.

    Args:
        model: draws.
        options: with ``data``, ``concepts``, ``attributes``, ``seed`` and ``steps``.
    """
    sizes = Sizes(concepts=options.concepts, attributes=options.attributes)
    bench = Bench(model, load_folder(options.data, model.pixels), options.seed, sizes)
    keys, every = choose_questions(bench.records, model.styles, options.concepts, options.seed)
    questions = every[:: len(model.styles) + 1][: options.concepts]  # the styles in turn
    indices, records = relevant(bench.pictures, keys)
    gallery = Gallery(keys, records, bench.judge(bench.pictures.images[indices]))
    kinds = asked(bench)
    told = [question for of in kinds.values() for question in of]
    styles = [bench.styles[i % len(bench.styles)] for i in range(len(told))]
    named = ["" if q.kind == NO_STYLE else style for q, style in zip(told, styles, strict=True)]
    wishes = [
        *(Request(q.text, style=q.style) for q in questions),
        *(Request(q.text, style=style or None) for q, style in zip(told, named, strict=True)),
    ]
    wishes = [replace(r, seed=options.seed + 1000 * i, steps=options.steps) for i, r in enumerate(wishes)]
    return Asked(bench, gallery, questions, kinds, named), wishes


def told_apart(scores: Tensor, right: Tensor) -> Tensor:
    """Of every prompt with right and wrong candidates, in how many pairs of these the right one scores higher.

    Args:
        scores, right: float [prompts, candidates].
    """
    found = []
    for score, good in zip(scores, right > 0.5, strict=True):
        if good.any() and not good.all():
            found.append((score[good][:, None] > score[~good]).double().mean())
    return torch.stack(found) if found else torch.zeros(0)


def drawn(model: TextToImage, wanted: Sequence[Plan]) -> Tensor:
    """All candidates of all plans, uint8 [plans, candidates, 3, P, P]."""
    parts = []
    for some in (wanted[i : i + AT_ONCE] for i in range(0, len(wanted), AT_ONCE)):
        each = [one for plan in some for one in candidates(plan)]
        parts.append(draw_plans(model, each).unflatten(0, (len(some), -1)))
    return torch.cat(parts)


def words_help(model: TextToImage, wanted: Sequence[Plan], pictures: Tensor) -> Tensor:
    """How much the words lower the U-Net's error on each candidate, float [plans, candidates]: the mean over levels,
    each in units of its spread over all candidates.

    Args:
        pictures: uint8 [plans, candidates, 3, P, P].
    """
    noise = torch.randn(NOISES, *model.latent_shape(), generator=torch.Generator().manual_seed(7))
    gains = torch.zeros(*pictures.shape[:2], len(LEVELS))
    for i, plan in enumerate(wanted):
        latents = model.vae.encode(from_bytes(pictures[i])).mean
        told, silent = (model.read_tokens([text]) for text in (plan.words.wanted, plan.words.unwanted))
        for level, t in enumerate(model.schedule.nearest(torch.tensor(LEVELS)).tolist()):
            gains[i, :, level] = errors(model, latents, noise, t, silent) - errors(model, latents, noise, t, told)
    return (gains / gains.std((0, 1))).mean(2)


def errors(model: TextToImage, latents: Tensor, noise: Tensor, t: int, words: Tensor) -> Tensor:
    """Mean squared error of the clean estimates, float [N].

    Args:
        latents: clean, [N,C,h,w].
        noise: added to each of them in turn, [K,C,h,w].
        t: the noise level.
        words: as the U-Net reads them, [1,L,W].
    """
    denoiser, schedule = model.denoiser(), model.schedule
    clean = latents.repeat_interleave(len(noise), 0)
    noisy = float(schedule.alpha(t)) * clean + float(schedule.sigma(t)) * noise.repeat(len(latents), 1, 1, 1)
    estimate = denoiser(noisy, torch.full((len(noisy),), t), words.expand(len(noisy), -1, -1))
    return (estimate - clean).square().flatten(1).mean(1).unflatten(0, (-1, len(noise))).mean(1)


def main() -> None:
    """Draw, let all choose, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--concepts", type=int, default=60)
    parser.add_argument("--attributes", type=int, default=3)
    parser.add_argument("--steps", type=int, help="fewer, to be done sooner")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unet", action="store_true", help="let the U-Net of the first model choose, too")
    parser.add_argument("--keep", type=Path, help="a .safetensors file for candidates, verdicts and scores")
    options = parser.parse_args()
    loaded = [load(Opening(name)) for name in options.models]
    model = loaded[0][1]
    questionnaire, wishes = questions_for(model, options)
    questions = questionnaire.questions
    wanted = plans(model, [replace(r, best_of=options.most) for r in wishes])
    pictures = drawn(model, wanted)
    right = torch.stack([questionnaire.right(of) for of in pictures.unbind(1)], 1)
    numbers = [2**i for i in range(20) if 2**i <= options.most]
    split = {"found": slice(0, len(questions)), "attributes": slice(len(questions), None)}
    table = Table(title=f"candidates of {loaded[0][0]} ({model.hash}), {len(wishes)} prompts. {machine()}")
    for title in ("chosen by CLIP of", "best of", "found", "better", "attributes", "better"):
        table.add_column(title, justify="left" if title.startswith("chosen") else "right")
    eyes = {name: m for name, (_, m) in zip(options.models, loaded, strict=True)}
    rows = {
        name: torch.tensor([fit(m, p, x) for p, x in zip(wanted, pictures, strict=True)]) for name, m in eyes.items()
    }
    if options.unet:
        with torch.no_grad():
            rows[f"(U-Net) {loaded[0][0]}"] = words_help(model, wanted, pictures)
    if options.keep:
        save_file({"pictures": pictures.contiguous(), "right": right, **rows}, options.keep)
    for name, scores in (*rows.items(), ("best possible", right)):
        for n in numbers:
            kept = right.gather(1, scores[:, :n].argmax(1, keepdim=True))[:, 0]
            cells = []
            for part in split.values():
                now, first = kept[part], right[part, 0]
                share = mean_of(now)
                chance = sign_test(int(((now > 0.5) & (first < 0.5)).sum()), int(((first > 0.5) & (now < 0.5)).sum()))
                cells += [
                    f"{share.value:.1%} ({share.low:.1%}–{share.high:.1%})",
                    "" if n == 1 else f"p = {chance:.3f}",
                ]
            table.add_row(name, str(n), *cells)
    console = Console(width=150)
    console.print(table)
    for name, scores in rows.items():
        pairs = mean_of(told_apart(scores, right))
        console.print(
            f"{name}: right above wrong {pairs.value:.1%} ({pairs.low:.1%}–{pairs.high:.1%}), {pairs.n} prompts"
        )


if __name__ == "__main__":
    main()
