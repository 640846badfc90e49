"""Models from the Hugging Face hub: fetched once, resumable, and found again without a network."""

from __future__ import annotations

import re
from pathlib import Path

from fromnoise.ground.errors import UserError, one_line

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WANTED = ("*.json", "*.txt", "*.safetensors")
# What models of fromnoise have beside their networks, at the root of their folder: system/defaults.py has the names.
BESIDE = ("copies.safetensors", "map.safetensors", "learning.safetensors")
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
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        patterns, reachable = _patterns(name)
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=not reachable))
    except LocalEntryNotFoundError:
        raise UserError(
            f"'{name}' is no folder or file here, is not in the cache, and the hub cannot be reached"
        ) from None
    except HFValidationError:
        raise UserError(f"'{name}' is no folder or file here, and no name that a model on the hub can have") from None
    except UserError:
        raise
    except Exception as error:  # what goes wrong on the way has no common base
        reason = one_line((str(error).strip() or type(error).__name__).splitlines()[0])
        raise UserError(f"'{name}' cannot be fetched from the hub: {reason}; run again to go on") from None


def _patterns(name: str) -> tuple[list[str], bool]:
    """The files to fetch, those of one variant, and whether the hub answers; if not, whatever the cache has.

    Raises:
        UserError: the hub knows no such model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        files = [sibling.rfilename for sibling in HfApi().model_info(name).siblings or []]
    except RepositoryNotFoundError:
        raise UserError(f"the hub has no model '{name}', or it is private: log in with hf auth login") from None
    except HFValidationError:
        raise
    except Exception:  # no network, a proxy, a time-out, offline mode: each library raises its own
        return list(WANTED), False
    if "model_index.json" not in files:
        raise UserError(f"'{name}' on the hub is not in the diffusers layout: it has no model_index.json")
    return chosen(files), True


def chosen(files: list[str]) -> list[str]:
    """Of all files of a model, those that it is opened with.

    >>> chosen(["model_index.json", "unet/a.safetensors", "unet/a.fp16.safetensors", "unet/a.bin", "v1-5.safetensors"])
    ['model_index.json', 'unet/a.fp16.safetensors']
    >>> chosen(["model_index.json", "fromnoise.json", "map.safetensors", "model.safetensors", "unet/a.safetensors"])
    ['model_index.json', 'fromnoise.json', 'map.safetensors', 'unet/a.safetensors']
    """
    parts = [f for f in files if "/" in f or f.endswith(".json") or f in BESIDE]
    parts = [f for f in parts if not any(Path(f).match(pattern) for pattern in UNUSED)]
    weights = [f for f in parts if f.endswith(".safetensors") and ".non_ema" not in f and f.count("/") == 1]
    halves = {f.split("/")[0] for f in weights if ".fp16" in f}
    kept = [f for f in weights if (".fp16" in f) == (f.split("/")[0] in halves)]
    return [f for f in parts if f.endswith((".json", ".txt")) or f in BESIDE] + kept
