"""``scheduler_config.json``: how a checkpoint is meant to be drawn, in diffusers' words and back.

The file names a class and its settings; settings of other classes are left in it and mean nothing. What is read comes
back as plain numbers and names: the values of ``ScheduleConfig``, of ``ForeignPathConfig`` and of a sampler. A setting
that would draw another picture than we can is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import shown
from fromnoise.weights.configs import VERSION, check_fixed, is_number
from fromnoise.weights.files import read_json, write_json
from fromnoise.weights.foreign_paths import ForeignPathConfig
from fromnoise.weights.scheduler_classes import BETAS, CLASSES, SPREADS, ZERO

PREDICTIONS = {"v": "v_prediction", "epsilon": "epsilon", "x0": "sample", "flow": "flow_prediction"}
KINDS = ("linear", "scaled_linear", "squaredcos_cap_v2")


@dataclass(frozen=True)
class Scheduler:
    """What a scheduler's config says, in our words.

    Attributes:
        schedule: values of ``ScheduleConfig``.
        prediction: "v", "epsilon", "x0" or "flow".
        sampler: our name of the sampler.
        path: values of ``ForeignPathConfig``, those that this sampler reads.
        options: settings of the sampler.
        note: "" when we draw what diffusers draws, else a sentence that says what is different.
    """

    schedule: dict[str, Any]
    prediction: str
    sampler: str = "ddim"
    path: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""


_TINY_ALPHA = ("euler", "euler_a", "dpm++", "dpm++sde", "unipc")  # what in diffusers never lets alpha be 0


def load_scheduler(folder: Path, sampler: str | None = None) -> Scheduler:
    """Read ``scheduler_config.json``.

    Args:
        folder: e.g. ``model/scheduler``.
        sampler: our name of another sampler to read the file for, as ``OtherClass.from_config`` does in diffusers:
            what the file does not say takes that sampler's defaults.

    Raises:
        UserError: the file is missing or damaged, or has a setting that we do not have.
    """
    file = folder / "scheduler_config.json"
    return scheduler_from_foreign(read_json(file), file, sampler)


def stable_diffusion_scheduler(prediction: str, zero_terminal_snr: bool = False) -> Scheduler:
    """For single files of Stable Diffusion, which do not say how to draw: DPM++ 2M Karras, the usual choice for them.

    With a zero terminal SNR, Karras' levels would spend half of the steps where there is nothing to see yet; such
    models are drawn on trailing times (Lin et al. 2023, arXiv 2305.08891).
    """
    schedule = {
        "steps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "kind": "scaled_linear",
        "zero_terminal_snr": zero_terminal_snr,
    }
    path = {"spacing": "trailing", "sigmas": "" if zero_terminal_snr else "karras", "tiny_alpha": zero_terminal_snr}
    return Scheduler(schedule, prediction, "dpm++", path)


def scheduler_from_foreign(values: Mapping[str, Any], file: Path, sampler: str | None = None) -> Scheduler:
    """Like ``load_scheduler``, for a config in memory; ``file`` is named in errors."""
    name = values.get("_class_name") if sampler is None else _class_of(sampler, values)
    if not isinstance(name, str) or name not in CLASSES:
        raise UserError(f"{file}: scheduler {name!r:.60} is not supported; known: {', '.join(CLASSES)}")
    kind = CLASSES[name]
    said = {setting: values.get(setting, default) for setting, default in kind.settings.items()}
    if sampler in ("dpm++", "dpm++sde"):
        said["algorithm_type"] = "sde-dpmsolver++" if sampler == "dpm++sde" else "dpmsolver++"
    check_fixed(said, kind.known, file)
    _check_kinds(said, kind.settings, file)
    ours = kind.sampler
    if said.get("algorithm_type") == "sde-dpmsolver++":
        ours = "dpm++sde"
    schedule, prediction = _schedule(said, file)
    note = kind.note or (_of_pndm(said) if name == "PNDMScheduler" else "")
    return Scheduler(schedule, prediction, ours, _path(said, ours, schedule, file), _options(said, ours), note)


def _of_pndm(said: Mapping[str, Any]) -> str:
    """What is different from diffusers' PNDM, a sentence, or ""."""
    if said["skip_prk_steps"] is False:
        return "PNDM's Runge-Kutta steps are left out, as skip_prk_steps would; its first step is Heun's instead"
    if said["prediction_type"] != "epsilon":
        return (
            f"PNDM's weights are given to noise estimates, not to outputs (prediction_type {said['prediction_type']})"
        )
    if said["timestep_spacing"] != "leading":
        return f"PNDM's steps meet each other here, also where timestep_spacing is {said['timestep_spacing']}"
    return ""


