"""The evaluation protocol: how an image becomes the models' input."""

from __future__ import annotations

from dataclasses import dataclass

SQUASH = "squash"
SQUASH_FROM = 384  # the authors resize to (size, size) without a crop from here on
CROP_FRACTION = 0.875
INTERPOLATIONS = ("bicubic", "bilinear")  # of Pillow, which always antialiases

# Mean and standard deviation of red, green, blue, as in `timm.data.constants`.
Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Normalisation = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Resize, centre crop, normalisation.

    Defaults are those of the ConvNeXt authors at 224: datasets.py of https://github.com/facebookresearch/ConvNeXt
    at 048efce.

    Attributes:
        size: side of the square input, in pixels.
        resize: the short edge before the centre crop, or "squash" for (size, size) whatever the aspect ratio.
        interpolation: of the resize, "bicubic" or "bilinear".
        mean: subtracted from each channel, of values between 0 and 1.
        std: each channel is divided by it.
    """

    size: int = 224
    resize: int | str = 256
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = IMAGENET[0]
    std: tuple[float, float, float] = IMAGENET[1]

    def __str__(self) -> str:
        resized = f"squash to {self.size}" if self.resize == SQUASH else f"short edge {self.resize}, crop {self.size}"
        return f"{self.interpolation}, {resized}, mean {self.mean}, std {self.std}"


def official_resize(size: int) -> int | str:
    """The authors' resize for an input size: 256 for 224, and a squash from 384 on."""
    return SQUASH if size >= SQUASH_FROM else int(size / CROP_FRACTION)
