"""What the package declares: every import has its distribution, every version fits, and starting is quick."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fromnoise.cli import train
from fromnoise.ground.errors import UserError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "fromnoise"
FILES = sorted([*SOURCE.rglob("*.py"), *(ROOT / "recipes").glob("*.py")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# declared, but never imported by name → who needs it
NOT_IMPORTED = {
    "python-multipart": "starlette reads forms with it",
    "tensorboard": "accelerate writes curves with it",
}


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


BASE = names_of(PROJECT["dependencies"])
EXTRAS = {name: names_of(texts) for name, texts in PROJECT["optional-dependencies"].items() if name != "dev"}
DISTRIBUTIONS = packages_distributions()


def third_party(file: Path) -> set[str]:
    """Distributions that a file imports, at its top or inside functions; the import's own name if not installed."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "find_spec"):
            modules |= {str(a.value).split(".")[0] for a in node.args[:1] if isinstance(a, ast.Constant)}
    modules -= {*sys.stdlib_module_names, "fromnoise"}
    return {canonicalize_name(DISTRIBUTIONS.get(module, [module])[0]) for module in modules}


def offered_extras(folder: Path) -> set[str]:
    """The extras that a folder's files tell people to install when a package is missing."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    return set(re.findall(r'missing_packages\([^)]*"(\w+)"\)', text))


def undeclared(files: list[Path]) -> list[str]:
    """Imports that neither every install brings, nor an extra that is named where the import can fail."""
    found = []
    for file in files:
        for distribution in sorted(third_party(file) - BASE):
            bringing = {extra for extra, names in EXTRAS.items() if distribution in names}
            if not bringing & offered_extras(file.parent):
                found.append(f"{file.name}: {distribution} (extras with it: {', '.join(sorted(bringing)) or 'none'})")
    return found


def test_every_import_is_declared_and_an_extra_is_offered_where_it_may_be_missing() -> None:
    assert undeclared(FILES) == []


def test_an_undeclared_import_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    file.write_text("def f():\n    import httpx, scipy\n    from torch import nn\n    import os.path\n")
    assert undeclared([file]) == ["new.py: httpx (extras with it: none)", "new.py: scipy (extras with it: evaluate)"]
    file.write_text(file.read_text() + '    raise missing_packages("no scipy", "evaluate")\n')
    assert undeclared([file]) == ["new.py: httpx (extras with it: none)"]


def test_nothing_is_declared_that_nobody_imports() -> None:
    imported = set().union(*(third_party(file) for file in FILES))
    assert BASE.union(*EXTRAS.values()) - imported == set(NOT_IMPORTED)


def test_the_pinned_versions_are_ones_that_the_project_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    assert len(pinned) == len(pins)
    texts = [*PROJECT["dependencies"], *(t for ts in PROJECT["optional-dependencies"].values() for t in ts)]
    wanted = [r for r in map(Requirement, texts) if canonicalize_name(r.name) != "fromnoise"]
    wrong = {str(r) for r in wanted if not r.specifier.contains(pinned.get(canonicalize_name(r.name), "0"))}
    # The extra "meanings" is not among what the tests install.
    assert wrong == {t for t in PROJECT["optional-dependencies"]["meanings"] if not t.startswith("transformers")}


HEAVY = {"torch", "numpy", "PIL", "tokenizers", "safetensors", "transformers", "huggingface_hub", "fastapi", "uvicorn"}
LOADED = """
import sys
from fromnoise.cli import main
try:
    main()
except SystemExit:
    print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        *((f"{command} --help", "Usage") for command in ("", "generate", "train", "studio", "story", "data stickers")),
        *((f"{command} --help", "Usage") for command in ("restyle", "sheet", "info", "inspect", "inspect copies")),
        *((f"{command} --help", "Usage") for command in ("convert", "distill", "film", "evaluate", "data")),
        ("--version", "fromnoise"),
        ("", "Usage"),
        ("generate --wrong", "fromnoise: No such option: --wrong"),
        ("generate -n many", "fromnoise: Invalid value"),
        ("nothing", "fromnoise: No such command"),
    ],
)
def test_help_and_slips_of_the_pen_need_nothing_heavy(command: str, said: str) -> None:
    arguments = [sys.executable, "-c", LOADED, *command.split()]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert said in done.stdout + done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded"
    assert "fromnoise" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_asking_for_completions_needs_nothing_heavy() -> None:
    asked = {"_FROMNOISE_COMPLETE": "complete_bash", "COMP_WORDS": "fromnoise gen", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(done.stdout.splitlines()[-1].split())


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "fromnoise", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fromnoise {PROJECT['version']}\n"


def test_an_installed_package_knows_its_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the wheel lays it out: site-packages/fromnoise/{cli,recipes}, and no recipes/ where people stand.
    package = tmp_path / "site-packages" / "fromnoise"
    for file in (ROOT / "recipes").glob("*.py"):
        (package / "recipes").mkdir(parents=True, exist_ok=True)
        (package / "recipes" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(train, "__file__", str(package / "cli" / "train.py"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert train.load_recipe("first_model").name == "first-model"
    with pytest.raises(
        UserError,
        match="known: finetune, first_model, lora, scratch, stickers_64, stickers_cpu, stickers_first, stickers_gpu, "
        "stickers_larger, stickers_second",
    ):
        train.load_recipe("second_model")
