"""Whether a run store holds every image of its data set exactly once, under its own label.

The rows of a run that lost a batch agree as well as the others, and so do rows whose labels are another image's. What
the run is of is therefore noted before the first image is read, and compared with the rows in the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from verify.datasets import Item
from verify.store.facts import Listing
from verify.store.rows import ImageRow


def listing(images: Iterable[Item | ImageRow]) -> Listing:
    """How many images, and a SHA-256 over their names and labels in order."""
    lines = [f"{image.name} {image.label}\n" for image in images]
    return Listing(len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())


def coverage_problems(rows: Sequence[ImageRow], listed: Listing) -> list[str]:
    """What the rows lack, or have too much, against the `listing` of the images that were to be run."""
    stored = listing(rows)
    if stored == listed:
        return []
    if stored.count != listed.count:
        return [f"the run store holds {stored.count:,} images, and the data set {listed.count:,}"]
    return ["names or labels in the run store are not those of the data set, or in another order"]
