"""What does looking inside cost, and what is left of it when nobody looks?

    python benchmarks/watching.py [MODEL] [--rounds 20]
    python benchmarks/watching.py --large [--steps 1] [--small]

Without ``--large``: one drawing of the model in turns, round after round, with nobody watching (by a model whose
modules were never touched, by a second such model, which tells how exact the comparison is, and by one that was watched
and released), with all word maps, and with all activations. Told are medians, and for each the median of its ratios to
the first of the same round, in processor time and in time of the wall, and the fastest beside the fastest. The pictures
must be the same bits, or it ends.

With ``--large``: guided steps with a model of Stable Diffusion 1.5's size at 512 pixels (random weights), unwatched,
with all word maps and with all activations, each in a process of its own, one after the other: their seconds, and the
most memory that was resident in them. ``--small`` is a smoke test of seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from denoise_step import SMALL_UNET, SMALL_VAE, UNET, forget_peak
from denoise_step import VAE as BIG_VAE
from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.diffusion.samplers import Step
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.inspection.watch import block_names, watching
from fromnoise.models.clip.text_tower import TextConfig, TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.vae import VAE
from fromnoise.system.text_to_image import TextToImage
from other_engines import peak_mib

PLAIN, WORDS, BLOCKS = "nobody watching", "all word maps", "all activations"
UNTOUCHED, RELEASED = "nobody watching, a second model", "watched once and released"


class Measured(NamedTuple):
    """What some steps took: seconds of the processor and of the wall, the most MiB resident, and the MB of maps seen
    in one step."""

    work: float
    wall: float
    most: float
    seen: float


def plain(model: TextToImage, made: Plan) -> Iterator[tuple[object, int]]:
    """Events of a drawing that nobody watches; nothing is seen."""
    for event in generate(model, made):
        yield event, 0


def watched(model: TextToImage, made: Plan, attention: bool) -> Iterator[tuple[object, int]]:
    """Events of a watched drawing, and how many bytes were seen at each."""
    with watching(model, made, attention=attention, outputs=() if attention else block_names(model)) as (own, seen):
        for event in generate(own, made):
            maps = [look.attention if attention else look.output for look in seen.take()]
            yield event, sum(each.nbytes for each in maps if each is not None)


def drawer(kind: str) -> Callable[[TextToImage, Plan], Iterator[tuple[object, int]]]:
    """How a kind of drawing is made."""
    return plain if kind not in (WORDS, BLOCKS) else lambda model, made: watched(model, made, kind == WORDS)


# --- the model as it is ----------------------------------------------------------------------------------------------


def compare(named: str | None, rounds: int) -> Table:
    """All kinds in turns."""
    opened = {kind: load(Opening(named))[1] for kind in (PLAIN, UNTOUCHED, RELEASED)}
    models = opened | {WORDS: opened[RELEASED], BLOCKS: opened[RELEASED]}
    made = {kind: plan(model, Request("a red apple", seed=1)) for kind, model in models.items()}
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in models}
    pictures: dict[str, Tensor] = {}
    for turn in range(rounds + 1):
        kinds = list(models) if turn % 2 else list(models)[::-1]
        for kind in kinds:
            begin = time.process_time(), time.perf_counter()
            *_, (last, _) = drawer(kind)(models[kind], made[kind])
            if turn:  # the first one warms up, and watches the one that is then released
                spent[kind].append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
            assert isinstance(last, Finished)
            if not torch.equal(pictures.setdefault(PLAIN, last.pictures), last.pictures):
                raise SystemExit(f"{kind}: another picture than with nobody watching")
    table = Table(title=f"one drawing of {made[PLAIN].steps} steps, {rounds} rounds in turns, {machine()}")
    for title in ("", "processor s", "more", "half of the rounds", "fastest, more", "wall s", "more"):
        table.add_column(title, justify="right" if title else "left")
    for kind, pairs in spent.items():
        row = [f"{statistics.median(pair[0] for pair in pairs):.3f}", *_more(pairs, spent[PLAIN], 0)]
        fastest = min(pair[0] for pair in pairs) / min(pair[0] for pair in spent[PLAIN]) - 1
        wall = [f"{statistics.median(pair[1] for pair in pairs):.3f}", _more(pairs, spent[PLAIN], 1)[0]]
        table.add_row(kind, *row, f"{fastest:+.1%}", *wall)
    return table


def _more(pairs: list[tuple[float, float]], base: list[tuple[float, float]], which: int) -> tuple[str, str]:
    """Median of the ratios to the same round's base, and where the middle half of them lies, as what is added to 1."""
    ratios = sorted(own[which] / other[which] - 1 for own, other in zip(pairs, base, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]
    return f"{statistics.median(ratios):+.1%}", f"{low:+.1%} to {high:+.1%}"


# --- Stable Diffusion's size -----------------------------------------------------------------------------------------


def made_up(small: bool, packed: bool = True) -> TextToImage:
    """A model of Stable Diffusion 1.5's shapes, packed for drawing or not; its weights are made up and need no file."""
    tokenizer = Tokenizer.train(["a red apple", "a blue house", "a green tree"] * 3, vocab_size=600, context=77)
    sizes = {"layers": 2 if small else 12, "heads": 12, "context": 77, "eos_token_id": tokenizer.eos_id}
    with torch.device("meta"):
        tower = TextTower(TextConfig(vocab_size=49408, width=768, **sizes))
        unet, vae = UNet(SMALL_UNET if small else UNET), VAE(SMALL_VAE if small else BIG_VAE)
    networks = [network.to_empty(device="cpu").eval().requires_grad_(False) for network in (tower, unet, vae)]
    some = torch.randn(2**20, generator=torch.Generator().manual_seed(0)) / 50
    for parameter in (parameter for network in networks for parameter in network.parameters()):
        flat = parameter.data.view(-1)  # a million numbers again and again: fresh ones for all would take minutes
        for part in flat.split(len(some)):
            part.copy_(some[: len(part)])
    tower, unet, vae = networks
    model = TextToImage(tokenizer, tower, unet, vae, ScheduleConfig().build(), "v", identity="made up")
    return model.for_drawing(keep=False) if packed else model


def measured(kind: str, model: TextToImage, steps: int) -> Measured:
    """Draw the steps of one drawing, in a process that does nothing else."""
    made = plan(model, Request("a red apple", seed=1, steps=steps, guidance=7.5))
    forget_peak()
    seen, begin = 0, (time.process_time(), time.perf_counter())
    for event, found in drawer(kind)(model, made):
        assert isinstance(event, Step)
        seen = max(seen, found)
        if event.index + 1 == event.total:  # the decoder comes after the steps, and nobody watches it
            break
    most = peak_mib()
    return Measured(time.process_time() - begin[0], time.perf_counter() - begin[1], most, seen / 1e6)


def aside(function: Callable[[], Measured]) -> Measured:
    """Call a function in a fork of this process, which shares the weights with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(map(str, function())).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = answer.read().split()
    os.waitpid(child, 0)
    if not found:
        raise SystemExit("it ended before it had drawn; its message is above")
    return Measured(*map(float, found))


def large(steps: int, small: bool) -> Table:
    """All kinds, each in a process of its own, one after the other."""
    torch.set_num_threads(1)  # a team of threads would not survive the fork; steps begin their own
    model = made_up(small)
    table = Table(title=f"{steps} guided steps at the size of Stable Diffusion 1.5, 512 px, {machine()}")
    for title in ("", "processor s", "more", "wall s", "peak MiB", "more", "maps of a step, MB"):
        table.add_column(title, justify="right" if title else "left")
    base = None
    for kind in (PLAIN, WORDS, BLOCKS):
        found = aside(lambda kind=kind: measured(kind, model, steps))  # type: ignore[misc]
        base = base or found
        more = f"{found.work / base.work - 1:+.1%}", f"{found.most - base.most:+.0f}"
        table.add_row(
            kind, f"{found.work:.1f}", more[0], f"{found.wall:.1f}", f"{found.most:.0f}", more[1], f"{found.seen:.1f}"
        )
        print(f"{kind}: {found.work:.1f} s, {found.most:.0f} MiB", file=sys.stderr, flush=True)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--large", action="store_true", help="Stable Diffusion's size instead")
    parser.add_argument("--steps", type=int, default=1, help="of a large drawing")
    parser.add_argument("--small", action="store_true", help="tiny networks: does --large run at all?")
    options = parser.parse_args()
    if options.large:
        Console(width=140).print(large(options.steps, options.small))
    else:
        Console(width=120).print(compare(options.model, options.rounds))


if __name__ == "__main__":
    main()
