"""The gate on preprocessing: its formulae against torchvision's transforms, and faults that it must see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from verify import sample
from verify.datasets import Item
from verify.gate import Verdict
from verify.gates.preprocessing import LANDSCAPE, PORTRAIT, expected_pixels, made_up, preprocessing_gate
from verify.images.decode import Decoded, decode_item
from verify.limits import PIXEL_LEVELS
from verify.recipes.protocol import SQUASH, Protocol
from verify.recipes.recipe import get_recipe

SMALL = Protocol(size=64, resize=72)
PROTOCOLS = {
    "the authors' at 224": Protocol(),
    "the authors' at 384": Protocol(size=384, resize=SQUASH),
    "torchvision's": get_recipe("torchvision/ConvNeXt_Small_Weights.IMAGENET1K_V1").protocol,
    "no crop": Protocol(size=288, resize=288),
    "an odd size": Protocol(size=65, resize=80, interpolation="bilinear"),
    "the sample's": sample.PROTOCOL,
    "a resize far beyond the crop": Protocol(size=32, resize=9000),
}


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if "far beyond" not in name])
@pytest.mark.parametrize("shape", [LANDSCAPE, PORTRAIT])
def test_the_formulae_are_torchvision_s_transforms_but_for_rounding(name: str, shape: tuple[float, float]) -> None:
    protocol = PROTOCOLS[name]
    squash = protocol.resize == SQUASH
    mode = transforms.InterpolationMode(protocol.interpolation)
    theirs = transforms.Compose(
        [
            transforms.Resize((protocol.size,) * 2 if squash else protocol.resize, mode),
            transforms.CenterCrop(protocol.size),
            transforms.ToTensor(),
            transforms.Normalize(protocol.mean, protocol.std),
        ]
    )
    pixels = made_up(protocol.size if squash else int(protocol.resize), shape)
    levels = np.abs(theirs(Image.fromarray(pixels)).numpy() - expected_pixels(pixels, protocol))
    worst = (levels * 255 * np.array(protocol.std)[:, None, None]).max()

    assert 0.5 < worst < 1.2 < PIXEL_LEVELS


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_right_pixels_pass(name: str) -> None:
    gate = preprocessing_gate(PROTOCOLS[name])

    assert (gate.name, gate.verdict) == ("preprocessing", Verdict.PASSED)


def decode_under(**changes: Any) -> Callable[[Item, Protocol], Decoded]:
    return lambda item, protocol: decode_item(item, replace(protocol, **changes))


def decode_and_change(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Item, Protocol], Decoded]:
    def decode(item: Item, protocol: Protocol) -> Decoded:
        decoded = decode_item(item, protocol)
        assert decoded.pixels is not None
        return replace(decoded, pixels=change(decoded.pixels))

    return decode


FAULTS = {
    "BGR": decode_and_change(lambda pixels: pixels[::-1]),
    "mean and std exchanged": decode_under(mean=SMALL.std, std=SMALL.mean),
    "the last digit of a std": decode_under(std=(0.229, 0.224, 0.223)),
    "bilinear": decode_under(interpolation="bilinear"),
    "a resize of one pixel more": decode_under(resize=73),
    "a squash": decode_under(resize=SQUASH),
    "a crop one pixel off": decode_and_change(lambda pixels: np.roll(pixels, 1, 2)),
    "mirrored": decode_and_change(lambda pixels: pixels[:, :, ::-1]),
    "height and width exchanged": decode_and_change(lambda pixels: pixels.transpose(0, 2, 1)),
    "three grey levels more": decode_and_change(lambda pixels: pixels + np.float32(0.05)),
    "another size": decode_under(size=60),
    "not a number": decode_and_change(lambda pixels: pixels * np.float32("nan")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_sees(fault: str) -> None:
    assert preprocessing_gate(SMALL, decode=FAULTS[fault]).verdict is Verdict.FAILED


def test_an_image_that_is_refused_fails_with_the_reason() -> None:
    gate = preprocessing_gate(SMALL, decode=lambda *_: Decoded(None, error="no memory"))

    assert (gate.measured, gate.problems) == ("at most inf grey levels", ("no memory", "no memory"))
