"""A whole training run: words, CLIP, the VAE, then the U-Net, into one folder; a distillation may follow.

``runs/NAME/`` holds ``run.json`` (the recipe and the number format), ``tokenizer/``, a folder per task
(checkpoints, sheets, curves), ``latents.safetensors`` and ``model/``, which can be drawn with from the first
checkpoint of the U-Net on. The same command goes on wherever the run was killed.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from fromnoise.data.captions import CaptionSampler
from fromnoise.data.meanings import Meanings
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint, continuing
from fromnoise.training.adapting import keep_lora, lora_seen, lora_task
from fromnoise.training.assembling import Networks, add_clip, assembled, hardware, kept_tokenizer, vae_keeper
from fromnoise.training.beginning import Keeper, begin_with, check_materials
from fromnoise.training.clock import Clock, seeded
from fromnoise.training.conditioning import listening
from fromnoise.training.continuing import Call
from fromnoise.training.costs import ahead
from fromnoise.training.distilling import Materials, distill_task, keep
from fromnoise.training.examples import Examples
from fromnoise.training.growing import known_vae
from fromnoise.training.health.beside import Beside
from fromnoise.training.health.self_test import self_test
from fromnoise.training.identity import Going, Identity, fingerprint
from fromnoise.training.known import with_known
from fromnoise.training.learning import told_after_training
from fromnoise.training.lessons import sow
from fromnoise.training.log import Later, Telling
from fromnoise.training.loop import Hook, Trainer
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.processes import here
from fromnoise.training.recipe import LoopConfig, Recipe
from fromnoise.training.redrawn import with_redrawn
from fromnoise.training.retired import tell_retired
from fromnoise.training.run_data import (
    card,
    held_out_latents,
    keep_left_out,
    read_pictures,
    seen_by,
    some_prompts,
    styles_of,
    told_aside,
)
from fromnoise.training.run_examples import captions_of, examples_of, most_captions, sampled, shown
from fromnoise.training.run_folder import accelerator, check_told, curves, locked
from fromnoise.training.settling import begun
from fromnoise.training.statement import statement
from fromnoise.training.tasks.base import Compute, Task
from fromnoise.training.tasks.clip import CLIPTask
from fromnoise.training.tasks.diffusion import DiffusionTask
from fromnoise.training.tasks.text import TextTask
from fromnoise.training.tasks.vae import VAETask


def train(
    recipe: Recipe, data: Path | str, out: Path, tasks: tuple[str, ...] | None = None, call: Call | None = None
) -> Path:
    """Train the recipe's networks one after the other, or go on where an earlier call was stopped.

    Args:
        recipe: every number of the run.
        data: a folder of captioned pictures, a packed file, or "starter".
        out: the run's folder.
        tasks: which tasks to run; later ones need the earlier ones' results in ``out``. None runs the recipe's.
        call: how long to train at most, and what this call changes in a run that has begun.

    Returns:
        The folder of the finished model (``out/model``).

    Raises:
        UserError: unusable data, a run of another recipe in ``out``, a loss that is not a number, a full disk.
        Paused: the minutes are over.
    """
    recipe, going = begun(recipe, out, tasks, call or Call())
    run = Run(recipe, data, out, going)
    for name in going.tasks:
        run.train(name)
    return run.out / "model"


class Run:
    """The state of one run's folder: what is loaded, what is already trained."""

    def __init__(self, recipe: Recipe, data: Path | str, out: Path, going: Going | None = None) -> None:
        keep_freed_memory()
        self.console = Console(stderr=True)
        self.recipe, self.out, self.data, self.going = recipe, out, str(data), going or Going()
        self.base = TextToImage.load(recipe.start_from) if recipe.start_from else None
        # Everything is checked before anything is written.
        check_materials(recipe, self.base, self.going.tasks, out)
        self.train_set, self.held_out = read_pictures(*sampled(recipe, self.data, out), self.console, out)
        self.shown = shown(recipe, self.data, self.train_set)
        self.styles = styles_of(recipe, self.shown.records, self.base)
        self._fingerprint = fingerprint(self.train_set)
        self.identity = Identity(recipe, self.data, out, self.going, self._fingerprint)
        self.identity.check(self.base.hash if self.base is not None else "", self._is_made("clip"))
        self._lock = locked(out)
        keep_left_out(out, (self.train_set, self.held_out), self.console)
        torch.set_num_threads(recipe.threads or available_cores())
        accelerated = accelerator(out)
        self.device: torch.device = here().device or accelerated.device
        self.choice = self.identity.format(self.device, self.console)
        layout = torch.channels_last if self.choice.channels_last else torch.contiguous_format
        self.compute = Compute(self.device, self.choice.dtype, layout)
        self.identity.write(self.choice, self.device, self.console)
        self.curves = curves(accelerated)

    def train(self, name: str) -> None:
        """Train one of the tasks, or go on with it."""
        tasks = {
            "text": self.train_text, "clip": self.train_clip, "vae": self.train_vae,
            "diffusion": self.train_diffusion, "distill": self.train_distill, "lora": self.train_lora,
        }  # fmt: skip
        tasks[name]()

    # --- the tasks -------------------------------------------------------------------------------------------

    def train_text(self) -> None:
        """Learn what words mean, before any picture."""
        self._train(self._text_task())

    def train_clip(self) -> None:
        """Tie words to pictures."""
        stage, pictures = replace(self.recipe.clip, loop=self._loop("clip")), self.train_set
        if stage.redrawn:
            how = self.recipe.seed, self.recipe.diffusion.guidance
            pictures = with_redrawn(pictures, stage.redrawn, self.out, self.base, *how)
        words = (self.tokenizer, CaptionSampler(pictures.records, captions_of(self.recipe, self.data)))
        network, first = self._fresh("clip", self._config("clip")), self._first_words()
        if first is not None:  # the words need no more lessons
            network.text, stage = first, replace(stage, meanings="", smear=0.0, keep=0.0)
        elif self.recipe.clip.meanings:
            sow(network.text.token, self.tokenizer, Meanings.load(Path(self.recipe.clip.meanings)))
        network = self._compute(network)
        task = CLIPTask(stage, (pictures, self.held_out), words, network, self.compute, self.recipe.seed)
        if self.base is not None and stage.keep:
            tower = self._compute(copy.deepcopy(self.base.text_tower)).eval().requires_grad_(False)
            task.keeper = Keeper(self.base.tokenizer, tower, self.tokenizer, self.base.styles)
        learnt = self._train(task)
        if first is not None and here().main:
            add_clip(self.out / "model", learnt, self.base)

    def train_vae(self) -> None:
        """Learn to go between pictures and latents."""
        stage = replace(self.recipe.vae, loop=self._loop("vae"))
        network = self._compute(self._fresh("vae", stage.model))
        tell_retired(0 if self._is_made("vae") else stage.perceptual, self.console)
        pictures, known = (self.train_set.images, self.held_out.images), known_vae(stage, self.base, self.compute)
        task = VAETask(stage, pictures, network, self.compute, self.recipe.seed, known)
        self._train(task, *vae_keeper(self.recipe, self.base, self.out))

    def train_diffusion(self) -> None:
        """Learn to remove noise, guided by words."""
        text, clip, vae = self._heard(), self._image_side(), self._finished("vae")
        stage, schedule = self.recipe.diffusion, ScheduleConfig().build()
        examples = with_known(self._examples(vae), stage, self.base, self.compute, self.out, self.recipe.seed)
        tower = self._compute(copy.deepcopy(text)).eval().requires_grad_(False)
        words = listening(self.tokenizer, tower, most_captions(self.recipe, self.data, self.train_set.records))
        network = self._compute(self._fresh("diffusion", stage.model))
        prompts = stage.prompts or some_prompts(self.train_set.records)
        stage = replace(stage, prompts=prompts, loop=self._loop("diffusion"))
        parts = (network, schedule, vae)
        task = DiffusionTask(stage, examples, words, parts, self.compute)
        task.held_out = held_out_latents(self.held_out, vae, self.compute)
        task.beside = Beside(self.train_set.images, self.held_out.images)

        def keep_model(unet: nn.Module, clock: Clock, hours: float) -> None:
            progress = {"pictures_seen": clock.pictures, "unet_hours": round(hours, 2)}
            self._save_model(Networks(text, unet, vae, clip), progress)

        wanted = clip is not None
        try:
            self._train(task, keep_model, lambda clock: seen_by(self.out / "model", wanted) == clock.pictures)
        finally:
            examples.close()
        if here().main and (said := told_after_training(self.out)):
            self.console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)

    def train_distill(self) -> None:
        """Learn to draw in a few steps: a small difference beside the model that is there."""
        folder = self.out / "model"
        if (self.out / "diffusion").exists():
            self._finished("diffusion")
            check_told(self.out)
        model, materials = TextToImage.load(folder), self._materials("distill")
        task = distill_task(model, materials)
        keep(model, folder, self._train(task, lambda network, clock, hours: keep(model, folder, network)))

    def train_lora(self) -> None:
        """Learn a small difference beside a finished model, which stays as it is."""
        model, materials = self.base, self._materials("lora")
        assert model is not None  # the recipe was checked
        keep_it: Hook = lambda network, clock, hours: keep_lora(model, materials, self.out, network, clock)  # noqa: E731
        self._train(lora_task(model, materials), keep_it, lambda clock: lora_seen(self.out) == clock.pictures)

    def _materials(self, name: str) -> Materials:
        stage = replace(getattr(self.recipe, name), loop=self._loop(name))
        pictures, captions = (self.train_set, self.held_out), captions_of(self.recipe, self.data)
        recipe = replace(self.recipe, **{name: stage})
        return Materials(recipe, pictures, self._fingerprint, self.compute, self.out / name, captions, self.data)

    def _train(
        self, task: Task, on_save: Hook | None = None, is_written: Callable[[Clock], bool] = lambda clock: True
    ) -> nn.Module:
        """Train a task, or go on with it; what ``on_save`` should have written is written where it is not."""
        how = self._telling(task.name), on_save, self.going.deadline, self.choice.of_muon
        trainer = Trainer(task, self.out / task.name, self.recipe.seed, *how)
        if self.going.self_test and trainer.clock.step == 0 and here().share.of == 1:
            self_test(task, self.recipe.seed, self.console, self.choice.of_muon)
        here().prepared()
        if not trainer.clock.done:
            trainer.run()
        elif here().any_of(on_save is not None and not is_written(trainer.clock)):  # the disk was full, or it was ended
            trainer.tell()
        learnt = trainer.averaged()
        here().wait_turn()
        return learnt

    def _is_made(self, name: str) -> bool:
        found, _ = checkpoint.newest(self.out / name)
        return found is not None and continuing.finished(found.facts, self._loop(name))

    def _loop(self, name: str) -> LoopConfig:
        return self.recipe.loops()[name].suited(len(self.train_set.records))

    def _telling(self, name: str) -> Telling:
        tasks = self.going.tasks or (name,)
        return Telling(self.curves, tasks.index(name) + 1, len(tasks), self._ahead[name], self.going.verbose)

    @functools.cached_property
    def _ahead(self) -> dict[str, tuple[Later, ...]]:
        return ahead(self.recipe, self.going.tasks, len(self.train_set.records))

    def _finished(self, name: str) -> Any:
        """The averaged network of an earlier task, in fp32, from its last checkpoint, or what the run began with."""
        found, _ = checkpoint.newest(self.out / name)
        if found is None and self.base is not None:
            return self._fresh(name, self._config(name)).float().to(self.device).eval().requires_grad_(False)
        if found is None:
            raise UserError(f"{self.out} has no trained {name} yet; run without --tasks, or with --tasks {name} first")
        loop = self._loop(name)
        if not continuing.finished(found.facts, loop):
            seen, wanted = found.facts["step"] * found.facts["batch"], loop.pictures
            raise UserError(
                f"{name} in {self.out} has seen {seen:,} of {wanted:,} pictures; "
                f"run without --tasks, or with --tasks {name} first"
            )
        network = self._begun(name).float()
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
        if self.base is not None and not (name == "clip" and self.base.clip is None and self.recipe.clip.locked):
            begin_with(network, {"clip": self.base.clip, "vae": self.base.vae, "diffusion": self.base.unet}[name], name)
        return network

    def _compute(self, network: Any) -> Any:
        return network.to(self.device, self.compute.dtype, memory_format=self.compute.memory_format)

    def _begun(self, name: str) -> Any:
        """A network of a task as it was before its first step."""
        return self._text_task().network if name == "text" else self._fresh(name, self._config(name))

    def _text_task(self) -> TextTask:
        meanings = Meanings.load(Path(self.recipe.clip.meanings))
        tower = self._fresh("clip", self._config("clip")).text
        sow(tower.token, self.tokenizer, meanings)
        words = (self.tokenizer, self.styles)
        stage = replace(self.recipe.text, loop=self._loop("text"))
        return TextTask(stage, meanings, words, self._compute(tower), self.compute)

    def _heard(self) -> Any:
        """The text tower that the U-Net listens to: one that learnt by itself, or CLIP's."""
        if (first := self._first_words()) is not None:
            return first
        clip = self._image_side()
        return self.base.text_tower if clip is None and self.base is not None else clip.text

    def _first_words(self) -> Any:
        """The frozen text tower of words that learnt before CLIP, or are ``start_from``'s for good; else None."""
        if continuing.has_learnt(self.out, "text"):
            return self._finished("text").text
        if self.recipe.clip.locked and self.base is not None:
            return copy.deepcopy(self.base.text_tower).float().to(self.device).eval().requires_grad_(False)
        return None

    def _image_side(self) -> Any:
        """CLIP, which ties pictures to the words; None where it is still to be trained with the words as they are."""
        first, theirs = self._first_words(), self.base and self.base.clip
        if not self._is_made("clip") and (first is not None or (self.base is not None and theirs is None)):
            return theirs
        clip = self._finished("clip")
        if first is not None:  # the very weights that the U-Net listens to, whatever format CLIP was trained in
            clip.text = first
        return clip

    def _examples(self, vae: Any) -> Examples:
        """What the U-Net learns from; the VAE is made white for it."""
        found, _ = checkpoint.newest(self.out / "vae")
        stamp = f"pictures {self._fingerprint}, vae step {found.facts['step'] if found else 0}"
        # An encoder that is taken as it is has been whitened for the U-Net that comes with it.
        whiten = self.recipe.vae.whiten and found is not None and not self.recipe.vae.keeps_latents
        return examples_of(self.recipe, self.data, self.out, stamp, (vae, self.compute, whiten), self.train_set)

    def _save_model(self, networks: Networks, progress: dict[str, Any]) -> None:
        drawn = self.shown.records[: self.shown.drawings]
        data = statement(self.train_set, self.held_out, drawn, self._fingerprint)
        told = {**progress, **told_aside(self.held_out.records), "data": data}
        told |= {"hardware": hardware(self.device, self.choice.name)}
        facts = card(self.recipe, self.shown.records, told, self.shown.drawings)
        model = assembled(self.tokenizer, networks, self.shown.records, self.styles, facts, self.base)
        replace(model, default_style=self.recipe.default_style).save(self.out / "model")

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """Made from the run's pictures when it is first needed; a distillation uses its model's."""
        return kept_tokenizer(self.out / "tokenizer", self.recipe.clip, self.shown.records, self.base)
