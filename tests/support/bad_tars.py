"""Archives of images that are no good, and what is said of them."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from bad_sets import HINT, Case
from validation_sets import COUNT, LINES, NAMES, add, devkit, listed, tar, tarred

from verify.datasets.layouts.devkit import TRUTH
from verify.datasets.layouts.tar import TAR_NAME


def tar_of(root: Path, *members: tuple[str, bytes, bytes]) -> None:
    """The archive with members of any kind, and the devkit."""
    devkit(root)
    with tarfile.open(root / TAR_NAME, "w") as archive:
        for name, content, kind in members:
            add(archive, name, content, kind)


def cut_tar(root: Path, nbytes: int) -> None:
    devkit(tarred(root))
    os.truncate(root / TAR_NAME, nbytes)


def patched_tar(root: Path, offset: int, content: bytes) -> None:
    devkit(tarred(root))
    with (root / TAR_NAME).open("r+b") as file:
        file.seek(offset)
        file.write(content)


def appended_tar(root: Path, content: bytes) -> None:
    devkit(tarred(root))
    with (root / TAR_NAME).open("ab") as file:
        file.write(content)


TARS: dict[str, Case] = {
    "no labels beside the archive": (
        tarred,
        "{root}: the archive has no labels: put val_list.txt or the devkit beside it, or give --devkit; " + HINT,
    ),
    "compressed": (
        lambda root: devkit(tar(root / TAR_NAME, mode="w:gz").parent),
        f"{{root}}/{TAR_NAME}: is gzip-compressed; images are read in place, so unpack it to a plain .tar first",
    ),
    "no archive": (
        lambda root: (devkit(root) / TAR_NAME).write_bytes(b"<html>" * 200),
        f"{{root}}/{TAR_NAME}: is no whole tar archive: invalid header; download it again",
    ),
    "cut within an image": (
        lambda root: cut_tar(root, 5 * 1024 + 515),
        f"{{root}}/{TAR_NAME}: is no whole tar archive: unexpected end of data; download it again",
    ),
    "cut between two images": (
        lambda root: cut_tar(root, 6 * 1024),
        f"{{root}}/{TAR_NAME}: was cut short at byte 6,144: it has no end mark; download it again",
    ),
    "a broken header": (
        lambda root: patched_tar(root, 6 * 1024, b"\xff" * 200),
        f"{{root}}/{TAR_NAME}: has a broken header, or more after its end, at byte 6,144; download it again",
    ),
    "a second archive behind it": (
        lambda root: appended_tar(root, b"more"),
        f"{{root}}/{TAR_NAME}: has a broken header, or more after its end, at byte {COUNT * 1024:,}; download it again",
    ),
    "a link": (
        lambda root: tar_of(root, (NAMES[0], b"", tarfile.SYMTYPE)),
        f"{{root}}/{TAR_NAME}: {NAMES[0]} is a link, and only plain files are read",
    ),
    "a hard link": (
        lambda root: tar_of(root, (NAMES[0], b"", tarfile.LNKTYPE)),
        f"{{root}}/{TAR_NAME}: {NAMES[0]} is a link, and only plain files are read",
    ),
    "a device": (
        lambda root: tar_of(root, (NAMES[0], b"", tarfile.CHRTYPE)),
        f"{{root}}/{TAR_NAME}: {NAMES[0]} is a device, and only plain files are read",
    ),
    "an absolute name": (
        lambda root: tar_of(root, ("/etc/x.JPEG", b"x", tarfile.REGTYPE)),
        f"{{root}}/{TAR_NAME}: /etc/x.JPEG lies outside the folder",
    ),
    "a name that leads out": (
        lambda root: tar_of(root, ("../x.JPEG", b"x", tarfile.REGTYPE)),
        f"{{root}}/{TAR_NAME}: ../x.JPEG lies outside the folder",
    ),
    "a name twice": (
        lambda root: tar_of(root, (NAMES[0], b"x", tarfile.REGTYPE), (f"./{NAMES[0]}", b"y", tarfile.REGTYPE)),
        f"{{root}}/{TAR_NAME}: {NAMES[0]} is in it twice",
    ),
    "a listed image that is not in it": (
        lambda root: listed(tarred(root), [*LINES, "val/gone.JPEG 0"]),
        f"{{root}}/val_list.txt, line {COUNT + 1}: val/gone.JPEG is not in {TAR_NAME}",
    ),
    "an image listed under two folders": (
        lambda root: listed(tarred(root), [*LINES, f"val/{LINES[0]}"]),
        f"{{root}}/val_list.txt, line {COUNT + 1}: {NAMES[0]} of {TAR_NAME} is listed twice",
    ),
    "an image missing in it": (
        lambda root: devkit(tarred(root, dict.fromkeys(NAMES[1:], b"x"))),
        f"{{root}}/{TAR_NAME}: {COUNT - 1} images and {COUNT} labels in {{name}}/{TRUTH}; image 1 should be "
        f"{NAMES[0]}, and is {NAMES[1]}",
    ),
}
