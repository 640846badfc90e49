"""install.py: which PyTorch a machine gets, and that nothing replaces it afterwards. pip itself is not run."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CPU = "https://download.pytorch.org/whl/cpu"


@pytest.fixture
def install() -> Any:
    """The module install.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(install: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Pretend a machine, call ``main()`` and give back the pip commands and the constraints that held."""
    folder = tmp_path / "env"

    def call(
        platform: str = "linux", card: bool = False, there: str = "", reachable: bool = True, said: str = "",
        arguments: tuple[str, ...] = (),
    ) -> tuple[list[str], list[str]]:  # fmt: skip
        commands: list[str] = []
        torch = [there]

        def pip(self: Any, *words: str, quiet: bool = False) -> bool:
            commands.append(shlex.join(words))
            if CPU in words and not reachable:
                return False
            torch[0] = next((w.split("==")[1] for w in words if w.startswith("torch==")), torch[0])
            return True

        monkeypatch.setattr(install.Environment, "make", lambda self: self.folder.mkdir(exist_ok=True) or True)
        monkeypatch.setattr(install.Environment, "pip", pip)
        monkeypatch.setattr(install.Environment, "torch", lambda self: torch[0])
        monkeypatch.setattr(install, "has_nvidia_card", lambda: card)
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(install.platform, "machine", lambda: "arm64" if platform == "darwin" else "x86_64")
        monkeypatch.setattr(sys, "argv", ["install.py", *arguments, str(folder)])
        monkeypatch.setenv("TORCH", said)
        assert install.main() == 0
        held = (folder / "constraints.txt").read_text(encoding="utf-8").splitlines()
        return commands, [line for line in held if line.startswith("torch")]

    return call


def rest(tmp_path: Path, extras: str = "") -> str:
    return shlex.join(["-q", "-c", str(tmp_path / "env" / "constraints.txt"), "-e", f".{extras}"])


def pin() -> str:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch==")).removeprefix("torch==")


def test_linux_without_a_card_gets_the_cpu_build_and_keeps_it(machine: Any, tmp_path: Path) -> None:
    commands, held = machine()
    first = f"--no-deps --timeout 15 --retries 1 --index-url {CPU} torch=={pin()}+cpu"
    assert commands == [first, rest(tmp_path)]
    assert held == [f"torch=={pin()}+cpu"]  # exactly that build, so that pip puts no other in its place


@pytest.mark.parametrize("facts", [{"platform": "darwin"}, {"card": True}, {"there": pin()}, {"there": f"{pin()}+cpu"}])
def test_elsewhere_or_where_it_is_pip_does_as_always(machine: Any, tmp_path: Path, facts: dict[str, Any]) -> None:
    commands, held = machine(**facts)
    assert commands == [rest(tmp_path)]
    assert held == [f"torch=={facts.get('there', pin())}"]


def test_an_index_that_cannot_be_reached_costs_a_sentence_not_the_install(
    machine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, held = machine(reachable=False)
    assert commands[1:] == [rest(tmp_path)]
    assert held == [f"torch=={pin()}"]
    assert f"{CPU} does not give it now" in capsys.readouterr().out


def test_the_variable_decides_and_is_remembered(machine: Any, tmp_path: Path) -> None:
    words = "torch==2.11.0+rocm6.4 --index-url https://example.org/whl"
    for said in (words, ""):
        commands, held = machine(said=said)
        assert commands == [f"-q {words}", rest(tmp_path)]
        assert held == ["torch==2.11.0+rocm6.4"]


def test_skip_leaves_pytorch_alone(machine: Any, tmp_path: Path) -> None:
    commands, held = machine(said="skip", there="2.12.0+jetson")
    assert (commands, held) == ([rest(tmp_path)], ["torch==2.12.0+jetson"])
    commands, held = machine()
    assert (commands, held) == ([rest(tmp_path)], ["torch"])


def test_tests_come_with_dev_and_another_versions_build_gives_way(machine: Any, tmp_path: Path) -> None:
    commands, held = machine(there="2.6.0+cpu", arguments=("--dev",))
    assert commands[-1] == rest(tmp_path, "[dev]")
    assert held == [f"torch=={pin()}+cpu"]


@pytest.mark.parametrize("facts", [{"platform": "darwin"}, {"card": True}, {"reachable": False}])
def test_an_older_version_is_brought_up_to_date_everywhere(machine: Any, facts: dict[str, Any]) -> None:
    assert machine(there="2.6.0", **facts)[1] == [f"torch=={pin()}"]


def test_an_intel_mac_is_told_that_there_is_no_pytorch(
    install: Any, machine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(machine(platform="darwin")[0]) == 1  # an M processor
    monkeypatch.setattr(install.platform, "machine", lambda: "x86_64")
    assert install.main() == 1
    assert "no longer built for Intel Macs" in capsys.readouterr().out
    monkeypatch.setenv("TORCH", "torch==2.2.2")
    assert install.main() == 0


def test_a_failing_pip_is_a_failing_install(install: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = install.Environment(tmp_path)
    monkeypatch.setattr(install.Environment, "torch", lambda self: "")
    monkeypatch.setattr(install.Environment, "pip", lambda self, *words, quiet=False: False)
    monkeypatch.setenv("TORCH", "torch==0.0.1")
    assert not install.install_torch(environment, pin())
    monkeypatch.setenv("TORCH", "")
    assert environment.choice() == ""  # what failed is not asked for again
    assert not install.install_rest(environment, "torch==2.13.0\n", "")


def test_a_card_is_found_by_its_tool(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if name == "nvidia-smi" else None)
    assert install.has_nvidia_card()


def test_half_an_environment_is_finished_and_a_whole_one_kept(
    install: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A real one, but without pip: as it is left when making it was interrupted.
    folder = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (tmp_path / "elsewhere" / "torch-9.9.dist-info").mkdir(parents=True)
    (tmp_path / "elsewhere" / "torch-9.9.dist-info" / "METADATA").write_text("Name: torch\nVersion: 9.9\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    environment = install.Environment(folder)
    assert environment.make()
    assert subprocess.run([str(environment.python), "-m", "pip", "--version"], capture_output=True).returncode == 0
    assert environment.torch() == ""  # what PYTHONPATH offers is not installed
    before = (folder / "pyvenv.cfg").stat().st_mtime_ns
    assert environment.make()
    assert (folder / "pyvenv.cfg").stat().st_mtime_ns == before
