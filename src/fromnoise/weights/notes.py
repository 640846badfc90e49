"""What a single file says besides its weights: notes in its header, and marks that are tensors.

Trainers and mergers write down what shapes cannot tell: Stability AI's ``modelspec.*`` (ModelSpec 1.0) and kohya's
``ss_*``; NoobAI's and other v-prediction models carry empty tensors, ``v_pred`` and ``ztsnr``. What changes the picture
is honoured, or refused with its name and value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import parsed

SCHEDULER_NOTE = "fromnoise.scheduler"  # in the header; the original naming has no place for it
PREDICTIONS = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "v": "v",
    "v_prediction": "v",
    "v-prediction": "v",
    "v_pred": "v",
    "velocity": "v",
}
ARCHITECTURES = {"stable-diffusion-v2-512": "epsilon", "stable-diffusion-v2-768-v": "v"}
TRUTHS = {"true": True, "1": True, "false": False, "0": False, "none": False}


@dataclass(frozen=True)
class Notes:
    """What is said of a model.

    Attributes:
        prediction: "epsilon" or "v"; None: it is not said.
        zero_terminal_snr: whether the file asks for a schedule that ends in pure noise.
        encoder_layer: from which of the text tower's blocks the U-Net is told, counted from the last, 1 ("clip skip").
        scheduler: config of the scheduler, in files that we wrote; else None.
    """

    prediction: str | None
    zero_terminal_snr: bool
    encoder_layer: int | None
    scheduler: dict[str, Any] | None


def read_notes(file: Path, names: Collection[str], prediction: str | None = None) -> Notes:
    """Read what is said in a file's header and by its marks.

    Args:
        file: a safetensors file.
        names: of its tensors.
        prediction: what the user says; it counts more than what the file says.

    Raises:
        UserError: a value that is not known.
    """
    with safe_open(file, "pt") as reader:
        notes = reader.metadata() or {}
    zero = "ztsnr" in names or _is_true(file, notes, "ss_zero_terminal_snr")
    scheduler = _scheduler(file, notes.get(SCHEDULER_NOTE))
    return Notes(prediction or _prediction(file, names, notes), zero, _encoder_layer(file, notes), scheduler)


def _prediction(file: Path, names: Collection[str], notes: Mapping[str, str]) -> str | None:
    """What the header says, else what the marks say."""
    for note in ("modelspec.prediction_type", "prediction_type", "ss_prediction_type"):
        value = notes.get(note, "").strip().lower()
        if value and value not in PREDICTIONS:
            raise UserError(
                f"{file}: {note} = '{one_line(value)[:60]}' in its header is not supported; known are epsilon and v, "
                "which --prediction can say too"
            )
        if value:
            return PREDICTIONS[value]
    if "v_pred" in names or _is_true(file, notes, "ss_v_parameterization"):
        return "v"
    return ARCHITECTURES.get(notes.get("modelspec.architecture", "").strip().lower())


def _encoder_layer(file: Path, notes: Mapping[str, str]) -> int | None:
    value = notes.get("modelspec.encoder_layer", "").strip()
    if value and not re.fullmatch(r"0*[1-9]\d?", value):
        raise UserError(f"{file}: modelspec.encoder_layer = '{one_line(value)[:60]}' in its header is not supported")
    return int(value) if value else None


def _is_true(file: Path, notes: Mapping[str, str], note: str) -> bool:
    value = notes.get(note, "false").strip().lower()
    if value not in TRUTHS:
        raise UserError(f"{file}: {note} = '{one_line(value)[:60]}' in its header should be True or False")
    return TRUTHS[value]


def _scheduler(file: Path, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    values = parsed(text, f"{file}: {SCHEDULER_NOTE} in its header")
    if not isinstance(values, dict):
        raise UserError(f"{file} is damaged: {SCHEDULER_NOTE} in its header is no scheduler's config")
    return values
