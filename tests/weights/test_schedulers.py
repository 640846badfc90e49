"""scheduler_config.json: read, refused, written and read again, with diffusers as a peer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest

from fromnoise.diffusion.paths import path
from fromnoise.diffusion.samplers import SAMPLERS, sampler
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.weights.foreign_paths import ForeignPathConfig
from fromnoise.weights.schedulers import (
    Scheduler,
    load_schedule,
    load_scheduler,
    save_scheduler,
    scheduler_from_foreign,
    stable_diffusion_scheduler,
)

SD15 = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
SD21 = {**SD15, "_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
SDXL = {
    **SD15,
    "_class_name": "EulerDiscreteScheduler",
    "interpolation_type": "linear",
    "use_karras_sigmas": False,
    "timestep_spacing": "leading",
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
}
NOWHERE = Path("model/scheduler/scheduler_config.json")


def read(values: dict[str, Any], as_sampler: str | None = None) -> Scheduler:
    return scheduler_from_foreign(values, NOWHERE, as_sampler)


def test_stable_diffusion_1() -> None:
    said = read(SD15)
    assert (said.sampler, said.prediction, said.note) == ("plms", "epsilon", "")
    assert said.path == {"spacing": "leading", "offset": 1, "set_alpha_to_one": False}
    assert ScheduleConfig.from_dict(said.schedule) == ScheduleConfig(zero_terminal_snr=False)


def test_stable_diffusion_2() -> None:
    said = read(SD21)
    assert (said.sampler, said.prediction) == ("ddim", "v")
    assert said.path == {"spacing": "leading", "offset": 1, "set_alpha_to_one": False, "aim": "stride"}


def test_stable_diffusion_xl_ignores_what_its_class_does_not_read() -> None:
    said = read({**SDXL, "clip_sample": True})
    assert (said.sampler, said.prediction, said.options) == ("euler", "epsilon", {})
    assert ForeignPathConfig.from_dict(said.path) == ForeignPathConfig("leading", offset=1)


def test_stable_diffusion_3() -> None:
    said = read({"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0})
    assert (said.schedule, said.prediction, said.sampler) == ({"steps": 1000, "kind": "flow"}, "flow", "euler")
    assert said.path["shift"] == 3.0


def test_what_a_file_leaves_out_takes_the_defaults_of_its_class() -> None:
    assert read({"_class_name": "HeunDiscreteScheduler"}).schedule["beta_end"] == 0.012
    assert read({"_class_name": "EulerDiscreteScheduler"}).schedule["beta_end"] == 0.02
    assert read({"_class_name": "LCMScheduler"}).schedule["kind"] == "scaled_linear"
    assert read({"_class_name": "UniPCMultistepScheduler"}).path["spacing"] == "linspace"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"_class_name": "DDIMScheduler", "clip_sample": True}, "clip_sample = True"),
        ({"_class_name": "DDIMScheduler"}, "clip_sample = True"),  # the default of the class
        ({"_class_name": "DDPMScheduler", "clip_sample": False, "thresholding": True}, "thresholding = True"),
        ({"_class_name": "DDPMScheduler", "clip_sample": False, "variance_type": "fixed_large"}, "variance_type"),
        ({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}, "solver_order = 3"),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}, "algorithm_type"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_lu_lambdas": True}, "use_lu_lambdas"),
        ({"_class_name": "UniPCMultistepScheduler", "solver_type": "bh1"}, "solver_type = 'bh1'"),
        ({"_class_name": "UniPCMultistepScheduler", "disable_corrector": [0]}, "disable_corrector"),
        ({"_class_name": "EulerDiscreteScheduler", "interpolation_type": "log_linear"}, "interpolation_type"),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}, "timestep_type"),
        ({"_class_name": "EulerDiscreteScheduler", "beta_schedule": "sigmoid"}, "beta_schedule = 'sigmoid'"),
        ({"_class_name": "EulerDiscreteScheduler", "prediction_type": "flow_prediction"}, "prediction_type"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}, "use_dynamic_shifting"),
        (
            {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True, "use_beta_sigmas": True},
            "only one of use_karras_sigmas",
        ),
        ({"_class_name": "EDMEulerScheduler"}, "'EDMEulerScheduler' is not supported"),
        ({}, "None is not supported"),
    ],
)
def test_what_would_draw_something_else_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        read(values)
    assert str(NOWHERE) in str(error.value)


@pytest.mark.parametrize(
    "name", ["LMSDiscrete", "DEISMultistep", "DPMSolverSinglestep", "KDPM2Discrete", "KDPM2AncestralDiscrete"]
)
def test_near_relatives_come_with_a_note(name: str) -> None:
    peer = getattr(diffusers, f"{name}Scheduler")()
    said = read({**peer.config, "_class_name": type(peer).__name__})
    assert "not built in" in said.note
    assert said.sampler in SAMPLERS


READ = [
    SD15,
    SD21,
    SDXL,
    {**SDXL, "use_karras_sigmas": True, "final_sigmas_type": "sigma_min", "sigma_max": 80.0, "sigma_min": 0.01},
    {**SD21, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
    {**SD21, "_class_name": "EulerAncestralDiscreteScheduler", "rescale_betas_zero_snr": True},
    {**SD21, "_class_name": "DDPMScheduler", "prediction_type": "sample"},
    {**SD15, "_class_name": "HeunDiscreteScheduler", "use_exponential_sigmas": True},
    {**SD15, "_class_name": "LCMScheduler", "original_inference_steps": 40, "timestep_scaling": 8.0},
    {**SD15, "_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True, "euler_at_final": True},
    {
        **SD15,
        "_class_name": "DPMSolverMultistepScheduler",
        "algorithm_type": "sde-dpmsolver++",
        "solver_type": "heun",
        "lower_order_final": False,
        "lambda_min_clipped": float("-inf"),
    },
    {**SD15, "_class_name": "UniPCMultistepScheduler", "use_beta_sigmas": True, "beta_schedule": "squaredcos_cap_v2"},
    {**SD15, "_class_name": "EulerDiscreteScheduler", "trained_betas": [0.1, 0.2, 0.3], "num_train_timesteps": 3},
    {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0, "use_karras_sigmas": True},
    {
        "_class_name": "UniPCMultistepScheduler",
        "use_flow_sigmas": True,
        "flow_shift": 5.0,
        "prediction_type": "flow_prediction",
    },
]


@pytest.mark.parametrize("values", READ, ids=lambda values: values["_class_name"])
def test_round_trip(values: dict[str, Any], tmp_path: Path) -> None:
    """Read → written → read is the same, our dataclasses take it, and diffusers opens what was written."""
    said = read(values)
    schedule = ScheduleConfig.from_dict(said.schedule)
    said_whole = Scheduler(schedule.to_dict(), said.prediction, said.sampler, said.path, said.options)
    save_scheduler(said_whole, tmp_path)
    again = load_scheduler(tmp_path)
    assert ScheduleConfig.from_dict(again.schedule) == schedule
    assert (again.prediction, again.sampler, again.path, again.options) == (
        said.prediction,
        said.sampler,
        said.path,
        said.options,
    )
    n = min(3, schedule.steps)
    walk = path(schedule.build(), said.sampler, n, ForeignPathConfig.from_dict(said.path))
    sampler(said.sampler, walk, said.options)
    peer = getattr(diffusers, values["_class_name"]).from_pretrained(tmp_path)
    peer.set_timesteps(n)
    if said.sampler not in ("heun", "plms"):  # which name times twice
        assert peer.timesteps.tolist() == pytest.approx([walk.told(t) for t in walk.times], abs=1e-3)
    json.loads((tmp_path / "scheduler_config.json").read_text(), parse_constant=pytest.fail)


def test_what_the_format_cannot_say_is_refused(tmp_path: Path) -> None:
    schedule = ScheduleConfig().to_dict()
    for scheduler, words in (
        (Scheduler(schedule, "flow"), "prediction 'flow'"),
        (Scheduler(schedule, "v", "dpm++", {"spacing": "log_snr"}), "spacing"),
        (Scheduler(schedule, "v", "ddim", {"sigmas": "karras"}), "sigmas"),
        (Scheduler(schedule, "v", "ddim", {}, {"eta": 1.0}), "eta"),
        (Scheduler(schedule, "v", "no such"), "no such"),
    ):
        with pytest.raises(UserError, match=words):
            save_scheduler(scheduler, tmp_path)
    assert not list(tmp_path.iterdir())


def test_reading_for_another_sampler_takes_that_samplers_defaults() -> None:
    assert read(SD15, "dpm++").path["spacing"] == "linspace"
    assert read(SD15, "dpm++").path["offset"] == 1
    assert read({**SD15, "timestep_spacing": "trailing"}, "euler").path["spacing"] == "trailing"
    assert read(SD15, "dpm++sde").sampler == "dpm++sde"
    with pytest.raises(UserError, match="no scheduler for sampler"):
        read(SD15, "no such")


def test_single_files_are_drawn_with_dpm_karras(tmp_path: Path) -> None:
    said = stable_diffusion_scheduler("epsilon")
    assert (said.sampler, said.path["sigmas"]) == ("dpm++", "karras")
    save_scheduler(said, tmp_path)
    assert load_scheduler(tmp_path).path["sigmas"] == "karras"
    zero = stable_diffusion_scheduler("v", zero_terminal_snr=True)
    walk = path(
        ScheduleConfig.from_dict(zero.schedule).build(), zero.sampler, 10, ForeignPathConfig.from_dict(zero.path)
    )
    assert walk.times[:2] == (999, 899)


def test_only_the_schedule_can_be_read_of_any_scheduler(tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text(json.dumps({**SD15, "_class_name": "TCDScheduler"}))
    values, prediction = load_schedule(tmp_path)
    assert (ScheduleConfig.from_dict(values), prediction) == (ScheduleConfig(zero_terminal_snr=False), "epsilon")
