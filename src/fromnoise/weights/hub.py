"""Models from the Hugging Face hub: fetched once, resumable, and found again without a network."""

from __future__ import annotations

import re
from pathlib import Path

from fromnoise.errors import UserError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WANTED = ("*.json", "*.txt", "*.safetensors")
UNUSED = ("*safety_checker/*", "*feature_extractor/*", "*image_encoder/*", "*_flax*", "*openvino*", "*onnx*", "*/.*")


def is_hub_id(name: str) -> bool:
    """Whether a name is written like ``owner/name`` on the hub."""
    return HUB_ID.fullmatch(name) is not None


def fetch(name: str) -> Path:
    """Return the folder of a model from the hub, from the cache where it is there already.

    Only configs, tokenizers and safetensors of the diffusers layout are fetched; of variants, the half precision one
    where there is one. A broken download goes on where it stopped.

    Args:
        name: ``owner/name``.

    Raises:
        UserError: no such model, or it is not in the cache and the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(name, allow_patterns=_patterns(name)))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError):
        raise UserError(
            f"'{name}' is no folder or file here, is not in the cache, and the hub cannot be reached"
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise UserError(f"'{name}' cannot be fetched from the hub: {str(error).splitlines()[0]}") from None


def _patterns(name: str) -> list[str]:
    """The files to fetch: those of one variant. Without a network, whatever the cache has."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        files = [sibling.rfilename for sibling in HfApi().model_info(name).siblings or []]
    except (OfflineModeIsEnabled, ConnectionError, OSError):
        return list(WANTED)
    return chosen(files) or list(WANTED)


def chosen(files: list[str]) -> list[str]:
    """Of all files of a model, those that it is opened with.

    >>> chosen(["model_index.json", "unet/a.safetensors", "unet/a.fp16.safetensors", "unet/a.bin", "v1-5.safetensors"])
    ['model_index.json', 'unet/a.fp16.safetensors']
    """
    parts = [f for f in files if "/" in f or f == "model_index.json"]
    parts = [f for f in parts if not any(Path(f).match(pattern) for pattern in UNUSED)]
    weights = [f for f in parts if f.endswith(".safetensors") and ".non_ema" not in f and f.count("/") == 1]
    halves = {f.split("/")[0] for f in weights if ".fp16" in f}
    kept = [f for f in weights if (".fp16" in f) == (f.split("/")[0] in halves)]
    return [f for f in parts if f.endswith((".json", ".txt"))] + kept
