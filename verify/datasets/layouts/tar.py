"""An uncompressed tar archive of images, read where it lies: `ILSVRC2012_img_val.tar`."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from convert.errors import shown
from verify.datasets.blobs import TarBlob
from verify.datasets.files import is_image
from verify.datasets.items import DatasetError, Item

TAR_NAME = "ILSVRC2012_img_val.tar"
BLOCK = tarfile.BLOCKSIZE
MAX_PADDING = 1 << 20  # bytes of zeros after the last member; tar's default is up to 10,240
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}


def read_tar(path: Path) -> tuple[dict[str, Item], int]:
    """The images of an archive in its order, without labels, and how many other files it has.

    Members are found once, by their headers; their bytes stay where they are.

    Raises:
        DatasetError: no uncompressed tar, one that was cut short, or members that are no plain files, lead out of
            the folder or come twice.
    """
    try:
        with path.open("rb") as file:
            _refuse_compressed(path, file.read(8))
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                members = list(archive)
                end = archive.offset
            _check_end(path, end)
    except tarfile.TarError as error:
        raise DatasetError(f"{path}: is no whole tar archive: {shown(error)}; download it again") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or shown(error)}") from error
    except (ValueError, OverflowError) as error:
        raise DatasetError(f"{path}: is no tar archive that can be read: {shown(error)}") from error
    size = path.stat().st_size
    images: dict[str, Item] = {}
    for member in members:
        if member.isdir():
            continue
        name = _checked_name(path, member, size)
        if name in images:
            raise DatasetError(f"{path}: {shown(name)} is in it twice")
        if is_image(name):
            blob = TarBlob(path, member.offset_data, member.size)
            images[name] = Item(shown(name, 4096), None, member.size, blob)
    return images, sum(not member.isdir() for member in members) - len(images)


def _refuse_compressed(path: Path, head: bytes) -> None:
    for magic, kind in COMPRESSED.items():
        if head.startswith(magic):
            raise DatasetError(
                f"{path}: is {kind}-compressed; images are read in place, so unpack it to a plain .tar first"
            )


def _check_end(path: Path, end: int) -> None:
    # tarfile takes a file that ends after any member for whole, and a broken header for the end.
    with path.open("rb") as file:
        file.seek(end)
        padding = file.read(MAX_PADDING + 1)
    if len(padding) < BLOCK:
        raise DatasetError(
            f"{path}: was cut short at byte {end + len(padding):,}: it has no end mark; download it again"
        )
    if len(padding) > MAX_PADDING or padding.strip(b"\0"):
        raise DatasetError(f"{path}: has a broken header, or more after its end, at byte {end:,}; download it again")


def _checked_name(path: Path, member: tarfile.TarInfo, size: int) -> str:
    name = PurePosixPath(member.name).as_posix()
    if not member.isreg() or member.issparse():
        kind = "a sparse file" if member.issparse() else "a link" if member.islnk() or member.issym() else "a device"
        raise DatasetError(f"{path}: {shown(name)} is {kind}, and only plain files are read")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise DatasetError(f"{path}: {shown(name)} lies outside the folder")
    if member.size < 0 or member.offset_data + member.size > size:
        raise DatasetError(f"{path}: was cut short in {shown(name)}; download it again")
    return name
