"""A whole training run: CLIP, then the VAE, then the U-Net, into one folder; a distillation may follow.

``runs/NAME/`` holds ``run.json`` (the recipe and the measured number format), ``tokenizer/``, a folder per task
(checkpoints, sheets, curves), ``latents.safetensors`` and ``model/``, which can be drawn with from the first
checkpoint of the U-Net on. The same command goes on wherever the run was killed.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from fromnoise.data.captions import CaptionSampler, may_mirror, sampling_weights
from fromnoise.data.meanings import Meanings
from fromnoise.data.pictures import PictureSet, load_folder, thinned, told, why_none
from fromnoise.data.scenes import scenes
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.whole import whole_folder
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint, precision
from fromnoise.training.beginning import Keeper, asked_vocabulary, begin_with
from fromnoise.training.clock import Clock, seeded
from fromnoise.training.distilling import Materials, distill_task, keep, recipe_for
from fromnoise.training.lessons import sow
from fromnoise.training.loop import Hook, Trainer
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.recipe import TASKS, Recipe, shareable
from fromnoise.training.run_data import all_words, joined, some_prompts, stamp_of, taught_words, write_latents
from fromnoise.training.run_folder import accelerator, check_earlier, check_same, locked, write
from fromnoise.training.tasks.base import Compute, Task
from fromnoise.training.tasks.clip import CLIPTask
from fromnoise.training.tasks.diffusion import Conditioning, DiffusionTask, Latents
from fromnoise.training.tasks.vae import VAETask


def train(
    recipe: Recipe, data: Path | str, out: Path, tasks: tuple[str, ...] | None = None, minutes: float = math.inf
) -> Path:
    """Train the recipe's networks one after the other, or go on where an earlier call was stopped.

    Args:
        recipe: every number of the run.
        data: a folder of captioned pictures, a packed file, or "starter".
        out: the run's folder.
        tasks: which tasks to run; later ones need the earlier ones' results in ``out``. None runs the recipe's.
        minutes: how long to train at most; the same call goes on from there.

    Returns:
        The folder of the finished model (``out/model``).

    Raises:
        UserError: unusable data, a run of another recipe in ``out``, a loss that is not a number, a full disk.
        Paused: the minutes are over.
    """
    deadline = time.monotonic() + 60 * minutes
    tasks = recipe.tasks if tasks is None else tasks
    check_earlier(out, tasks, begun=bool(recipe.start_from))
    run = Run(recipe, data, out, deadline)
    for name in TASKS:
        if name in tasks:
            getattr(run, f"train_{name}")()
    return run.out / "model"


def distill(place: Path | str | None, data: Path | str, out: Path, settings: dict[str, str]) -> Path:
    """Teach a finished model to draw in a few steps, in a run of its own; or go on with that.

    Args:
        place: the model, as :meth:`TextToImage.load` takes it.
        data: a folder of captioned pictures, a packed file, or "starter"; best those it was trained on.
        out: the run's folder.
        settings: overrides of the model's recipe, by dotted names.

    Returns:
        The folder of a copy of the model that has ``few_steps/`` (``out/model``).

    Raises:
        UserError: as :func:`train`, or a kind of model that cannot be distilled.
    """
    model = TextToImage.load(place, None)
    run = Run(recipe_for(model).with_overrides(settings), data, out)
    if not (out / "model").exists():
        model.save(out / "model", None)
    elif TextToImage.load(out / "model").hash != model.hash:
        raise UserError(f"{out} was started with another model; use a new --out")
    run.train_distill()
    return out / "model"


class Run:
    """The state of one run's folder: what is loaded, what is already trained."""

    def __init__(self, recipe: Recipe, data: Path | str, out: Path, deadline: float = math.inf) -> None:
        keep_freed_memory()
        self.console = Console(stderr=True)
        self.recipe, self.out, self.data, self.deadline = recipe, out, str(data), deadline
        self.base = TextToImage.load(recipe.start_from) if recipe.start_from else None
        # Everything is checked before anything is written.
        self.train_set, self.held_out = self._pictures()
        self._check_same_run()
        out.mkdir(parents=True, exist_ok=True)
        self._lock = locked(out)
        torch.set_num_threads(recipe.threads or available_cores())
        self.accelerator = accelerator(out)
        self.device: torch.device = self.accelerator.device
        self.choice = self._format()

    # --- the three tasks -------------------------------------------------------------------------------------

    def train_clip(self) -> None:
        """Tie words to pictures."""
        words = (self.tokenizer, CaptionSampler(self.train_set.records, self.recipe.data.captions))
        network = self._fresh("clip", self._config("clip"))
        if self.recipe.clip.meanings:
            sow(network.text.token, self.tokenizer, Meanings.load(Path(self.recipe.clip.meanings)))
        network = self._compute(network)
        task = CLIPTask(
            self.recipe.clip, (self.train_set, self.held_out), words, network, self.compute, self.recipe.seed
        )
        if self.base is not None and self.recipe.clip.keep:
            tower = self._compute(copy.deepcopy(self.base.text_tower)).eval().requires_grad_(False)
            task.keeper = Keeper(self.base.tokenizer, tower, self.tokenizer, self.base.styles)
        self._train(task)

    def train_vae(self) -> None:
        """Learn to go between pictures and latents."""
        stage = self.recipe.vae
        network = self._compute(self._fresh("vae", stage.model))
        pictures = (self.train_set.images, self.held_out.images)
        self._train(VAETask(stage, pictures, network, self.compute, self.recipe.seed))

    def train_diffusion(self) -> None:
        """Learn to remove noise, guided by words."""
        clip, vae = self._finished("clip"), self._finished("vae")
        latents = self._latents(vae)
        stage, schedule = self.recipe.diffusion, ScheduleConfig().build()
        tower = self._compute(copy.deepcopy(clip.text)).eval().requires_grad_(False)
        words = Conditioning(self.tokenizer, tower, CaptionSampler(self.train_set.records, self.recipe.data.captions))
        network = self._compute(self._fresh("diffusion", stage.model))
        stage = replace(stage, prompts=stage.prompts or some_prompts(self.train_set.records))
        parts = (network, schedule, vae)
        task = DiffusionTask(stage, latents, words, parts, self.compute, self.recipe.seed)

        def keep_model(unet: nn.Module, clock: Clock, hours: float) -> None:
            self._save_model(clip, vae, unet, {"pictures_seen": clock.pictures, "unet_hours": round(hours, 2)})

        self._train(task, keep_model)

    def train_distill(self) -> None:
        """Learn to draw in a few steps: a small difference beside the model that is there."""
        folder = self.out / "model"
        if (self.out / "diffusion").exists():
            self._finished("diffusion")
        model = TextToImage.load(folder)
        materials = Materials(self.recipe, self.train_set, self._fingerprint, self.compute, self.out / "distill")
        task = distill_task(model, materials)
        keep(model, folder, self._train(task, lambda network, clock, hours: keep(model, folder, network)))

    def _train(self, task: Task, on_save: Hook | None = None) -> nn.Module:
        folder = self.out / task.name
        trainer = Trainer(task, folder, self.recipe.seed, self.accelerator, on_save, self.deadline)
        return trainer.averaged() if trainer.clock.done else trainer.run()

    def _finished(self, name: str) -> Any:
        """The averaged network of an earlier task, in fp32, from its last checkpoint, or what the run began with."""
        found, _ = checkpoint.newest(self.out / name)
        if found is None and self.base is not None:
            return self._fresh(name, self._config(name)).float().to(self.device).eval().requires_grad_(False)
        if found is None:
            raise UserError(f"{self.out} has no trained {name} yet; run without --tasks, or with --tasks {name} first")
        seen, wanted = found.facts["step"] * found.facts["batch"], getattr(self.recipe, name).loop.pictures
        if seen < wanted:
            raise UserError(
                f"{name} in {self.out} has seen {seen:,} of {wanted:,} pictures; "
                f"run without --tasks, or with --tasks {name} first"
            )
        network = self._fresh(name, self._config(name)).float()
        stored = {**found.groups.get("frozen", {}), **found.groups["ema"]}
        network.load_state_dict({key: stored[key] for key in network.state_dict()})
        return network.to(self.device).eval().requires_grad_(False)

    # --- parts -----------------------------------------------------------------------------------------------

    def _config(self, name: str) -> Any:
        if name == "clip":
            stage = self.recipe.clip
            text = replace(stage.text, vocab_size=self.tokenizer.vocab_size, eos_token_id=self.tokenizer.eos_id)
            return CLIPConfig(text=text, image=stage.image, projection=stage.projection)
        return self.recipe.vae.model if name == "vae" else self.recipe.diffusion.model

    def _fresh(self, name: str, config: Any) -> Any:
        """A network with its initial weights: those of ``start_from``, else as seed and task's name say."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeded("cpu", self.recipe.seed, "weights", name).initial_seed())
            network = config.build()
        if self.base is not None:
            begin_with(network, {"clip": self.base.clip, "vae": self.base.vae, "diffusion": self.base.unet}[name], name)
        return network

    def _compute(self, network: Any) -> Any:
        return network.to(self.device, self.compute.dtype, memory_format=self.compute.memory_format)

    def _latents(self, vae: Any) -> Latents:
        """Whiten the VAE and encode every picture, once; later sessions read the file."""
        file = self.out / "latents.safetensors"
        found, _ = checkpoint.newest(self.out / "vae")
        stamp = f"pictures {self._fingerprint}, vae step {found.facts['step'] if found else 0}"
        if not (file.exists() and stamp_of(file) == stamp):
            # An encoder that is taken as it is has been whitened for the U-Net that comes with it.
            whiten = self.recipe.vae.whiten and found is not None and not self.recipe.vae.decoder_only
            write_latents(file, stamp, vae, self.train_set.images, self.compute, whiten)
        stored = load_file(file, device=str(self.device))
        vae.whiten_(stored["mean"], stored["std"])
        records = self.train_set.records
        mirror = torch.tensor([may_mirror(r) for r in records])
        return Latents(
            stored["plain"], stored["mirrored"], mirror, sampling_weights(records, self.recipe.data.scene_share)
        )

    def _save_model(self, clip: Any, vae: Any, unet: Any, progress: dict[str, Any]) -> None:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.machine()
        hardware = f"{name}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}, {self.choice.name}"
        sources = sorted({(r.style, r.licence, r.author) for r in self.train_set.records})
        facts = {
            "name": self.recipe.name,
            **progress,
            "pictures": len(self.train_set.records),
            "hardware": hardware,
            **({"started_from": self.base.hash} if self.base is not None else {}),
            "sources": [list(source) for source in sources],
            "recipe": shareable(self.recipe).to_dict(),
        }
        styles = tuple(sorted({r.style for r in self.train_set.records if r.style}))
        schedule = ScheduleConfig().build()
        model = TextToImage(self.tokenizer, clip.text, unet, vae, schedule, "v", styles, facts, clip)
        model.save(self.out / "model")

    def _pictures(self) -> tuple[PictureSet, PictureSet]:
        """Training and held-out pictures; problems with files are told now, not in hour five."""
        d = self.recipe.data
        load = functools.partial(load_folder, self.data, d.pixels, styles=d.styles or None, groups=d.groups or None)
        train_set, held_out = load(split="train"), load(split="test_pair")
        for line in told(train_set, held_out):
            self.console.print(one_line(line), style="yellow", highlight=False, soft_wrap=True, markup=False)
        if not train_set.records:
            raise UserError(f"{self.data} {why_none(self.data, d.styles or None, d.groups or None)}")
        train_set = thinned(train_set, d.limit)
        if d.scenes:
            train_set = joined(train_set, scenes(train_set, d.scenes, self.recipe.seed))
        self.console.print(f"{len(train_set.records):,} pictures to train on, {len(held_out.records):,} held out")
        return train_set, held_out

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """Made from the run's pictures when it is first needed; a distillation uses its model's."""
        folder = self.out / "tokenizer"
        if not folder.exists():
            stage = self.recipe.clip
            if self.base is not None and asked_vocabulary(self.base, stage.vocabulary) == stage.vocabulary:
                tokenizer = self.base.tokenizer
            else:
                words = [*all_words(self.train_set), *taught_words(stage.meanings)]
                tokenizer = Tokenizer.train(words, stage.vocabulary, stage.text.context)
            with whole_folder(folder, what="the tokenizer") as draft:
                tokenizer.save(draft)
        return Tokenizer.load(folder)

    def _check_same_run(self) -> None:
        """Refuse to go on with a run of another recipe or of other pictures, or in a folder of something else."""
        file = self.out / "run.json"
        if not file.exists() and self.out.is_dir() and any(not p.name.startswith(".") for p in self.out.iterdir()):
            raise UserError(f"{self.out} holds something that is not a training run; use a new --out")
        if file.exists():
            stored = json.loads(file.read_text())
            check_same(Recipe.from_dict(stored["recipe"]), self.recipe, self.out)
            if stored.get("pictures", self._fingerprint) != self._fingerprint:
                raise UserError(f"{self.out} was started with other pictures ({stored['data']}); use a new --out")

    @functools.cached_property
    def _fingerprint(self) -> str:
        """16 hex digits that name the training pictures and their captions."""
        digest = hashlib.sha256(self.train_set.images.contiguous().numpy().data)
        for record in self.train_set.records:
            digest.update(json.dumps(record.to_dict(), sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def _format(self) -> precision.Choice:
        """Measure the number format and store it with the recipe, or take that of the run that goes on."""
        file = self.out / "run.json"
        if file.exists():
            stored = json.loads(file.read_text())
            why = str(stored["why"])
            choice = precision.Choice(getattr(torch, stored["dtype"]), stored["channels_last"], "as this run began")
        else:
            choice = precision.choose(self.device, self.recipe.precision)
            why = choice.reason
        facts = {"dtype": str(choice.dtype).removeprefix("torch."), "channels_last": choice.channels_last, "why": why}
        about = {"data": self.data, "pictures": self._fingerprint, "recipe": self.recipe.to_dict()}
        write(file, json.dumps({**facts, **about}))
        self.console.print(f"training in {choice.name}: {choice.reason}", highlight=False)
        self.compute = Compute(
            self.device, choice.dtype, torch.channels_last if choice.channels_last else torch.contiguous_format
        )
        return choice
