"""Validation sets that are no good: how each is made, and what is said of it. `{root}` stands for its folder.

Every one is read for a model of 1000 classes unless its name says otherwise.
"""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from made_up_images import touch
from validation_sets import (
    CONTENTS,
    COUNT,
    LABELS,
    LINES,
    NAMES,
    ROWS,
    add,
    devkit,
    flat,
    listed,
    meta_mat_of,
    parquet,
    shard,
    tar,
    tarred,
    truth,
)

from verify.datasets.imagenet import wordnet_ids
from verify.datasets.layouts.devkit import ARCHIVE, META, TRUTH
from verify.datasets.layouts.tar import TAR_NAME

Made = Callable[[Path], object]
HINT = "--unlabelled compares predictions without labels"
ONE = "validation-00000-of-00001.parquet"


def lines_of(labels: list[int]) -> list[str]:
    return [f"{name} {label}" for name, label in zip(NAMES, labels, strict=True)]


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


def kit(root: Path, **files: str | bytes) -> None:
    """The images with a devkit of which a file, by its stem, is another."""
    devkit(flat(root))
    for stem, content in files.items():
        path = root / {"truth": TRUTH, "meta": META}[stem]
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def remove_meta(root: Path) -> None:
    devkit(flat(root))
    (root / META).unlink()


def remove_shard(root: Path, number: int) -> None:
    parquet(root, shards=3)
    (root / f"data/validation-{number:05}-of-00003.parquet").unlink()


def ids_except(*, less: str, more: str) -> list[str]:
    return sorted({*wordnet_ids(), more} - {less})


def add_link(root: Path, link: str, target: str) -> None:
    (root / link).symlink_to(root / target, target_is_directory=True)


FOLDERS: dict[str, tuple[Made, str]] = {
    "nothing": (
        lambda root: root.mkdir(),
        f"{{root}}: has neither class folders nor a val_list.txt, devkit, {TAR_NAME} or parquet set; {HINT}",
    ),
    "images without labels": (
        flat,
        f"{{root}}: has neither class folders nor a val_list.txt, devkit, {TAR_NAME} or parquet set; {HINT}",
    ),
    "a class folder missing": (
        lambda root: touch(root, *(f"{name}/x.png" for name in wordnet_ids()[:-1])),
        "{root}: 999 class folders, but the model has 1000 classes. "
        f"A missing class folder would shift every later label; {HINT}",
    ),
    "a class folder that is none of the 1000": (
        lambda root: touch(root, *(f"{name}/x.png" for name in ids_except(less="n15075141", more="n00000001"))),
        "{root}: class folder n00000001 is none of ILSVRC2012's 1000 classes, and n15075141 is missing; "
        "--classes FILE lists another set's names in label order",
    ),
    "a class folder without images": (
        lambda root: touch(root, *(f"{name}/x.{'txt' if name == 'n01440764' else 'png'}" for name in wordnet_ids())),
        "{root}/n01440764: this class folder has no images",
    ),
    "an image of the set in another's class folder": (
        lambda root: touch(root, *(f"{name}/x.png" for name in wordnet_ids()), f"n01440764/{NAMES[0]}"),
        f"{{root}}: n01440764/{NAMES[0]} has label 0, and is known to have 65; 1 of 1 known label differ. "
        "Too few labels are known to tell why",
    ),
    "class names of no known order, 2 classes": (
        lambda root: touch(root, "cat/x.png", "dog/x.png"),
        "{root}: the class folders cat to dog have no known order; --classes FILE lists the names in label order, "
        "--classes sorted declares that sorted order is right",
    ),
    "numbers that text sorts otherwise, 11 classes": (
        lambda root: touch(root, *(f"{number}/x.png" for number in range(11))),
        "{root}: the class folders 0 to 9 have no known order; --classes FILE lists the names in label order, "
        "--classes sorted declares that sorted order is right",
    ),
    "numbers from 1 on, 2 classes": (
        lambda root: touch(root, "1/x.png", "2/x.png"),
        "{root}: the class folders 1 to 2 have no known order; --classes FILE lists the names in label order, "
        "--classes sorted declares that sorted order is right",
    ),
    "a class folder twice through a link, 2 classes": (
        lambda root: add_link(touch(root, "0/x.png"), "1", "0"),
        "{root}/0: this class folder is another one too, through a link",
    ),
    "a link to a folder in a class folder, 1 class": (
        lambda root: add_link(touch(root, "0/x.png", ".more/y.png"), "0/more", ".more"),
        "{root}/0/more: links to a folder, which is not followed; put the images themselves there",
    ),
    "a list beside class folders, 2 classes": (
        lambda root: listed(touch(root, "0/x.png", "1/y.png"), ["0/x.png 0"]),
        "{root}: may be read as val-list or as class-folders; --layout chooses",
    ),
    "a list and the devkit": (
        lambda root: listed(devkit(flat(root))),
        "{root}: may be read as val-list or as devkit; --layout chooses",
    ),
    "the archive and its images": (
        lambda root: listed(flat(tarred(root))),
        "{root}: may be read as tar-val-list or as val-list; --layout chooses",
    ),
    "two devkits": (
        lambda root: devkit(devkit(flat(root)) / "data"),
        "{root}: has {root} and {root}/data; --devkit chooses",
    ),
}

