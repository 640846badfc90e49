"""The U-Net that estimates what is noise."""

from fromnoise.models.unet.unet import UNet, UNetConfig

__all__ = ["UNet", "UNetConfig"]
