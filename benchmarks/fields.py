"""Is every field of other people's files honoured, or refused by its name? Each is planted alone, and peers are asked.

    python benchmarks/fields.py --only loras,schedulers

Planted are: every setting of diffusers' configs of U-Net and VAE, of transformers' text tower, of every scheduler that
we draw with, of peft's LoRA, of ``tokenizer_config.json`` and ``tokenizer.json`` in folders of transformers 4 and 5,
and of a pipeline's index; kinds, modes, turns and marks of picture files; every field of a request. What we make of it
is compared with what diffusers, transformers, peft and Pillow make of the same file, and both with what the peer makes
without the field. "Wrong" is: overlooked although the peer's answer changes, another answer than the peer's, taken
where the peer refuses (but for what ``planted_fields.BEYOND`` lists), refused without the field's name. Of a request,
which has no peer, every field must change the picture or be refused. Takes some minutes; needs
`pip install -e '.[dev]'`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from formats import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "diffusion"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "weights"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import planted_fields as files
import planted_words as others
from planted_fields import OUTCOMES, Planted

FAMILIES: dict[str, Callable[[Path], Iterator[Planted]]] = {
    "networks": files.networks, "schedulers": files.schedulers, "loras": files.loras, "tokenizers": others.tokenizers,
    "index": others.index, "pictures": others.pictures, "requests": others.requests,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(FAMILIES), help="names, with commas between them")
    parser.add_argument("--all", action="store_true", help="print every field, not only what is wrong")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(machine())
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name in args.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            for each in FAMILIES[name](Path(folder)):
                for row in (each.family.split(":")[0], "all"):
                    counts[row][each.outcome] += 1
                if args.all or each.outcome == "wrong":
                    print(f"{each.outcome}: {each.family}: {each.field} = {each.value!s:.60} {each.said}")
    print(f"| field of | tried | {' | '.join(OUTCOMES)} |\n|---|---:|---:|---:|---:|---:|---:|")
    for row in sorted(counts, key=lambda row: (row == "all", row)):
        numbers = [sum(counts[row].values()), *(counts[row][outcome] for outcome in OUTCOMES)]
        print(f"| {row} | {' | '.join(f'{number:,}' for number in numbers)} |")
    return 1 if counts["all"]["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