LISTS: dict[str, tuple[Made, str]] = {
    "labels that count from 1": (
        lambda root: listed(flat(root), lines_of([label + 1 for label in LABELS])),
        f"{{root}}/val_list.txt: {NAMES[0]} has label 66, and is known to have 65; {COUNT} of {COUNT} known labels "
        "differ. Every label is one too high: they count from 1, and 0 is the first class",
    ),
    "labels in the devkit's order": (
        lambda root: listed(
            flat(root, {f"{folder}/{name}": b"x" for folder in "ab" for name in NAMES}),
            [f"{folder}/{line}" for folder in "ab" for line in lines_of([int(n) - 1 for n in truth().split()])],
        ),
        f"{{root}}/val_list.txt: a/{NAMES[0]} has label {int(truth().split()[0]) - 1}, and is known to have 65; "
        f"{2 * COUNT} of {2 * COUNT} known labels differ. The classes are the right ones in another order, as in the "
        "devkit's ground truth: its numbers (ILSVRC2012_ID) become labels by meta.mat, which --devkit reads",
    ),
    "a label lost, so that the later ones move up": (
        lambda root: listed(flat(root), lines_of([*LABELS[:2], *LABELS[3:], 7])),
        f"{{root}}/val_list.txt: {NAMES[2]} has label {LABELS[3]}, and is known to have {LABELS[2]}; {COUNT - 2} of "
        f"{COUNT} known labels differ. From the 3. image on each label is that of the next image: one label was lost",
    ),
    "a label too many": (
        lambda root: listed(flat(root), lines_of([LABELS[0], 7, *LABELS[1:-1]])),
        f"{{root}}/val_list.txt: {NAMES[1]} has label 7, and is known to have {LABELS[1]}; {COUNT - 1} of {COUNT} "
        "known labels differ. From the 2. image on each label is that of the image before: one label too many",
    ),
    "labels of other images": (
        lambda root: listed(flat(root), lines_of([label ^ 5 for label in LABELS[::-1]])),
        f"{{root}}/val_list.txt: {NAMES[0]} has label {LABELS[-1] ^ 5}, and is known to have 65; {COUNT} of {COUNT} "
        "known labels differ. No single mistake explains them: the list belongs to other images",
    ),
    "labels that count from 1, 3 classes": (
        lambda root: listed(touch(root, "x.png", "y.png"), ["x.png 1", "y.png 3"]),
        "{root}/val_list.txt, line 2: label 3, but the model's 3 classes are 0 to 2. "
        f"The labels run from 1 to 3: they count from 1, and 0 is the first class. {HINT}",
    ),
    "a listed image that is not there": (
        lambda root: listed(flat(root), [*LINES, "gone.JPEG 0"]),
        "{root}/val_list.txt: 1 listed file missing, first gone.JPEG",
    ),
    "a listed name that no file can have": (
        lambda root: listed(flat(root), [*LINES, f"{'x' * 300} 0", "a\0b 0"]),
        f"{{root}}/val_list.txt: 2 listed files missing, first {'x' * 77}...",
    ),
    "a listed image twice": (
        lambda root: listed(flat(root), [*LINES, LINES[0]]),
        f"{{root}}/val_list.txt, line {COUNT + 1}: {NAMES[0]} is listed twice",
    ),
    "a list without a name": (
        lambda root: listed(flat(root), ["65"]),
        "{root}/val_list.txt, line 1: expected `name label`, found '65'",
    ),
}

