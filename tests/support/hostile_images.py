"""Small image files that take much memory or time to decode."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file of that format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int, *, depth: int, colour: int) -> bytes:
    """A PNG of that size whose pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )


def scanned(repeats: int, side: int) -> bytes:
    """A progressive JPEG whose last scan, of some tens of bytes, stands there so many times more."""
    content = encoded(Image.new("RGB", (side, side), (99, 3, 200)), "JPEG", progressive=True)
    table = content.rindex(b"\xff\xc4", 0, content.rindex(b"\xff\xda"))
    return content[:-2] + content[table:-2] * repeats + content[-2:]


def webp(kind: bytes, chunk: bytes) -> bytes:
    """A WebP of one chunk, which is a header alone."""
    body = kind + struct.pack("<I", len(chunk)) + chunk
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jp2(width: int, height: int, components: int) -> bytes:
    """The codestream of a JPEG 2000, its size and nothing else."""
    sizes = struct.pack(">8I", width, height, 0, 0, width, height, 0, 0)
    fields = struct.pack(">H", 0) + sizes + struct.pack(">H", components) + b"\x07\x01\x01" * components
    return b"\xff\x4f\xff\x51" + struct.pack(">H", 2 + len(fields)) + fields


def takes(width: int, height: int, megabytes: int) -> str:
    """What is said of an image that would take too much memory."""
    most = "more than the 768 MB that an image may take"
    return f"its {width} x {height} pixels take {megabytes:,} MB to decode, {most}"


def boxed() -> bytes:
    """A JPEG 2000 whose box says 16 x 16 pixels, and whose codestream 7400 x 7400."""
    content = encoded(Image.new("RGB", (16, 16)), "JPEG2000")
    size = content.index(b"\xff\x4f\xff\x51") + 8
    return content[:size] + struct.pack(">II", 7400, 7400) + content[size + 8 :]


def several(content: bytes) -> bytes:
    """A JPEG that says that it holds two images, which Pillow then calls MPO."""
    entries = struct.pack("<8I", 0, len(content), 0, 0, 0, 0, 0, 0)
    tags = (
        struct.pack("<HHI4s", 0xB000, 7, 4, b"0100"),
        struct.pack("<HHII", 0xB001, 4, 1, 2),
        struct.pack("<HHII", 0xB002, 7, 32, 50),
    )
    body = b"MPF\0II*\0" + struct.pack("<IH", 8, 3) + b"".join(tags) + bytes(4) + entries
    return content[:2] + b"\xff\xe2" + struct.pack(">H", 2 + len(body)) + body + content[2:]


SCANS = "has more than 100 scans, and progressive images have about 10"
LOSSY = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 13_000, 13_000)
LOSSLESS = b"\x2f" + struct.pack("<I", 12_999 | 12_999 << 14)
EXTENDED = b"\x02\0\0\0" + (12_999).to_bytes(3, "little") * 2

# The file, and what is said of it.
COSTLY: dict[str, tuple[Callable[[], bytes], str]] = {
    "a JPEG 2000 of some bytes": (lambda: jp2(7400, 7400, 3), takes(7400, 7400, 1096)),
    "a JPEG 2000 of many components": (lambda: jp2(1000, 1000, 16_384), takes(1000, 1000, 109_375)),
    "a JPEG 2000 whose box says less than its codestream": (boxed, takes(7400, 7400, 1096)),
    "a lossless WebP": (lambda: webp(b"VP8L", LOSSLESS), takes(13_000, 13_000, 2578)),
    "a lossy WebP": (lambda: webp(b"VP8 ", LOSSY), takes(13_000, 13_000, 2578)),
    "an animated WebP": (lambda: webp(b"VP8X", EXTENDED), takes(13_000, 13_000, 2578)),
    "a PNG of four times 16 bits": (lambda: png(13_300, 13_300, depth=16, colour=6), takes(13_300, 13_300, 1349)),
    "a PNG of gray and alpha": (lambda: png(13_377, 13_377, depth=8, colour=4), takes(13_377, 13_377, 1365)),
    "a JPEG of thousands of scans": (lambda: scanned(3000, 64), SCANS),
    "two JPEGs in one, of thousands of scans": (lambda: several(scanned(3000, 64)), SCANS),
    "a JPEG of many scans of many pixels": (
        lambda: scanned(80, 5000),
        "has 90 scans of 5000 x 5000 pixels, too many to decode",
    ),
}
