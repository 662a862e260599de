"""Each usual mistake, made in numpy, is told from all the others; nothing else is given a name."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from oracles import units_in_order
from twins import FAMILIES, HIDDEN, TINY, V2, random_image

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from verify.layers.cause import Observed, explain_unit
from verify.layers.tensor_faults import tensor_faults
from verify.reference.families import build_unit, tensors_of, unit_names
from verify.reference.unit import Unit
from verify.selftest.weights import distinct_weights

IMAGE = (2, 3, 64, 96)


@functools.cache
def inputs_of(spec: ArchSpec) -> dict[str, Array]:
    """Every unit's own input, on the way from an image."""
    weights, x, inputs = distinct_weights(spec.params()), random_image(IMAGE), {}
    for name in units_in_order(spec):
        inputs[name] = x
        x = build_unit(spec, name).run(x, weights)
    return inputs


def hint(spec: ArchSpec, name: str, x: Array, wrong: Unit | Array) -> str:
    """What is said when Paddle's unit has another step, or gives another output."""
    weights = distinct_weights(spec.params())
    expected = build_unit(spec, name).run(x, weights)
    actual = wrong.run(x, weights) if isinstance(wrong, Unit) else wrong
    target = {name: weights[name] for name in tensors_of(spec, name)}
    return explain_unit(spec, Observed(name, x, expected, actual, name), source=weights, target=target)


def changes_nothing(unit: Unit, wrong: Unit, x: Array, weights: dict[str, Array]) -> bool:
    """Whether a mistake is none for that input, as ReLU6 is where no value is above 6."""
    return bool(np.array_equal(unit.run(x, weights), wrong.run(x, weights)))


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
def test_every_mistake_of_every_step_is_told_from_the_others(spec: ArchSpec) -> None:
    weights, count = distinct_weights(spec.params()), 0
    for name, x in inputs_of(spec).items():
        if name.startswith(
            ("stages.0", "stages.1")
        ):  # the later stages' blocks have the same steps and fewer positions
            continue
        unit = build_unit(spec, name)
        for index, step in enumerate(unit.steps):
            for text, wrong in step.mistakes(weights):
                if changes_nothing(unit, unit.with_step(index, wrong), x, weights):
                    continue
                assert hint(spec, name, x, unit.with_step(index, wrong)) == text
                count += 1
        for text, wrong_unit in unit.variants(weights):
            assert hint(spec, name, x, wrong_unit) == text
            count += 1

    assert count > 20


@pytest.mark.parametrize("eps", [0.0, 1e-12, 1e-8, 1e-5, 1.5e-5, 1e-3, 0.1])
def test_any_eps_is_found(eps: float) -> None:
    unit, x = build_unit(TINY, "stages.2.0"), inputs_of(TINY)["stages.2.0"]

    wrong = unit.with_step(1, type(unit.steps[1])("stages.2.0.norm", eps=eps))  # type: ignore[call-arg]  # the kind of step is known
    assert hint(TINY, "stages.2.0", x, wrong) == f"stages.2.0.norm: eps {eps:.3g} in place of 1e-06"


def test_an_eps_of_the_response_norm_is_found() -> None:
    unit, x = build_unit(V2, "stages.2.0"), inputs_of(V2)["stages.2.0"]

    wrong = unit.with_step(4, type(unit.steps[4])("stages.2.0.grn", eps=1e-4))  # type: ignore[call-arg]  # the kind of step is known
    assert hint(V2, "stages.2.0", x, wrong) == "stages.2.0.grn: eps 0.0001 in place of 1e-06"


def test_a_response_norm_before_its_gelu_is_found() -> None:
    unit, x = build_unit(V2, "stages.2.0"), inputs_of(V2)["stages.2.0"]

    text = hint(V2, "stages.2.0", x, unit.exchanged(3))
    assert text == "stages.2.0.grn before stages.2.0.gelu in place of after it"


