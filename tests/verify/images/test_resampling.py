"""Resizing without antialias, against opencv and torch."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from made_up_images import noise

from verify.images.resampling import Bytes, resize_without_antialias

FLAGS = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR}
SIZES = [  # of the image, and of the result
    ((500, 375), (341, 256)),
    ((375, 500), (256, 341)),
    ((90, 70), (90, 70)),
    ((40, 30), (85, 64)),
    ((64, 64), (63, 65)),
    ((3, 2), (7, 5)),
    ((1, 1), (4, 4)),
]


def pixels_of(size: tuple[int, int]) -> Bytes:
    return np.asarray(noise(*size))


@pytest.mark.parametrize("interpolation", FLAGS)
@pytest.mark.parametrize(("size", "to"), SIZES)
def test_it_is_opencvs_to_one_grey_level(size: tuple[int, int], to: tuple[int, int], interpolation: str) -> None:
    actual = resize_without_antialias(pixels_of(size), to, interpolation=interpolation)
    expected = cv2.resize(pixels_of(size), to, interpolation=FLAGS[interpolation])

    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("interpolation", FLAGS)
@pytest.mark.parametrize(("size", "to"), SIZES)
def test_it_is_torchs_but_for_ties_in_rounding(size: tuple[int, int], to: tuple[int, int], interpolation: str) -> None:
    actual = resize_without_antialias(pixels_of(size), to, interpolation=interpolation)
    planes = torch.from_numpy(pixels_of(size).copy()).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(planes, to[::-1], mode=interpolation, antialias=False)
    expected = resized[0].permute(1, 2, 0).round().clamp(0, 255).numpy()

    assert np.abs(actual - expected).max() <= 1
    assert np.mean(actual != expected) < 0.02
