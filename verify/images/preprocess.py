"""From an image file to the models' input, once, for both frameworks.

Every step is that of torchvision's transforms on PIL images, which the authors' evaluation uses: `Resize`,
`CenterCrop`, `ToTensor`, `Normalize` of https://github.com/pytorch/vision at v0.29.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from verify.recipes.protocol import SQUASH, Protocol

Pixels = npt.NDArray[np.float32]

MAX_PIXELS = 178_956_970  # of a resized image: what Pillow allows an opened one


def preprocess(image: Image.Image, protocol: Protocol) -> Pixels:
    """An RGB image as (3, size, size) float32, channels first, normalised."""
    image = _crop(_resize(image, protocol), protocol.size)
    pixels = np.asarray(image, np.uint8).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (protocol.mean, protocol.std))
    return np.ascontiguousarray((pixels - mean) / std)


def _resize(image: Image.Image, protocol: Protocol) -> Image.Image:
    size = resized_size(image.size, protocol)
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"its {image.width} x {image.height} pixels become {size[0]} x {size[1]} before the crop")
    return image if size == image.size else image.resize(size, Image.Resampling[protocol.interpolation.upper()])


def resized_size(size: tuple[int, int], protocol: Protocol) -> tuple[int, int]:
    """Width and height before the centre crop of an image of that width and height; the long edge is rounded down."""
    if protocol.resize == SQUASH:
        return protocol.size, protocol.size
    edge, (width, height) = int(protocol.resize), size
    return (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)


def _crop(image: Image.Image, size: int) -> Image.Image:
    left, top = (round((edge - size) / 2) for edge in image.size)
    return image.crop((left, top, left + size, top + size))
