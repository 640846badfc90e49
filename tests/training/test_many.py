"""Several processes train as one does: the same losses, whole checkpoints, and nobody waits for the dead."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
import torch.nn.functional as F
from accelerate.state import AcceleratorState, PartialState

from fromnoise.cli.train import load_recipe
from fromnoise.data.captions import CaptionSampler
from fromnoise.data.meanings import Meanings
from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.training import checkpoint, processes, watch
from fromnoise.training.adversary import AdversaryConfig
from fromnoise.training.examples import Latents, StoredExamples
from fromnoise.training.loop import Trainer
from fromnoise.training.processes import Alone, check_shares, joined
from fromnoise.training.recipe import ClipStage, DiffusionStage, LoopConfig, VAEStage
from fromnoise.training.share import Share
from fromnoise.training.stages import TextStage
from fromnoise.training.tasks.base import Compute, Task
from fromnoise.training.tasks.clip import CLIPTask
from fromnoise.training.tasks.diffusion import Conditioning, DiffusionTask
from fromnoise.training.tasks.text import TextTask
from fromnoise.training.tasks.vae import VAETask

forks = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="torch's autograd does not fork here"
)
COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.channels_last)
LOOP = LoopConfig(pictures=160, batch=8, warmup=16, learning_rate=2e-3, log_steps=50)
# All logits of the adversary may move together: only their differences count, so AdamW moves them by rounding.
Figures = dict[str, float]
FREE = ("adversary_real", "adversary_fake")
NAMES = [f"{number} {colour} {thing}" for number in ("one", "two", "three") for colour in ("red", "blue", "green")
         for thing in ("apples", "pears", "cats")]  # fmt: skip


def pictures() -> PictureSet:
    rng = torch.Generator().manual_seed(3)
    images = torch.randint(0, 255, (len(NAMES), 3, 32, 32), generator=rng, dtype=torch.uint8)
    records = [Record(file_name=f"{i}.png", text=text, key=text.split()[-1]) for i, text in enumerate(NAMES)]
    return PictureSet(images, records, [])


def words() -> Tokenizer:
    return Tokenizer.train(NAMES * 4, vocab_size=400, context=12)


def text_config(tokenizer: Tokenizer) -> TextConfig:
    return TextConfig(tokenizer.vocab_size, width=32, layers=1, heads=2, context=12, eos_token_id=tokenizer.eos_id)


def clip_task(folder: Path) -> CLIPTask:
    """With everything that looks at more than one picture: wrong captions, lessons, embeddings that are moved."""
    table = folder / "meanings.safetensors"
    vectors = F.normalize(torch.randn(len(NAMES), 24, generator=torch.Generator().manual_seed(1)), dim=1)
    if not table.exists():
        Meanings(tuple(NAMES), vectors.half(), torch.ones(len(NAMES))).save(table)
    tokenizer, shown = words(), pictures()
    torch.manual_seed(0)
    config = CLIPConfig(text_config(tokenizer), ImageConfig(32, 8, width=32, layers=1, heads=2), projection=32)
    stage = ClipStage(
        loop=LOOP, hard_negatives=0.5, together=2, meanings=str(table), meaning_batch=6, smear=0.5, meaning_weight=0.5
    )
    return CLIPTask(stage, (shown, shown), (tokenizer, CaptionSampler(shown.records)), config.build(), COMPUTE, 0)


def text_task(folder: Path) -> TextTask:
    vectors = F.normalize(torch.randn(len(NAMES), 24, generator=torch.Generator().manual_seed(1)), dim=1)
    tokenizer = words()
    torch.manual_seed(0)
    tower = text_config(tokenizer).build()
    stage = TextStage(loop=LOOP, smear=0.5)
    meanings = Meanings(tuple(NAMES), vectors.half(), torch.ones(len(NAMES)))
    return TextTask(stage, meanings, (tokenizer, ("noto",)), tower, COMPUTE)


def vae_task(folder: Path) -> VAETask:
    """With a second player, and noise that is as strong as the whole batch's latents are spread."""
    torch.manual_seed(0)
    config = VAEConfig(latent_channels=8, block_out_channels=(8, 8, 16), layers_per_block=1, norm_num_groups=4)
    adversary = AdversaryConfig(weight=0.1, learning_rate=1e-3, widths=(8, 8))
    stage = VAEStage(config, loop=LOOP, noise=0.3, crop=24, prefixes=(4, 8), equivariance=0.25, adversary=adversary)
    images = pictures().images
    return VAETask(stage, (images, images[:4]), config.build(), COMPUTE, 0)


