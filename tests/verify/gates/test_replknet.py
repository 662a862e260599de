"""RepLKNet's faults that no shape and no key shows: the oracle must see each, and the layers name it."""

from __future__ import annotations

import pytest
from pairs import PROTOCOL, forward_gates, write_pair
from twins import REPLKNET, REPLKNET_MERGED

from verify.gates.layers import layers_gate, run_layers
from verify.gates.parity import parity_inputs
from verify.pair import Pair
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

BLOCK, FEED_FORWARD = "stages.2.blocks.0", "stages.2.blocks.1"

# A builder of tests/support/paddle_faults.py to what `--layers` says of it.
FAULTS = {
    "no_relu_after_pw1": f"{BLOCK}: the ReLU of {BLOCK}.pw1: left out",
    "no_relu_in_the_stem": "the ReLU of stem.0: left out",
    "no_relu_in_a_transition": "the ReLU of transitions.1.0: left out",
    "no_relu_after_the_large_kernel": f"{BLOCK}.lk_nonlinear: left out",
    "a_relu_for_the_gelu": "no usual mistake reproduces it",
    "a_relu_after_pw2": "no usual mistake reproduces it",
    "statistics_forgotten": f"{BLOCK}.prelkb_bn",
    "the_maximum_of_a_map": "the maximum in place of the mean",
    "an_eps_of_1e_3_in_a_batch_norm": f"{BLOCK}.prelkb_bn: eps 0.001 in place of 1e-05",
}


@pytest.fixture(scope="module", params=[REPLKNET, REPLKNET_MERGED], ids=lambda spec: spec.name)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_pair(tmp_path_factory.mktemp("pair"), request.param)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_by_the_oracle_and_named_by_the_layers(
    fault: str, pair: Pair, workers: dict[str, Worker]
) -> None:
    builder = f"paddle_faults:{fault}"

    oracle, _ = forward_gates(pair, workers, builder=builder)
    report = run_layers(pair, workers, parity_inputs(pair.spec, PROTOCOL), builders={"paddle": builder})

    assert oracle.verdict.value == "FAILED"
    assert layers_gate(report).verdict.value == "FAILED"
    assert FAULTS[fault].removeprefix(f"{BLOCK}: ") in report.hint
