"""Test of the gates: each planted fault is caught, and by the gate that is there for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from made_up_images import write_images
from pairs import MISFITS, WRONG_VALUES, all_gates, forward_gates, write_pair

from verify import gates
from verify.gate import Verdict
from verify.gates.structure import tensor_problems
from verify.workers.worker import Worker

pytestmark = pytest.mark.long

pytest_plugins = ["stand_ins"]

STRUCTURE, FLOAT64, FLOAT32, PAIRED = (
    row.name for row in (gates.STRUCTURE, gates.FLOAT64, gates.FLOAT32, gates.PAIRED)
)


# In the definition of Paddle's model, tests/support/paddle_faults.py: its name there to the gate that must see it.
BUILDERS = {
    "an_epsilon_of_1e_5": FLOAT64,
    "the_last_epsilon_of_1e_5": FLOAT64,
    "gelu_by_tanh": FLOAT64,
    "gelu_by_sigmoid": FLOAT64,
    "gamma_ignored": FLOAT64,
    "shortcut_left_out": FLOAT64,
    "reflecting_padding": FLOAT64,
    "norm_before_pooling": FLOAT64,
    "pooling_by_maximum": FLOAT64,
    "unbiased_variance": FLOAT64,
    "kernel_flipped": FLOAT64,
    "drop_path_active": FLOAT64,
    "channels_swapped": FLOAT64,
    "height_and_width_exchanged": FLOAT64,
    "rounding_in_float64": FLOAT64,
    "half_precision_weights": FLOAT32,
    "half_precision_input": FLOAT32,
    "bfloat16_logits": FLOAT32,
    "four_decimals": FLOAT32,
    "batch_shifted": PAIRED,
    "image_replaced": PAIRED,
    "classes_reversed": PAIRED,
    "channels_swapped_in_the_run": PAIRED,
    "logits_off_by_2e_4": PAIRED,
    "not_a_number_in_the_run": PAIRED,
}

FAULTS = {**dict.fromkeys([*WRONG_VALUES, *MISFITS], STRUCTURE), **BUILDERS}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


def first_failing_gate(fault: str, folder: Path, workers: dict[str, Worker], data: Path) -> str | None:
    """Name of the first gate that fails; None if all hold. An empty fault plants none."""
    pair = write_pair(folder, edit={**WRONG_VALUES, **MISFITS}.get(fault))
    ran = all_gates(pair, workers, data, builder=f"paddle_faults:{fault}" if fault in BUILDERS else "")
    return next((gate.name for gate in ran if gate.verdict is Verdict.FAILED), None)


def test_the_untouched_pair_passes_every_gate(tmp_path: Path, workers: dict[str, Worker], data: Path) -> None:
    ran = all_gates(write_pair(tmp_path), workers, data)

    assert [(gate.name, gate.verdict.value) for gate in ran] == [
        (name, "passed") for name in (STRUCTURE, FLOAT64, FLOAT32, PAIRED)
    ]


@pytest.mark.parametrize("fault", FAULTS)
def test_its_gate_is_the_first_to_see(fault: str, tmp_path: Path, workers: dict[str, Worker], data: Path) -> None:
    assert first_failing_gate(fault, tmp_path, workers, data) == FAULTS[fault]


@pytest.mark.parametrize("fault", WRONG_VALUES)
def test_without_the_structure_gate_the_float64_oracle_sees(
    fault: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    pair = write_pair(tmp_path, edit=WRONG_VALUES[fault])
    float64, _ = forward_gates(pair, workers)

    assert tensor_problems(pair) == []
    assert float64.verdict is Verdict.FAILED


def test_the_table_has_faults_for_every_gate() -> None:
    assert Counter(FAULTS.values()) == {STRUCTURE: 19, FLOAT64: 15, FLOAT32: 4, PAIRED: 6}
