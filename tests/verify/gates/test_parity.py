"""What the forward gates feed both models, and what a model of one channel gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pairs import PROTOCOL, forward_gates, write_pair
from twins import GRAY, TINY

from convert.archs.convnext import ConvNeXtSpec
from verify.gate import Gate
from verify.gates.parity import parity_inputs
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]


def test_the_inputs_are_noise_that_is_not_square_and_images_of_the_sample() -> None:
    noise, images = parity_inputs(TINY, PROTOCOL).batches

    assert (noise.shape, images.shape) == ((2, 3, 64, 96), (2, 3, 64, 64))


def test_a_model_of_one_channel_gets_noise_alone() -> None:
    (noise,) = parity_inputs(GRAY, PROTOCOL).batches

    assert noise.shape == (2, 1, 64, 96)


def test_the_inputs_are_the_same_every_time() -> None:
    one, other = parity_inputs(TINY, PROTOCOL).batches, parity_inputs(TINY, PROTOCOL).batches

    assert [batch.tobytes() for batch in one] == [batch.tobytes() for batch in other]


def test_float32_holds_every_value_of_the_inputs_exactly() -> None:
    for batch in parity_inputs(TINY, PROTOCOL).batches:
        assert batch.dtype == np.float64
        assert np.array_equal(batch, batch.astype(np.float32))


def test_no_two_of_the_inputs_images_are_alike() -> None:
    for batch in parity_inputs(TINY, PROTOCOL).batches:
        assert not np.array_equal(batch[0], batch[1])


def test_there_is_room_for_the_largest_batch() -> None:
    inputs = parity_inputs(TINY, PROTOCOL)

    assert inputs.nbytes == max(batch.nbytes for batch in inputs.batches)


def number(gate: Gate, name: str) -> float:
    return {measure.name: measure.value for measure in gate.measures}[name]


@pytest.mark.parametrize("spec", [TINY, GRAY], ids=lambda spec: spec.name)
def test_an_untouched_pair_stands_far_under_the_limits(
    spec: ConvNeXtSpec, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    float64, float32 = forward_gates(write_pair(tmp_path, spec), workers)

    assert number(float64, "max rel") < 1e-12
    assert number(float32, "max abs") < 1e-5
    assert [gate.verdict.value for gate in (float64, float32)] == ["passed", "passed"]
