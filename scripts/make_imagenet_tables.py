"""Writes verify/datasets/imagenet/: the 1000 WordNet ids and the 50,000 validation labels of ILSVRC2012.

    python scripts/make_imagenet_tables.py synsets.txt val_list.txt

Both are public facts: the ids in sorted order, one a line (caffe's synsets.txt, timm's imagenet_synsets.txt), and the
`name label` lines of PaddleClas' val_list.txt, which follow from the devkit's ground truth and meta.mat.
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

from verify.datasets.imagenet import IDS_FILE, LABELS_FILE, original


def main() -> int:
    """Writes both tables, or says why what it was given is not them."""
    ids = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    lines = [line.split() for line in Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()]
    labels = {image.number: int(label) for name, label in lines if (image := original(name))}
    if ids != sorted(set(ids)) or len(ids) != 1000 or sorted(labels) != list(range(1, 50_001)):
        print("make_imagenet_tables: expected 1000 sorted ids and 50,000 labels", file=sys.stderr)
        return 1
    IDS_FILE.write_text("\n".join(ids) + "\n", encoding="utf-8")
    LABELS_FILE.write_bytes(zlib.compress(struct.pack("<50000H", *(labels[n] for n in sorted(labels))), 9))
    return 0


if __name__ == "__main__":
    sys.exit(main())
