"""Build the default training pictures from npm packages.

Every set is rendered into its own folder and noted in ``<style>/set.json`` when it is complete, so an interrupted
build goes on with the next set. ``metadata.jsonl`` is written last, in one piece.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fromnoise.data.begun import claim, in_parallel
from fromnoise.data.splits import splits
from fromnoise.data.stickers.credits import credit, write_credits
from fromnoise.data.stickers.icons import Icon, icons_of, is_gendered
from fromnoise.data.stickers.names import Names
from fromnoise.data.stickers.npm import install
from fromnoise.data.stickers.render import RefusedError, colour_words, need_resvg, render_file, render_svg
from fromnoise.data.stickers.sets import StickerSet, chosen_sets, npm_packages
from fromnoise.data.stickers.summary import SetSummary, Summary, print_table, write_contact_sheet
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically

FORMAT = 2  # of set.json: a change here renders everything again


@dataclass(frozen=True)
class StickersConfig(Config):
    """Options of a build.

    Attributes:
        out: the folder to make.
        pixels: side of the pictures, 16…512.
        share_alike: also take the sets whose licence asks derived works to carry the same one.
        modules: an existing ``node_modules`` folder; "" installs one into ``out/.npm``.
        workers: rendering processes; 0 takes one per core.
    """

    out: str
    pixels: int = 64
    share_alike: bool = False
    modules: str = ""
    workers: int = 0


def build(options: StickersConfig, sets: tuple[StickerSet, ...] | None = None) -> Summary:
    """Build the folder, or finish an interrupted build.

    Args:
        options: where and how.
        sets: the sets to take, by default all that ``options`` allow.

    Raises:
        UserError: npm is missing or fails, the folder cannot be written, or ``pixels`` is out of range.
    """
    if not 16 <= options.pixels <= 512:
        raise UserError(f"--pixels must be 16…512, not {options.pixels}")
    need_resvg()
    out = Path(options.out)
    claim(out, {"pixels": options.pixels}, "--pixels")
    sets = sets if sets is not None else chosen_sets(options.share_alike)
    modules = Path(options.modules) if options.modules else install(out / ".npm", npm_packages(sets))
    names = Names(modules)
    summaries, records = [], []
    for sticker_set in sets:
        done = _finished(out, sticker_set) or _make_set(sticker_set, out, modules, names, options)
        summaries.append(SetSummary(**done["summary"]))
        records += done["records"]
    return _finish(out, summaries, records)


def _make_set(
    sticker_set: StickerSet, out: Path, modules: Path, names: Names, options: StickersConfig
) -> dict[str, Any]:
    dropped: Counter[str] = Counter()
    icons = _numbered(icons_of(sticker_set, modules, names, dropped))
    folder = out / sticker_set.style
    folder.mkdir(parents=True, exist_ok=True)
    author, url = credit(modules / sticker_set.package)
    records, refused = [], []
    jobs = [(stem, icon, folder, options.pixels) for stem, icon in icons]
    drawn = in_parallel(_render, jobs, options.workers, sticker_set.style)
    for (stem, icon), (colours, problem) in zip(icons, drawn, strict=True):
        if colours is None:
            (refused.append(f"{icon.name}: {problem}") if problem != "blank" else dropped.update(blank=1))
            continue
        facts = _facts(icon, names, sticker_set)
        records.append({"file_name": f"{sticker_set.style}/{stem}.png", **facts, "colours": colours, "author": author})
    summary = SetSummary(
        sticker_set.style, sticker_set.licence, author, url, len(records), refused, dict(sorted(dropped.items()))
    )
    done = {"format": FORMAT, "version": sticker_set.version, "summary": asdict(summary), "records": records}
    write_atomically(folder / "set.json", json.dumps(done, ensure_ascii=False))
    return done


def _render(job: tuple[str, Icon, Path, int]) -> tuple[list[str] | None, str]:
    """Draw one icon into its file. Returns its colour words, or None and why there is no picture."""
    stem, icon, folder, pixels = job
    try:
        if isinstance(icon.source, Path):
            picture, alpha = render_file(icon.source.read_bytes(), pixels)
        else:
            picture, alpha = render_svg(*icon.source, pixels)
    except RefusedError as error:
        return None, f"refused: {error}"
    except (OSError, ValueError) as error:
        return None, f"cannot be drawn: {str(error)[:100]}"
    if picture.min() > 245:
        return None, "blank"
    Image.fromarray(picture).save(folder / f"{stem}.png", optimize=True)
    return colour_words(picture, alpha), ""


def _facts(icon: Icon, names: Names, sticker_set: StickerSet) -> dict[str, Any]:
    group, subgroup = names.groups.get(icon.key, ("", ""))
    return {
        "text": names.caption(icon.key) or icon.name,
        "keywords": list(dict.fromkeys(names.keywords.get(icon.key, []))),
        "alt": names.alternatives(icon.key),
        "style": sticker_set.style,
        "key": icon.key,
        "group": group,
        "subgroup": subgroup,
        "gendered": is_gendered(icon.key),
        "licence": sticker_set.licence,
    }


def _finish(out: Path, summaries: list[SetSummary], records: list[dict[str, Any]]) -> Summary:
    split = splits((r["key"], r["style"]) for r in records)
    lines = [json.dumps({**r, "split": split[r["key"], r["style"]]}, ensure_ascii=False) for r in records]
    refused = [f"{s.style}\t{line}" for s in summaries for line in s.refused]
    write_atomically(out / "refused.txt", "\n".join(refused) + "\n" if refused else "nothing was refused\n")
    write_credits(out / "CREDITS.md", [asdict(s) for s in summaries])
    write_atomically(out / "metadata.jsonl", "\n".join(lines) + "\n")
    write_contact_sheet(out, records)
    summary = Summary(out, len(records), len({r["key"] for r in records}), summaries)
    print_table(summary)
    return summary


def _numbered(icons: list[Icon]) -> list[tuple[str, Icon]]:
    """Give each icon a file name of its own, also where several show one concept."""
    count: Counter[str] = Counter()
    found = []
    for icon in icons:
        count[icon.file_stem] += 1
        number = count[icon.file_stem]
        found.append((icon.file_stem if number == 1 else f"{icon.file_stem}x{number}", icon))
    return found


def _finished(out: Path, sticker_set: StickerSet) -> dict[str, Any] | None:
    """A set that an earlier build completed."""
    try:
        done: dict[str, Any] = json.loads((out / sticker_set.style / "set.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return done if (done.get("format"), done.get("version")) == (FORMAT, sticker_set.version) else None
