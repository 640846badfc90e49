"""The starter set: a few hundred pictures that come with fromnoise, so that nothing has to be fetched to begin.

    python -m fromnoise.data.starter data/stickers

rebuilds it from the full set: well-known concepts in styles whose licences (Apache-2.0, MIT) ask for nothing but
the notice that CREDITS.md gives.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from fromnoise.ground.whole import whole_folder, write_atomically

STYLES = ("noto", "fluent-emoji-flat", "fluent-emoji-3d", "noto-v1")
GROUPS = ("food-drink", "animals-nature", "travel-places", "activities", "objects")
CONCEPTS = 120
LARGEST = 4 * 2**20


def starter_path() -> Path:
    """Folder of the starter set inside the installed package."""
    return Path(__file__).parent.parent / "assets" / "starter"


def rebuild(source: Path, target: Path | None = None) -> int:
    """Copy the starter's pictures out of the full set; returns how many.

    The concepts are those that most style families drew, in the order of the groups: what everybody draws is what
    everybody knows.
    """
    target = target or starter_path()
    rows = [json.loads(line) for line in (source / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    drawn = Counter(row["key"] for row in rows)
    pictures: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        if row["style"] in STYLES and row["group"] in GROUPS and not row["gendered"]:
            pictures[row["key"]].setdefault(row["style"], row)
    whole = [key for key in pictures if len(pictures[key]) == len(STYLES)]
    per_group = CONCEPTS // len(GROUPS)
    chosen = [key for group in GROUPS for key in _best(whole, pictures, drawn, group)[:per_group]]
    return _copy([pictures[key][style] for key in chosen for style in STYLES], source, target)


def _best(keys: list[str], pictures: dict[str, Any], drawn: Counter[str], group: str) -> list[str]:
    own = [key for key in keys if pictures[key][STYLES[0]]["group"] == group]
    return sorted(own, key=lambda key: (-drawn[key], len(pictures[key][STYLES[0]]["text"]), key))


def _copy(rows: list[dict[str, Any]], source: Path, target: Path) -> int:
    with whole_folder(target, what="the starter set") as draft:
        for row in rows:
            file = draft / row["file_name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / row["file_name"], file)
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        write_atomically(draft / "metadata.jsonl", text + "\n")
        _write_credits(rows, source, draft)
        size = sum(f.stat().st_size for f in draft.rglob("*") if f.is_file())
        assert size <= LARGEST, f"the starter set is {size:,} bytes; at most {LARGEST:,} are shipped"
    return len(rows)


def _write_credits(rows: list[dict[str, Any]], source: Path, target: Path) -> None:
    from fromnoise.data.stickers.credits import write_credits

    counts = Counter(row["style"] for row in rows)
    found = {s: json.loads((source / s / "set.json").read_text(encoding="utf-8"))["summary"] for s in counts}
    write_credits(target / "CREDITS.md", [{**found[s], "pictures": n} for s, n in counts.items()])


if __name__ == "__main__":
    print(f"{rebuild(Path(sys.argv[1]))} pictures in {starter_path()}")