def _check_kinds(said: Mapping[str, Any], defaults: Mapping[str, Any], file: Path) -> None:
    """Refuse values of another kind than the default's: a word for a number, a number for true or false.

    Raises:
        UserError: naming the file, the setting and its value.
    """
    for name, default in defaults.items():
        value, kind = said[name], type(default)
        if default is None:
            fine = value is None or name not in ("sigma_min", "sigma_max") or is_number(value)
        elif kind in (int, float):
            fine = value == default or (is_number(value) and (kind is float or float(value).is_integer()))
        else:
            fine = isinstance(value, kind)
        if not fine:
            raise UserError(f"{file}: {name} = {shown(value)} is not supported; it should be like {default!r}")


def _class_of(sampler: str, values: Mapping[str, Any]) -> str:
    flow = values.get("_class_name") == "FlowMatchEulerDiscreteScheduler" and sampler in ("euler", "ddim")
    wanted = "dpm++" if sampler == "dpm++sde" else sampler
    found = [name for name, kind in CLASSES.items() if kind.sampler == wanted and not kind.note]
    if not found:
        raise UserError(f"the diffusers layout has no scheduler for sampler '{sampler}'")
    return "FlowMatchEulerDiscreteScheduler" if flow else found[0]


def _schedule(said: Mapping[str, Any], file: Path) -> tuple[dict[str, Any], str]:
    """Values of ``ScheduleConfig``, and the prediction."""
    kinds = {theirs: ours for ours, theirs in PREDICTIONS.items()}
    prediction = kinds.get(said["prediction_type"])
    is_flow = "beta_start" not in said or bool(said.get("use_flow_sigmas"))
    if prediction is None or (prediction == "flow") != is_flow:
        raise UserError(f"{file}: prediction_type = {shown(said['prediction_type'])} is not supported")
    if is_flow:
        return {"steps": said["num_train_timesteps"], "kind": "flow"}, prediction
    if said["beta_schedule"] not in KINDS:
        raise UserError(f"{file}: beta_schedule = {shown(said['beta_schedule'])} is not supported")
    schedule = {
        "steps": said["num_train_timesteps"],
        "beta_start": said["beta_start"],
        "beta_end": said["beta_end"],
        "kind": said["beta_schedule"],
        "zero_terminal_snr": bool(said.get("rescale_betas_zero_snr")),
    }
    betas = said["trained_betas"]
    if betas is not None:
        if (
            not isinstance(betas, list | tuple)
            or not betas
            or not all(is_number(beta) and 0 < beta < 1 for beta in betas)
        ):
            raise UserError(f"{file}: trained_betas should be a list of numbers between 0 and 1")
        schedule |= {"trained_betas": betas, "steps": len(betas)}
    try:
        ScheduleConfig.from_dict(schedule).build()
    except (UserError, ValueError) as error:
        sizes = ", ".join(f"{name} = {shown(said[name])}" for name in ("num_train_timesteps", "beta_start", "beta_end"))
        raise UserError(f"{file}: {sizes}: {error}") from None
    return schedule, prediction


_PATH_NAMES = {
    "timestep_spacing": "spacing",
    "steps_offset": "offset",
    "set_alpha_to_one": "set_alpha_to_one",
    "final_sigmas_type": "final",
    "sigma_min": "sigma_min",
    "sigma_max": "sigma_max",
    "shift": "shift",
    "flow_shift": "shift",
    "original_inference_steps": "original_steps",
}


