"""What happens to each tensor of a source on its way into a target, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.archs import ArchSpec
from convert.archs.spec import Merging
from convert.conversion import TensorStep
from convert.frameworks import PADDLE, TORCH
from convert.fresh_head import HeadChange
from convert.key_formats.rules import Reshape
from convert.params import Layout, LeftOut, PaddleLeftOut, Param, Shape, name_in
from convert.source.read import Source
from convert.stored import StoredArray

Names = Mapping[str, tuple[str, Reshape]]


@dataclass(frozen=True)
class Steps:
    """The mapping of a source's tensors to a target's.

    Attributes:
        source: what is carried over.
        spec: the architecture, with the target's number of classes.
        framework: of the target.
        names: name in PyTorch to the target's key and how its shape differs.
        dtype: of the target's tensors, but for those that are carried as they are.
        head_change: what becomes of the source's head; None where it stays as it is.
        merging: what is merged; None where nothing is.
    """

    source: Source[StoredArray]
    spec: ArchSpec
    framework: str
    names: Names
    dtype: np.dtype[Any]
    head_change: HeadChange | None = None
    merging: Merging | None = None

    def __iter__(self) -> Iterator[TensorStep]:
        """A step a tensor in the target's order, one for each part of what is merged, and what is left out of it."""
        for row in self.spec.rows():
            if isinstance(row, Param):
                merging = self.merging if self.merging and row.torch_name in self.merging.made else None
                yield from self._merged(merging, row) if merging else (self._carried(row),)
            elif self.framework == TORCH or row.torch_name in self.source.dropped_of(TORCH):
                yield self._left_out(row)
        yield from self._dropped_with_merged()
        for gone in self.spec.paddle_left_out().values():
            if gone.name in self.source.dropped_of(PADDLE):
                yield self._dropped(gone)

    def _carried(self, param: Param) -> TensorStep:
        target, reshape = self.names[param.torch_name]
        name, named = name_in(self.source.framework, param), self.source.named
        target_shape = self._target_shape(param)
        if name not in named.keys or (self.head_change and name in self.head_change.fresh):
            return TensorStep("", (), ("new",), target, target_shape)
        operations = []
        came = named.reshaped.get(name, Reshape.NONE)
        if came is not Reshape.NONE:
            operations.append(came.value)
        array = self.source.checkpoint.tensors[named.keys[name]]
        if self.source.tensors[name].dtype != self.dtype and not param.dtype:
            operations.append("cast")
        turned = (self.framework != self.source.framework) ^ came.turns ^ reshape.turns
        if turned and param.layout is not Layout.SAME:
            operations.append(param.layout.value if self.framework == PADDLE else param.layout.back)
        if reshape is not Reshape.NONE:
            operations.append(f"back from {reshape.value}")
        return TensorStep(named.keys[name], array.shape, tuple(operations), target, target_shape)

    def _merged(self, merging: Merging, param: Param) -> Iterator[TensorStep]:
        """A step for each tensor that goes into that one, and into none before it."""
        keys, parts, target = self.source.named.keys, merging.parts, self.names[param.torch_name][0]
        for part in self.source.spec.params():
            if parts.get(part.torch_name) == param.torch_name:
                key = keys[name_in(self.source.framework, part)]
                shape = self.source.checkpoint.tensors[key].shape
                yield TensorStep(key, shape, ("merge",), target, self._target_shape(param))

    def _target_shape(self, param: Param) -> Shape:
        reshape = self.names[param.torch_name][1]
        return reshape.theirs(param.paddle_shape if self.framework == PADDLE else param.shape)

    def _dropped_with_merged(self) -> Iterator[TensorStep]:
        """What becomes of the counters of norms that are merged."""
        kept, dropped = self.spec.left_out(), self.source.dropped_of(TORCH)
        for row in self.source.spec.left_out().values():
            if row.torch_name in dropped and row.torch_name not in kept:
                yield TensorStep(dropped[row.torch_name], row.shape, ("drop",), "", ())

    def _left_out(self, row: LeftOut) -> TensorStep:
        """What becomes of a tensor that PyTorch alone has."""
        key = self.source.dropped_of(TORCH).get(row.torch_name, "")
        if self.framework == PADDLE:
            return TensorStep(key, row.shape, ("drop",), "", ())
        target, _ = self.names[row.torch_name]
        return TensorStep(key, row.shape if key else (), () if key else ("make",), target, row.shape)

    def _dropped(self, gone: PaddleLeftOut) -> TensorStep:
        """What becomes of a tensor that Paddle alone has."""
        return TensorStep(self.source.dropped_of(PADDLE)[gone.name], gone.shape, ("drop",), "", ())
