"""Faults in what the decoder makes of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from convert.arrays import Array
from verify.datasets import Item
from verify.gates.preprocessing import Decode
from verify.images.decode import Decoded, decode_item, open_image
from verify.images.preprocess import preprocess, resized_size
from verify.images.resampling import resize_without_antialias
from verify.recipes.protocol import SQUASH, Protocol


def decode_under_another_protocol(change: Callable[[Protocol], Protocol]) -> Decode:
    """Makes a decoder that works under another protocol than the one that is asked for."""
    return lambda item, protocol: decode_item(item, change(protocol))


def decode_and_change(change: Callable[[Array], Array]) -> Decode:
    def decode(item: Item, protocol: Protocol) -> Decoded:
        decoded = decode_item(item, protocol)
        return decoded if decoded.pixels is None else replace(decoded, pixels=change(decoded.pixels))

    return decode


def decode_without_antialias(item: Item, protocol: Protocol) -> Decoded:
    """Decodes an image with a resize that does not antialias, as cv2 has it."""
    with open_image(item.blob.read(), item.name) as image:
        size = resized_size(image.size, protocol)
        pixels = resize_without_antialias(np.asarray(image), size, interpolation=protocol.interpolation)
    return Decoded(preprocess(Image.fromarray(pixels), protocol))


DECODERS: dict[str, Decode] = {
    "BGR": decode_and_change(lambda pixels: pixels[::-1]),
    "mean and std swapped": decode_under_another_protocol(
        lambda protocol: replace(protocol, mean=protocol.std, std=protocol.mean)
    ),
    "no mean and std": decode_and_change(lambda pixels: pixels * np.float32(0.226) + np.float32(0.449)),
    "wrong resize": decode_under_another_protocol(lambda protocol: replace(protocol, resize=int(protocol.resize) + 8)),
    "a squash": decode_under_another_protocol(lambda protocol: replace(protocol, resize=SQUASH)),
    "wrong interpolation": decode_under_another_protocol(lambda protocol: replace(protocol, interpolation="bilinear")),
    "no antialiasing": decode_without_antialias,
    "crop one pixel off": decode_and_change(lambda pixels: np.roll(pixels, 1, axis=2)),
}
