"""Resizing without antialiasing, as cv2 does and torch on tensors when `antialias=False`; only for the diagnosis."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Of the cubic kernel. Pillow has -0.5, and widens the kernel where an image shrinks:
# https://github.com/opencv/opencv/blob/4.x/modules/imgproc/src/resize.cpp, interpolateCubic.
A = -0.75


def resize_without_antialias(pixels: Bytes, size: tuple[int, int], *, interpolation: str) -> Bytes:
    """cv2.INTER_CUBIC or cv2.INTER_LINEAR of (H, W, C) uint8 to (width, height), to within one grey level.

    Args:
        pixels: (H, W, C) uint8.
        size: (width, height) of the result.
        interpolation: "bicubic" or "bilinear".
    """
    width, height = size
    rows = _resample_first_axis(pixels.astype(np.float32), height, interpolation)
    turned = _resample_first_axis(rows.transpose(1, 0, 2), width, interpolation).transpose(1, 0, 2)
    resized: Bytes = np.clip(np.rint(turned), 0, 255).astype(np.uint8)
    return resized


def _resample_first_axis(pixels: Floats, length: int, interpolation: str) -> Floats:
    """The first axis resampled; beyond the edge its last value is repeated."""
    edge = len(pixels)
    centres = [(number + 0.5) * edge / length - 0.5 for number in range(length)]
    first = np.array([math.floor(centre) for centre in centres])
    weights = _weights(np.array(centres) - first, interpolation)
    offset = 1 - len(weights) // 2
    taken: Floats = np.zeros((length, *pixels.shape[1:]), np.float32)
    for tap, weight in enumerate(weights):
        taken += pixels[np.clip(first + offset + tap, 0, edge - 1)] * weight.astype(np.float32)[:, None, None]
    return taken


def _weights(t: Doubles, interpolation: str) -> list[Doubles]:
    """Weights of the taps around points that lie t beyond the first of the middle two."""
    if interpolation == "bilinear":
        return [1 - t, t]
    return [_outer_kernel(t + 1), _inner_kernel(t), _inner_kernel(1 - t), _outer_kernel(2 - t)]


def _inner_kernel(x: Doubles) -> Doubles:
    """The cubic kernel at a distance from 0 to 1."""
    return ((A + 2) * x - (A + 3)) * x * x + 1


def _outer_kernel(x: Doubles) -> Doubles:
    """The cubic kernel at a distance from 1 to 2."""
    return ((A * x - 5 * A) * x + 8 * A) * x - 4 * A
