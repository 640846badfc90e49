"""What becomes of damaged and hostile files and prompts? Each is refused in one line, or used, in bounded memory.

    python benchmarks/torture.py --json 40000 --weights 60000 --settings 10000 --pictures 20000 --prompts 5000 \\
        --seed 0 --out torture.jsonl --minutes 15

One file at a time of a tiny model, a story model, a tokenizer, a run's folder, tiny checkpoints of Stable Diffusion 1
and XL (folders, and whole models in one file) and LoRA (ours, kohya's, diffusers', peft's) gets one fault: values of
other types, sizes of 10**9, 0 and -1, missing and surplus keys, deep nesting, numbers that are none, huge texts, files
cut off; formats of numbers that we do not load, headers that lie, notes that say something else, tensors full of what
is no number. Then it is opened, and what opens draws one step. Settings in pictures are asked for, and drawn again; a
cluster's job with spoilt lists and shards goes on. Pictures of 24 kinds, spoilt in bytes, numbers, chunks or in what
they pretend to be, go through every door: a data folder, an upload, the look ahead, the question where they come from.
Odd prompts are drawn, read out of the picture again, and played with in the story game. All of it in a process that may
die. A crash is anything but being used or one line of refusal: a traceback, a process that died, more than 20 seconds
or 1 GiB. With ``--out`` it goes on where it was stopped, and tells of everything in the file at the end. Needs Linux,
and `pip install -e '.[dev]'`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from formats import machine
from fromnoise.ground.errors import UserError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from torture_checkpoints import checkpoint_subjects
from torture_drawn import job_subject, settings_subject
from torture_subjects import json_files, picture_subjects, prompt_subject, subjects, with_weights
from torturing import Subject, Tried, spoilt_json, torture

SLICE = 500  # mutants that a process tries, then another one of the next subject; fewer of heavy ones
Rows = list[tuple[str, Tried]]  # what, and what became of it
WHAT = ("json", "weights", "settings", "pictures", "prompts")


def table(found: Iterable[Tried], by: str) -> list[str]:
    """A row for each kind of fault, subject or file, and one for all."""
    groups: dict[str, list[Tried]] = defaultdict(list)
    for each in found:
        name = each.kind if by == "kind" else each.subject if by == "file" else subject_of(each)
        groups[name].append(each)
        groups["all"].append(each)
    rows = [
        f"| {by} | tried | refused | opened | crashes | most seconds | most memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in sorted(groups, key=lambda name: (name == "all", name)):
        outcomes = Counter(each.outcome for each in groups[name])
        slowest, largest = max(e.seconds for e in groups[name]), max(e.memory for e in groups[name])
        counts = " | ".join(f"{outcomes[outcome]:,}" for outcome in ("refused", "opened", "crash"))
        rows.append(f"| {name} | {len(groups[name]):,} | {counts} | {slowest:.1f} | {largest >> 20} MiB |")
    return rows


def subject_of(tried: Tried) -> str:
    """The name of what was opened."""
    return tried.subject.partition("/")[0]


def tell(rows: Rows, by: str) -> None:
    """Print a table for each kind of thing, and each kind of crash once."""
    for what in WHAT:
        found = [tried for title, tried in rows if title == what]
        if found:
            print(f"\n{what}\n" + "\n".join(table(found, by)))
    crashes = Counter((e.subject, e.kind, e.said) for _, e in rows if e.outcome == "crash")
    for (subject, kind, said), count in crashes.most_common():
        print(f"crash ×{count}: {subject}, {kind}: {said}")


def chosen(folder: Path, counts: dict[str, int], only: Sequence[str]) -> dict[str, list[Subject]]:
    """What is tortured, by what is spoilt."""
    every = subjects(folder)
    if counts["json"] or counts["weights"]:
        every += checkpoint_subjects(folder, only)
    (folder / "pictures").mkdir()
    plain = [each for each in every if each.spoil is spoilt_json and json_files(each.folder)]
    own = [each for each in every if each.spoil is not spoilt_json]
    found = {
        "json": plain,
        "weights": [*(each for each in map(with_weights, plain) if each.files), *own],
        "settings": [settings_subject(folder), job_subject(folder)] if counts["settings"] else [],
        "pictures": picture_subjects(folder / "pictures") if counts["pictures"] else [],
        "prompts": [prompt_subject(folder)],
    }
    return {what: [each for each in some if not only or each.name in only] for what, some in found.items()}


def campaign(
    every: dict[str, list[Subject]], counts: dict[str, int], seed: int, done: Counter[tuple[str, str]]
) -> Iterator[tuple[str, Tried]]:
    """All mutants that are not done yet, some of each subject after the other."""
    waiting = []
    for what, some in every.items():
        whole = sum(each.share for each in some)
        waiting += [(what, each, round(counts[what] * each.share / whole)) for each in some if counts[what]]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        for _, subject, _ in waiting:  # whole it opens; and every process begins with what this has imported
            subject.use(subject.folder)
    while waiting:
        what, subject, count = waiting.pop(0)
        key = what, subject.name
        upto = min(count, done[key] + round(SLICE * subject.share))
        for tried in torture(subject, upto, seed, done[key]):
            yield what, tried
        done[key] = max(upto, done[key])
        if upto < count:
            waiting.append((what, subject, count))


def told_in(file: Path, seed: int) -> Rows:
    """What stands in a file of an earlier run; a last line that was not finished is cut off.

    Raises:
        UserError: it is of another seed.
    """
    rows: Rows = []
    if not file.exists():
        file.write_text(json.dumps({"seed": seed}) + "\n")
        return rows
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        file.write_bytes(whole)
    head, *lines = whole.decode().splitlines()
    if json.loads(head) != {"seed": seed}:
        raise UserError(f"{file} was begun with {head}; give that --seed, or another --out")
    for line in lines:
        values: dict[str, Any] = json.loads(line)
        rows.append((values.pop("what"), Tried(**values)))
    return rows


def run(args: argparse.Namespace, folder: Path) -> Rows:
    """Try what is to be tried; everything that was, now and before."""
    counts, only = {what: getattr(args, what) for what in WHAT}, args.only.split(",") if args.only else []
    every = chosen(folder, counts, only)
    rows = told_in(args.out, args.seed) if args.out else []
    done = Counter((what, subject_of(tried)) for what, tried in rows)
    end, before = time.monotonic() + 60 * args.minutes, len(rows)
    with args.out.open("a") if args.out else contextlib.nullcontext() as file:
        for what, tried in campaign(every, counts, args.seed, done):
            rows.append((what, tried))
            if file:
                print(json.dumps({"what": what, **vars(tried)}), file=file, flush=True)
            if time.monotonic() > end:
                print(f"stopped after {args.minutes:g} minutes; the same command with --out goes on")
                break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, new = used.ru_utime + used.ru_stime, len(rows) - before
    print(f"{new:,} mutants now, {new / max(seconds, 1e-9):.1f} a second of one core ({seconds:.0f} s)")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=int, default=0, metavar="N", help="mutants of JSON files")
    parser.add_argument("--weights", type=int, default=0, metavar="N", help="mutants of files with weights")
    parser.add_argument(
        "--settings", type=int, default=0, metavar="N", help="mutants of settings in pictures, and of jobs"
    )
    parser.add_argument("--pictures", type=int, default=0, metavar="N", help="mutants of pictures")
    parser.add_argument("--prompts", type=int, default=0, metavar="N", help="odd prompts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of subjects, with commas between them")
    parser.add_argument("--by", choices=("kind", "subject", "file"), default="kind", help="what has a row in the table")
    parser.add_argument("--out", type=Path, help="a file of lines that the next call goes on with")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so long")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}; seed {args.seed}")
    with tempfile.TemporaryDirectory() as name:
        rows = run(args, Path(name))
    tell(rows, args.by)
    return 1 if any(tried.outcome == "crash" for _, tried in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
