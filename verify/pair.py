"""The pair of checkpoints that is verified, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.archs import ArchSpec
from convert.arrays import Array
from convert.casting import cast_state_dict
from convert.errors import CheckpointError, FerryError
from convert.frameworks import PADDLE, TORCH
from convert.source.read import WHOLE, Selection, Source, read_source
from verify.workers.held import HeldFile, hold_file
from verify.workers.messages import LoadJob


@dataclass(frozen=True)
class Pair:
    """The two checkpoints, read.

    Attributes:
        spec: the architecture, with the source's number of classes and input channels.
        source: PyTorch's file.
        target: Paddle's file.
        expected: official name to PyTorch's tensor, float32.
    """

    spec: ArchSpec
    source: Source[Array]
    target: Source[Array]
    expected: Mapping[str, Array]

    def load_job(self, framework: str, *, dtype: str = "float32", digest: bool = False, builder: str = "") -> LoadJob:
        """What that framework's worker is to build."""
        side = {"torch": self.source, "paddle": self.target}[framework]
        checkpoint = side.checkpoint
        return LoadJob(
            self.spec,
            tuple(file for file in checkpoint.files if isinstance(file, HeldFile)),
            checkpoint.container,
            checkpoint.steps,
            side.named.keys,
            dtype,
            digest,
            builder,
        )


def read_pair(
    arch: str | ArchSpec, src: Path, dst: Path, *, source_part: Selection = WHOLE, target_part: Selection = WHOLE
) -> Pair:
    """Reads both files, once, without running anything that they carry.

    Args:
        arch: an architecture or its name; "" to recognise it.
        src: PyTorch's file.
        dst: Paddle's file.
        source_part: which part of PyTorch's file.
        target_part: which part of Paddle's.

    Raises:
        FerryError: one is no checkpoint, or the two are the wrong way round.
    """
    source = read_source(hold_file(src), arch=arch, selection=source_part)
    if source.framework == PADDLE:
        raise CheckpointError(f"{src}: is a Paddle checkpoint; --src takes the one of PyTorch")
    target = read_source(hold_file(dst), arch=arch, selection=target_part)
    if target.framework == TORCH:
        raise CheckpointError(f"{dst}: is a PyTorch checkpoint; --dst takes the one of Paddle")
    try:
        expected, _ = cast_state_dict(source.tensors)  # as convert does without being asked: no value changes
    except FerryError as error:
        raise FerryError(f"{src}: {error}") from error
    return Pair(source.spec, source, target, expected)
