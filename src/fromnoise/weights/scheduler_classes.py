"""The scheduler classes of diffusers: which settings each has, their defaults, and which of their values we know."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

SPREADS = ("karras", "exponential", "beta")


@dataclass(frozen=True)
class SchedulerClass:
    """A scheduler class of diffusers: our sampler, its settings with their defaults, and which values we know."""

    sampler: str
    settings: dict[str, Any]
    known: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    note: str = ""


BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
    "steps_offset": 0,
}
_CLIPS = {"clip_sample": (False,), "thresholding": (False,)}
_SPREAD = {f"use_{name}_sigmas": False for name in SPREADS}
ZERO = {"rescale_betas_zero_snr": False}
_DDIM = {**BETAS, **ZERO, "timestep_spacing": "leading", "clip_sample": True, "thresholding": False}
_EULER = {**BETAS, "timestep_spacing": "linspace"}
_MULTISTEP = {
    **_EULER,
    **ZERO,
    **_SPREAD,
    "final_sigmas_type": "zero",
    "thresholding": False,
    "lower_order_final": True,
    "solver_order": 2,
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "use_dynamic_shifting": False,
}
_MULTISTEP_KNOWN: dict[str, tuple[Any, ...]] = {
    "thresholding": (False,),
    "solver_order": (2,),
    "use_dynamic_shifting": (False,),
}
_FLOW = {"num_train_timesteps": 1000, "shift": 1.0, "prediction_type": "flow_prediction", **_SPREAD}
_FLOW_ONLY = {"use_dynamic_shifting": False, "invert_sigmas": False, "stochastic_sampling": False}

_DPM_SETTINGS = {
    **_MULTISTEP,
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "euler_at_final": False,
    "use_lu_lambdas": False,
    "lambda_min_clipped": -math.inf,
    "variance_type": None,
}
_DPM_KNOWN: dict[str, tuple[Any, ...]] = {
    **_MULTISTEP_KNOWN,
    "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "deis"),
    "solver_type": ("midpoint", "heun", "logrho", "bh1", "bh2"),
    "use_lu_lambdas": (False,),
    "lambda_min_clipped": (-math.inf, None),
    "variance_type": (None,),
}
_UNIPC_ONLY: dict[str, Any] = {
    "solver_type": "bh2",
    "predict_x0": True,
    "disable_corrector": [],
    "solver_p": None,
    "sigma_min": None,
    "sigma_max": None,
    "shift_terminal": None,
}
_UNIPC_KNOWN = {
    **_MULTISTEP_KNOWN,
    "solver_type": ("bh2", "midpoint", "heun", "logrho"),
    "predict_x0": (True,),
    "disable_corrector": ([],),
    "solver_p": (None,),
    "shift_terminal": (None,),
}


_UNKNOWN_TO_NEAR = {"thresholding": False, "use_flow_sigmas": False, "use_dynamic_shifting": False}


def _near(sampler: str, name: str, **settings: Any) -> SchedulerClass:
    note = f"{name} is not built in; '{sampler}' walks the same levels"
    known = {setting: (value,) for setting, value in _UNKNOWN_TO_NEAR.items() if setting in settings}
    return SchedulerClass(sampler, {**_EULER, **_SPREAD, **settings}, known, note)


CLASSES: dict[str, SchedulerClass] = {
    "DDIMScheduler": SchedulerClass("ddim", {**_DDIM, "set_alpha_to_one": True}, _CLIPS),
    "DDPMScheduler": SchedulerClass(
        "ddpm", {**_DDIM, "variance_type": "fixed_small"}, {**_CLIPS, "variance_type": ("fixed_small",)}
    ),
    "PNDMScheduler": SchedulerClass(
        "plms", {**BETAS, "timestep_spacing": "leading", "set_alpha_to_one": False, "skip_prk_steps": False}
    ),
    "LCMScheduler": SchedulerClass(
        "lcm",
        {
            **_DDIM,
            "clip_sample": False,
            "set_alpha_to_one": True,
            "timestep_scaling": 10.0,
            "original_inference_steps": 50,
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
        },
        _CLIPS,
    ),
    "EulerDiscreteScheduler": SchedulerClass(
        "euler",
        {
            **_EULER,
            **ZERO,
            **_SPREAD,
            "final_sigmas_type": "zero",
            "sigma_min": None,
            "sigma_max": None,
            "interpolation_type": "linear",
            "timestep_type": "discrete",
        },
        {"interpolation_type": ("linear",), "timestep_type": ("discrete",)},
    ),
    "EulerAncestralDiscreteScheduler": SchedulerClass("euler_a", {**_EULER, **ZERO}),
    "HeunDiscreteScheduler": SchedulerClass(
        "heun",
        {**_EULER, **_SPREAD, "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False},
        {"clip_sample": (False,)},
    ),
    "DPMSolverMultistepScheduler": SchedulerClass("dpm++", _DPM_SETTINGS, _DPM_KNOWN),
    "UniPCMultistepScheduler": SchedulerClass("unipc", {**_MULTISTEP, **_UNIPC_ONLY}, _UNIPC_KNOWN),
    "FlowMatchEulerDiscreteScheduler": SchedulerClass(
        "euler",
        {**_FLOW, **_FLOW_ONLY, "shift_terminal": None},
        {**dict.fromkeys(_FLOW_ONLY, (False,)), "shift_terminal": (None, 0, False)},
    ),
    "LMSDiscreteScheduler": _near("dpm++", "LMS"),
    "DEISMultistepScheduler": _near("dpm++", "DEIS", **_UNKNOWN_TO_NEAR),
    "DPMSolverSinglestepScheduler": _near(
        "dpm++", "singlestep DPM-Solver", final_sigmas_type="zero", **_UNKNOWN_TO_NEAR
    ),
    "DPMSolverSDEScheduler": _near("dpm++sde", "the two-call DPM-Solver SDE"),
    "KDPM2DiscreteScheduler": _near("heun", "DPM2", beta_start=0.00085, beta_end=0.012),
    "KDPM2AncestralDiscreteScheduler": _near("euler_a", "DPM2 a", beta_start=0.00085, beta_end=0.012),
}
