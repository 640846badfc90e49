"""Which model is this? Twelve hex digits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.weights.lora_file import Lora


def weights_hash(networks: Mapping[str, nn.Module], tokenizer: Tokenizer) -> str:
    """12 hex digits of the SHA-256 of all weights as stored in float16, and of the tokenizer."""
    digest = hashlib.sha256()
    for part, network in networks.items():
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(f"{part}.{name} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().to("cpu", torch.float16).flatten().view(torch.uint8).numpy().data)
    for text in tokenizer.bpe_files().values():
        digest.update(text.encode())
    return digest.hexdigest()[:12]


def files_hash(files: Sequence[Path]) -> str:
    """12 hex digits of the SHA-256 of files as they are: turning gigabytes into another format first takes minutes."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def with_loras_hash(before: str, loras: Iterable[tuple[Lora, float]]) -> str:
    """The name of a model that LoRAs were added to, whatever their order.

    Args:
        before: its name without them.
        loras: each with its weight.
    """
    named = "".join(sorted(f" {lora.hash}:{weight}" for lora, weight in loras))
    return hashlib.sha256(f"{before}{named}".encode()).hexdigest()[:12]
