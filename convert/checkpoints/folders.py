"""A folder that holds a checkpoint, as Hugging Face's libraries write one, and which of its files is meant."""

from __future__ import annotations

from pathlib import Path

from convert.checkpoints.containers import KNOWN_SUFFIXES
from convert.checkpoints.programs import DISTRIBUTED, distributed
from convert.errors import CheckpointError, WrongChoice, listed, shown

# Under which names such a folder has its weights: whole, or as the index of shards.
NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def file_of(path: Path) -> Path:
    """The file itself, or the one that a folder holds under a known name.

    Raises:
        WrongChoice: the folder has several of these, or none; the text does not name the folder.
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return path
    there = {entry.name for entry in path.iterdir()}
    if any(name.endswith(DISTRIBUTED) for name in there):
        raise CheckpointError(distributed(path))
    known = [name for name in NAMES if name in there]
    if len(known) == 1:
        return path / known[0]
    if known:
        raise WrongChoice(f"is a folder with {listed(known)}; give the one that is meant, as {path / known[0]}")
    others = sorted(name for name in there if name.endswith(KNOWN_SUFFIXES))
    if not others:
        raise CheckpointError(f"is a folder without a checkpoint ({', '.join(NAMES)}); give the file itself")
    named = listed([shown(name) for name in others])
    raise WrongChoice(
        f"is a folder without {NAMES[0]} or its kin, but with {named}; "
        f"give the one that is meant, as {path / others[0]}"
    )
