"""An image decodes to the same pixels wherever its bytes lie; one that cannot be had is named and never replaced."""

from __future__ import annotations

import io
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_images import noise
from pairs import PROTOCOL
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder
from validation_sets import devkit, flat, listed, shard, tarred

from verify.datasets import Dataset, FileBlob, Item, read_dataset
from verify.datasets.blobs import MAX_BYTES, TarBlob
from verify.datasets.layouts.tar import TAR_NAME
from verify.images.decode import decode_item

TRANSFORM = transforms.Compose(
    [
        transforms.Resize(PROTOCOL.resize, interpolation=transforms.InterpolationMode.BICUBIC, antialias=True),
        transforms.CenterCrop(PROTOCOL.size),
        transforms.ToTensor(),
        transforms.Normalize(PROTOCOL.mean, PROTOCOL.std),
    ]
)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif)


PHOTO = noise(90, 70)
FILES = {
    "ILSVRC2012_val_00000001.JPEG": encoded(PHOTO, "JPEG"),
    "ILSVRC2012_val_00000002.JPEG": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "ILSVRC2012_val_00000003.JPEG": encoded(PHOTO.convert("L"), "JPEG"),
    "ILSVRC2012_val_00000004.JPEG": encoded(noise(90, 70, 4), "PNG"),
    "ILSVRC2012_val_00000005.JPEG": encoded(PHOTO.convert("LA"), "PNG"),
    "ILSVRC2012_val_00000006.JPEG": encoded(PHOTO.quantize(16), "PNG", transparency=3),
    "ILSVRC2012_val_00000007.JPEG": encoded(PHOTO.convert("I;16"), "PNG"),
    "ILSVRC2012_val_00000008.JPEG": turned(PHOTO),
    "ILSVRC2012_val_00000009.JPEG": encoded(PHOTO, "GIF", save_all=True, append_images=[noise(90, 70, 1)]),
    "ILSVRC2012_val_00000010.JPEG": b"junk" * 5 + encoded(PHOTO, "JPEG"),
    "ILSVRC2012_val_00000011.JPEG": encoded(PHOTO, "JPEG")[:1500],
    "ILSVRC2012_val_00000012.JPEG": b"",
}
BROKEN = dict(list(FILES.items())[-3:])


def make_parquet(root: Path) -> Dataset:
    rows = [(name, content, None) for name, content in FILES.items()]
    shard(root / "validation-00000-of-00001.parquet", rows)
    return read_dataset(root, 1000, labelled=False)


PLACES: dict[str, Callable[[Path], Dataset]] = {
    "files": lambda root: read_dataset(devkit(flat(root, FILES)), 1000),
    "an archive": lambda root: read_dataset(devkit(tarred(root, FILES)), 1000),
    "parquet": make_parquet,
}


@pytest.mark.parametrize("place", PLACES)
def test_the_pixels_are_those_of_torchvisions_image_folder_from(place: str, tmp_path: Path) -> None:
    items = {item.name: item for item in PLACES[place](tmp_path / "set").items}
    whole = {name: content for name, content in FILES.items() if name not in BROKEN}
    flat(tmp_path / "oracle/0", whole)
    oracle = ImageFolder(str(tmp_path / "oracle"), TRANSFORM)

    assert list(items) == list(FILES)
    for (path, _), (expected, _) in zip(oracle.samples, oracle, strict=True):
        pixels = decode_item(pickle.loads(pickle.dumps(items[Path(path).name])), PROTOCOL).pixels  # noqa: S301 - our own
        assert pixels is not None
        assert pixels.tobytes() == expected.numpy().tobytes()


@pytest.mark.parametrize("place", PLACES)
def test_what_is_broken_is_named_from(place: str, tmp_path: Path) -> None:
    items = PLACES[place](tmp_path).items
    errors = {item.name: decoded.error for item in items if (decoded := decode_item(item, PROTOCOL)).pixels is None}

    assert errors == {
        "ILSVRC2012_val_00000010.JPEG": "cannot identify image file 'ILSVRC2012_val_00000010.JPEG'",
        "ILSVRC2012_val_00000011.JPEG": errors["ILSVRC2012_val_00000011.JPEG"],
        "ILSVRC2012_val_00000012.JPEG": "cannot identify image file 'ILSVRC2012_val_00000012.JPEG'",
    }
    assert errors["ILSVRC2012_val_00000011.JPEG"].startswith("image file is truncated")


def one_item(root: Path) -> Item:
    (item,) = read_dataset(listed(flat(root, {"x.JPEG": FILES["ILSVRC2012_val_00000001.JPEG"]}), ["x.JPEG 0"]), 1).items
    return item


def test_a_file_that_changed_since_it_was_listed(tmp_path: Path) -> None:
    item = one_item(tmp_path)
    (tmp_path / "x.JPEG").write_bytes(FILES["ILSVRC2012_val_00000003.JPEG"])

    assert decode_item(item, PROTOCOL).error == (
        f"has {len(FILES['ILSVRC2012_val_00000003.JPEG']):,} bytes, and had {item.nbytes:,} when the set was listed"
    )


