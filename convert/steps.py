"""The whole mapping of a conversion, a step a tensor."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.archs.spec import ArchSpec, Merging
from convert.conversion import TensorStep
from convert.frameworks import PADDLE
from convert.key_formats.rules import Reshape
from convert.params import Layout, LeftOut, Param
from convert.source.read import Source


@dataclass(frozen=True)
class Mapped:
    """What a conversion makes of its source's tensors.

    Attributes:
        source: the file and what was recognised in it.
        spec: the target's architecture.
        framework: the target's.
        names: name in PyTorch to the target's key and how its shape differs.
        dtype: of the target.
        fresh: names of tensors that are new though the source has some of these names.
        merging: what was merged; None for nothing.
    """

    source: Source[Any]
    spec: ArchSpec
    framework: str
    names: Mapping[str, tuple[str, Reshape]]
    dtype: np.dtype[Any]
    fresh: Container[str] = ()
    merging: Merging | None = None

    def steps(self) -> Iterator[TensorStep]:
        """A step for each tensor of the target, in its order, then those that are left out of it alone."""
        for row in self.spec.rows():
            if isinstance(row, LeftOut):
                yield from self._left_out(row)
            elif self.merging and row.torch_name in self.merging.made:
                yield from self._merge(self.merging, row)
            else:
                yield self._carry(row)
        kept = self.spec.left_out()
        for row in self.source.spec.left_out().values():
            if row.torch_name not in kept and (key := self.source.named.dropped.get(row.torch_name)):
                yield TensorStep(key, row.shape, ("drop",), "", ())

    def _carry(self, param: Param) -> TensorStep:
        key, reshape = self.names[param.torch_name]
        name, named = self._name_in_source(param), self.source.named
        shape = self._shape(param)
        if name not in named.keys or name in self.fresh:
            return TensorStep("", (), ("new",), key, shape)
        operations = []
        came = named.reshaped.get(name, Reshape.NONE)
        if came is not Reshape.NONE:
            operations.append(came.value)
        array = self.source.checkpoint.tensors[named.keys[name]]
        if self.source.tensors[name].dtype != self.dtype:
            operations.append("cast")
        turned = (self.framework != self.source.framework) ^ came.turns ^ reshape.turns
        if turned and param.layout is not Layout.SAME:
            operations.append(param.layout.value)
        if reshape is not Reshape.NONE:
            operations.append(f"back from {reshape.value}")
        return TensorStep(named.keys[name], array.shape, tuple(operations), key, shape)

    def _merge(self, merging: Merging, param: Param) -> Iterator[TensorStep]:
        """A step for each tensor that goes into that one, and into none before it."""
        keys, key = self.source.named.keys, self.names[param.torch_name][0]
        for part in self.source.spec.params():
            if merging.parts.get(part.torch_name) == param.torch_name:
                own = keys[self._name_in_source(part)]
                shape = self.source.checkpoint.tensors[own].shape
                yield TensorStep(own, shape, ("merge",), key, self._shape(param))

    def _left_out(self, row: LeftOut) -> Iterator[TensorStep]:
        """What becomes of a tensor that PyTorch alone has; nothing where neither file has it."""
        key = self.source.named.dropped.get(row.torch_name, "")
        if self.framework == PADDLE:
            if key:
                yield TensorStep(key, row.shape, ("drop",), "", ())
            return
        operations = () if key else ("make",)
        yield TensorStep(key, row.shape if key else (), operations, self.names[row.torch_name][0], row.shape)

    def _name_in_source(self, param: Param) -> str:
        return param.paddle_name if self.source.framework == PADDLE else param.torch_name

    def _shape(self, param: Param) -> tuple[int, ...]:
        reshape = self.names[param.torch_name][1]
        return reshape.theirs(param.paddle_shape if self.framework == PADDLE else param.shape)
