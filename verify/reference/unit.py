"""A unit of the network: a list of steps, to be run as it is or with one of them changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from convert.arrays import Array
from verify.reference.steps import Step, Weights

FEATURES = "features"  # the name of the unit that ends with what the first Linear of the head gets
OUTPUT = "head"  # the name of the unit that ends with the logits


def _channels_last(x: Array) -> Array:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def _exchange(steps: tuple[Step, ...], index: int, step: Step | None) -> tuple[Step, ...]:
    between = () if step is None else (step,)
    return (*steps[:index], *between, *steps[index + 1 :])


@dataclass(frozen=True)
class Unit:
    """What a stem, a downsampling layer, a block or a part of the head computes.

    Attributes:
        name: of the unit, and of the module of both models that answers with its output.
        steps: in their order; each of the unit's tensors belongs to one of them.
        shortcut: whether the input is added at the end.
        projection: what the input passes on its way there.
        after: what the sum passes.
        before: the module of both models that gets the unit's output, where no module answers with it; else empty, as
            it is for what the whole model answers.
    """

    name: str
    steps: tuple[Step, ...]
    shortcut: bool = False
    projection: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    before: str = ""

    def has(self, tensor: str) -> bool:
        """Whether the tensor of that official name is one of the unit's."""
        return any(step.has(tensor) for step in (*self.steps, *self.projection, *self.after))

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
        if self.shortcut:
            y = y + self._carried(_channels_last(x), weights)
        for step in self.after:
            y = step.run(y, weights)
        return y.transpose(0, 3, 1, 2) if y.ndim == 4 else y

    def _carried(self, x: Array, weights: Weights) -> Array:
        for step in self.projection:
            x = step.run(x, weights)
        return x

    def with_step(self, index: int, step: Step | None) -> Unit:
        """The unit with another step at that place, or with none there."""
        return replace(self, steps=_exchange(self.steps, index, step))

    def variants(self, weights: Weights) -> Iterator[tuple[str, Unit]]:
        """The unit with each usual mistake in what the shortcut or the sum passes, and what it is, for people."""
        for part in ("projection", "after"):
            steps: tuple[Step, ...] = getattr(self, part)
            for index, step in enumerate(steps):
                for text, wrong in step.mistakes(weights):
                    yield text, replace(self, **{part: _exchange(steps, index, wrong)})  # type: ignore[arg-type]  # a field

    def exchanged(self, index: int) -> Unit:
        """The unit with the step at that place and the next one exchanged."""
        before, (one, other), after = self.steps[:index], self.steps[index : index + 2], self.steps[index + 2 :]
        return replace(self, steps=(*before, other, one, *after))
