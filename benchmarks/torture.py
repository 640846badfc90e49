"""What becomes of damaged and hostile files? Each is refused in one line, or opened and drawn with, in bounded memory.

    python benchmarks/torture.py --json 4000 --weights 2000 --seed 0

One file at a time of a tiny model, a story model, a tokenizer, a run's folder and tiny checkpoints of Stable Diffusion
gets one fault: values of other types, sizes of 10**9, 0 and -1, missing and surplus keys, deep nesting, numbers that
are none, huge texts, files cut off; formats of numbers that we do not load, headers that lie. Then it is opened, and
what opens draws one step, in a process that may die. A crash is anything but a picture or one line of refusal: a
traceback, a process that died, more than 20 seconds or 1 GiB. Needs Linux, and `pip install -e '.[dev]'`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from formats import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from torturing import FAMILIES, Tried, subjects, torture, weights_files


def table(found: Iterable[Tried], by: str) -> list[str]:
    """A row for each kind of fault, or each file, and one for all."""
    groups: dict[str, list[Tried]] = defaultdict(list)
    for each in found:
        groups[getattr(each, by)].append(each)
        groups["all"].append(each)
    rows = [
        f"| {by} | tried | refused | opened | crashes | most seconds | most memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sorted(groups, key=lambda name: (name == "all", name)):
        outcomes = Counter(each.outcome for each in groups[name])
        slowest, largest = max(e.seconds for e in groups[name]), max(e.memory for e in groups[name])
        counts = " | ".join(f"{outcomes[outcome]:,}" for outcome in ("refused", "opened", "crash"))
        rows.append(f"| {name} | {len(groups[name]):,} | {counts} | {slowest:.1f} | {largest >> 20} MiB |")
    return rows


def tell(title: str, found: list[Tried], by: str) -> None:
    """Print a table, and each kind of crash once."""
    print(f"\n{title}\n" + "\n".join(table(found, by)))
    crashes = Counter((e.subject, e.kind.split(":")[0], e.said) for e in found if e.outcome == "crash")
    for (subject, kind, said), count in crashes.most_common():
        print(f"crash ×{count}: {subject}, {kind}: {said}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=int, default=0, metavar="N", help="mutants of JSON files")
    parser.add_argument("--weights", type=int, default=0, metavar="N", help="mutants of files with weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of subjects, with commas between them")
    parser.add_argument("--by", choices=("kind", "subject"), default="kind", help="what has a row in the table")
    args = parser.parse_args()
    torch.set_num_threads(1)
    crashes = 0
    with tempfile.TemporaryDirectory() as name:
        only = args.only.split(",") if args.only else []
        families = [family for family in FAMILIES if not only or family in only]
        every = [each for each in subjects(Path(name), families) if not only or each.name in only]
        with_weights = [replace(each, files=weights_files(each.folder)) for each in every]
        print(f"{machine()}; seed {args.seed}")
        for title, count, chosen in (
            ("JSON", args.json, every),
            ("Weights", args.weights, [each for each in with_weights if each.files]),
        ):
            found = [
                tried
                for subject in chosen
                for tried in torture(subject, count // len(chosen), args.seed, title == "Weights")
            ]
            if found:
                tell(title, found, args.by)
            crashes += sum(each.outcome == "crash" for each in found)
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
