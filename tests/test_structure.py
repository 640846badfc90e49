"""The shape of the code base: which way imports point, how large things are, and the project's conventions.

``python tests/test_structure.py`` prints the figures, to be quoted before and after a change.
"""

from __future__ import annotations

import ast
import functools
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fromnoise import __all__ as PUBLIC
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.system.text_to_image import TextToImage

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "fromnoise"
FILES = sorted(SOURCE.rglob("*.py"))

# module prefix → what it may import from fromnoise (README, "What is where"). The longest prefix counts.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "": ("ground", "diffusion", "system", "drawing"),
    "ground": ("ground",),
    "provenance": ("ground", "provenance"),
    "diffusion": ("ground", "diffusion"),
    "models.layers": ("ground", "models.layers"),
    "models.clip": ("ground", "models.layers", "models.clip"),
    "models.vae": ("ground", "models.layers", "models.vae"),
    "models.unet": ("ground", "models.layers", "models.unet"),
    "models.story": ("ground", "models.layers", "models.story"),
    "story": ("ground", "models", "diffusion", "story"),
    "weights": ("ground", "models", "diffusion", "weights"),
    "data": ("ground", "data"),
    # What captions say is told with the words of the model that will learn from them.
    "data.check": ("ground", "data", "system.known_words", "models.clip.tokenizer"),
    # What a word is belongs to the story game; its lines are cut into words in the same way.
    "data.plots": ("ground", "data", "story.vocabulary", "story.examples"),
    "system": ("ground", "models", "diffusion", "weights", "system"),
    "drawing": ("ground", "provenance", "models", "diffusion", "system", "backends", "drawing"),
    "cluster": ("ground", "system", "drawing", "cluster"),
    "backends": ("ground", "models", "diffusion", "weights", "system", "backends"),
    "inspection": ("ground", "provenance", "models", "diffusion", "system", "drawing", "inspection"),
    # What is told apart where a model carries no pictures: those of a set.
    "inspection.kinds_found": (*("ground", "system", "inspection"), "data.places", "data.decoding"),
    "training": ("ground", "models", "diffusion", "system", "data", "story", "training"),
    "evaluation": ("ground", "diffusion", "system", "drawing", "data", "inspection", "evaluation"),
    "studio": ("ground", "studio"),
    "studio.settings": ("ground", "provenance"),
    "studio.desk": ("ground", "provenance", "diffusion", "system", "drawing", "studio.desk"),
    "studio.api": (
        *("ground", "provenance", "diffusion", "system", "drawing", "inspection", "story"),
        *("studio.api", "studio.desk", "studio.runs", "studio.settings"),
    ),
    # A training that is watched: what its folder says, in the words of those who write it.
    "studio.runs": (
        *("ground", "system", "drawing", "training.names", "training.health.history", "training.health.process"),
        *("studio.desk", "studio.runs"),
    ),
    "studio.tour": (
        *("ground", "diffusion", "system", "drawing", "inspection"),
        *("studio.api.copies", "studio.desk", "studio.tour"),
    ),
    # The one door from the page to the check for copies, which needs packages that drawing does not.
    "studio.api.copies": ("ground", "system", "drawing", "inspection", "evaluation.copies", "studio.desk"),
    "cli": ("",),
    "__main__": ("cli",),
}

# name → why it may be larger than the budget
LARGER_FILES: dict[str, str] = {}
MANY_PARAMETERS = {
    "cli.views.arithmetic.arithmetic": "as cli.generate.generate",
    "cli.views.axes.axes": "as cli.generate.generate",
    "cli.views.between.between": "as cli.generate.generate",
    "cli.views.guidance.guidance": "as cli.generate.generate",
    "cli.views.noise.noise": "as cli.generate.generate",
    "cli.restyle.restyle": "as cli.generate.generate",
    "cli.evaluate.evaluate": "as cli.generate.generate",
    "cli.studio.studio": "as cli.generate.generate",
    "cli.story.story": "as cli.generate.generate",
    "cli.views.judge.judge": "as cli.generate.generate",
    "cli.train.train": "as cli.generate.generate",
    "cli.views.tour.tour": "as cli.generate.generate",
    "cli.views.stereogram.stereogram": "as cli.generate.generate",
    "cli.views.words.words": "as cli.generate.generate",
    "cli.views.activations.activations": "as cli.generate.generate",
    "cli.views.latents.latents": "as cli.generate.generate",
    "cli.views.map.map": "as cli.generate.generate",
    "cli.generate.generate": "every command-line option is a parameter; that is how typer reads them",
}


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@functools.cache
def tree(file: Path) -> ast.Module:
    """A file as Python reads it."""
    return ast.parse(file.read_text(encoding="utf-8"))


