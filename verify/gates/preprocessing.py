"""The gate on preprocessing: this program's pixels against the protocol's formulae, computed another way.

Both frameworks get the same bytes, so whatever is wrong in these is wrong for both alike, and no comparison of the two
can show it. Here two made-up images go through the very function that decodes the data set's, and numpy computes what
the protocol says of them: resampling as Pillow documents it, written as a matrix a side.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from verify.datasets import Item
from verify.gate import Gate, Measure
from verify.gates import PREPROCESSING, SEED
from verify.images.decode import Decoded, decode_item
from verify.images.encode import Bytes, png_item
from verify.limits import PIXEL_LEVELS
from verify.recipes.protocol import SQUASH, Protocol

# Edges over the protocol's short edge: one image is shrunk, where antialiasing counts, and one is enlarged.
LANDSCAPE, PORTRAIT = (2.2, 1.6), (0.7, 0.9)
MAX_EDGE = 1024  # pixels, which bounds the images' size whatever the protocol's resize
CUBIC = -0.5  # Pillow's a of the cubic kernel; cv2's is -0.75

Doubles = npt.NDArray[np.float64]
Decode = Callable[[Item, Protocol], Decoded]


def preprocessing_gate(protocol: Protocol, *, decode: Decode = decode_item) -> Gate:
    """Holds when images become what the protocol says, whatever the models make of them; False for NaN.

    Args:
        protocol: what images are to become.
        decode: as `decode_item`; another one for planted faults.
    """
    edge = min(MAX_EDGE, protocol.size if protocol.resize == SQUASH else int(protocol.resize))
    worst, problems = 0.0, []
    for name, shape in {"landscape": LANDSCAPE, "portrait": PORTRAIT}.items():
        pixels = made_up(edge, shape)
        decoded = decode(png_item(f"made-up {name}", None, pixels), protocol)
        problems += [f"{decoded.error}"] * bool(decoded.error)
        worst = float(np.maximum(worst, _levels(decoded, expected_pixels(pixels, protocol), protocol)))  # a NaN stays
    measured = f"at most {worst:.1f} grey levels"
    measures = (Measure("grey levels", worst, PIXEL_LEVELS),)
    return Gate(PREPROCESSING.name, measured, PREPROCESSING.limit, measures, problems=tuple(problems))


def made_up(edge: int, shape: tuple[float, float]) -> Bytes:
    """Coloured noise (H, W, 3), of grains of one to three pixels, so that kernels of every width tell.

    Args:
        edge: the protocol's short edge.
        shape: width and height over it.
    """
    width, height = (round(edge * ratio) + 1 for ratio in shape)
    rng = np.random.default_rng(SEED)
    fine = rng.integers(0, 256, (height, width, 3), np.uint8)
    coarse = rng.integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    mixed: Bytes = np.where(np.arange(width)[:, None] < width // 2, fine, coarse[:height, :width])
    return mixed


def expected_pixels(pixels: Bytes, protocol: Protocol) -> Doubles:
    """What the protocol makes of (H, W, 3) uint8: (3, size, size), normalised, not rounded.

    `Resize`, `CenterCrop`, `ToTensor` and `Normalize` of https://pytorch.org/vision/stable/transforms.html.
    """
    sizes = _resized(pixels.shape[:2], protocol)
    down, across = (
        _matrix(old, new, crop=protocol.size, interpolation=protocol.interpolation)
        for old, new in zip(pixels.shape, sizes, strict=False)
    )
    # Bytes, which Pillow has between the passes, clip.
    rows = np.clip(np.einsum("hwc,vw->hvc", pixels.astype(np.float64), across, optimize=True), 0, 255)
    cropped = np.clip(np.einsum("hvc,uh->uvc", rows, down, optimize=True), 0, 255)
    normalised: Doubles = ((cropped / 255 - protocol.mean) / protocol.std).transpose(2, 0, 1)
    return normalised


def _resized(shape: tuple[int, ...], protocol: Protocol) -> tuple[int, int]:
    # Not `resized_size`, on purpose: this is the independent statement that the program's own is held against.
    height, width = shape
    if protocol.resize == SQUASH:
        return protocol.size, protocol.size
    edge = int(protocol.resize)
    return (edge, edge * width // height) if height < width else (edge * height // width, edge)


def _matrix(old: int, new: int, *, crop: int, interpolation: str) -> Doubles:
    """(crop, old) weights of the middle of `new` pixels; where an image shrinks, the kernel is as much wider."""
    support, kernel = {"bicubic": (2.0, _cubic), "bilinear": (1.0, _triangle)}[interpolation]
    scale = old / new
    wide = max(scale, 1.0)
    centres = (np.arange(crop) + round((new - crop) / 2) + 0.5)[:, None] * scale
    first = np.floor(centres - support * wide + 0.5)
    last = np.floor(centres + support * wide + 0.5)
    place = np.arange(old)
    weights = kernel((place + 0.5 - centres) / wide) * ((place >= first) & (place < last))
    normalised: Doubles = weights / weights.sum(1, keepdims=True)
    return normalised


def _triangle(x: Doubles) -> Doubles:
    shape: Doubles = np.maximum(1 - np.abs(x), 0)
    return shape


def _cubic(x: Doubles) -> Doubles:
    x = np.abs(x)
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * CUBIC - 4 * CUBIC
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _levels(decoded: Decoded, expected: Doubles, protocol: Protocol) -> float:
    """The largest difference from what is expected, in grey levels; inf for an image that was refused."""
    if decoded.pixels is None or decoded.pixels.shape != expected.shape:
        return math.inf
    scale = 255 * np.abs(np.array(protocol.std))[:, None, None]
    return float((np.abs(decoded.pixels - expected) * scale).max())
