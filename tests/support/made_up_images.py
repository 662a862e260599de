"""Folders of made-up images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pairs import CLASSES
from PIL import Image


def touch(root: Path, *names: str, content: bytes = b"pixels") -> Path:
    """Files whose content means nothing."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def listing(root: Path, text: str) -> Path:
    """A folder's val_list.txt."""
    (root / "val_list.txt").write_bytes(text.encode())
    return root


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    """Random pixels, of three channels or another number."""
    rng = np.random.default_rng(width * 1000 + height)
    pixels = rng.integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels if channels > 1 else pixels[..., 0])


def write_images(root: Path, count: int = 12, classes: int = CLASSES) -> Path:
    """Smooth coloured images of many sizes, PNG and JPEG, in class folders."""
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"class_{number % classes:02}"
        folder.mkdir(parents=True, exist_ok=True)
        width, height = rng.integers(60, 140, 2).tolist()
        pixels = rng.integers(0, 256, (6, 6, 3), np.uint8)
        image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        image.save(folder / f"image_{number:02}{('.png', '.JPEG')[number % 2]}")
    return root
