"""The devkit's `meta.mat`, read by scipy; runs where `read_limited` has it run."""

from __future__ import annotations

import io

from scipy.io import loadmat
from scipy.io.matlab import MatReadError


def read_synsets(content: bytes) -> list[tuple[int, str, int]]:
    """ILSVRC2012_ID, WordNet id and number of children of every synset, in the file's order."""
    try:
        synsets = loadmat(io.BytesIO(content), squeeze_me=True, variable_names=["synsets"]).get("synsets")
    except MatReadError as error:
        raise ValueError(str(error)) from error
    fields = getattr(getattr(synsets, "dtype", None), "names", None) or ()
    if list(fields[:5:2]) != ["ILSVRC2012_ID", "words", "num_children"]:
        raise ValueError("its synsets have other fields than the devkit's")
    return [(int(row[0]), str(row[1]), int(row[4])) for row in synsets]
