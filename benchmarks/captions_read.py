"""What does it cost to read captions with the text tower of a model, and what would it cost to read that from the disk?

    OMP_NUM_THREADS=1 python benchmarks/captions_read.py [--model FOLDER] [--captions 300]

"of Stable Diffusion 1.5's size" is a tower with random weights: 12 layers of 768, 77 tokens. Times are medians of five,
of this process on its cores, so that others do not count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from fromnoise.ground.cores import cpu_class
from fromnoise.models.clip.text_tower import TextConfig, TextTower
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage

TIMES = 5


def seconds(work: Callable[[], object], times: int = TIMES) -> float:
    """The median of some times."""
    found = []
    for _ in range(times):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return statistics.median(found)


@torch.no_grad()
def told(name: str, tower: TextTower, count: int) -> str:
    """A line about a tower: milliseconds of a caption by itself and in a batch of 64, and seconds of all of them."""
    config = tower.config
    ids = torch.randint(config.vocab_size, (64, config.context), generator=torch.Generator().manual_seed(0))
    tower(ids[:1])
    alone, together = seconds(lambda: tower(ids[:1])), seconds(lambda: tower(ids), 3)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.safetensors"
        states = torch.zeros(count, config.context, config.width, dtype=tower.token.weight.dtype)
        save_file({"states": states}, file)
        size, again = file.stat().st_size / 2**20, seconds(lambda: load_file(file)["states"].sum())
    return (
        f"{name}: {1e3 * alone:.2f} ms a caption by itself, {1e3 * together / 64:.2f} ms in a batch of 64; {count} by "
        f"themselves take {count * alone:.1f} s, and {again:.2f} s from a file of {size:.1f} MiB"
    )


def main() -> None:
    """Print a line for each tower, and the class of CPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model's folder or name; else the shipped one")
    parser.add_argument("--captions", type=int, default=300)
    options = parser.parse_args()
    model = TextToImage.load(find_model(options.model))
    large = TextConfig(49_408, width=768, layers=12, heads=12, context=77).build()
    print(f"{cpu_class()}, {torch.get_num_threads()} threads")
    print(told(str(model.card.get("name")), model.text_tower.to(torch.bfloat16), options.captions))
    print(told("of Stable Diffusion 1.5's size", large.to(torch.bfloat16), options.captions))


if __name__ == "__main__":
    main()
