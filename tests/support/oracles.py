"""Somebody else's models as judges: randomised, in float64, on one image that is not square."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import paddle
import torch
from twins import carried, random_image, randomised

import models_paddle
import models_torch
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.key_formats import Named, name_officially
from verify.reference.families import units_of

ORACLE = 1e-10  # max|difference| / max|expected|; measured floor 2e-15 (timm's 28 architectures, CPU)
IMAGE = (1, 3, 64, 96)


@dataclasses.dataclass(frozen=True)
class Judged:
    """A library's model, and what was made of its state dict.

    Attributes:
        named: its tensors as `name_officially` has them.
        expected: its output, with every parameter distinct and of order 1.
    """

    named: Named[Array]
    expected: Array


def judge(make: Callable[[], torch.nn.Module], image: Array | None = None) -> Judged:
    """Fills a library's model with weights drawn for its own keys, and asks it."""
    with torch.device("meta"):
        model = make()
    weights = randomised({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, assign=True)
    with torch.no_grad():
        answer = model.eval()(torch.from_numpy(random_image(IMAGE) if image is None else image))
    logits = getattr(answer, "logits", answer)  # transformers wraps it
    return Judged(name_officially(weights), logits.numpy())


def torch_output(spec: ArchSpec, weights: Mapping[str, Array], *, method: str = "forward") -> Array:
    """Output of our PyTorch model for weights in PyTorch's layout."""
    model: Any = models_torch.build_with(spec, weights, dtype="float64")
    with torch.no_grad():
        output: Array = getattr(model, method)(torch.from_numpy(random_image(IMAGE))).numpy()
    return output


def paddle_output(spec: ArchSpec, weights: Mapping[str, Array], *, method: str = "forward") -> Array:
    """Output of our Paddle model for weights in PyTorch's layout."""
    model: Any = models_paddle.build_with(spec, carried(spec.params(), weights), dtype="float64")
    with paddle.no_grad():
        output: Array = getattr(model, method)(paddle.to_tensor(random_image(IMAGE))).numpy()
    return output


def units_in_order(spec: ArchSpec) -> list[str]:
    """Names of the units as a forward pass runs them."""
    return [unit.name for unit in units_of(spec)]
