"""The file of meanings: phrases, how often each should come, and a vector for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file

FORMAT = "1"


@dataclass(frozen=True, eq=False)
class Meanings:
    """Phrases and what they mean.

    Attributes:
        phrases: in lower case, no two alike, [N].
        vectors: unit vectors, float16 [N,D].
        weights: how often each should be heard, float32 [N].
    """

    phrases: tuple[str, ...]
    vectors: Tensor
    weights: Tensor

    def save(self, file: Path) -> None:
        """Write one safetensors file (atomically)."""
        file.parent.mkdir(parents=True, exist_ok=True)
        tensors = {"vectors": self.vectors.half().contiguous(), "weights": self.weights.float().contiguous()}
        with whole_file(file) as draft:
            save_file(tensors, draft, metadata={"format": FORMAT, "phrases": json.dumps(self.phrases)})

    @classmethod
    def load(cls, file: Path) -> Meanings:
        """Read what :meth:`save` wrote.

        Raises:
            UserError: no such file, or not a file of meanings.
        """
        if not file.is_file():
            raise UserError(f"there is no file {file}; make it with 'fromnoise data meanings'")
        try:
            with safe_open(file, "pt") as stored:
                notes = stored.metadata() or {}
                vectors, weights = stored.get_tensor("vectors"), stored.get_tensor("weights")
            phrases = tuple(json.loads(notes["phrases"]))
            fits = notes["format"] == FORMAT and vectors.ndim == 2 and len(phrases) == len(vectors) == len(weights)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{file} is no file of meanings: {error}") from None
        if not fits or not len(phrases) or not torch.isfinite(vectors).all() or not (weights > 0).all():
            raise UserError(f"{file} is no usable file of meanings; make it anew with 'fromnoise data meanings'")
        return cls(phrases, vectors, weights)