def test_a_file_that_went_since_it_was_listed(tmp_path: Path) -> None:
    item = one_item(tmp_path)
    (tmp_path / "x.JPEG").unlink()

    assert decode_item(item, PROTOCOL).error == "[Errno 2] No such file or directory: 'x.JPEG'"


def test_an_archive_that_was_cut_since_it_was_listed(tmp_path: Path) -> None:
    last = read_dataset(devkit(tarred(tmp_path, FILES)), 1000).items[10]
    assert isinstance(last.blob, TarBlob)
    os.truncate(tmp_path / TAR_NAME, last.blob.offset + 9)

    assert decode_item(last, PROTOCOL).error == "has 9 bytes, and had 1,500 when the set was listed"


CHANGED = "was changed since the set was listed"
EXCHANGES: dict[str, Callable[[Path, bytes], object]] = {
    "written over": lambda path, content: path.write_bytes(content),
    "renamed over": lambda path, content: _beside(path, content).replace(path),
    "written over with its time set back": lambda path, content: _keep_time(path, lambda: path.write_bytes(content)),
    "renamed over with its time set back": lambda path, content: _keep_time(
        path, lambda: _beside(path, content).replace(path)
    ),
}


def _beside(path: Path, content: bytes) -> Path:
    (path.parent / "other").write_bytes(content)
    return path.parent / "other"


def _keep_time(path: Path, change: Callable[[], object]) -> None:
    status = path.stat()
    change()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("how", EXCHANGES)
@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_the_same_size_that_was(how: str, place: str, tmp_path: Path) -> None:
    items = PLACES[place](tmp_path).items
    assert decode_item(items[1], PROTOCOL).error == ""
    names = {"files": items[0].name, "an archive": TAR_NAME, "parquet": "validation-00000-of-00001.parquet"}
    path = tmp_path / names[place]
    content = path.read_bytes()
    time.sleep(0.02)  # the clock of a file system ticks a hundred times a second or more
    EXCHANGES[how](path, content[:-1] + bytes([content[-1] ^ 1]))

    assert decode_item(items[0], PROTOCOL).error == CHANGED


def test_an_archive_that_grew_since_it_was_listed(tmp_path: Path) -> None:
    items = read_dataset(devkit(tarred(tmp_path, FILES)), 1000).items
    with (tmp_path / TAR_NAME).open("ab") as file:
        file.write(bytes(512))

    assert {decode_item(item, PROTOCOL).error for item in items} == {CHANGED}


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = one_item(tmp_path)

    class Slow(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            os.utime(tmp_path / "x.JPEG")
            return content

    monkeypatch.setattr("verify.datasets.blobs.io.FileIO", Slow)

    assert decode_item(item, PROTOCOL).error == CHANGED


def test_a_set_that_is_written_anew_in_the_same_process_is_read_anew(tmp_path: Path) -> None:
    for content in (b"first", b"later"):
        shard(tmp_path / "validation-00000-of-00001.parquet", [("x.JPEG", content, 0)])

        assert read_dataset(tmp_path, 1000, labelled=False).items[0].blob.read() == content


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 1, 0, 3), (2, 0, 2, 1)])
def test_rows_of_parquet_are_read_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    rows = [(f"{number}.JPEG", b"%d" % number, None) for number in range(4)]
    shard(tmp_path / "validation-00000-of-00001.parquet", rows, group=3)
    items = read_dataset(tmp_path, 1000, labelled=False).items

    assert [items[number].blob.read() for number in order] == [b"%d" % number for number in order]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.JPEG")

    assert decode_item(Item("x.JPEG", 0, 0, FileBlob(tmp_path / "x.JPEG")), PROTOCOL).error == "is no ordinary file"


def test_a_file_of_more_bytes_than_an_image_has(tmp_path: Path) -> None:
    (tmp_path / "x.JPEG").touch()
    os.truncate(tmp_path / "x.JPEG", MAX_BYTES + 1)

    assert decode_item(Item("x.JPEG", 0, MAX_BYTES + 1, FileBlob(tmp_path / "x.JPEG")), PROTOCOL).error == (
        "has 1,073,741,825 bytes, more than the 1,073,741,824 that an image may have"
    )


def test_an_image_of_parquet_without_bytes(tmp_path: Path) -> None:
    shard(tmp_path / "validation-00000-of-00001.parquet", [("x.JPEG", None, 0)])
    (item,) = read_dataset(tmp_path, 1000, labelled=False).items

    assert decode_item(item, PROTOCOL).error == "has no bytes in the parquet set"


def test_no_program_is_started_for_postscript_named_jpeg(tmp_path: Path) -> None:
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "x.JPEG").write_bytes(content)

    decoded = decode_item(Item("x.JPEG", 0, len(content), FileBlob(tmp_path / "x.JPEG")), PROTOCOL)

    assert (decoded.pixels, decoded.error) == (None, "cannot identify image file 'x.JPEG'")
