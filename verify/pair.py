"""The pair of checkpoints that is verified, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convert.archs import ArchSpec
from convert.arrays import Array, dtype_name
from convert.casting import DEFAULT, DTYPES, cast_state_dict, holds, widened
from convert.errors import CheckpointError
from convert.frameworks import PADDLE, PROPER_NAMES, TORCH
from convert.fresh_head import HeadChange
from convert.source.read import WHOLE, Selection, Source, read_source
from verify.workers.held import HeldFile, hold_file
from verify.workers.messages import LoadJob


@dataclass(frozen=True)
class Pair:
    """The two checkpoints, read.

    Attributes:
        spec: the architecture, with the source's number of input channels and the target's head.
        source: PyTorch's file.
        target: Paddle's file.
        expected: official name to the tensor that both models are to hold, in PyTorch's layout, float32: the source's,
            rounded to the target's dtype, but for a head that was changed.
        head_change: what became of the source's head on the way to the target; None where it stayed.
        dtype: that the target's tensors have, of those that `convert --dtype` makes; float32 where they have several,
            or another.
        builders: framework to what builds its model, "module:function:text", where the model packages' own do not.
    """

    spec: ArchSpec
    source: Source[Array]
    target: Source[Array]
    expected: Mapping[str, Array]
    head_change: HeadChange | None = None
    dtype: str = DEFAULT
    builders: Mapping[str, str] = field(default_factory=dict)

    @property
    def rounds(self) -> bool:
        """Whether the source has a value that its rounding to the target's dtype changes."""
        fresh = self.head_change.fresh if self.head_change else {}
        source = {**self.source.tensors, **fresh}
        lossy = [name for name in self.expected if not holds(self.dtype, source[name].dtype)]
        exact = widened({name: source[name] for name in lossy})
        return any(not np.array_equal(exact[name], self.expected[name]) for name in lossy)

    def load_job(
        self,
        framework: str,
        *,
        dtype: str = "float32",
        digest: bool = False,
        builder: str = "",
        rounding: bool = True,
    ) -> LoadJob:
        """What that framework's worker is to build: of the source a model that is rounded as the target is, or not."""
        side = {"torch": self.source, "paddle": self.target}[framework]
        checkpoint = side.checkpoint
        return LoadJob(
            self.spec.compared,
            tuple(file for file in checkpoint.files if isinstance(file, HeldFile)),
            checkpoint.container,
            checkpoint.steps,
            side.named.keys,
            self._made(rounding=rounding) if framework == TORCH else side.named.made,
            side.named.reshaped,
            dtype,
            digest,
            builder or self.builders.get(framework, ""),
            self.dtype if rounding else "",
        )

    def _made(self, *, rounding: bool) -> Mapping[str, Array]:
        """What PyTorch's model is to hold beside or in place of its file's tensors."""
        fresh = self.head_change.fresh if self.head_change else {}
        made = {**self.source.named.made, **fresh}
        return {name: self.expected[name] if rounding else made[name] for name in made if name in self.expected}


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
    # What no tensor tells is said by the source's names, or beside it, if at all.
    target_arch = arch if source.spec.is_told_by_tensors else source.spec
    target = read_source(hold_file(dst), arch=target_arch, selection=target_part)
    if target.framework == TORCH:
        function = target.named.key_format.function
        library = function.library if function else PROPER_NAMES[TORCH]
        raise CheckpointError(f"{dst}: is a {library} checkpoint; --dst takes the one of Paddle")
    dtype = _dtype_of(target.tensors)
    change = _head_change(source.spec, target.spec)
    if change is None:
        return Pair(source.spec, source, target, _rounded(source.tensors, dtype), dtype=dtype)
    expected = _rounded({**change.kept(source.tensors), **change.fresh}, dtype)
    return Pair(change.spec, source, target, expected, change, dtype)


def _head_change(source: ArchSpec, target: ArchSpec) -> HeadChange | None:
    """The change of head that is all that parts two architectures; None where nothing or more does."""
    if source.num_classes == target.num_classes:
        return None
    change = HeadChange.to(target.num_classes, source, framework=TORCH)
    return change if change.spec == target else None


def _rounded(tensors: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    return widened(cast_state_dict(tensors, dtype)[0])


def _dtype_of(tensors: Mapping[str, Array]) -> str:
    names = {dtype_name(array.dtype) for array in tensors.values()}
    return next(iter(names)) if len(names) == 1 and names <= DTYPES.keys() else DEFAULT