def test_a_norm_after_the_mean_is_found_where_it_comes_first() -> None:
    unit, x = build_unit(HIDDEN, "features"), inputs_of(HIDDEN)["features"]

    text = hint(HIDDEN, "features", x, unit.exchanged(0))
    assert text == "the mean over height and width before norm_pre in place of after it"


def test_two_mistakes_at_once_are_not_called_one() -> None:
    unit, x = build_unit(TINY, "stages.2.0"), inputs_of(TINY)["stages.2.0"]
    gelu, gamma = unit.steps[3], unit.steps[5]

    wrong = unit.with_step(5, None).with_step(3, type(gelu)(gelu.name, form="tanh"))  # type: ignore[call-arg]  # the kind of step is known
    assert gamma.name == "stages.2.0.gamma"
    assert hint(TINY, "stages.2.0", x, wrong) == (
        "no usual mistake reproduces it; 8 of 8 channels differ, at 24 of 24 positions"
    )


def test_the_signature_counts_channels_and_positions() -> None:
    unit, x = build_unit(TINY, "stages.2.0"), inputs_of(TINY)["stages.2.0"]
    output = unit.run(x, distinct_weights(TINY.params()))
    output[1, 3, 0, :2] += 1e-3

    assert hint(TINY, "stages.2.0", x, output) == (
        "no usual mistake reproduces it; 1 of 8 channels differ, at 2 of 24 positions"
    )


def test_an_output_that_is_not_finite_is_said() -> None:
    x = inputs_of(TINY)["head"]

    text = hint(TINY, "head", x, np.full((2, 10), np.nan))
    assert text == "no usual mistake reproduces it; 10 of 10 values are not finite"


def test_an_output_of_another_shape_is_said() -> None:
    x = inputs_of(TINY)["head"]

    text = hint(TINY, "head", x, np.zeros((2, 9)))
    assert text == "no usual mistake reproduces it; the output's shape is (2, 9) in place of (2, 10)"


# Tensors

WEIGHTS = distinct_weights(TINY.params(), dtype="float32")
TENSORS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "is 1e-06 throughout": ("stages.2.0.gamma", lambda w: np.full_like(w, 1e-6)),
    "is 1 throughout": ("stages.2.0.gamma", np.ones_like),
    "is transposed": ("head.weight", lambda w: w.T),
    "was reshaped in place of transposed": ("stages.2.0.pwconv1.weight", lambda w: w.reshape(w.shape[::-1]).T),
    "is flipped in height and width": ("stages.2.0.dwconv.weight", lambda w: w[:, :, ::-1, ::-1]),
    "has height and width exchanged": ("stages.2.0.dwconv.weight", lambda w: w.transpose(0, 1, 3, 2)),
    "has its input channels reversed": ("downsample_layers.0.0.weight", lambda w: w[:, ::-1]),
    "has the other sign": ("norm.bias", lambda w: -w),
    "is rounded to float16": ("norm.bias", lambda w: w.astype("float16").astype("float32")),
    "holds stages.2.1.gamma": ("stages.2.0.gamma", lambda _: WEIGHTS["stages.2.1.gamma"]),
    "differs in 1 of 10 values": ("norm.bias", lambda w: np.where(np.arange(10) == 3, 0, w)),
}


@pytest.mark.parametrize("fault", TENSORS)
def test_a_wrong_tensor_is_described(fault: str) -> None:
    name, edit = TENSORS[fault]

    assert tensor_faults(WEIGHTS, {name: edit(WEIGHTS[name])}, units=unit_names(TINY)) == [f"{name} {fault}"]


def test_right_tensors_have_no_fault() -> None:
    assert tensor_faults(WEIGHTS, WEIGHTS, units=unit_names(TINY)) == []


def test_more_than_three_wrong_tensors_are_counted() -> None:
    names = [name for name in WEIGHTS if name.startswith("stages.2.0.")][:5]

    negated = {name: -WEIGHTS[name] for name in names}

    *_, last = lines = tensor_faults(WEIGHTS, negated, units=unit_names(TINY))

    assert (len(lines), last) == (4, "and 2 more tensors")
