"""Devkits that are no good, and what is said of them."""

from __future__ import annotations

import gzip
from pathlib import Path

from bad_sets import Case
from validation_sets import CONTENTS, COUNT, NAMES, devkit, flat, meta_mat_of

from verify.datasets.layouts.devkit import ARCHIVE, META, TRUTH


def kit(root: Path, **files: str | bytes) -> None:
    """The images with a devkit of which a file, by its stem, is another."""
    devkit(flat(root))
    for stem, content in files.items():
        path = root / {"truth": TRUTH, "meta": META}[stem]
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def remove_meta(root: Path) -> None:
    devkit(flat(root))
    (root / META).unlink()


DEVKITS: dict[str, Case] = {
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
