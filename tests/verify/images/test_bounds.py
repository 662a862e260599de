"""What an image may cost: found before it is decoded, and held to while it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from checkpoint_files import run_python
from hostile_images import COSTLY, encoded, scanned, several
from PIL import Image

from verify.datasets import Item
from verify.datasets.blobs import BytesBlob
from verify.images.bounds import count_scans
from verify.images.decode import Decoded, decode_item, open_image
from verify.recipes.protocol import Protocol

PROTOCOL = Protocol(size=32, resize=36)


def decode(content: bytes) -> Decoded:
    return decode_item(Item("x.JPEG", None, len(content), BytesBlob(content)), PROTOCOL)


@pytest.mark.parametrize("kind", COSTLY)
def test_it_is_said_before_anything_is_decoded_what_would_be_taken_by(kind: str) -> None:
    make, message = COSTLY[kind]

    assert decode(make()) == Decoded(None, error=message)


# As large as the largest of ImageNet, and larger, in each format.
LARGE: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "a JPEG of 60 megapixels": (7746, "RGB", "JPEG", {}),
    "a progressive JPEG of 56 megapixels": (7484, "RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "a CMYK JPEG of 50 megapixels": (7072, "CMYK", "JPEG", {}),
    "a PNG of 56 megapixels with alpha": (7484, "RGBA", "PNG", {"compress_level": 1}),
    "a WebP of 36 megapixels": (6000, "RGB", "WEBP", {}),
    "a JPEG 2000 of 36 megapixels": (6000, "RGB", "JPEG2000", {}),
    "a TIFF of 56 megapixels": (7484, "RGB", "TIFF", {"compression": "tiff_lzw"}),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_photograph_of_the_usual_sizes_is_opened_as(kind: str) -> None:
    side, mode, format_, options = LARGE[kind]
    content = encoded(Image.new(mode, (side, side)), format_, **options)

    with open_image(content, "x") as image:
        assert image.size == (side, side)


def test_the_scans_of_a_jpeg_are_counted_behind_its_other_parts() -> None:
    thumbnail = scanned(3, 16)
    exif = b"Exif\0\0" + thumbnail
    assert count_scans(encoded(Image.new("RGB", (64, 64)), "JPEG", exif=exif)) == 1
    assert count_scans(encoded(Image.new("RGB", (64, 64)), "JPEG", progressive=True, exif=exif)) == 10
    assert count_scans(scanned(5, 64) + scanned(90, 16)) == 15
    assert count_scans(b"\xff\xd8" + b"\xff\xda\0\0" * 1000) == 101
    assert count_scans(b"\xff\xd8\xff") == 0


def test_a_jpeg_that_holds_two_is_one_that_pillow_calls_by_another_name() -> None:
    with Image.open(io.BytesIO(several(scanned(0, 64)))) as image:
        assert image.format == "MPO"


def test_an_image_that_needs_more_memory_than_its_process_may_have_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded(Image.new("RGBA", (6000, 6000)), "PNG", compress_level=1))
    code = """if True:
        import pathlib, sys
        from verify.datasets.limited import limit_memory
        from verify.images.decode import decode
        from verify.recipes.protocol import Protocol
        limit_memory(100)
        print(decode(pathlib.Path(sys.argv[1]), Protocol(size=4, resize=5)).error)
        limit_memory(None)
        print(decode(pathlib.Path(sys.argv[1]), Protocol(size=4, resize=5)).error)
    """
    process = run_python(code, tmp_path / "x.png")

    assert process.stdout == "needs more memory to decode than there is for an image\n\n"
