from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from fromnoise.ground.collecting import without_collecting

# Prints how often rings were looked for while torch was being imported.
COUNTED = """
import gc, sys
found = []
def look(phase, facts):
    torch = sys.modules.get("torch")
    if phase == "start" and torch is not None and torch.__spec__._initializing:
        found.append(facts["generation"])
gc.callbacks.append(look)
{work}
assert "torch" in sys.modules
print("looked", len(found))
"""
COMMAND = """
sys.argv = ["fromnoise", *{arguments!r}]
from fromnoise.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 2, end.code
"""


def test_it_is_as_before_afterwards() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError):
        fails()
    assert gc.isenabled()
    gc.disable()
    try:
        with without_collecting():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "red apple", "--model", "./nowhere"],
        ["restyle", "nothing.png", "red apple", "--model", "./nowhere"],
        ["sheet", "--model", "./nowhere"],
        ["info", "./nowhere"],
        ["studio", "--model", "./nowhere", "--no-browser"],
    ],
)
def test_commands_do_not_look_for_rings_while_torch_is_imported(arguments: list[str]) -> None:
    assert printed(COUNTED.format(work=COMMAND.format(arguments=arguments))).endswith("looked 0\n")


def test_nor_does_the_library() -> None:
    assert printed(COUNTED.format(work="import fromnoise; fromnoise.TextToImage")) == "looked 0\n"


def test_a_command_ends_without_a_last_look_but_calls_whoever_asked() -> None:
    code = (
        "import atexit, gc, sys; from fromnoise.cli import main\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 10_000))\n"
        "sys.argv = ['fromnoise', '--version']; main()"
    )
    assert printed(code).splitlines()[-1] == "frozen True"


@without_collecting()
def fails() -> None:
    """Raises KeyError while nothing is collected."""
    assert not gc.isenabled()
    raise KeyError


def printed(code: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
