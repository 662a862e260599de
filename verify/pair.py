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
from convert.fresh_head import HeadChange
from convert.source.read import Source, read_source
from verify.workers.held import HeldFile, hold_file
from verify.workers.messages import LoadJob


@dataclass(frozen=True)
class Pair:
    """The two checkpoints, read.

    Attributes:
        spec: the architecture, with the source's number of input channels and the target's head.
        source: PyTorch's file.
        target: Paddle's file.
        expected: official name to the tensor that both models are to hold, in PyTorch's layout, float32: the source's
            but for a head that was changed.
        head_change: what became of the source's head on the way to the target; None where it stayed.
    """

    spec: ArchSpec
    source: Source[Array]
    target: Source[Array]
    expected: Mapping[str, Array]
    head_change: HeadChange | None = None

    def load_job(self, framework: str, *, dtype: str = "float32", digest: bool = False, builder: str = "") -> LoadJob:
        """What that framework's worker is to build."""
        side = {"torch": self.source, "paddle": self.target}[framework]
        checkpoint = side.checkpoint
        return LoadJob(
            self.spec,
            tuple(file for file in checkpoint.files if isinstance(file, HeldFile)),
            checkpoint.container,
            checkpoint.wrapper,
            side.named.keys,
            self._made() if framework == TORCH else side.named.made,
            dtype,
            digest,
            builder,
        )

    def _made(self) -> Mapping[str, Array]:
        """What PyTorch's model is to hold beside or in place of its file's tensors."""
        fresh = self.head_change.fresh if self.head_change else {}
        made = {**self.source.named.made, **fresh}
        return {name: array for name, array in made.items() if name in self.expected}


def read_pair(arch: str | ArchSpec, src: Path, dst: Path, *, weights: str = "") -> Pair:
    """Reads both files, once, without running anything that they carry.

    Raises:
        FerryError: one is no checkpoint, or the two are the wrong way round.
    """
    source = read_source(hold_file(src), arch=arch, weights=weights)
    if source.framework == PADDLE:
        raise CheckpointError(f"{src}: is a Paddle checkpoint; --src takes the one of PyTorch")
    target = read_source(hold_file(dst), arch=arch)
    if target.framework == TORCH:
        raise CheckpointError(f"{dst}: is a PyTorch checkpoint; --dst takes the one of Paddle")
    try:
        expected, _ = cast_state_dict(source.tensors)  # as convert does without being asked: no value changes
    except FerryError as error:
        raise FerryError(f"{src}: {error}") from error
    change = _head_change(source.spec, target.spec)
    if change is None:
        return Pair(source.spec, source, target, expected)
    return Pair(change.spec, source, target, {**change.kept(expected), **change.fresh}, change)


def _head_change(source: ArchSpec, target: ArchSpec) -> HeadChange | None:
    """The change of head that is all that parts two architectures; None where nothing or more does."""
    if source.num_classes == target.num_classes:
        return None
    change = HeadChange.to(target.num_classes, source, framework=TORCH)
    return change if change.spec == target else None
