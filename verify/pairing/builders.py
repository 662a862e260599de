"""Builds, in a worker, a model that is not of our model packages and gives it a checkpoint's tensors.

A worker finds these functions by name, see `builder_text`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.errors import CheckpointError, CheckpointMismatch, FerryError
from convert.key_formats import name_officially
from convert.params import Shape, is_counter, name_in
from convert.state_dict import find_problems
from verify.pairing.builder_text import Definition
from verify.pairing.code import user_errors
from verify.pairing.messages import BuildJob, RoundConstants, SetTensor
from verify.pairing.side import Side

_set_up: set[str] = set()  # what was called before the first model, and need not be again


def build_torch(text: str, spec: ArchSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> Any:
    """PyTorch's model as `build_with` gives it, in evaluation mode, with those weights.

    Args:
        text: of a `Definition`.
        spec: the network.
        weights: names in PyTorch to arrays in PyTorch's layout, of the dtype or one that widens into it.
        dtype: "float32" or "float64", of every tensor of floating-point numbers.

    Raises:
        FerryError: its code raises, or its tensors are not the network's.
    """
    return _build("torch", text, spec, weights, dtype)


def build_paddle(text: str, spec: ArchSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> Any:
    """Paddle's model, likewise, of names in Paddle and arrays in Paddle's layout."""
    return _build("paddle", text, spec, weights, dtype)


def own_names(model: Any) -> dict[str, str]:
    """The network's name of each tensor to the model's own, where that is another."""
    names: dict[str, str] = getattr(model, "ferry_names", {})
    return names


def own_versions(model: Any) -> dict[str, str]:
    """The packages that the model came from, and their versions."""
    versions: dict[str, str] = getattr(model, "ferry_versions", {})
    return versions


def state_arrays(model: Any, framework: str) -> dict[str, Array]:
    """Every tensor of a model's state dict."""
    side = _side(framework)
    side.model = model
    return side.state_arrays()


def layer_settings(model: Any, framework: str, path: str) -> dict[str, object]:
    """What a layer computes with besides its tensors, in values that are comparable between the frameworks."""
    side = _side(framework)
    side.model = model
    layer = dict(side.layers())[path]
    return {name: _comparable(value) for name, value in side.setting_values(layer).items()}


def _comparable(value: object) -> object:
    if isinstance(value, float):
        return float(f"{np.float32(value):.6g}")
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    return tuple(value) * 2 if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _build(framework: str, text: str, spec: ArchSpec, weights: Mapping[str, Array], dtype: str) -> Any:
    definition = Definition.read(text)
    side: Side = _side(framework)
    _construct(side, definition)
    side.settle(dtype)
    if definition.by_table:
        # Paddle's norms keep their eps as a float32. Where a variance is far below it, as of a channel that is always
        # zero, the rounding alone would part the models by 3e-8.
        side.round_constants(RoundConstants())
    names = {} if definition.by_table else _library_names(side, spec, definition.words)
    _load(side, spec, {names.get(name, name): array for name, array in weights.items()}, names, dtype, definition.words)
    model = side.model
    model.ferry_names, model.ferry_versions = names, side.versions()
    model.forward = _first_answer(side, model.forward)
    if definition.fault:
        module = importlib.import_module("verify.selftest.layer_faults")
        module.plant(side, definition.fault)
    return model


def _construct(side: Side, definition: Definition) -> None:
    model = definition.model
    if model.setup in _set_up:
        model = replace(model, setup="")
    side.build(BuildJob(model, definition.folders))
    _set_up.add(definition.model.setup)


def _side(framework: str) -> Side:
    """That framework's side, on whatever device its worker has set."""
    module = importlib.import_module(f"verify.pairing.{framework}_side")
    side: Side = getattr(module, f"{framework.title()}Side")()
    return side


def _library_names(side: Side, spec: ArchSpec, words: str) -> dict[str, str]:
    """The network's names to those of a model whose tensors are named as ours, or as a known library names them."""
    tensors = {name: array for name, array in side.state_arrays().items() if not is_counter(name, array.shape)}
    try:
        named = name_officially(tensors)
    except CheckpointError as error:
        raise FerryError(f"{words}: its tensors' names {error}") from error
    keys = {name_in(side.framework, param): named.keys.get(param.torch_name, "") for param in spec.params()}
    return {name: key for name, key in keys.items() if key}


def _load(
    side: Side, spec: ArchSpec, weights: Mapping[str, Array], names: Mapping[str, str], dtype: str, words: str
) -> None:
    """Sets every tensor, or raises CheckpointMismatch with none set; what the table leaves out stays as built."""
    own = {name: tuple(array.shape) for name, array in side.state_arrays().items()}
    left_out = spec.left_out_shapes(side.framework)
    expected = {name: shape for name, shape in own.items() if name not in left_out and not is_counter(name, shape)}
    keys = {names.get(name, name): name for name in spec.kept_dtypes(side.framework)}
    kept = {key: spec.kept_dtypes(side.framework)[name] for key, name in keys.items()}
    if names:
        weights = {key: _in_shape(array, expected.get(key, array.shape)) for key, array in weights.items()}
    if problems := find_problems(weights, expected, dtype=np.dtype(dtype), kept=kept, widen=True):
        raise CheckpointMismatch(words, problems)
    for name in expected:
        values = np.array(weights[name], kept.get(name, dtype), order="C")
        side.set_tensor(SetTensor(name, values))


def _in_shape(array: Array, shape: Shape) -> Array:
    """The array in a library's own shape, which may have an axis more."""
    return array.reshape(shape) if array.size == math.prod(shape) and 1 in (*shape, *array.shape) else array


def _first_answer(side: Side, forward: Callable[..., Any]) -> Callable[..., Any]:
    """The forward pass, of whose answer the first tensor counts, as (N, numbers)."""

    def answer(*arguments: Any, **named: Any) -> Any:
        try:
            with user_errors("the model cannot be run"):
                first = next(side.tensors(forward(*arguments, **named)), None)
        except FerryError as error:
            cause = error.__cause__
            if isinstance(cause, MemoryError) or (cause and "OutOfMemory" in type(cause).__name__):
                raise cause from None  # the worker's own to explain
            raise
        if first is None:
            raise FerryError("the model answers with no tensor")
        return first if len(first.shape) == 2 else first.reshape([first.shape[0], -1])

    return answer
