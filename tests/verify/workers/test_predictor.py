"""Paddle's engine runs the model as a saved program: the same answers, and faults of the program alone are seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle
import pytest
from pairs import forward_gates, write_pair
from twins import TINY

import models_paddle
from convert.archs import get_spec
from convert.errors import FerryError
from convert.state_dict import convert_state_dict
from verify.gate import Verdict
from verify.pair import Pair
from verify.selftest.weights import distinct_weights
from verify.store.facts import INFERENCE
from verify.workers.compute import Compute
from verify.workers.predictor import Predictor
from verify.workers.worker import Worker, start_workers

pytest_plugins = ["stand_ins"]

ARCHS = ["convnext_digits", "convnextv2_atto", "convnext_atto_ols", "convnext_atto_rms", "convnext_isotropic_small"]


@pytest.fixture(scope="module")
def engine_workers() -> Iterator[dict[str, Worker]]:
    with start_workers(Compute(threads=1, engine=INFERENCE)) as started:
        yield started


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.mark.parametrize("arch", ARCHS)
def test_the_engine_answers_as_the_model_whatever_the_images_size(arch: str) -> None:
    spec = get_spec(arch)
    model = models_paddle.build_with(spec, convert_state_dict(spec, distinct_weights(spec.params(), dtype="float32")))
    model.eval()
    predictor = Predictor(model, channels=3, device="cpu", threads=1)

    for shape in [(2, 3, 64, 96), (1, 3, 96, 64), (3, 3, 64, 64)]:
        batch = np.random.default_rng(0).standard_normal(shape, np.float32)
        with paddle.no_grad():
            expected = model(paddle.to_tensor(batch)).numpy()
        np.testing.assert_allclose(predictor.forward(batch), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_the_workers_name_their_engines(engine_workers: dict[str, Worker]) -> None:
    assert {name: worker.setup.engine for name, worker in engine_workers.items()} == {
        "torch": "eager",
        "paddle": "inference",
    }


def test_a_good_program_passes_the_forward_gates(pair: Pair, engine_workers: dict[str, Worker]) -> None:
    assert [gate.verdict for gate in forward_gates(pair, engine_workers)] == [Verdict.PASSED, Verdict.PASSED]


def test_a_program_that_departs_from_its_model_fails_the_float32_gate_alone(
    pair: Pair, engine_workers: dict[str, Worker], workers: dict[str, Worker]
) -> None:
    fault = "paddle_faults:scaled_in_programs"

    assert [gate.verdict for gate in forward_gates(pair, engine_workers, builder=fault)] == [
        Verdict.PASSED,
        Verdict.FAILED,
    ]
    assert [gate.verdict for gate in forward_gates(pair, workers, builder=fault)] == [Verdict.PASSED, Verdict.PASSED]


def test_a_model_that_is_no_program_is_an_error(pair: Pair, engine_workers: dict[str, Worker]) -> None:
    with pytest.raises(FerryError) as caught:
        engine_workers["paddle"].load(pair.load_job("paddle", builder="stand_ins:echo"))

    assert str(caught.value).startswith(f"--engine inference: paddle {paddle.__version__} cannot run this model as a ")
    assert str(caught.value).endswith("; without the option the model itself is run")


def test_nothing_is_left_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = models_paddle.build_with(TINY, convert_state_dict(TINY, distinct_weights(TINY.params(), dtype="float32")))

    Predictor(model, channels=3, device="cpu", threads=1)

    assert list(tmp_path.iterdir()) == []
