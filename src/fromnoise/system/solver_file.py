"""``few_steps/solver.json`` in a model's folder: the times and numbers of solvers that were fitted to that model."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fromnoise.diffusion.samplers.fitted import MOST_NUMBERS, Moves
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import expect
from fromnoise.weights.files import read_json, replaced_folder, write_json

SOLVER_FILE = "solver.json"
MOST_STEPS = 20
_DAMAGED = "{} is damaged: {}; fit it again with: fromnoise distill MODEL --solver 4 --data … --out …"


@dataclass(frozen=True)
class Solver:
    """A solver of one model.

    Attributes:
        times: whole, falling.
        moves: the numbers of each step.
    """

    times: tuple[int, ...]
    moves: Moves


Solvers = Mapping[int, Solver]  # by their steps


def write_solvers(folder: Path, solvers: Solvers, model: str) -> None:
    """Write the file into a folder, in place of whatever else is there for few steps, whole or not at all.

    Args:
        folder: ``few_steps/`` of the model.
        solvers: to write.
        model: the hash of the model that they were fitted to.

    Raises:
        UserError: the disk is full.
    """
    told = {str(steps): {"times": list(s.times), "moves": [list(m) for m in s.moves]} for steps, s in solvers.items()}
    with replaced_folder(folder, "") as draft:
        write_json(draft / SOLVER_FILE, {"model": model, "solvers": told})


def read_solvers(file: Path, model: str, levels: int) -> dict[int, Solver]:
    """The solvers of a file.

    Args:
        file: as :func:`write_solvers` wrote it.
        model: the hash of the model beside it.
        levels: of its schedule.

    Raises:
        UserError: the file is damaged, or was fitted to another model.
    """
    values = read_json(file)
    if (theirs := expect(values, "model", str, file)) != model:
        raise UserError(
            f"{file} was fitted to another model ({theirs:.12}, this is {model}); fit it again with: fromnoise distill "
            "MODEL --solver 4 --data … --out …"
        )
    found = {}
    told: dict[str, Any] = expect(values, "solvers", dict, file)
    for name, said in told.items():
        found[int(name) if name.isdecimal() and len(name) < 4 else 0] = _read(said, file)
    if not found or any(len(solver.times) != steps for steps, solver in found.items()):
        raise UserError(_DAMAGED.format(file, "its solvers do not have the steps that they are named after"))
    if any(solver.times[0] >= levels for solver in found.values()):
        raise UserError(_DAMAGED.format(file, f"the model has {levels} levels only"))
    return dict(sorted(found.items()))


def _read(said: Any, file: Path) -> Solver:
    times, moves = ((said.get(name) if isinstance(said, dict) else None) for name in ("times", "moves"))
    if not isinstance(times, list) or not isinstance(moves, list) or not len(times) == len(moves) <= MOST_STEPS:
        raise UserError(_DAMAGED.format(file, "a solver needs times, and a move for each"))
    if not all(type(t) is int and t >= 0 for t in times) or times != sorted(set(times), reverse=True):
        raise UserError(_DAMAGED.format(file, "the times of a solver are whole numbers that fall"))
    for k, move in enumerate(moves):
        fits = isinstance(move, list) and 2 <= len(move) <= min(MOST_NUMBERS, k + 2)
        if not fits or not all(type(n) in (int, float) and math.isfinite(n) and abs(n) < 1e6 for n in move):
            raise UserError(_DAMAGED.format(file, "a move has 2 to 5 numbers, none for a step that was not made yet"))
    return Solver(tuple(times), tuple(tuple(map(float, move)) for move in moves))


def with_solvers_hash(before: str, solvers: Solvers) -> str:
    """12 hex digits that name a model with these solvers."""
    told = json.dumps({steps: [solver.times, solver.moves] for steps, solver in solvers.items()})
    return hashlib.sha256(f"{before} {told}".encode()).hexdigest()[:12]
