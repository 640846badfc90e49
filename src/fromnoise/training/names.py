"""What is called how in a run's folder, for whoever reads it without training."""

from __future__ import annotations

RUN = "run.json"  # what the run is
LOG = "log.jsonl"  # in a task's folder: its figures, a row each
SHEETS = "sheets"  # likewise: its sheets, each named by the pictures seen
TASKS = ("text", "clip", "vae", "diffusion", "distill", "lora")
