"""From an image's bytes to the models' input, or to the reason why it cannot be decoded."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from verify.datasets import BlobError, FileBlob, Item
from verify.images.bounds import refuse_costly_canvas, refuse_costly_image
from verify.images.preprocess import Pixels, preprocess
from verify.recipes.protocol import Protocol

# What Pillow raises for files that it cannot decode. DecompressionBombError, for one, is no OSError.
DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    struct.error,
    zlib.error,
    MemoryError,
    Image.DecompressionBombError,
)

# Pillow tells formats by their content, and for some (EPS) it starts another program: only these are looked at.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "JPEG2000")

STREAM = re.compile(r"<_io\.BytesIO object at 0x[0-9a-f]+>")  # as Pillow names a file that has no name

STAMPED = 8  # every such row and column


class DecodeError(Exception):
    """An image that Pillow cannot decode; the text says why, with the image's name and no other path."""


@dataclass(frozen=True)
class Decoded:
    """An image as the models get it.

    Attributes:
        pixels: (3, size, size) float32, normalised; None if the file could not be decoded.
        width: of the file's image, in pixels.
        height: of the file's image, in pixels.
        mode: Pillow's word for the file's own pixel format ("RGB", "CMYK", "L").
        error: why it could not be decoded; empty otherwise.
        stamp: of the pixels, `stamp`; 0 without any.
    """

    pixels: Pixels | None
    width: int = 0
    height: int = 0
    mode: str = ""
    error: str = ""
    stamp: int = 0

    def without_pixels(self) -> Decoded:
        """The image's facts alone, which are little to send between processes."""
        return replace(self, pixels=None)


def stamp(pixels: Pixels) -> int:
    """A checksum over every eighth row and column of (3, size, size): tells images apart in some microseconds."""
    return zlib.crc32(pixels[:, ::STAMPED, ::STAMPED].tobytes())


def decode_item(item: Item, protocol: Protocol) -> Decoded:
    """Reads and preprocesses one image; one that cannot be decoded is returned as such, never replaced.

    As in torchvision's ImageFolder, every mode is converted to RGB by Pillow and EXIF orientation is not applied.
    The error's text has the image's name and no other path.
    """
    try:
        content = item.blob.read()
    except BlobError as error:
        return Decoded(None, error=str(error))
    except OSError as error:
        return Decoded(None, error=f"[Errno {error.errno}] {error.strerror}: {item.name!r}")
    except MemoryError:
        return Decoded(None, error=f"its {item.nbytes:,} bytes do not fit into memory")
    if len(content) != item.nbytes:
        return Decoded(None, error=f"has {len(content):,} bytes, and had {item.nbytes:,} when the set was listed")
    return _decode(content, item.name, protocol)


def decode(path: Path, protocol: Protocol) -> Decoded:
    """Reads and preprocesses a file that belongs to no data set, as `decode_item` does an image of one."""
    nbytes = path.stat().st_size if path.is_file() else 0
    return decode_item(Item(path.name, None, nbytes, FileBlob(path)), protocol)


def _decode(content: bytes, name: str, protocol: Protocol) -> Decoded:
    try:
        with open_image(content, name) as image:
            pixels = preprocess(to_rgb(image), protocol)
            return Decoded(pixels, image.width, image.height, image.mode, stamp=stamp(pixels))
    except DecodeError as error:
        return Decoded(None, error=str(error))


@contextmanager
def open_image(content: bytes, name: str) -> Iterator[Image.Image]:
    """Opens an image of a known format, silently; Pillow decodes it when its pixels are first asked for.

    Every file that Pillow gets comes through here.

    Args:
        content: the file's bytes.
        name: what an error calls the image.

    Raises:
        DecodeError: it cannot be decoded, or would take too much memory or time; also for what Pillow raises while
            the image is in use.
    """
    _silence_pillow()
    stream = io.BytesIO(content)
    try:
        refuse_costly_canvas(content)
        with Image.open(stream, formats=FORMATS) as image:
            refuse_costly_image(image, content)
            yield image
    except MemoryError as error:
        raise DecodeError("needs more memory to decode than there is for an image") from error
    except DECODE_ERRORS as error:
        text = " ".join(STREAM.sub(repr(name), str(error)).split())
        raise DecodeError(text or repr(error)) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """The image in RGB, by Pillow's own conversion; itself where it is that already."""
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def _silence_pillow() -> None:
    # It warns of broken EXIF, of palettes, of 90 megapixels: of what it then decodes all the same. What it does not
    # decode it raises. Set with every image, for `catch_warnings` is not safe where several threads decode.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
