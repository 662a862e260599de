"""Each usual mistake sees an image as its oracle does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_up_images import noise
from PIL import Image, ImageOps

from verify.datasets import FileBlob, Item
from verify.images.preprocess import preprocess
from verify.recipes.protocol import SQUASH, Protocol
from verify.why.mistakes import NO_OPTION, Treatment, hypotheses, prepare
from verify.why.rescore import open_item

PROTOCOL = Protocol(size=64, resize=73)
SIZES = [(90, 70), (70, 90), (101, 77), (77, 101), (75, 75), (640, 71), (73, 200)]


def normalised(pixels: np.ndarray) -> np.ndarray:
    """(64, 64, 3) uint8 as the protocol has it."""
    return preprocess(Image.fromarray(pixels), Protocol(size=64, resize=64))


def paddleclas(image: Image.Image) -> np.ndarray:
    """ResizeImage(resize_short=73, backend="pil") and CropImage(64), as PaddleClas writes them."""
    percent = float(73) / min(image.width, image.height)
    w, h = int(round(image.width * percent)), int(round(image.height * percent))  # noqa: RUF046 - as PaddleClas has it
    resized = np.asarray(image.resize((w, h), Image.Resampling.BICUBIC))
    w_start, h_start = (w - 64) // 2, (h - 64) // 2
    return resized[h_start : h_start + 64, w_start : w_start + 64, :]


@pytest.mark.parametrize("size", SIZES)
def test_paddleclas_rounding_is_its_formula(size: tuple[int, int]) -> None:
    actual = prepare(noise(*size), Treatment(protocol=PROTOCOL, paddleclas=True))

    assert np.array_equal(actual, normalised(paddleclas(noise(*size))))


def test_paddleclas_rounding_differs_from_torchvisions() -> None:
    actual = prepare(noise(101, 77), Treatment(protocol=PROTOCOL, paddleclas=True))

    assert not np.array_equal(actual, preprocess(noise(101, 77), PROTOCOL))


@pytest.mark.parametrize("size", SIZES)
def test_without_antialias_it_is_opencvs_resize_in_the_protocols_crop(size: tuple[int, int]) -> None:
    short, long = sorted(size)
    to = (73, int(73 * long / short)) if size[0] <= size[1] else (int(73 * long / short), 73)
    resized = Image.fromarray(cv2.resize(np.asarray(noise(*size)), to, interpolation=cv2.INTER_CUBIC))
    actual = prepare(noise(*size), Treatment(protocol=PROTOCOL, antialias=False))

    assert np.abs(actual - preprocess(resized, PROTOCOL)).max() <= 1.001 / 255 / 0.224


def test_without_antialias_a_squash_is_opencvs() -> None:
    protocol = Protocol(size=64, resize=SQUASH)
    expected = cv2.resize(np.asarray(noise(90, 70)), (64, 64), interpolation=cv2.INTER_CUBIC)
    actual = prepare(noise(90, 70), Treatment(protocol=protocol, antialias=False))

    assert np.abs(actual - normalised(expected)).max() <= 1.001 / 255 / 0.224


def test_bgr_is_the_input_with_its_channels_reversed() -> None:
    actual = prepare(noise(90, 70), Treatment(protocol=PROTOCOL, bgr=True))

    assert np.array_equal(actual, preprocess(noise(90, 70), PROTOCOL)[::-1])


def test_a_squash_before_the_crop_ignores_the_aspect_ratio() -> None:
    squashed = noise(90, 70).resize((73, 73), Image.Resampling.BICUBIC)
    actual = prepare(noise(90, 70), Treatment(protocol=PROTOCOL, squash_first=True))

    assert np.array_equal(actual, preprocess(squashed, PROTOCOL))


def item(path: Path) -> Item:
    return Item(path.name, 0, path.stat().st_size, FileBlob(path))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_says(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise(90, 70).save(tmp_path / "x.png", exif=exif)
    opened = open_item(item(tmp_path / "x.png"))

    with Image.open(tmp_path / "x.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(np.asarray(opened.turned), expected)
    assert np.array_equal(np.asarray(opened.flat), np.asarray(noise(90, 70)))
    assert np.array_equal(expected, np.asarray(noise(90, 70))) == (orientation == 1)


def test_broken_exif_turns_nothing(tmp_path: Path) -> None:
    noise(90, 70).save(tmp_path / "x.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05garbage")
    opened = open_item(item(tmp_path / "x.jpg"))

    assert np.array_equal(np.asarray(opened.turned), np.asarray(opened.flat))


PROTOCOLS = [
    Protocol(),
    PROTOCOL,
    Protocol(size=384, resize=SQUASH),
    Protocol(size=64, resize=64),
    Protocol(mean=(0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
def test_no_mistake_is_there_twice_and_none_is_the_protocol(protocol: Protocol) -> None:
    changes = [hypothesis.change for hypothesis in hypotheses(protocol)]

    assert len(set(changes)) == len(changes) >= 14
    assert Treatment(protocol=protocol) not in changes


def test_the_mistakes_at_224_are() -> None:
    assert [hypothesis.name for hypothesis in hypotheses(Protocol())] == [
        "short edge 248, crop 224 (fraction 0.9)",
        "short edge 235, crop 224 (fraction 0.95)",
        "short edge 233, crop 224 (fraction 0.96)",
        "short edge 224, crop 224 (fraction 1)",
        "squash to 224, no crop",
        "squash to 256, then crop 224",
        "PaddleClas' rounding of edge and crop",
        "bicubic without antialias (cv2.INTER_CUBIC, tensors)",
        "bilinear",
        "bilinear without antialias (cv2.INTER_LINEAR, tensors)",
        "EXIF orientation applied",
        "channels in the order BGR",
        "mean and std 0.5",
        "CLIP's mean and std",
        "values from 0 to 1, not normalised",
        "values from 0 to 255, not normalised",
        "mean and std exchanged",
        "mean and std as passed, of values from 0 to 255",
    ]


def test_a_squash_at_384_may_have_been_a_centre_crop() -> None:
    names = [hypothesis.name for hypothesis in hypotheses(Protocol(size=384, resize=SQUASH))]

    assert "short edge 384, crop 384 (fraction 1)" in names
    assert not any("PaddleClas" in name or "then crop" in name for name in names)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
def test_the_options_advised_make_the_protocol(protocol: Protocol) -> None:
    for hypothesis in hypotheses(protocol):
        if hypothesis.advice.startswith(NO_OPTION):
            assert hypothesis.change != Treatment(protocol=hypothesis.change.protocol)
            continue
        options = dict(re.findall(r"--(\w+)((?: [\w.]\S*)+)", hypothesis.advice))
        changed = {key: parsed(text.split()) for key, text in options.items()}
        made = dataclasses.replace(protocol, **changed)

        assert made.resize == hypothesis.change.protocol.resize
        assert made.interpolation == hypothesis.change.protocol.interpolation
        assert np.allclose(
            (made.mean, made.std), (hypothesis.change.protocol.mean, hypothesis.change.protocol.std), 1e-8
        )


def parsed(words: list[str]) -> Any:
    if len(words) == 3:
        return tuple(float(word) for word in words)
    return int(words[0]) if words[0].isdigit() else words[0]
