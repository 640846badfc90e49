"""Build the world's drawings from npm packages.

Every set is drawn, measured and written to ``.sets/<style>.parquet``; what became of it is noted beside it when it is
complete, so an interrupted build goes on with the next set. ``drawings.parquet`` is written last, in one piece.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fromnoise.data.begun import claim, in_parallel
from fromnoise.data.drawings.file import read_set, write_file
from fromnoise.data.drawings.naming import LeftOutError, Naming, nouns_of, rules
from fromnoise.data.drawings.packages import icons, words_of
from fromnoise.data.drawings.rendering import copies, measured
from fromnoise.data.drawings.sets import DrawingSet, chosen_sets, npm_packages
from fromnoise.data.drawings.summary import Summary, print_summary, summary_of, write_contact_sheet
from fromnoise.data.folders import CONTACT_SHEET
from fromnoise.data.packed import DRAWINGS_FILE
from fromnoise.data.splits import splits
from fromnoise.data.stickers.credits import credit, write_credits
from fromnoise.data.stickers.icons import Icon
from fromnoise.data.stickers.names import Names
from fromnoise.data.stickers.npm import install
from fromnoise.data.stickers.render import need_resvg
from fromnoise.data.stickers.summary import SetSummary
from fromnoise.data.wordnet import PACKAGE
from fromnoise.data.world.drawing import Drawing, read_drawings
from fromnoise.ground.config import Config
from fromnoise.ground.whole import write_atomically

FORMAT = 1  # of what lies in .sets: a change here draws everything again
CHANGE = "They were kept as they are; programs that draw with them may recolour, turn, scale and combine them."
NAMES = (
    "Names and keywords: Unicode CLDR (Unicode License V3). Classes: emojibase (MIT). Nouns: WordNet 3.1, Princeton "
    "University."
)


@dataclass(frozen=True)
class DrawingsConfig(Config):
    """Options of a build.

    Attributes:
        out: the folder to make.
        share_alike: also take the sets whose licence asks derived works to carry the same one.
        flags: also take flags of countries.
        modules: an existing ``node_modules`` folder; "" installs one into ``out/.npm``.
        workers: rendering processes; 0 takes one per core.
    """

    out: str
    share_alike: bool = False
    flags: bool = False
    modules: str = ""
    workers: int = 0


def build(options: DrawingsConfig, sets: tuple[DrawingSet, ...] | None = None) -> Summary:
    """Build the folder, or finish an interrupted build.

    Args:
        options: where and how.
        sets: the sets to take, by default all that ``options`` allow.

    Raises:
        UserError: npm is missing or fails, a package is damaged, or the folder cannot be written.
    """
    need_resvg()
    out = Path(options.out)
    claim(out, {"share_alike": options.share_alike, "flags": options.flags}, "--share-alike or --flags")
    sets = sets if sets is not None else chosen_sets(options.share_alike, options.flags)
    modules = Path(options.modules) if options.modules else install(out / ".npm", npm_packages(sets))
    names = Names(modules)
    naming = Naming(names, nouns_of(modules / PACKAGE / "dict"))
    (out / ".sets").mkdir(exist_ok=True)
    notes = [_make_set(s, modules, names, naming, options) for s in sets]
    return _finish(out, sets, notes, naming)


def _make_set(
    chosen: DrawingSet, modules: Path, names: Names, naming: Naming, options: DrawingsConfig
) -> dict[str, Any]:
    dropped: Counter[str] = Counter()
    author, url = credit(modules / chosen.package)
    author = chosen.authors or author
    drafts = [replace(d, author=author) for d in _named(chosen, modules, names, naming, options, dropped)]
    made_of = _made_of(drafts)
    if note := _noted(Path(options.out), chosen, made_of):
        return note
    kept, refused = _measured(drafts, options.workers, chosen.style, dropped)
    why = {reason: count for reason, count in sorted(dropped.items()) if count}
    summary = SetSummary(chosen.style, chosen.licence, author, url, len(kept), refused, why)
    note = {"made of": made_of, "summary": asdict(summary)}
    folder = Path(options.out) / ".sets"
    write_file(folder / f"{chosen.style}.parquet", kept)
    write_atomically(folder / f"{chosen.style}.json", json.dumps(note, ensure_ascii=False))
    return note


def _measured(
    drafts: list[Drawing], workers: int, title: str, dropped: Counter[str]
) -> tuple[list[Drawing], list[str]]:
    """The drawings that can be used, with their colours; and what was refused. Others are counted as dropped."""
    kept, thumbs, refused = [], [], []
    for draft, found in zip(drafts, in_parallel(measured, drafts, workers, title), strict=True):
        drawing, thumb, problem = found
        if drawing is not None:
            kept.append(drawing)
            thumbs.append(thumb)
        elif problem == "blank":
            dropped["blank"] += 1
        else:
            refused.append(f"{draft.name}: {problem}")
    same = copies(thumbs)
    dropped["drawn twice"] += len(same)
    return [d for i, d in enumerate(kept) if i not in same], refused


def _named(
    chosen: DrawingSet,
    modules: Path,
    names: Names,
    naming: Naming,
    options: DrawingsConfig,
    dropped: Counter[str],
) -> Iterator[Drawing]:
    for icon in icons(chosen, modules, names, dropped):
        try:
            found = _name(icon, chosen, naming)
        except LeftOutError as reason:
            dropped[str(reason)] += 1
            continue
        if chosen.one_colour and found.kind == "symbol":
            dropped["sign"] += 1
            continue
        if found.group == "flags" and not options.flags and found.subgroup != "flag":
            dropped["flag"] += 1
            continue
        yield _drawn(found, icon, chosen)


def _name(icon: Icon, chosen: DrawingSet, naming: Naming) -> Drawing:
    if chosen.names == "weather":
        return naming.weather(icon.name)
    if rules()["styles"].get(chosen.style, {}).get(icon.name, "") is None:
        raise LeftOutError("says something else")
    if icon.key:
        return naming.emoji(icon.key, chosen.one_colour)
    return naming.clip_art(words_of(icon.name), chosen)


def _drawn(found: Drawing, icon: Icon, chosen: DrawingSet) -> Drawing:
    body, box = ("", (0.0, 0.0, 0.0, 0.0)) if isinstance(icon.source, Path) else icon.source
    picture = icon.source.read_bytes() if isinstance(icon.source, Path) else b""
    kind = "silhouette" if chosen.one_colour else found.kind
    twin = f"{chosen.family}:{icon.key or icon.name}" if chosen.has_twin else ""
    return replace(
        found, style=chosen.style, kind=kind, body=body, box=box, picture=picture, licence=chosen.licence, twin=twin
    )


def _made_of(drafts: list[Drawing]) -> str:
    """What a finished set depends on; another value draws it again."""
    return hashlib.sha256(repr((FORMAT, drafts)).encode()).hexdigest()[:16]


def _noted(out: Path, chosen: DrawingSet, made_of: str) -> dict[str, Any] | None:
    """A set that an earlier build completed, made of the same drawings."""
    folder = out / ".sets"
    try:
        note: dict[str, Any] = json.loads((folder / f"{chosen.style}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if note.get("made of") == made_of and (folder / f"{chosen.style}.parquet").exists() else None


def _finish(out: Path, sets: tuple[DrawingSet, ...], notes: list[dict[str, Any]], naming: Naming) -> Summary:
    summaries = [SetSummary(**note["summary"]) for note in notes]
    made = json.dumps([[s.style, note["made of"]] for s, note in zip(sets, notes, strict=True)])
    mark = out / ".sets" / "made.json"
    if _is_made(out, mark, made):
        drawings = read_drawings(out)
    else:
        drawings = _split([d for s in sets for d in read_set(out / ".sets" / f"{s.style}.parquet")], naming)
        refused = [f"{s.style}\t{line}" for s in summaries for line in s.refused]
        write_atomically(out / "refused.txt", "\n".join(refused) + "\n" if refused else "nothing was refused\n")
        write_credits(out / "CREDITS.md", [asdict(s) for s in summaries], CHANGE, NAMES)
        write_contact_sheet(out, drawings)
        write_file(out / DRAWINGS_FILE, drawings)
        write_atomically(mark, made)
    summary = summary_of(out, drawings, summaries)
    print_summary(summary)
    return summary


def _is_made(out: Path, mark: Path, made: str) -> bool:
    """Whether all files are there, made of these very sets."""
    files = ("refused.txt", "CREDITS.md", CONTACT_SHEET, DRAWINGS_FILE)
    return mark.exists() and mark.read_text(encoding="utf-8") == made and all((out / file).exists() for file in files)


def _split(drawings: list[Drawing], naming: Naming) -> list[Drawing]:
    concepts = [naming.concept(d) for d in drawings]
    split = splits(zip(concepts, (d.style for d in drawings), strict=True))
    return [replace(d, split=split[c, d.style]) for c, d in zip(concepts, drawings, strict=True)]
