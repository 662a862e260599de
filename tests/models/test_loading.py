"""The strict loaders: exactly the given weights, or every problem named and the model unchanged."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import paddle
import pytest
from twins import TINY, carried

import models_paddle
import models_torch
from convert.arrays import BFLOAT16, Array
from convert.errors import CheckpointMismatch
from verify.selftest.weights import distinct_weights

both_frameworks = pytest.mark.parametrize("models", [models_torch, models_paddle], ids=["torch", "paddle"])


def weights_for(models: ModuleType, seed: int = 0, dtype: str = "float32") -> dict[str, Array]:
    weights = distinct_weights(TINY.params(), seed, dtype)
    return weights if models is models_torch else carried(TINY.params(), weights)


def held(model: Any) -> dict[str, Array]:
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def same_arrays(one: dict[str, Array], other: dict[str, Array]) -> bool:
    return list(one) == list(other) and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


@both_frameworks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_built_with_weights_holds_exactly_them(models: ModuleType, dtype: str) -> None:
    weights = weights_for(models, dtype=dtype)

    assert same_arrays(held(models.build_with(TINY, weights, dtype=dtype)), weights)


@both_frameworks
@pytest.mark.parametrize("narrow", ["float16", "float32"])
def test_narrower_weights_are_widened_without_loss(models: ModuleType, narrow: str) -> None:
    weights = weights_for(models, dtype=narrow)

    model = models.build_with(TINY, weights, dtype="float64")

    assert same_arrays(held(model), {name: array.astype("float64") for name, array in weights.items()})


@both_frameworks
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_weights_of_any_strides_byte_order_and_read_only_are_loaded(
    models: ModuleType, order: Any, byte_order: str
) -> None:
    weights = weights_for(models)
    odd = {name: np.array(array, f"{byte_order}f4", order=order) for name, array in weights.items()}
    for array in odd.values():
        array.flags.writeable = False

    assert same_arrays(held(models.build_with(TINY, odd)), weights)


@both_frameworks
def test_a_model_keeps_its_own_copy_of_the_weights(models: ModuleType) -> None:
    weights = {name: array.copy() for name, array in weights_for(models).items()}
    model = models.build_with(TINY, weights)

    for array in weights.values():
        array.fill(7)

    assert same_arrays(held(model), weights_for(models))


@both_frameworks
def test_a_model_built_with_weights_can_be_trained(models: ModuleType) -> None:
    model = models.build_with(TINY, weights_for(models))

    if models is models_torch:
        assert all(parameter.requires_grad for parameter in model.parameters())
    else:
        assert not any(parameter.stop_gradient for parameter in model.parameters())


def edits(weights: dict[str, Array]) -> dict[str, Array]:
    """One tensor spoilt in each way that there is."""
    del weights["stages.2.1.gamma"]
    weights["downsample_layers.0.0.bias"] = weights["downsample_layers.0.0.bias"][:3]
    weights["norm.weight"] = weights["norm.weight"].astype("float64")
    weights["norm.bias"] = np.zeros(10, BFLOAT16)
    weights["stages.0.0.gamma"] = weights["stages.0.0.gamma"].astype("int32")
    weights["head.bias"] = np.array([1, np.nan, 2, np.inf, -np.inf, 3, 4, 5, 6, 7], "float32")
    weights["head.scale"] = np.ones((2, 5), "float32")
    return weights


PROBLEMS = (
    "shape       downsample_layers.0.0.bias    expected (4,), found (3,)",
    "dtype       stages.0.0.gamma              expected float32, found int32",
    "missing     stages.2.1.gamma              (8,)",
    "dtype       norm.weight                   expected float32, found float64",
    "dtype       norm.bias                     expected float32, found bfloat16",
    "not finite  head.bias                     3 of 10 values are NaN or Inf",
    "unexpected  head.scale                    (2, 5)",
)


@both_frameworks
def test_the_loader_names_every_problem(models: ModuleType) -> None:
    model = models.build(TINY)

    with pytest.raises(CheckpointMismatch) as caught:
        models.load_weights(model, edits(weights_for(models)))

    assert caught.value.problems == PROBLEMS


@both_frameworks
def test_the_loaders_message_names_the_model_and_what_was_passed_in(models: ModuleType) -> None:
    weights = weights_for(models)
    del weights["head.bias"]

    with pytest.raises(CheckpointMismatch) as caught:
        models.load_weights(models.build(TINY), weights)

    assert str(caught.value) == (
        "the state dict does not fit ConvNeXt: 1 problem\n  missing     head.bias                     (10,)"
    )


@both_frameworks
def test_a_refused_state_dict_leaves_the_model_unchanged(models: ModuleType) -> None:
    model = models.build_with(TINY, weights_for(models))

    with pytest.raises(CheckpointMismatch):
        models.load_weights(model, edits(weights_for(models, seed=1)))

    assert same_arrays(held(model), weights_for(models))


@both_frameworks
def test_building_with_unfitting_weights_names_every_problem(models: ModuleType) -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        models.build_with(TINY, edits(weights_for(models)))

    assert caught.value.problems == PROBLEMS


@both_frameworks
def test_an_empty_state_dict_misses_every_tensor(models: ModuleType) -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        models.build_with(TINY, {})

    assert len(caught.value.problems) == len(TINY.params())


def test_a_linear_weight_in_torchs_layout_does_not_fit_paddle() -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        models_paddle.build_with(TINY, weights_for(models_torch))

    linears = [p for p in TINY.params() if p.shape != p.paddle_shape]
    assert caught.value.problems == tuple(
        f"shape       {p.torch_name:<28}  expected {p.paddle_shape}, found {p.shape}" for p in linears
    )


@both_frameworks
def test_building_with_weights_leaves_the_random_generator_alone(models: ModuleType) -> None:
    paddle.seed(3)
    before = paddle.rand([4]).numpy()
    paddle.seed(3)

    models.build_with(TINY, weights_for(models))

    assert np.array_equal(paddle.rand([4]).numpy(), before)
