"""Another head in place of a model's own, on request: a new one, or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from convert.archs import ArchSpec
from convert.arrays import Array
from convert.frameworks import PADDLE
from convert.params import Layout

Tensor = TypeVar("Tensor")

HEAD_STD = 0.02  # of the authors' initialisation
HEAD_SEED = 0


def fresh_head(spec: ArchSpec, *, framework: str) -> dict[str, Array]:
    """A newly initialised head, float32.

    Args:
        spec: with the wanted number of classes.
        framework: whose layout the weight is to have.

    Returns:
        The weight is drawn from a normal distribution of standard deviation 0.02 (numpy's frozen RandomState, seed 0:
        the same bits everywhere), the bias is 0.
    """
    param = next(param for param in spec.params() if param.torch_name == spec.head_key)
    weight = np.random.RandomState(HEAD_SEED).standard_normal(param.shape) * HEAD_STD
    layout = param.layout if framework == PADDLE else Layout.SAME
    return {
        spec.head_key: layout.to_paddle(weight.astype(np.float32)),
        spec.head_bias_key: np.zeros(spec.num_classes, np.float32),
    }


def fresh_norm(spec: ArchSpec) -> dict[str, Array]:
    """A newly initialised last norm, float32: a scale of ones and, where the norm has one, a shift of zeros."""
    rows = (param for param in spec.params() if param.torch_name.startswith(f"{spec.last_norm_name}."))
    fill = {"weight": np.ones, "bias": np.zeros}
    return {param.torch_name: fill[param.torch_name.rpartition(".")[2]](param.shape, np.float32) for param in rows}


@dataclass(frozen=True)
class HeadChange:
    """What becomes of a model whose head is replaced or left out.

    Attributes:
        spec: the architecture with the other head.
        fresh: official names to the tensors that are new, float32: those of a head, and of a last norm where the model
            had none.
        dropped: official names of the tensors that are left out.
    """

    spec: ArchSpec
    fresh: Mapping[str, Array]
    dropped: tuple[str, ...]

    @classmethod
    def to(cls, num_classes: int, spec: ArchSpec, *, framework: str) -> HeadChange:
        """The change to a head of that many classes; to none for 0.

        Args:
            num_classes: another number than the model has.
            spec: the model's.
            framework: whose layout the new tensors are to have.
        """
        head = (spec.head_key, spec.head_bias_key)
        if not num_classes:
            return cls(dataclasses.replace(spec, num_classes=0), {}, head)
        changed = dataclasses.replace(spec, num_classes=num_classes, last_norm=True)
        fresh = {} if spec.last_norm else fresh_norm(changed)
        return cls(changed, {**fresh, **fresh_head(changed, framework=framework)}, ())

    def kept(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The model's own tensors that stay, under their names."""
        gone = {*self.dropped, *self.fresh}
        return {name: tensor for name, tensor in tensors.items() if name not in gone}

    def describe(self) -> str:
        """What was changed, for people."""
        if not self.spec.num_classes:
            return "the head is left out"
        head = f"the head is new: {self.spec.num_classes} classes, initialised at random (seed 0), untrained"
        norm = any(name.startswith(f"{self.spec.last_norm_name}.") for name in self.fresh)
        return f"{head}; the last norm is new too: ones and zeros" if norm else head
