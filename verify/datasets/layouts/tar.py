"""An uncompressed tar archive of images, read where it lies: `ILSVRC2012_img_val.tar`."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from convert.errors import shown
from verify.datasets.blobs import BlobError, FileState, TarBlob, open_ordinary
from verify.datasets.files import is_image
from verify.datasets.items import DatasetError, Item
from verify.datasets.layouts.tar_headers import Member, TarError, read_members

TAR_NAME = "ILSVRC2012_img_val.tar"
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
        DatasetError: no uncompressed tar, one that was cut short or changed meanwhile, or members that are no plain
            files, lead out of the folder or come twice.
    """
    images: dict[str, Item] = {}
    others = 0
    try:
        with open_ordinary(path) as file:
            state = FileState.of(os.fstat(file.fileno()))
            _refuse_compressed(path, file.read(8))
            for member in read_members(file, state.nbytes):
                if member.kind == "a folder":
                    continue
                name = _checked_name(path, member)
                if name in images:
                    raise DatasetError(f"{path}: {shown(name)} is in it twice")
                if is_image(name):
                    blob = TarBlob(path, member.offset, member.nbytes, state)
                    images[name] = Item(shown(name, 4096), None, member.nbytes, blob)
                else:
                    others += 1
            if FileState.of(os.fstat(file.fileno())) != state:
                raise DatasetError(f"{path}: was changed while it was listed; run again when it stands still")
    except (TarError, BlobError) as error:
        raise DatasetError(f"{path}: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or shown(error)}") from error
    return images, others


def _refuse_compressed(path: Path, head: bytes) -> None:
    for magic, kind in COMPRESSED.items():
        if head.startswith(magic):
            raise DatasetError(
                f"{path}: is {kind}-compressed; images are read in place, so unpack it to a plain .tar first"
            )


def _checked_name(path: Path, member: Member) -> str:
    name = PurePosixPath(member.name).as_posix()
    if member.kind != "a file":
        raise DatasetError(f"{path}: {shown(name)} is {member.kind}, and only plain files are read")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise DatasetError(f"{path}: {shown(name)} lies outside the folder")
    return name
