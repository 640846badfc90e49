"""Drawing in a few steps: a small difference of the U-Net's weights, kept beside the model it belongs to.

``few_steps/`` in a model's folder holds a LoRA in diffusers' format, learnt by latent consistency distillation
(:mod:`fromnoise.training.tasks.distill`), and the config of diffusers' LCMScheduler. Nothing else is needed: the
networks are the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from fromnoise.diffusion.schedule import DISTILLED_LEVELS, NoiseSchedule
from fromnoise.ground.errors import UserError
from fromnoise.models.unet.unet import UNetConfig
from fromnoise.system.defaults import Defaults
from fromnoise.system.opening import FEW_STEPS
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
    with replaced_folder(folder / FEW_STEPS, LORA_FILE) as draft:
        write_lora(draft / LORA_FILE, changes, config)
        save_scheduler(Scheduler(schedule.config.to_dict(), prediction, "lcm", path, {"timestep_scaling": 10.0}), draft)


def with_few_steps(model: TextToImage, loras: Sequence[tuple[Path, float]] = ()) -> TextToImage:
    """The model that draws in a few steps: its LoRA added to the weights, in place, and what suits it as defaults.

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
    changed = model.with_loras([*loras, (model.few_steps / LORA_FILE, 1.0)])
    own = replace(DEFAULTS, interval=(0, model.schedule.steps))
    return replace(changed, defaults=own, scheduler=None, few_steps=None, fixed=FIXED)
