"""Other engines that can compute a model's networks while drawing; torch is the one that is always there."""

from __future__ import annotations

from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

BACKENDS = ("torch", "openvino", "openvino-int8")


def apply(model: TextToImage, name: str, precision: str = "auto") -> TextToImage:
    """Return a model that draws with another engine; "torch" returns the model itself.

    Give the model as it was loaded, with its LoRAs, before :meth:`TextToImage.for_drawing`. Of the U-Net only what
    reads prompts is kept, so that the memory of the rest is free once the loaded model is let go.

    Args:
        model: what was loaded.
        name: one of ``BACKENDS``.
        precision: "fp32", "bf16", or "auto": bf16 where the CPU multiplies it in hardware.

    Raises:
        UserError: an unknown name or precision, or the packages of the engine are not installed.
    """
    if name not in BACKENDS:
        raise UserError(f"--backend must be one of {', '.join(BACKENDS)}, not '{name}'")
    if name == "torch":
        return model
    from fromnoise.backends.openvino import openvino_model

    return openvino_model(model, name == "openvino-int8", precision)
