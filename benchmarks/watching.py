"""What does looking inside cost, and what is left of it when nobody looks?

    python benchmarks/watching.py [MODEL] [--rounds 20]
    python benchmarks/watching.py --large [--steps 2] [--small] [--folder DIR]

Without ``--large``: one drawing of the model in turns, round after round, with nobody watching (by a model whose
modules were never touched, by a second such model, which tells how exact the comparison is, and by one that was watched
and released), with all word maps, and with all activations. Told are medians, and for each the median of its ratios to
the first of the same round, in processor time and in time of the wall. The pictures must be the same bits, or it ends.

With ``--large``: a guided drawing with a model of Stable Diffusion 1.5's size at 512 pixels (the same random weights
for all, 1,066 million, stored in float16), unwatched, with word maps and with activations, each in a process of its
own, one after the other: seconds of the steps alone, and the most memory that was resident in them. ``--small`` is a
smoke test of seconds.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.inspection.watch import block_names, watching
from fromnoise.system.text_to_image import TextToImage

PLAIN, WORDS, BLOCKS = "nobody watching", "all word maps", "all activations"
UNTOUCHED, RELEASED = "nobody watching, a second model", "watched once and released"


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
    for title in ("", "processor s", "more", "half of the rounds", "wall s", "more"):
        table.add_column(title, justify="right" if title else "left")
    for kind, pairs in spent.items():
        row = [f"{statistics.median(pair[0] for pair in pairs):.3f}", *_more(pairs, spent[PLAIN], 0)]
        wall = [f"{statistics.median(pair[1] for pair in pairs):.3f}", _more(pairs, spent[PLAIN], 1)[0]]
        table.add_row(kind, *row, *wall)
    return table


def _more(pairs: list[tuple[float, float]], base: list[tuple[float, float]], which: int) -> tuple[str, str]:
    """Median of the ratios to the same round's base, and where the middle half of them lies, as what is added to 1."""
    ratios = sorted(own[which] / other[which] - 1 for own, other in zip(pairs, base, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]
    return f"{statistics.median(ratios):+.1%}", f"{low:+.1%} to {high:+.1%}"


# --- Stable Diffusion's size -----------------------------------------------------------------------------------------


def serve(kind: str, folder: Path, steps: int) -> None:
    """Draw once, and print seconds of the steps, peak MiB from opening on and while drawing, and MB seen in a step."""
    from denoise_step import forget_peak
    from other_engines import peak_mib

    model = load(Opening(folder))[1]
    made = plan(model, Request("a red apple", seed=1, steps=steps))
    opening = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    forget_peak()
    seen, begin, seconds = 0, time.perf_counter(), 0.0
    for event, found in drawer(kind)(model, made):
        if isinstance(event, Step):
            seen, seconds = max(seen, found), time.perf_counter() - begin
            most = peak_mib()  # without the decoder, which comes after the steps and is not watched
    print("answer", seconds, opening, most, seen / 1e6, flush=True)


def large(folder: Path, steps: int, small: bool) -> Table:
    """All kinds, each in a process of its own."""
    if not (folder / "model").exists():
        write = "import sys; from pathlib import Path; from checkpoint_drawing import write_model"
        line = f"{write}; write_model(Path(sys.argv[1]), {small})"
        subprocess.run([sys.executable, "-c", line, folder / "model"], check=True, cwd=Path(__file__).parent)
    table = Table(title=f"{steps} guided steps at the size of Stable Diffusion 1.5, 512 px, {machine()}")
    for title in (
        "",
        "steps s",
        "more",
        "peak MiB in the steps",
        "more MiB",
        "peak MiB of opening",
        "maps of a step, MB",
    ):
        table.add_column(title, justify="right" if title else "left")
    base: list[float] = []
    for kind in (PLAIN, WORDS, BLOCKS):
        command = [sys.executable, __file__, "--serve", kind, "--folder", folder, "--steps", str(steps)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        line = next(line for line in done.stdout.splitlines() if line.startswith("answer"))
        seconds, opening, most, seen = map(float, line.split()[1:])
        base = base or [seconds, most]
        more = f"{seconds / base[0] - 1:+.1%}", f"{most - base[1]:+.0f}"
        table.add_row(kind, f"{seconds:.1f}", more[0], f"{most:.0f}", more[1], f"{opening:.0f}", f"{seen:.1f}")
        print(f"{kind}: {seconds:.1f} s, {most:.0f} MiB", file=sys.stderr, flush=True)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--large", action="store_true", help="Stable Diffusion's size instead")
    parser.add_argument("--steps", type=int, default=2, help="of a large drawing")
    parser.add_argument("--small", action="store_true", help="tiny networks: does --large run at all?")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to keep the large model; a temporary folder by default")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.folder / "model", options.steps)
    elif options.large:
        with tempfile.TemporaryDirectory() as scratch:
            Console(width=140).print(large(options.folder or Path(scratch), options.steps, options.small))
    else:
        Console(width=120).print(compare(options.model, options.rounds))


if __name__ == "__main__":
    main()
