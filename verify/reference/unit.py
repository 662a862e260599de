"""A unit of the network: a list of steps, to be run as it is or with one of them changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from convert.arrays import Array
from verify.reference.steps import Step, Weights

FEATURES = "features"  # the name of the unit that ends with what the first Linear of the head gets
OUTPUT = "head"  # the name of the unit that ends with the logits


def _channels_last(x: Array) -> Array:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


@dataclass(frozen=True)
class Unit:
    """What a stem, a downsampling layer, a block or a part of the head computes.

    Attributes:
        name: of the unit, and of the module of both models that answers with its output.
        steps: in their order; each of the unit's tensors belongs to one of them.
        shortcut: whether the input is added at the end.
        before: the module of both models that gets the unit's output, where no module answers with it; else empty, as
            it is for what the whole model answers.
    """

    name: str
    steps: tuple[Step, ...]
    shortcut: bool = False
    before: str = ""

    def has(self, tensor: str) -> bool:
        """Whether the tensor of that official name is one of the unit's."""
        return any(step.has(tensor) for step in self.steps)

    def run(self, x: Array, weights: Weights) -> Array:
        """The unit's output.

        Args:
            x: (N, C, H, W) or (N, C), float64.
            weights: the unit's tensors under their official names, in PyTorch's layout, float64.

        Returns:
            (N, C, H, W), or (N, C) where the steps pool or x has no positions.
        """
        return self.resume(0, _channels_last(x), x, weights)

    def states(self, x: Array, weights: Weights) -> list[Array]:
        """What enters each step, (N, H, W, C) or (N, C), for `resume`."""
        entering = [_channels_last(x)]
        for step in self.steps[:-1]:
            entering.append(step.run(entering[-1], weights))
        return entering

    def resume(self, index: int, state: Array, x: Array, weights: Weights) -> Array:
        """The unit's output, computed from the step at that place on, which `state` enters."""
        y = state
        for step in self.steps[index:]:
            y = step.run(y, weights)
        y = y.transpose(0, 3, 1, 2) if y.ndim == 4 else y
        return x + y if self.shortcut else y

    def with_step(self, index: int, step: Step | None) -> Unit:
        """The unit with another step at that place, or with none there."""
        between = () if step is None else (step,)
        return replace(self, steps=(*self.steps[:index], *between, *self.steps[index + 1 :]))

    def exchanged(self, index: int) -> Unit:
        """The unit with the step at that place and the next one exchanged."""
        before, (one, other), after = self.steps[:index], self.steps[index : index + 2], self.steps[index + 2 :]
        return replace(self, steps=(*before, other, one, *after))
