"""Images become what torchvision makes of them, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_images import noise
from PIL import Image
from torchvision import transforms

from verify.images.preprocess import preprocess
from verify.recipes.protocol import SQUASH, Protocol, official_resize

PROTOCOLS = {
    "224 of 256": Protocol(),
    "64 of 72": Protocol(size=64, resize=72, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "odd crop": Protocol(size=64, resize=71, mean=(0.1, 0.2, 0.3), std=(0.7, 0.8, 0.9)),
    "no crop": Protocol(size=96, resize=96),
    "squash to 384": Protocol(size=384, resize=SQUASH),
}
SIZES = [
    (256, 256),
    (224, 224),
    (72, 72),
    (384, 384),
    (500, 375),
    (375, 500),
    (257, 255),
    (333, 251),
    (251, 333),
    (71, 640),
    (640, 71),
    (63, 65),
    (13, 400),
    (5, 7),
    (2, 1),
    (1, 1),
]
SMALL = PROTOCOLS["64 of 72"]


def torchvisions(image: Image.Image, protocol: Protocol) -> bytes:
    """The bytes of the authors' evaluation transform."""
    side = (protocol.size, protocol.size) if protocol.resize == SQUASH else protocol.resize
    steps = [
        transforms.Resize(side, interpolation=transforms.InterpolationMode.BICUBIC, antialias=True),
        transforms.CenterCrop(protocol.size),
        transforms.ToTensor(),
        transforms.Normalize(protocol.mean, protocol.std),
    ]
    return bytes(transforms.Compose(steps)(image).numpy().tobytes())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_pixels_are_torchvisions(size: tuple[int, int], protocol: str) -> None:
    image = noise(*size)

    assert preprocess(image, PROTOCOLS[protocol]).tobytes() == torchvisions(image, PROTOCOLS[protocol])


def test_the_pixels_are_contiguous_float32_of_the_protocols_size() -> None:
    pixels = preprocess(noise(90, 70), SMALL)

    assert (pixels.dtype, pixels.shape, pixels.flags.c_contiguous) == (np.dtype(np.float32), (3, 64, 64), True)


@pytest.mark.parametrize(
    ("size", "resize"),
    [
        (64, 73),
        (96, 109),
        (160, 182),
        (192, 219),
        (224, 256),
        (256, 292),
        (288, 329),
        (383, 437),
        (384, SQUASH),
        (512, SQUASH),
    ],
)
def test_the_authors_resize_is(size: int, resize: int | str) -> None:
    assert official_resize(size) == resize