def diffusion_task(folder: Path, optimizer: str = "adamw") -> DiffusionTask:
    unet = UNetConfig(
        sample_size=4, in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        attention=(True, True), cross_attention_dim=32, head_dim=16, norm_num_groups=8,
    )  # fmt: skip
    tokenizer, shown, count = words(), pictures(), len(NAMES)
    torch.manual_seed(0)
    latents = torch.randn(count, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    cached = Latents(latents, latents.flip(3), torch.ones(count, dtype=torch.bool), torch.ones(count))
    tower = Conditioning(tokenizer, text_config(tokenizer).build().eval())
    vae = VAEConfig(latent_channels=4, block_out_channels=(16, 16, 16, 16), norm_num_groups=8).build().eval()
    stage = DiffusionStage(unet, prompts=("one red apples",), sheet_steps=1, loop=replace(LOOP, optimizer=optimizer))
    examples = StoredExamples(cached, CaptionSampler(shown.records), stage.mirror, 0)
    return DiffusionTask(stage, examples, tower, (unet.build(), ScheduleConfig().build(), vae), COMPUTE)


def task_of(name: str, folder: Path) -> Task:
    if name in ("muon", "slow"):
        return diffusion_task(folder, "muon" if name == "muon" else "adamw")
    return {"clip": clip_task, "text": text_task, "vae": vae_task, "diffusion": diffusion_task}[name](folder)


def trained(folder: Path, names: str, steps: int) -> dict[str, list[Figures]]:
    """Train tasks one after the other for some steps, alone or as one of several processes. Returns the losses and
    norms of the gradient of every step, which the first process also writes down."""
    torch.set_num_threads(1)
    found: dict[str, list[Figures]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with joined() as here:
        for name in names.split(","):
            trainer = Trainer(task_of(name, folder), folder / name, 5, of_muon=torch.float32)
            found[name], step = [], trainer.step

            def noted(found: list[Figures] = found[name], step: Any = step, slow: bool = name == "slow") -> Any:
                figures = step()
                found.append({key: float(value) for key, value in figures.items() if key not in FREE})
                time.sleep(0.05 if slow else 0)
                return figures

            trainer.step = noted  # type: ignore[method-assign]
            here.prepared()
            trainer.run(steps)
            here.wait_turn()
        if here.main:
            (folder / "found.json").write_text(json.dumps(found))
    return found


@dataclass
class Started:
    """A process that trains beside others: a fork of this one, which spares it all imports."""

    number: int
    said: Path

    def over(self, seconds: float) -> tuple[int, str]:
        """Its exit code and what it said, once it has ended."""
        end = time.monotonic() + seconds
        while not (found := os.waitpid(self.number, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.kill(self.number, signal.SIGKILL)
                pytest.fail(f"it went on for {seconds} seconds: {self.said.read_text()}")
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(found[1]), self.said.read_text()


def started(folder: Path, names: str, steps: int, **more: str) -> list[Started]:
    """Two processes, told who they are as a launcher would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **more}
    found = []
    for i in range(2):
        said = folder.parent / f"said-{folder.name}-{i}.txt"
        if not (number := os.fork()):
            _be_one(said, {**common, "RANK": str(i), "LOCAL_RANK": str(i)}, lambda: trained(folder, names, steps))
        found.append(Started(number, said))
    return found


def _be_one(said: Path, environment: dict[str, str], work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        sys.stderr = sys.stdout = said.open("w", buffering=1)
        os.dup2(sys.stderr.fileno(), 2)
        os.environ.update(environment)
        for state in (AcceleratorState, PartialState):  # of an earlier test in this process
            state._reset_state()
        work()
        code = 0
    except UserError as error:
        print(f"fromnoise: {error}", file=sys.stderr)
        code = 2
    except BaseException:
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)


def losses(steps: list[Figures]) -> list[float]:
    return [step["loss"] for step in steps]


def flat(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([torch.zeros(0), *(tensors[name].flatten() for name in sorted(tensors))])


def ended(both: list[Started]) -> list[str]:
    found = [process.over(600) for process in both]
    assert [code for code, _ in found] == [0, 0], found
    return [said for _, said in found]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@forks
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Every figure of 20 steps: losses, their parts, both players' and the norm of the gradient."""
    names = "text,clip,vae,diffusion,muon"
    said = ended(started(tmp_path / "two", names, 20))
    assert said[1] == ""  # the other process is silent
    alone, two = trained(tmp_path / "one", names, 20), json.loads((tmp_path / "two" / "found.json").read_text())
    for name in names.split(","):
        assert len(alone[name]) == len(two[name]) == 20
        # L1's gradient jumps where a pixel is right, so what is rounded otherwise soon shows in the VAE's figures.
        near = 1e-4 if name == "vae" else 1e-5
        assert losses(two[name]) == pytest.approx(losses(alone[name]), rel=near), name
        for step, (one, other) in enumerate(zip(alone[name], two[name], strict=True)):
            assert other == pytest.approx(one, rel=5e-5 if step < 4 else 3e-2, abs=1e-7), (name, step)
        ours, theirs = (checkpoint.newest(tmp_path / which / name)[0] for which in ("one", "two"))
        assert ours is not None
        assert theirs is not None
        # Of single weights that have no gradient, such as a key's bias, AdamW makes steps out of rounding.
        for group in ("weights", "ema", "adversary"):
            mine, other = (flat(found.groups.get(group, {})) for found in (ours, theirs))
            assert (mine - other).norm() <= 2e-3 * mine.norm(), (name, group)


@forks
def test_a_sharded_u_net_goes_on_from_whole_checkpoints_and_one_process_from_sharded_ones(tmp_path: Path) -> None:
    """Five steps alone, twice five as two processes with FSDP, five alone: as an unbroken run of one process."""
    expected = losses(trained(tmp_path / "whole", "diffusion", 20)["diffusion"])
    broken = tmp_path / "broken"
    found = trained(broken, "diffusion", 5)["diffusion"]
    for _ in range(2):
        ended(started(broken, "diffusion", 5, ACCELERATE_USE_FSDP="true"))
        found += json.loads((broken / "found.json").read_text())["diffusion"]
    newest = sorted((broken / "diffusion").glob("step-*"))[-1]
    assert newest.name == "step-00000015"
    parts = [file.stat().st_size for file in newest.glob("shard-*.safetensors")]
    assert len(parts) == 2
    assert max(parts) < 1.1 * min(parts)
    assert json.loads((newest / "state.json").read_text())["sharded"] is True
    part = next(newest.glob("shard-00002*"))
    good = part.read_bytes()
    part.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    before, notes = checkpoint.newest(broken / "diffusion")
    assert before is not None
    assert before.facts["step"] == 10
    assert "shard-00002" in notes[0]
    part.write_bytes(good)
    found += trained(broken, "diffusion", 5)["diffusion"]
    assert losses(found) == pytest.approx(expected, rel=1e-5)


@forks
@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_process_is_killed_the_other_ends_by_itself_and_says_so(tmp_path: Path, victim: int) -> None:
    both = started(tmp_path / "run", "slow", 10**6)
    end = time.monotonic() + 120
    while not list((tmp_path / "run" / "slow" / "sheets").glob("*.png")) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(both[victim].number, signal.SIGKILL)
    code, said = both[1 - victim].over(60)
    assert (code, both[victim].over(1)[0]) == (2, -signal.SIGKILL)
    # What torch says itself is left out on the command line, which asks for that before it imports torch.
    lines = [line for line in said.splitlines() if line.startswith("fromnoise") or "Traceback" in line]
    assert lines == [
        f"fromnoise: process {victim + 1} of 2 has ended or cannot be reached; what was learnt until the last "
        "checkpoint is kept, and the same command goes on from there"
    ]
    found, _ = checkpoint.newest(tmp_path / "run" / "slow")
    if victim == 1:  # the first process has kept what it knew
        assert found is not None
        assert found.facts["step"] >= 1
        again = losses(trained(tmp_path / "run", "slow", 3)["slow"])
        whole = losses(trained(tmp_path / "whole", "slow", found.facts["step"] + 3)["slow"])
        assert again == pytest.approx(whole[-3:], rel=1e-4)


@forks
@pytest.mark.parametrize("silent", [0, 1])
def test_when_one_process_falls_silent_the_other_ends_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    """It is there, holds its connections and answers nothing, as a machine that hangs."""
    monkeypatch.setattr(watch, "SILENT", 4.0)
    both = started(tmp_path / "run", "slow", 10**6)
    try:
        end = time.monotonic() + 120
        while not list((tmp_path / "run" / "slow" / "sheets").glob("*.png")) and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(both[silent].number, signal.SIGSTOP)
        begin = time.monotonic()
        code, said = both[1 - silent].over(60)
        assert time.monotonic() - begin > 2
        assert code == 2
        lines = [line for line in said.splitlines() if line.startswith("fromnoise") or "Traceback" in line]
        assert lines == [f"fromnoise: {watch.LOST.format(f'process {silent + 1} of 2')}"]
    finally:
        os.kill(both[silent].number, signal.SIGCONT)  # who wakes up finds the other gone, and ends, too
        assert both[silent].over(60)[0] == 2


class OneOfThree(Alone):
    share = Share(1, 3)


@pytest.fixture
def one_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_HERE", OneOfThree())


@pytest.mark.usefixtures("one_of_three")
def test_what_cannot_be_shared_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("first_model")
    with pytest.raises(UserError, match=r"clip\.loop\.batch = 64 has no equal parts for 3 processes"):
        check_shares(recipe.loops(), recipe.tasks)
    even = recipe.with_overrides({f"{task}.loop.batch": "12" for task in recipe.tasks})
    check_shares(even.loops(), even.tasks)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match=r"--set diffusion\.loop\.optimizer=adamw"):
        check_shares(even.loops(), even.tasks)
    check_shares(even.loops(), ("clip",))
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match="a story model is trained by one process"):
        processes.alone("a story model")


def test_shares_are_all_rows_once() -> None:
    for count in (0, 1, 7, 12):
        rows = torch.arange(count)
        assert torch.equal(torch.cat([Share(i, 3).cut(rows) for i in range(3)]), rows)
    assert Share().cut(rows) is rows
