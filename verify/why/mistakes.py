"""The usual mistakes in an evaluation protocol, each as a change from the protocol that was passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from verify.images.preprocess import Pixels, preprocess, resized_size
from verify.images.resampling import resize_without_antialias
from verify.recipes.protocol import CLIP, HALF, IMAGENET, INTERPOLATIONS, SQUASH, Protocol

CROP_FRACTIONS = (0.875, 0.9, 0.95, 0.96, 1.0)
NORMALISATIONS = {
    "ImageNet's mean and std": IMAGENET,
    "mean and std 0.5": HALF,
    "CLIP's mean and std": CLIP,
    "values from 0 to 1, not normalised": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "values from 0 to 255, not normalised": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
NO_OPTION = "verify has no option for it: "


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """How an image becomes the models' input: a protocol, and what a protocol cannot say.

    Attributes:
        protocol: size, resize, interpolation, mean and std.
        antialias: False resizes as cv2 does.
        paddleclas: the long edge rounded and the crop's offset floored, as PaddleClas does.
        squash_first: resized to (resize, resize) whatever the aspect ratio, then cropped.
        turned: by the orientation in the file's EXIF, as cv2 does when it decodes.
        bgr: channels in the order blue, green, red.
    """

    protocol: Protocol
    antialias: bool = True
    paddleclas: bool = False
    squash_first: bool = False
    turned: bool = False
    bgr: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """A mistake that may have been made.

    Attributes:
        name: the protocol under which the images would be seen, in words.
        change: that protocol.
        advice: what to pass to verify, or what to mend elsewhere.
    """

    name: str
    change: Treatment
    advice: str


def hypotheses(protocol: Protocol) -> list[Hypothesis]:
    """Every usual change from the protocol, none twice and none that changes nothing."""
    by_change: dict[Treatment, Hypothesis] = {}
    for hypothesis in (*_geometries(protocol), *_resamplings(protocol), *_colours(protocol)):
        by_change.setdefault(hypothesis.change, hypothesis)
    by_change.pop(Treatment(protocol=protocol), None)
    return list(by_change.values())


def _geometries(protocol: Protocol) -> Iterator[Hypothesis]:
    size = protocol.size
    for fraction in CROP_FRACTIONS:
        edge = int(size / fraction)
        change = Treatment(protocol=replace(protocol, resize=edge))
        yield Hypothesis(f"short edge {edge}, crop {size} (fraction {fraction:g})", change, f"--resize {edge}")
    squash = Treatment(protocol=replace(protocol, resize=SQUASH))
    yield Hypothesis(f"squash to {size}, no crop", squash, f"--resize {SQUASH}")
    if protocol.resize in (SQUASH, size):  # nothing to crop from, or nothing to round
        return
    yield Hypothesis(
        f"squash to {protocol.resize}, then crop {size}",
        Treatment(protocol=protocol, squash_first=True),
        f"{NO_OPTION}evaluate the source with a resize that keeps the aspect ratio, and compare with that",
    )
    yield Hypothesis(
        "PaddleClas' rounding of edge and crop",
        Treatment(protocol=protocol, paddleclas=True),
        f"{NO_OPTION}the number was taken with PaddleClas' ResizeImage and CropImage; compare with torchvision's",
    )


def _resamplings(protocol: Protocol) -> Iterator[Hypothesis]:
    for interpolation in INTERPOLATIONS:
        other = replace(protocol, interpolation=interpolation)
        yield Hypothesis(interpolation, Treatment(protocol=other), f"--interpolation {interpolation}")
        words = {"bicubic": "cv2.INTER_CUBIC", "bilinear": "cv2.INTER_LINEAR"}[interpolation]
        yield Hypothesis(
            f"{interpolation} without antialias ({words}, tensors)",
            Treatment(protocol=other, antialias=False),
            f"{NO_OPTION}the number was taken with another resize; evaluate the source with Pillow's",
        )
    yield Hypothesis(
        "EXIF orientation applied",
        Treatment(protocol=protocol, turned=True),
        f"{NO_OPTION}the number was taken with a reader that turns images (cv2 does); turn the files, or compare "
        "with a reader that does not",
    )


def _colours(protocol: Protocol) -> Iterator[Hypothesis]:
    yield Hypothesis(
        "channels in the order BGR",
        Treatment(protocol=protocol, bgr=True),
        f"{NO_OPTION}reverse the input channels of the first convolution in --src (weight[:, ::-1]) and convert again",
    )
    normalisations = dict(NORMALISATIONS)
    normalisations["mean and std exchanged"] = (protocol.std, protocol.mean)
    normalisations["mean and std as passed, of values from 0 to 255"] = (
        _scale_each(protocol.mean, 1 / 255),
        _scale_each(protocol.std, 1 / 255),
    )
    for name, (mean, std) in normalisations.items():
        if 0.0 in std:  # exchanged with a mean of 0
            continue
        change = Treatment(protocol=replace(protocol, mean=mean, std=std))
        numbers = [" ".join(f"{value:.9g}" for value in values) for values in (mean, std)]
        yield Hypothesis(name, change, f"--mean {numbers[0]} --std {numbers[1]}")


def _scale_each(values: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    first, second, third = values
    return first * factor, second * factor, third * factor


def prepare(image: Image.Image, treatment: Treatment) -> Pixels:
    """An RGB image, already turned where the treatment says so, as (3, size, size) float32."""
    protocol = treatment.protocol
    if treatment.squash_first or treatment.paddleclas or not treatment.antialias:
        image = _crop(_resize(image, treatment), treatment)
        protocol = replace(protocol, resize=protocol.size)  # nothing is left to resize or to crop
    pixels = preprocess(image, protocol)
    return np.ascontiguousarray(pixels[::-1]) if treatment.bgr else pixels


def _resize(image: Image.Image, treatment: Treatment) -> Image.Image:
    size = _resized(image.size, treatment)
    interpolation = treatment.protocol.interpolation
    if treatment.antialias:
        return image.resize(size, Image.Resampling[interpolation.upper()])
    return Image.fromarray(resize_without_antialias(np.asarray(image), size, interpolation=interpolation))


def _resized(size: tuple[int, int], treatment: Treatment) -> tuple[int, int]:
    resize = treatment.protocol.resize
    if resize == SQUASH or not (treatment.squash_first or treatment.paddleclas):
        return resized_size(size, treatment.protocol)
    edge = int(resize)
    if treatment.squash_first:
        return edge, edge
    # ResizeImage in ppcls/data/preprocess/ops/operators.py of https://github.com/PaddlePaddle/PaddleClas at 052349e
    share = edge / min(size)
    return round(size[0] * share), round(size[1] * share)


def _crop(image: Image.Image, treatment: Treatment) -> Image.Image:
    side = treatment.protocol.size
    room = [edge - side for edge in image.size]
    left, top = (edge // 2 if treatment.paddleclas else round(edge / 2) for edge in room)
    return image.crop((left, top, left + side, top + side))
