"""Images of a set, made in memory."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from verify.datasets import Item
from verify.datasets.blobs import BytesBlob

Bytes = npt.NDArray[np.uint8]


def png_item(name: str, label: int | None, pixels: Bytes) -> Item:
    """An image (H, W, 3) of a set, as a PNG in memory."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    content = stream.getvalue()
    return Item(name, label, len(content), BytesBlob(content))
