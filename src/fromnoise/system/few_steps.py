"""Drawing in a few steps: what a model needs for it, kept beside the model it belongs to.

``few_steps/`` in a model's folder holds one of two things. A LoRA in diffusers' format, learnt by latent consistency
distillation (:mod:`fromnoise.training.tasks.distill`), with the config of diffusers' LCMScheduler. Or a solver that was
fitted to the model (:mod:`fromnoise.diffusion.fitting`), whose weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from fromnoise.diffusion.paths import PathConfig
from fromnoise.diffusion.samplers import FITTED
from fromnoise.diffusion.schedule import DISTILLED_LEVELS, NoiseSchedule
from fromnoise.ground.errors import UserError
from fromnoise.models.unet.unet import UNetConfig
from fromnoise.system.defaults import Defaults
from fromnoise.system.opening import FEW_STEPS
from fromnoise.system.solver_file import SOLVER_FILE, Solver, Solvers, read_solvers, with_solvers_hash, write_solvers
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights.files import replaced_folder
from fromnoise.weights.lora_out import LORA_FILE, write_lora
from fromnoise.weights.schedulers import Scheduler, save_scheduler

# Which settings of a request are built in: guidance is in the weights, and levels and sampler go with them.
FIXED = ("guidance", "negative", "sampler", "rescale", "interval", "spacing", "sigmas")
# Guidance is in the weights: one call per step, without the unguided half.
DEFAULTS = Defaults(steps=4, guidance=1.0, interval=(0, 1000), rescale=0.0, sampler="lcm", spacing="distilled")


def save_few_steps(
    folder: Path,
    changes: Mapping[str, tuple[Tensor, Tensor]],
    config: UNetConfig,
    schedule: NoiseSchedule,
    prediction: str,
) -> None:
    """Write ``few_steps/`` into a model's folder, whole or not at all; one that is there already is replaced.

    Args:
        folder: of the model.
        changes: by the names of the U-Net's layers, as :func:`fromnoise.weights.lora_out.write_lora` takes them.
        config: of the U-Net.
        schedule: the model's noise levels.
        prediction: what its U-Net's output means.

    Raises:
        UserError: the disk is full, or a value is not finite.
    """
    assert schedule.config is not None  # it was read from the model's folder
    path = {"original_steps": DISTILLED_LEVELS, "spacing": "trailing"}
    with replaced_folder(folder / FEW_STEPS, "") as draft:
        write_lora(draft / LORA_FILE, changes, config)
        save_scheduler(Scheduler(schedule.config.to_dict(), prediction, "lcm", path, {"timestep_scaling": 10.0}), draft)


def save_solvers(folder: Path, model: TextToImage, solvers: Solvers) -> None:
    """Write ``few_steps/`` with solvers that were fitted to a model into its folder; what is there is replaced.

    Raises:
        UserError: the disk is full.
    """
    write_solvers(folder / FEW_STEPS, solvers, model.hash)


def with_few_steps(model: TextToImage, loras: Sequence[tuple[Path, float]] = ()) -> TextToImage:
    """The model that draws in a few steps: its LoRA added to the weights, in place, or its fitted solver; and what
    suits it as defaults.

    Args:
        model: as it was loaded, before :meth:`TextToImage.for_drawing`.
        loras: others to add, each with its weight.

    Raises:
        UserError: the model has no few steps, or what is there does not belong to it.
    """
    if model.few_steps is None:
        raise UserError(
            f"this model has no {FEW_STEPS}/ to draw fast with; make it with: fromnoise distill MODEL --data … --out …"
        )
    if (file := model.few_steps / SOLVER_FILE).is_file():
        return _with_solvers(model, read_solvers(file, model.hash, model.schedule.steps), loras)
    changed = model.with_loras([*loras, (model.few_steps / LORA_FILE, 1.0)])
    own = replace(DEFAULTS, interval=(0, model.schedule.steps))
    return replace(changed, defaults=own, scheduler=None, few_steps=None, fixed=FIXED)


def solvers_of(model: TextToImage) -> dict[int, Solver]:
    """The solvers in a model's ``few_steps/``; none where there are none that can be used: drawing says why."""
    file = (model.few_steps or Path()) / SOLVER_FILE
    if model.few_steps is None or not file.is_file():
        return {}
    try:
        return read_solvers(file, model.hash, model.schedule.steps)
    except UserError:
        return {}


def few_steps_of(model: TextToImage) -> int:
    """In how many steps a model with ``few_steps/`` draws where a request says nothing."""
    return _usual(found) if (found := solvers_of(model)) else DEFAULTS.steps


def _usual(solvers: Solvers) -> int:
    return DEFAULTS.steps if DEFAULTS.steps in solvers else min(solvers)


def _with_solvers(
    model: TextToImage, solvers: Mapping[int, Solver], loras: Sequence[tuple[Path, float]]
) -> TextToImage:
    own = replace(model.defaults, steps=_usual(solvers), sampler=FITTED, spacing=PathConfig().spacing)
    changed = model.with_loras(loras)
    named = with_solvers_hash(changed.hash, solvers)
    return replace(changed, defaults=own, scheduler=None, few_steps=None, fixed=FIXED, solvers=solvers, identity=named)
