"""Small pictures of flipped images, read again when the page is made."""

from __future__ import annotations

import base64
import io

from verify.datasets.blobs import Blob, BlobError
from verify.images.decode import DecodeError, open_image
from verify.images.quiet import quiet_libraries

SIDE = 160  # pixels
QUALITY = 80


def thumbnail(blob: Blob | None) -> str:
    """`data_uri` of an image's bytes, read again; empty where they cannot be."""
    try:
        return data_uri(blob.read()) if blob else ""
    except (OSError, BlobError):
        return ""


def data_uri(content: bytes) -> str:
    """A JPEG of at most 160 x 160 pixels as an address that holds it; empty for what is no image.

    EXIF orientation is not applied: the models did not see it either.
    """
    buffer = io.BytesIO()
    try:
        with quiet_libraries(), open_image(content, "the image") as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at a fraction of its size
            small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE))
            small.save(buffer, "JPEG", quality=QUALITY)
    except DecodeError:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