DEVKITS: dict[str, tuple[Made, str]] = {
    "an image missing": (
        lambda root: devkit(flat(root, {name: b"x" for name in NAMES if name != NAMES[4]})),
        f"{{root}}: {COUNT - 1} images and {COUNT} labels in {{name}}/{TRUTH}; image 5 should be {NAMES[4]}, and is "
        f"{NAMES[5]}",
    ),
    "the last image missing": (
        lambda root: devkit(flat(root, dict.fromkeys(NAMES[:-1], b"x"))),
        f"{{root}}: {COUNT - 1} images and {COUNT} labels in {{name}}/{TRUTH}; image {COUNT} should be {NAMES[-1]}, "
        "and is missing",
    ),
    "an image too many": (
        lambda root: devkit(flat(root, {**CONTENTS, "zebra.JPEG": b"x"})),
        f"{{root}}: {COUNT + 1} images and {COUNT} labels in {{name}}/{TRUTH}; image {COUNT + 1} should be no more, "
        "and is zebra.JPEG",
    ),
    "a devkit without meta.mat": (
        remove_meta,
        "{root}: has no meta.mat; the ground truth counts classes in the devkit's own order, and only meta.mat says "
        "which they are",
    ),
    "a meta.mat that is none": (
        lambda root: kit(root, meta=b"not a MATLAB file" * 20),
        "{root}/meta.mat: is not the devkit's: Unknown mat file type, version 32, 77",
    ),
    "an empty meta.mat": (
        lambda root: kit(root, meta=b""),
        "{root}/meta.mat: is not the devkit's: Mat file appears to be truncated",
    ),
    "a meta.mat of other classes": (
        lambda root: kit(root, meta=meta_mat_of({f"n{number:08}": number for number in range(1, 1001)})),
        "{root}/meta.mat: its classes are not the 1000 of ILSVRC2012",
    ),
    "a meta.mat of too few classes": (
        lambda root: kit(root, meta=meta_mat_of({"n00000001": 1, "n00000002": 2})),
        "{root}/meta.mat: 2 synsets without children, but the model has 1000",
    ),
    "a meta.mat whose numbers have a gap": (
        lambda root: kit(root, meta=meta_mat_of({"n00000001": 1, "n00000002": 7})),
        "{root}/meta.mat: its classes are not numbered from 1 on, each once",
    ),
    "a ground truth with a number too high": (
        lambda root: kit(root, truth="1\n1001\n"),
        f"{{root}}/{TRUTH}, line 2: expected 1 to 1000, found '1001'",
    ),
    "a ground truth with a word": (
        lambda root: kit(root, truth="1\ntench\n"),
        f"{{root}}/{TRUTH}, line 2: expected 1 to 1000, found 'tench'",
    ),
    "a devkit's archive that is cut": (
        lambda root: (flat(root) / ARCHIVE).write_bytes(gzip.compress(b"x" * 5000)[:-9]),
        f"{{root}}/{ARCHIVE}: the devkit cannot be read: Compressed file ended before the end-of-stream marker was "
        "reached",
    ),
}

TARS: dict[str, tuple[Made, str]] = {
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

PARQUETS: dict[str, tuple[Made, str]] = {
    "a shard missing": (
        lambda root: remove_shard(root, 1),
        "{root}: validation-00001-of-00003.parquet is missing",
    ),
    "the last shard missing": (
        lambda root: remove_shard(root, 2),
        "{root}: validation-00002-of-00003.parquet is missing",
    ),
    "a shard of another set": (
        lambda root: shard(parquet(root) / "data/validation-00000-of-00003.parquet", ROWS),
        "{root}/data/validation-00000-of-00003.parquet: shards of two sets lie together in {root}/data; keep one of "
        "them",
    ),
    "a shard twice": (
        lambda root: shard(parquet(root) / "data/validation-00000-of-00002-abcdef.parquet", ROWS),
        "{root}/data/validation-00000-of-00002.parquet: shards of two sets lie together in {root}/data; keep one of "
        "them",
    ),
    "no validation split": (
        lambda root: shard(shard(root / "train-00000-of-00001.parquet", ROWS).parent / ONE.replace("valid", "x"), ROWS),
        "{root}: has the splits train, xation, none of them validation; keep one",
    ),
    "a file of another name": (
        lambda root: shard(root / "all.parquet", ROWS),
        "{root}/all.parquet: expected a name such as validation-00000-of-00014.parquet",
    ),
    "a label that is wrong": (
        lambda root: shard(root / ONE, [*ROWS[:-1], (*ROWS[-1][:2], 3)]),
        f"{{root}}: {ROWS[-1][0]} has label 3, and is known to have {LABELS[-1]}; 1 of {COUNT} known labels differ. "
        "Most are right: single images or labels were changed",
    ),
    "no labels, as in a test split": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", -1)]),
        f"{{root}}/{ONE}, row 0: label -1; a test split has none",
    ),
    "a label missing": (
        lambda root: shard(root / ONE, [ROWS[0], ("x.JPEG", b"x", None)]),
        f"{{root}}/{ONE}, row 1: label None; a test split has none",
    ),
    "a label beyond the model": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1000)]),
        f"{{root}}: x.JPEG has label 1000, but the model's 1000 classes are 0 to 999; {HINT}",
    ),
    "labels that nothing explains": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)]),
        "{root}: neither its schema nor its images' names tell what the labels mean",
    ),
    "label names of no known order, 2 classes": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)], names=["dog", "cat"]),
        "{root}: the class names cat to dog have no known order; --classes FILE lists the names in label order, "
        "--classes sorted declares that sorted order is right",
    ),
    "label names that are not sorted, 2 classes": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)], names=["n00000002", "n00000001"]),
        "{root}: label 0 should be n00000001, and is n00000002",
    ),
    "other label names than the model's classes, 2 classes": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)], names=["0", "1", "2"]),
        "{root}: its schema names 3 classes, but the model has 2",
    ),
    "a file that is no parquet": (
        lambda root: touch(root, ONE),
        f"{{root}}/{ONE}: is no parquet file that can be read: Parquet file size is 6 bytes, smaller than "
        "the minimum file footer (8 bytes)",
    ),
}

BAD_SETS = {
    f"{layout}: {kind}": case
    for layout, cases in [
        ("folders", FOLDERS),
        ("list", LISTS),
        ("devkit", DEVKITS),
        ("tar", TARS),
        ("parquet", PARQUETS),
    ]
    for kind, case in cases.items()
}