@functools.cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(file)))


MODULES = frozenset(f"fromnoise.{module_name(f)}".rstrip(".") for f in FILES)


def full_imports(node: ast.AST, file: Path) -> list[str]:
    """What an import statement of a file names, whole: ``from ..x import y`` may mean fromnoise.x or fromnoise.x.y."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:  # counted from the file's own package
        package = ("fromnoise", *file.relative_to(SOURCE).parent.parts)
        base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
    inside = [f"{base}.{a.name}" for a in node.names]
    return [name if name in MODULES else base if base != "fromnoise" else name for name in inside]


def imports_of(file: Path) -> Iterator[str]:
    """What a file imports of fromnoise, without the leading package name, for type checking or not.

    What is taken from the package itself is named by itself: "Request", "__version__"; ``import fromnoise`` is "".
    """
    for node in nodes(file):
        for name in full_imports(node, file):
            if name.split(".")[0] == "fromnoise":
                yield name.removeprefix("fromnoise").lstrip(".")


def rule_for(module: str) -> str:
    fitting = [prefix for prefix in MAY_IMPORT if module == prefix or module.startswith(f"{prefix}.")]
    return max(fitting, key=len, default="")


def against_the_arrows(module: str, targets: Iterator[str]) -> list[str]:
    """What a module imports that MAY_IMPORT does not allow it. From the package itself only the version may come, and
    what the command line asks for: its public names would lead around the arrows.
    """
    may = MAY_IMPORT[rule_for(module)]
    return [
        target for target in targets
        if target != "__version__" and not any(p == "" or target == p or target.startswith(f"{p}.") for p in may)
    ]  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: module_name(file) or "fromnoise")
def test_imports_point_the_right_way(file: Path) -> None:
    module = module_name(file)
    assert rule_for(module) or not module or not list(imports_of(file)), f"say in MAY_IMPORT what {module} may import"
    assert against_the_arrows(module, imports_of(file)) == [], f"{module} imports against the arrows"


@pytest.mark.parametrize(
    ("place", "line", "found"),
    [
        ("ground/x.py", "from ..studio import desk", ["studio.desk"]),
        ("ground/x.py", "from .. import studio", ["studio"]),
        ("models/unet/x.py", "from ..vae.vae import VAE", ["models.vae.vae"]),
        ("models/unet/__init__.py", "from .unet import UNet", []),
        ("ground/x.py", "from . import errors", []),
        ("ground/x.py", "from fromnoise import studio", ["studio"]),
        ("ground/x.py", "from fromnoise import Request", ["Request"]),
        ("ground/x.py", "import fromnoise", [""]),
        ("ground/x.py", "import fromnoise.studio.desk", ["studio.desk"]),
        ("ground/x.py", "def f():\n    from fromnoise.system import load", ["system.load"]),
        ("ground/x.py", "from fromnoise import __version__\nfrom fromnoise.ground.errors import UserError", []),
        ("__init__.py", "from .training import run\nfrom .system import load", ["training.run"]),
        ("cli/x.py", "import fromnoise\nfrom ..studio import desk", []),
    ],
)
def test_imports_against_the_arrows_are_seen_however_they_are_written(
    place: str, line: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(line)
    module = module_name(tmp_path / place)
    assert against_the_arrows(module, imports_of(tmp_path / place)) == found


def modules_imported_by(file: Path) -> set[str]:
    """Modules of fromnoise that a file imports, each as a file: ``from fromnoise.x import y`` may mean x or x.y."""
    found = {name for node in nodes(file) for name in full_imports(node, file)}
    # From the package itself comes "__version__", which stands there, or a public name, which it fetches elsewhere.
    return {name.removeprefix("fromnoise.") for name in found if name in MODULES and name != "fromnoise"} | {
        "" for name in found if name == "fromnoise" or (name.startswith("fromnoise.") and name[10:] in PUBLIC)
    }


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph[node]):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_no_imports_go_round_in_circles_not_even_inside_a_folder() -> None:
    # Imports inside functions and for type checking count: a circle is a circle whoever closes it.
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles(file_graph()) == []


def file_graph() -> dict[str, set[str]]:
    """Which files each file imports."""
    return {module_name(f): modules_imported_by(f) - {module_name(f)} for f in FILES}


def room_graph() -> dict[str, set[str]]:
    """Which rooms each room imports; a room is an entry of MAY_IMPORT that has files."""
    found: dict[str, set[str]] = {}
    for module, targets in file_graph().items():
        room = rule_for(module)
        found.setdefault(room, set()).update(rule_for(target) for target in targets)
    return {room: targets - {room} for room, targets in found.items()}


def floors(graph: dict[str, set[str]]) -> int:
    """How many rooms stand above each other where most do, counted along the arrows."""
    known: dict[str, int] = {}

    def height(room: str, above: tuple[str, ...] = ()) -> int:
        if room not in known:
            below = [height(r, (*above, room)) for r in graph[room] if r not in above]
            known[room] = 1 + max(below, default=0)
        return known[room]

    return max(height(room) for room in graph)


def figures() -> dict[str, object]:
    """The sizes of the code base."""
    sizes = sorted((lines, name) for name, lines, _ in functions())
    lengths = sorted((len(f.read_text(encoding="utf-8").splitlines()), module_name(f)) for f in FILES)
    most = max((count, name) for name, _, count in functions() if name not in MANY_PARAMETERS)
    rooms = room_graph()
    return {
        "files": f"{len(FILES)}, {sum(n for n, _ in lengths):,} lines; longest {lengths[-1][0]} ({lengths[-1][1]})",
        "functions": f"{len(sizes)}; lines: median {statistics.median(n for n, _ in sizes):g}, "
        f"90 % within {sizes[int(0.9 * len(sizes))][0]}, longest {sizes[-1][0]} ({sizes[-1][1]}); "
        f"most parameters {most[0]} ({most[1]})",
        "rooms": f"{len(rooms)} on {floors(rooms)} floors",
        "arrows": f"{_arrows(rooms)} between rooms, {_arrows(file_graph())} between files",
        "circles": circles(file_graph()) or "none",
    }


def _arrows(graph: dict[str, set[str]]) -> int:
    return sum(map(len, graph.values()))


def test_the_figures_are_counted_right() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"e"}, "e": {"d"}}
    assert (floors(graph), _arrows(graph)) == (3, 5)
    assert set(room_graph()) <= set(MAY_IMPORT)
    assert not room_graph()["ground"]
    assert {"ground", "models.layers"} <= room_graph()["models.unet"]
    assert set(figures()) == {"files", "functions", "rooms", "arrows", "circles"}


def test_siblings_among_the_models_never_meet() -> None:
    # The parametrised test above reads a table; this one would fail if the table itself were loosened.
    for own in ("clip", "vae", "unet", "story"):
        for file in (SOURCE / "models" / own).glob("*.py"):
            for other in {"clip", "vae", "unet", "story"} - {own}:
                assert not any(t.startswith(f"models.{other}") for t in imports_of(file)), file


def functions() -> Iterator[tuple[str, int, int]]:
    """(name, lines, parameters) of every function; lines without the docstring."""
    for file in FILES:
        for node in nodes(file):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                first = node.body[0]
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    lines -= (first.end_lineno or 0) - first.lineno + 1
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = len([a for a in arguments if a.arg not in ("self", "cls")])
                yield f"{module_name(file)}.{node.name}", lines, count


def test_functions_are_small() -> None:
    sizes = sorted(lines for _, lines, _ in functions())
    assert statistics.median(sizes) <= 10
    assert sizes[int(0.9 * len(sizes))] <= 30
    assert [(name, lines) for name, lines, _ in functions() if lines > 70] == []


def test_functions_take_few_parameters() -> None:
    assert [n for n, _, count in functions() if count > 8 and n not in MANY_PARAMETERS] == []


def test_files_are_short_and_none_is_called_utils() -> None:
    long = {module_name(f): n for f in FILES if (n := len(f.read_text(encoding="utf-8").splitlines())) > 350}
    assert set(long) <= set(LARGER_FILES), long
    assert not [f for f in FILES if "util" in f.stem]


def test_everything_public_is_documented() -> None:
    missing = []
    for file in FILES:
        if not ast.get_docstring(tree(file)) and tree(file).body:
            missing.append(module_name(file))
        missing += [f"{module_name(file)}.{name}" for name in _undocumented(tree(file))]
    assert missing == []


def _undocumented(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node.name
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if (
                        isinstance(method, ast.FunctionDef)
                        and not method.name.startswith("_")
                        and not ast.get_docstring(method)
                        and not any("overload" in ast.dump(d) for d in method.decorator_list)
                    ):
                        yield f"{node.name}.{method.name}"


def test_no_pickle_is_ever_loaded() -> None:
    for file in FILES:
        for node in nodes(file):
            assert not (isinstance(node, ast.Import) and any(a.name in ("pickle", "dill") for a in node.names)), file
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords), file


def test_tests_of_number_formats_are_marked_as_such() -> None:
    """CI runs ``pytest -m formats`` once more as on a CPU without bf16."""
    unmarked = []
    for file in (ROOT / "tests").rglob("test_*.py"):
        if file == Path(__file__) or "bfloat16" not in file.read_text(encoding="utf-8"):
            continue
        if any(ast.unparse(n) == "pytestmark = pytest.mark.formats" for n in tree(file).body):
            continue
        for node in nodes(file):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                text = ast.unparse(node)
                if "bfloat16" in text and "pytest.mark.formats" not in text:
                    unmarked.append(f"{file.name}: {node.name}")
    assert unmarked == []


# --- conventions (docs/3_notation.md) ---------------------------------------------------------------------------


def test_time_zero_is_clean_and_the_last_time_is_pure_noise() -> None:
    schedule = ScheduleConfig().build()
    assert (schedule.alpha(999), schedule.sigma(999)) == (0.0, 1.0)
    assert (schedule.alpha(-1), schedule.sigma(-1)) == (1.0, 0.0)
    assert schedule.alpha(0) > 0.999


def test_pictures_are_bytes_outside_and_minus_one_to_one_inside(tiny_model: TextToImage) -> None:
    white = torch.full((1, 3, 32, 32), 1.0)
    assert tiny_model.decode(tiny_model.vae.encode(white).mean).dtype == torch.uint8
    latents = torch.zeros(1, *tiny_model.latent_shape())
    inside = tiny_model.vae.decode(latents).clamp(-1, 1)
    assert torch.equal(tiny_model.decode(latents), ((inside + 1) * 127.5).round().to(torch.uint8))


def test_all_that_is_shipped_stays_within_90_mib() -> None:
    """So that a wheel stays under the 100 MB that PyPI takes; the story game's network has 8 MiB of it."""
    assert sum(file.stat().st_size for file in (SOURCE / "assets").rglob("*") if file.is_file()) <= 90 * 2**20
    assert sum(file.stat().st_size for file in (SOURCE / "assets" / "models" / "story").iterdir()) <= 8 * 2**20


def test_the_starter_set_is_small_and_permissive() -> None:
    import json

    folder = SOURCE / "assets" / "starter"
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) <= 4 * 2**20
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 300
    assert {r["licence"] for r in rows} <= {"Apache-2.0", "MIT"}
    assert len({r["style"] for r in rows}) >= 3


if __name__ == "__main__":
    for what, figure in figures().items():
        print(f"{what}: {figure}")
