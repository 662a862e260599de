"""Every kind of file is read as torchvision reads it; a broken one comes back as an error, with no warning."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import run_python
from made_up_images import noise
from pairs import PROTOCOL
from PIL import Image
from torchvision.datasets.folder import pil_loader

from verify.images.decode import decode
from verify.images.preprocess import preprocess
from verify.recipes.protocol import Protocol


def palette_with(transparency: int | bytes) -> Callable[[Path], None]:
    return lambda path: noise(90, 70).quantize(16).save(path, transparency=transparency)


def write_rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    noise(90, 70).save(path, exif=exif)


def write_broken_exif(path: Path) -> None:
    noise(90, 70).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05garbage")


# File name to how it is written and the mode that Pillow reports; all are 90 x 70 pixels.
KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "rgb.png": (lambda path: noise(90, 70).save(path), "RGB"),
    "rgb.JPEG": (lambda path: noise(90, 70).save(path), "RGB"),
    "progressive.jpg": (lambda path: noise(90, 70).save(path, progressive=True), "RGB"),
    "gray.jpg": (lambda path: noise(90, 70, 1).save(path), "L"),
    "gray_alpha.png": (lambda path: noise(90, 70).convert("LA").save(path), "LA"),
    "one_bit.png": (lambda path: noise(90, 70).convert("1").save(path), "1"),
    "cmyk.jpg": (lambda path: noise(90, 70).convert("CMYK").save(path), "CMYK"),
    "rgba.png": (lambda path: noise(90, 70, 4).save(path), "RGBA"),
    "palette.png": (lambda path: noise(90, 70).quantize(16).save(path), "P"),
    "palette_one_transparent.png": (palette_with(3), "P"),
    "16_bit.png": (
        lambda path: Image.fromarray(np.arange(6300, dtype=np.uint16).reshape(70, 90) * 10).save(path),
        "I;16",
    ),
    "a_png.JPEG": (lambda path: noise(90, 70).save(path, format="PNG"), "RGB"),
    "rotated_by_exif.jpg": (write_rotated, "RGB"),
    "animated.gif": (lambda path: noise(90, 70).save(path, save_all=True, append_images=[noise(90, 70, 1)]), "P"),
    "lossless.webp": (lambda path: noise(90, 70).save(path, lossless=True), "RGB"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_read_as_torchvisions_image_folder_reads_it(name: str, tmp_path: Path) -> None:
    write, _ = KINDS[name]
    write(tmp_path / name)
    pixels = decode(tmp_path / name, PROTOCOL).pixels

    assert pixels is not None
    assert pixels.tobytes() == preprocess(pil_loader(tmp_path / name), PROTOCOL).tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_size_and_mode_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    write, mode = KINDS[name]
    write(tmp_path / name)
    decoded = decode(tmp_path / name, PROTOCOL)

    assert (decoded.width, decoded.height, decoded.mode, decoded.error) == (90, 70, mode, "")


# Pillow warns of these, and goes on.
@pytest.mark.parametrize("write", [palette_with(bytes(range(16))), write_broken_exif], ids=["palette", "exif"])
def test_an_odd_file_is_read_without_a_warning(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "odd"
    write(path.with_suffix(".jpg" if write is write_broken_exif else ".png"))
    (path,) = tmp_path.iterdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = preprocess(pil_loader(path), PROTOCOL).tobytes()
    pixels = decode(path, PROTOCOL).pixels

    assert pixels is not None
    assert pixels.tobytes() == expected


def test_a_large_image_under_pillows_limit_is_read_without_a_warning(tmp_path: Path) -> None:
    noise(12, 10).save(tmp_path / "large.png")
    code = """if True:
        import pathlib, sys, warnings
        warnings.simplefilter("error")
        from PIL import Image
        from verify.images.decode import decode
        from verify.recipes.protocol import Protocol
        Image.MAX_IMAGE_PIXELS = 100
        print(decode(pathlib.Path(sys.argv[1]), Protocol(size=4, resize=5)).pixels.shape)
    """
    process = run_python(code, tmp_path / "large.png")

    assert (process.returncode, process.stdout, process.stderr) == (0, "(3, 4, 4)\n", "")


def png_of(width: int, height: int, rows: bytes = b"") -> bytes:
    """A one-bit PNG whose header claims that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


UNIDENTIFIED = "cannot identify image file 'broken.JPEG'"
BROKEN = {
    "empty": (b"", UNIDENTIFIED),
    "text": (b"a secret that no report may show", UNIDENTIFIED),
    "web page": (b"<!DOCTYPE html><html></html>", UNIDENTIFIED),
    "header alone": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "Truncated File Read"),
    "a bomb": (
        png_of(20_000, 20_000),
        "Image size (400000000 pixels) exceeds limit of 178956970 pixels, could be decompression bomb DOS attack.",
    ),
    "no pixels": (png_of(64, 64), "image file is truncated (0 bytes not processed)"),
    "a number that is none": (b"P6 10 abc", "invalid literal for int() with base 10: b'abc'"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_comes_back_as_an_error(kind: str, tmp_path: Path) -> None:
    content, error = BROKEN[kind]
    (tmp_path / "broken.JPEG").write_bytes(content)
    decoded = decode(tmp_path / "broken.JPEG", PROTOCOL)

    assert (decoded.pixels, decoded.error) == (None, error)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif"])
@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.95])
def test_a_cut_file_comes_back_as_an_error_of_one_line_without_its_folder(
    suffix: str, share: float, tmp_path: Path
) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise(90, 70).save(path)
    path.write_bytes(path.read_bytes()[: max(9, int(path.stat().st_size * share))])
    decoded = decode(path, PROTOCOL)

    assert decoded.pixels is None
    assert decoded.error
    assert "\n" not in decoded.error
    assert str(tmp_path) not in decoded.error


def test_a_file_that_is_gone_comes_back_as_an_error(tmp_path: Path) -> None:
    assert decode(tmp_path / "gone.png", PROTOCOL).error == "[Errno 2] No such file or directory: 'gone.png'"


def test_a_folder_comes_back_as_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()

    assert decode(tmp_path / "folder.png", PROTOCOL).error == "is no ordinary file"


def test_a_line_too_long_to_be_scaled_comes_back_as_an_error(tmp_path: Path) -> None:
    width = 2_200_000  # 300 bytes on the disk, 2 GB a row at a short edge of 256
    (tmp_path / "line.png").write_bytes(png_of(width, 1, bytes(1 + width // 8)))

    assert decode(tmp_path / "line.png", Protocol()).error == (
        "its 2200000 x 1 pixels become 563200000 x 256 before the crop"
    )
