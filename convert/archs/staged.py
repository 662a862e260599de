"""What architectures of stages share, each stage with its number of blocks and its channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from convert.archs.spec import ArchSpec, Stage

Staged = TypeVar("Staged", bound="StagedSpec")


@dataclass(frozen=True, kw_only=True)
class StagedSpec(ArchSpec):
    """An architecture of stages.

    Attributes:
        depths: blocks in each stage, or as many groups of them as the family says.
        dims: channels in each stage.
    """

    depths: tuple[int, ...]
    dims: tuple[int, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(zip(self.depths, self.dims, strict=True))

    def resized(self: Staged, stages: Sequence[Stage]) -> Staged:
        depths, dims = (tuple(sizes) for sizes in zip(*stages, strict=True))
        return replace(self, depths=depths, dims=dims)
