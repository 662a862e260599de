"""What is publicly known of ILSVRC2012: its classes' WordNet ids, and the labels of its validation images.

scripts/make_imagenet_tables.py wrote both tables. timm's imagenet_synsets.txt has the same ids.
"""

from __future__ import annotations

import re
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

IDS_FILE = Path(__file__).parent / "wordnet_ids.txt"
LABELS_FILE = Path(__file__).parent / "val_labels.bin"

CLASSES = 1000
IMAGES = 50_000
WORDNET_ID = re.compile(r"n\d{8}", re.ASCII)
# As they lie in the archive, and as Hugging Face names them, with their class behind.
NAME = re.compile(r"ILSVRC2012_val_(\d{8})(?:_(n\d{8}))?\.[A-Za-z]+", re.ASCII)


class Original(NamedTuple):
    """What the name of a validation image tells.

    Attributes:
        number: 1 to 50,000.
        wordnet_id: of its class, where the name has it.
    """

    number: int
    wordnet_id: str | None


def original(name: str) -> Original | None:
    """Reads the last part of a path; None if it is no validation image's name."""
    match = NAME.fullmatch(name.rpartition("/")[2])
    if match is None or not 1 <= int(match[1]) <= IMAGES:
        return None
    return Original(int(match[1]), match[2])


@cache
def wordnet_ids() -> tuple[str, ...]:
    """The ids of the 1000 classes, sorted: the place is the label."""
    return tuple(IDS_FILE.read_text(encoding="ascii").split())


@cache
def validation_labels() -> tuple[int, ...]:
    """The labels of the validation images 1 to 50,000, in the order of the sorted ids."""
    return struct.unpack(f"<{IMAGES}H", zlib.decompress(LABELS_FILE.read_bytes()))


def known_label(name: str) -> int | None:
    """The label of an image, by its name; None if the name tells nothing."""
    image = original(name)
    return None if image is None else validation_labels()[image.number - 1]