def _path(said: Mapping[str, Any], sampler: str, schedule: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Values of ``ForeignPathConfig``."""
    path = {ours: said[theirs] for theirs, ours in _PATH_NAMES.items() if theirs in said}
    spreads = [name for name in SPREADS if said.get(f"use_{name}_sigmas")]
    if len(spreads) > 1:
        raise UserError(f"{file}: only one of use_{spreads[0]}_sigmas and use_{spreads[1]}_sigmas can be true")
    if "use_karras_sigmas" in said:
        path["sigmas"] = spreads[0] if spreads else ""
    _check_path(path, said, file)
    if sampler == "ddim":
        path["aim"] = "stride"
    if schedule.get("zero_terminal_snr"):
        path["tiny_alpha"] = sampler in _TINY_ALPHA
    return path


def _check_path(path: Mapping[str, Any], said: Mapping[str, Any], file: Path) -> None:
    """Refuse what no walk has, in the file's words."""
    for theirs, ours in _PATH_NAMES.items():
        if theirs in said:
            try:
                ForeignPathConfig.from_dict({ours: path[ours]}).check()
            except UserError as error:
                raise UserError(f"{file}: {theirs} = {shown(said[theirs])} is not supported: {error}") from None


def _options(said: Mapping[str, Any], sampler: str) -> dict[str, Any]:
    """Settings of the sampler, those that are not its defaults included."""
    names = {
        "dpm++": ("solver_type", "lower_order_final", "euler_at_final"),
        "dpm++sde": ("solver_type", "lower_order_final", "euler_at_final"),
        "unipc": ("lower_order_final",),
        "lcm": ("timestep_scaling",),
    }
    options = {name: said[name] for name in names.get(sampler, ()) if name in said}
    if options.get("solver_type") in ("logrho", "bh1", "bh2"):
        options["solver_type"] = "midpoint"  # diffusers' reading of other solvers' names
    return options


def save_scheduler(scheduler: Scheduler, folder: Path) -> None:
    """Write ``scheduler_config.json`` so that ``load_scheduler`` gives the same back, and diffusers draws the same.

    Raises:
        UserError: something that the format cannot say.
    """
    write_json(folder / "scheduler_config.json", scheduler_to_foreign(scheduler))


def scheduler_to_foreign(scheduler: Scheduler) -> dict[str, Any]:
    """The config of the diffusers class for this sampler; see ``save_scheduler``."""
    s, flow = scheduler.schedule, scheduler.schedule.get("kind") == "flow"
    if scheduler.prediction not in PREDICTIONS or (scheduler.prediction == "flow") != flow:
        known = ", ".join(PREDICTIONS)
        raise UserError(f"the diffusers layout cannot store prediction '{scheduler.prediction}'; it knows {known}")
    origin = {"_class_name": "FlowMatchEulerDiscreteScheduler"} if flow else {}
    name = _class_of(scheduler.sampler, origin)
    values = {**CLASSES[name].settings, **{k: v[0] for k, v in CLASSES[name].known.items()}}
    theirs: dict[str, Any] = {
        "num_train_timesteps": s["steps"],
        "prediction_type": PREDICTIONS[scheduler.prediction],
        "use_flow_sigmas": flow,
        "skip_prk_steps": True,
        "algorithm_type": "sde-dpmsolver++" if scheduler.sampler == "dpm++sde" else "dpmsolver++",
        **scheduler.options,
    }
    if not flow:
        theirs |= {name: s[name] for name in ("beta_start", "beta_end")} | {"beta_schedule": s["kind"]}
        theirs |= {"rescale_betas_zero_snr": s["zero_terminal_snr"], "trained_betas": s.get("trained_betas") or None}
    theirs |= {foreign: scheduler.path[ours] for foreign, ours in _PATH_NAMES.items() if ours in scheduler.path}
    theirs |= {f"use_{spread}_sigmas": scheduler.path.get("sigmas", "") == spread for spread in SPREADS}
    values = {"_class_name": name, **VERSION, **{k: theirs.get(k, v) for k, v in values.items()}}
    _check_says(values, scheduler)
    if values.get("lambda_min_clipped") == -math.inf:
        del values["lambda_min_clipped"]  # JSON has no infinity, and it is the default
    return dict(sorted(values.items()))


def _check_says(values: dict[str, Any], wanted: Scheduler) -> None:
    """Raise ``UserError`` unless the written file says what was to be stored."""
    found = scheduler_from_foreign(values, Path("scheduler_config.json"))
    stored = {**found.path, "sigmas": found.path.get("sigmas", "")}
    for name, value in wanted.path.items():
        if name not in ("tiny_alpha", "aim") and name in stored and stored[name] != value:
            raise UserError(f"{values['_class_name']} of the diffusers layout cannot store {name} = {value!r}")
    if stored.get("spacing") not in (None, "leading", "trailing", "linspace"):
        raise UserError(f"the diffusers layout cannot store spacing '{stored['spacing']}'")
    if any(found.options.get(name) != value for name, value in wanted.options.items()):
        raise UserError(f"{values['_class_name']} of the diffusers layout cannot store {wanted.options}")


def load_schedule(folder: Path) -> tuple[dict[str, Any], str]:
    """Read only the noise schedule of any scheduler's config: (``ScheduleConfig`` values, prediction).

    Raises:
        UserError: the file is missing or damaged, or the schedule is of a kind that we do not have.
    """
    file = folder / "scheduler_config.json"
    values = read_json(file)
    kind = CLASSES.get(str(values.get("_class_name")))
    defaults = {**BETAS, **ZERO} if kind is None else kind.settings
    return _schedule({name: values.get(name, default) for name, default in defaults.items()}, file)
