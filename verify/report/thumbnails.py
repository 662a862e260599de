"""Small pictures of flipped images, read again when the page is made."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from verify.preprocess import DECODE_ERRORS, silence_pillow

# An image's name to its file's bytes, or None where it cannot be read again.
Thumbnail = Callable[[str], bytes | None]

SIDE = 160  # pixels
QUALITY = 80


def folder_images(root: Path) -> Thumbnail:
    """Reads images by their names under a folder."""

    def read(name: str) -> bytes | None:
        try:
            return (root / name).read_bytes()
        except (OSError, ValueError):  # a name with a zero byte is a ValueError
            return None

    return read


def data_uri(content: bytes | None) -> str:
    """A JPEG of at most 160 x 160 pixels as an address that holds it; empty for what is no image.

    EXIF orientation is not applied: the models did not see it either.
    """
    if content is None:
        return ""
    silence_pillow()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at a fraction of its size
            small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=QUALITY)
    except DECODE_ERRORS:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
