"""What becomes of damaged and hostile files and prompts? Each is refused in one line, or used, in bounded memory.

    python benchmarks/torture.py --json 4000 --weights 2000 --pictures 20000 --prompts 5000 --seed 0

One file at a time of a tiny model, a story model, a tokenizer, a run's folder and tiny checkpoints of Stable Diffusion
gets one fault: values of other types, sizes of 10**9, 0 and -1, missing and surplus keys, deep nesting, numbers that
are none, huge texts, files cut off; formats of numbers that we do not load, headers that lie. Then it is opened, and
what opens draws one step. Pictures of 24 kinds, spoilt in bytes, numbers, chunks or in what they pretend to be, go
through every door: a data folder, an upload, the look ahead, the question where they come from. Odd prompts are drawn,
read out of the picture again, and played with in the story game. All of it in a process that may die. A crash is
anything but being used or one line of refusal: a traceback, a process that died, more than 20 seconds or 1 GiB. Needs
Linux, and `pip install -e '.[dev]'`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch

from formats import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from torture_subjects import FAMILIES, picture_subjects, prompt_subject, subjects, with_weights
from torturing import Tried, torture


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
    parser.add_argument("--pictures", type=int, default=0, metavar="N", help="mutants of pictures")
    parser.add_argument("--prompts", type=int, default=0, metavar="N", help="odd prompts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of subjects, with commas between them")
    parser.add_argument("--by", choices=("kind", "subject"), default="kind", help="what has a row in the table")
    args = parser.parse_args()
    torch.set_num_threads(1)
    crashes = 0
    with tempfile.TemporaryDirectory() as name:
        only = args.only.split(",") if args.only else []
        folder = Path(name)
        families = [family for family in FAMILIES if not only or family in only]
        every = subjects(folder, families)
        (folder / "pictures").mkdir()
        print(f"{machine()}; seed {args.seed}")
        for title, count, all_of_them in (
            ("JSON", args.json, every),
            ("Weights", args.weights, [each for each in map(with_weights, every) if each.files]),
            ("Pictures", args.pictures, picture_subjects(folder / "pictures")),
            ("Prompts", args.prompts, [prompt_subject(folder)]),
        ):
            chosen = [each for each in all_of_them if not only or each.name in only]
            found = [tried for each in chosen for tried in torture(each, count // len(chosen), args.seed)]
            if found:
                tell(title, found, args.by)
            crashes += sum(each.outcome == "crash" for each in found)
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
