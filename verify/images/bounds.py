"""What decoding an image may cost: found in its headers, before anything is decoded.

Measured with Pillow 13 in bytes a pixel, with the conversion to RGB: 4 for RGB as it is kept, 8 for RGBA and CMYK, 5
for one byte a pixel; 2 a component more for a JPEG of several scans, whose coefficients are all kept; 16 for WebP,
already when it is opened; 6.2 a component for JPEG 2000.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from PIL import Image

MAX_MEGABYTES = (
    768  # of one image: 201 megapixels of RGB, 80 of a progressive JPEG, 50 of WebP; ImageNet has some of 50
)
MAX_SCANS = 100  # of a JPEG; progressive ones have 10, and each costs 3 ns a pixel however few bytes it has
MAX_SCANNED = 2_000_000_000  # pixels times scans: 6 s

KEPT = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}  # bytes a pixel by mode; all others have 4
CONVERTED = 4  # bytes a pixel of RGB, where it is another image than the file's own
WEBP, JPEG_2000 = 16, 7

MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA
CODESTREAM = re.compile(rb"\xff\x4f\xff\x51.{4}(.{4})(.{4})(.{4})(.{4}).{16}(..)", re.DOTALL)
JP2_SIGNATURES = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def refuse_costly_canvas(content: bytes) -> None:
    """Refuses what would take too much memory already when Pillow opens it, or by other numbers than Pillow looks at.

    Raises:
        ValueError: with the image's size and what it would take.
    """
    for width, height, each in _canvases(content):
        _refuse(width, height, each)


def refuse_costly_image(image: Image.Image, content: bytes) -> None:
    """Refuses an image that was opened and would take too much memory or time to decode.

    Args:
        image: as opened, nothing decoded.
        content: the file's bytes.

    Raises:
        ValueError: with the image's size and what it would take.
    """
    each = KEPT.get(image.mode, 4) + CONVERTED * (image.mode != "RGB")
    if content.startswith(b"\xff\xd8"):  # Pillow calls some of them MPO
        scans = count_scans(content)
        if scans > MAX_SCANS:
            raise ValueError(f"has more than {MAX_SCANS} scans, and progressive images have about 10")
        if scans * image.width * image.height > MAX_SCANNED:
            raise ValueError(f"has {scans} scans of {image.width} x {image.height} pixels, too many to decode")
        each += 2 * len(image.getbands()) * (scans > 1)
    _refuse(image.width, image.height, each)


def count_scans(content: bytes) -> int:
    """Scans of a JPEG up to its end mark; not counted further than `MAX_SCANS` + 1."""
    scans, place = 0, 0
    while scans <= MAX_SCANS and (match := MARKER.search(content, place)):
        kind, place = content[match.end() - 1], match.end()
        if kind == END_OF_IMAGE:
            break
        if kind not in (START_OF_IMAGE, 1):  # the others have a length, behind which the next one lies
            place += int.from_bytes(content[place : place + 2], "big")
        scans += kind == START_OF_SCAN
    return scans


def _canvases(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Width, height and bytes a pixel, as often as a WebP or JPEG 2000 states them."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        yield (*_webp_size(content[12:16], content[20:30]), WEBP)
    if content.startswith(JP2_SIGNATURES):
        for match in CODESTREAM.finditer(content):
            right, bottom, left, top, components = (int.from_bytes(field, "big") for field in match.groups())
            yield max(right - left, 0), max(bottom - top, 0), JPEG_2000 * components


def _webp_size(kind: bytes, chunk: bytes) -> tuple[int, int]:
    """https://developers.google.com/speed/webp/docs/riff_container: each kind's own fields."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(chunk[4:7], "little"), 1 + int.from_bytes(chunk[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(chunk[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(chunk[6:8], "little") & 0x3FFF, int.from_bytes(chunk[8:10], "little") & 0x3FFF


def _refuse(width: int, height: int, each: int) -> None:
    if width * height * each > MAX_MEGABYTES << 20:
        raise ValueError(
            f"its {width} x {height} pixels take {width * height * each >> 20:,} MB to decode, more than the "
            f"{MAX_MEGABYTES:,} MB that an image may take"
        )
