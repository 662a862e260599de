"""--gradients: equal answers with unequal gradients are seen, parameter by parameter."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pairs import PROTOCOL, forward_gates, write_pair
from twins import FAMILIES

from convert.archs.spec import ArchSpec
from verify.gates.compare import Comparison
from verify.gates.gradients import GradientDifference, GradientReport, gradients_gate, run_gradients
from verify.gates.parity import parity_inputs
from verify.pair import Pair
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

ALL = 74  # TINY's parameters

# A builder of tests/support/paddle_faults.py that leaves the answer as it is, to how many parameters have another
# gradient: in and before stages.2.1, which has 9 of its own and 39 before it.
BACKWARD = {
    "branch_detached": 48,
    "shortcut_detached": 39,
    "a_gamma_frozen": 1,
    "gelu_gradient_by_tanh": 45,
    "head_gradient_doubled": ALL,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_pair(tmp_path_factory.mktemp("tiny"))


def gradients_of(pair: Pair, workers: dict[str, Worker], *, builder: str = "") -> GradientReport:
    return run_gradients(pair, workers, parity_inputs(pair.spec, PROTOCOL), builders={"paddle": builder})


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
def test_every_parameter_of_an_untouched_pair_has_the_same_gradient(
    spec: ArchSpec, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    report = gradients_of(write_pair(tmp_path, spec), workers)

    learned = [param.torch_name for param in spec.params() if not param.is_statistic]
    assert [gradient.name for gradient in report.gradients] == learned
    assert max(gradient.comparison.max_rel for gradient in report.gradients) < 1e-11
    assert gradients_gate(report).verdict.value == "passed"


@pytest.mark.parametrize("fault", BACKWARD)
def test_a_fault_of_the_backward_pass_alone_is_seen(fault: str, tiny: Pair, workers: dict[str, Worker]) -> None:
    builder = f"paddle_faults:{fault}"
    forward = forward_gates(tiny, workers, builder=builder)
    gate = gradients_gate(gradients_of(tiny, workers, builder=builder))

    assert [gate.verdict.value for gate in forward] == ["passed", "passed"]
    assert gate.verdict.value == "FAILED"
    assert gate.measured == (f"{BACKWARD[fault]} of {ALL} parameters with another gradient")


def test_a_parameter_that_no_gradient_reaches_is_named(tiny: Pair, workers: dict[str, Worker]) -> None:
    gate = gradients_gate(gradients_of(tiny, workers, builder="paddle_faults:a_gamma_frozen"))

    assert gate.problems == ("stages.2.1.gamma: no gradient in paddle",)


def test_a_fault_of_the_forward_pass_is_seen_too(tiny: Pair, workers: dict[str, Worker]) -> None:
    gate = gradients_gate(gradients_of(tiny, workers, builder="paddle_faults:an_epsilon_of_1e_5"))

    assert gate.measured == "72 of 74 parameters with another gradient"


def test_the_models_are_ready_for_the_run_afterwards(tiny: Pair, workers: dict[str, Worker]) -> None:
    gradients_of(tiny, workers)
    one, other = gradients_of(tiny, workers), gradients_of(tiny, workers)

    assert one == other


def difference(max_rel: float) -> GradientDifference:
    return GradientDifference("head.bias", Comparison(max_rel, max_rel, (2,)))


@pytest.mark.parametrize("max_rel", [math.nan, math.inf, 1.01e-9])
def test_a_gradient_beyond_the_limit_or_not_finite_fails(max_rel: float) -> None:
    gate = gradients_gate(GradientReport((difference(1e-15), difference(max_rel))))

    assert gate.verdict.value == "FAILED"
    assert gate.problems == (f"head.bias: max rel {max_rel:.1e} at (2,)",)


def test_the_gate_says_the_largest_difference() -> None:
    gate = gradients_gate(GradientReport((difference(1e-15), difference(3e-14))))

    assert (gate.measured, gate.limit) == (
        "2 parameters, max rel 3.0e-14",
        "every parameter's gradient in float64: max rel <= 1e-09",
    )


def test_a_report_of_no_gradient_is_no_pass() -> None:
    assert gradients_gate(GradientReport(())).verdict.value == "FAILED"
