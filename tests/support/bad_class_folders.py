"""Class folders that are no good, and what is said of them."""

from __future__ import annotations

from pathlib import Path

from bad_sets import HINT, Case
from made_up_images import touch
from validation_sets import NAMES, devkit, flat, listed, tarred

from verify.datasets.imagenet import wordnet_ids
from verify.datasets.layouts.tar import TAR_NAME


def ids_except(*, less: str, more: str) -> list[str]:
    return sorted({*wordnet_ids(), more} - {less})


def add_link(root: Path, link: str, target: str) -> None:
    (root / link).symlink_to(root / target, target_is_directory=True)


FOLDERS: dict[str, Case] = {
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
