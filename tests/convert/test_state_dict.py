"""The conversion and its inverse: views, nothing lost, every problem named."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from checkpoint_files import same_bits
from twins import GRAY, TINY, carried

from convert import ARCHS, convert_state_dict, restore_state_dict
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import BFLOAT16, Array, count_not_finite, dtype_name
from convert.errors import CheckpointMismatch
from convert.state_dict import find_problems
from verify.selftest.weights import distinct_weights

specs = pytest.mark.parametrize("spec", [TINY, GRAY, ARCHS["convnext_digits"]], ids=lambda spec: spec.name)


@pytest.fixture
def weights() -> dict[str, Array]:
    return distinct_weights(TINY.params(), dtype="float32")


@specs
def test_converting_and_restoring_gives_every_bit_back(spec: ConvNeXtSpec) -> None:
    weights = distinct_weights(spec.params(), dtype="float32")

    assert same_bits(restore_state_dict(spec, convert_state_dict(spec, weights)), weights)


@specs
def test_restoring_and_converting_gives_every_bit_back(spec: ConvNeXtSpec) -> None:
    weights = carried(spec.params(), distinct_weights(spec.params(), dtype="float32"))

    assert same_bits(convert_state_dict(spec, restore_state_dict(spec, weights)), weights)


def test_every_tensor_has_the_tables_name_shape_and_values(weights: dict[str, Array]) -> None:
    converted = convert_state_dict(TINY, weights)

    assert same_bits(converted, carried(TINY.params(), weights))
    assert [array.shape for array in converted.values()] == [param.paddle_shape for param in TINY.params()]


def test_a_linear_weight_is_transposed_and_a_kernel_is_not(weights: dict[str, Array]) -> None:
    converted = convert_state_dict(TINY, weights)

    assert converted["head.weight"][2, 7] == weights["head.weight"][7, 2]
    assert np.array_equal(converted["stages.0.0.dwconv.weight"], weights["stages.0.0.dwconv.weight"])


def test_converting_copies_nothing(weights: dict[str, Array]) -> None:
    converted = convert_state_dict(TINY, weights)

    assert all(np.shares_memory(converted[p.paddle_name], weights[p.torch_name]) for p in TINY.params())


def test_restoring_copies_nothing(weights: dict[str, Array]) -> None:
    source = carried(TINY.params(), weights)

    restored = restore_state_dict(TINY, source)

    assert all(np.shares_memory(restored[p.torch_name], source[p.paddle_name]) for p in TINY.params())


def test_the_source_is_not_changed(weights: dict[str, Array]) -> None:
    before = {name: array.copy() for name, array in weights.items()}
    for array in weights.values():
        array.flags.writeable = False

    convert_state_dict(TINY, MappingProxyType(weights))

    assert same_bits(weights, before)
    assert [array.shape for array in weights.values()] == [array.shape for array in before.values()]


def test_the_result_is_in_the_tables_order_whatever_the_sources(weights: dict[str, Array]) -> None:
    converted = convert_state_dict(TINY, dict(reversed(weights.items())))

    assert list(converted) == [param.paddle_name for param in TINY.params()]


def test_tensors_of_any_strides_and_byte_order_are_taken(weights: dict[str, Array]) -> None:
    odd = {name: np.asfortranarray(array.astype(">f4")) for name, array in weights.items()}

    converted = convert_state_dict(TINY, odd)

    expected = carried(TINY.params(), weights)
    assert all(np.array_equal(array, expected[name]) for name, array in converted.items())


Edit = Callable[[dict[str, Array]], Any]

# The line that each fault alone must give, and the fault. The longest name of the table sets the width.
FAULTS: dict[str, Edit] = {
    "missing     stages.2.1.gamma              (8,)": lambda w: w.pop("stages.2.1.gamma"),
    "missing     stages.0.0.dwconv.weight      (4, 1, 7, 7)": lambda w: w.pop("stages.0.0.dwconv.weight"),
    "missing     head.weight                   (10, 10)": lambda w: w.pop("head.weight"),
    "unexpected  norm.scale                    (3, 2)": lambda w: w.update({"norm.scale": np.ones((3, 2), "float32")}),
    "unexpected  epoch                         ()": lambda w: w.update(epoch=np.float32(3)),
    "shape       stages.0.0.pwconv1.weight     expected (16, 4), found (4, 16)": lambda w: w.update(
        {"stages.0.0.pwconv1.weight": w["stages.0.0.pwconv1.weight"].T}
    ),
    "shape       stages.1.0.gamma              expected (6,), found (6, 1, 1)": lambda w: w.update(
        {"stages.1.0.gamma": w["stages.1.0.gamma"].reshape(6, 1, 1)}
    ),
    "dtype       norm.bias                     expected float32, found float64": lambda w: w.update(
        {"norm.bias": w["norm.bias"].astype("float64")}
    ),
    "dtype       norm.bias                     expected float32, found float16": lambda w: w.update(
        {"norm.bias": w["norm.bias"].astype("float16")}
    ),
    "dtype       norm.bias                     expected float32, found bfloat16": lambda w: w.update(
        {"norm.bias": np.zeros(10, BFLOAT16)}
    ),
    "dtype       norm.bias                     expected float32, found int32": lambda w: w.update(
        {"norm.bias": w["norm.bias"].view("int32")}
    ),
    "dtype       norm.bias                     expected float32, found bool": lambda w: w.update(
        {"norm.bias": np.ones(10, "bool")}
    ),
    "not finite  head.bias                     1 of 10 values are NaN or Inf": lambda w: w["head.bias"].put(3, np.nan),
    "not finite  head.weight                   2 of 100 values are NaN or Inf": lambda w: w["head.weight"].put(
        [0, 99], [np.inf, -np.inf]
    ),
}


@pytest.mark.parametrize("line", FAULTS)
def test_one_fault_gives_one_line(line: str, weights: dict[str, Array]) -> None:
    FAULTS[line](weights)

    with pytest.raises(CheckpointMismatch) as caught:
        convert_state_dict(TINY, weights)

    assert caught.value.problems == (line,)


def test_all_problems_are_told_in_the_tables_order_and_the_unexpected_last(weights: dict[str, Array]) -> None:
    lines = [line for line in FAULTS if "head.weight" not in line and "norm.bias" not in line]
    for line in reversed(lines):
        FAULTS[line](weights)

    with pytest.raises(CheckpointMismatch) as caught:
        convert_state_dict(TINY, weights)

    assert caught.value.problems == (
        "missing     stages.0.0.dwconv.weight      (4, 1, 7, 7)",
        "shape       stages.0.0.pwconv1.weight     expected (16, 4), found (4, 16)",
        "shape       stages.1.0.gamma              expected (6,), found (6, 1, 1)",
        "missing     stages.2.1.gamma              (8,)",
        "not finite  head.bias                     1 of 10 values are NaN or Inf",
        "unexpected  epoch                         ()",
        "unexpected  norm.scale                    (3, 2)",
    )


def test_restoring_tells_problems_in_paddles_layout(weights: dict[str, Array]) -> None:
    source = carried(TINY.params(), weights)
    source["stages.0.0.pwconv1.weight"] = source["stages.0.0.pwconv1.weight"].T
    del source["head.bias"]

    with pytest.raises(CheckpointMismatch) as caught:
        restore_state_dict(TINY, source)

    assert caught.value.problems == (
        "shape       stages.0.0.pwconv1.weight     expected (4, 16), found (16, 4)",
        "missing     head.bias                     (10,)",
    )


def test_the_message_shows_eight_problems_and_counts_the_others() -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        convert_state_dict(TINY, {})

    lines = str(caught.value).split("\n")
    assert lines[0] == "the state dict does not fit tiny_twin: 74 problems"
    assert lines[1:9] == [f"  {problem}" for problem in caught.value.problems[:8]]
    assert lines[9:] == ["  ... and 66 more"]


def test_the_message_of_one_problem_counts_one() -> None:
    assert str(CheckpointMismatch("x", ["a"], "y.pth")) == "y.pth does not fit x: 1 problem\n  a"


def test_the_whole_message_can_be_asked_for() -> None:
    assert CheckpointMismatch("x", ["a"] * 9).describe(9) == "the state dict does not fit x: 9 problems" + "\n  a" * 9


def test_a_dtype_may_be_widened_where_that_is_asked_for() -> None:
    source = {"a": np.ones(2, "float16"), "b": np.ones(2, "float64"), "c": np.ones(2, "int8")}

    assert find_problems(source, {"a": (2,), "b": (2,), "c": (2,)}, dtype=np.dtype("float32"), widen=True) == [
        "dtype       b  expected float32, found float64",
        "dtype       c  expected float32, found int8",
    ]


def test_empty_tensors_are_finite() -> None:
    assert find_problems({"a": np.zeros((0, 3), "float32")}, {"a": (0, 3)}) == []


@pytest.mark.parametrize(("values", "count"), [([1, 2], 0), ([np.nan, 1], 1), ([np.inf, -np.inf], 2), ([], 0)])
def test_values_that_are_not_finite_are_counted(values: list[float], count: int) -> None:
    assert count_not_finite(np.array(values, "float32")) == count


def test_dtypes_are_named_as_the_frameworks_do() -> None:
    assert (dtype_name(BFLOAT16), dtype_name(np.dtype(">f4"))) == ("bfloat16", "float32")
