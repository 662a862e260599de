"""Faults in what the decoder makes of an image."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np
from PIL import Image

from convert.arrays import Array
from verify.datasets import Item
from verify.gates.preprocessing import Decode
from verify.images.decode import Decoded, decode_item
from verify.images.preprocess import preprocess
from verify.images.resampling import resize_without_antialias
from verify.recipes.protocol import SQUASH, Recipe


def by(change: Callable[[Recipe], Recipe]) -> Decode:
    """Another protocol than the one that is asked for."""
    return lambda item, recipe: decode_item(item, change(recipe))


def of_pixels(change: Callable[[Array], Array]) -> Decode:
    def decode(item: Item, recipe: Recipe) -> Decoded:
        decoded = decode_item(item, recipe)
        return decoded if decoded.pixels is None else replace(decoded, pixels=change(decoded.pixels))

    return decode


def without_antialias(item: Item, recipe: Recipe) -> Decoded:
    """As cv2 resizes."""
    with closing(Image.open(io.BytesIO(item.blob.read()))) as image:
        edge, (width, height) = int(recipe.resize), image.size
        size = (edge, edge * height // width) if width < height else (edge * width // height, edge)
        pixels = resize_without_antialias(np.asarray(image), size, interpolation=recipe.interpolation)
    return Decoded(preprocess(Image.fromarray(pixels), recipe))


DECODERS: dict[str, Decode] = {
    "BGR": of_pixels(lambda pixels: pixels[::-1]),
    "mean and std swapped": by(lambda recipe: replace(recipe, mean=recipe.std, std=recipe.mean)),
    "no mean and std": of_pixels(lambda pixels: pixels * np.float32(0.226) + np.float32(0.449)),
    "wrong resize": by(lambda recipe: replace(recipe, resize=int(recipe.resize) + 8)),
    "a squash": by(lambda recipe: replace(recipe, resize=SQUASH)),
    "wrong interpolation": by(lambda recipe: replace(recipe, interpolation="bilinear")),
    "no antialiasing": without_antialias,
    "crop one pixel off": of_pixels(lambda pixels: np.roll(pixels, 1, axis=2)),
}
