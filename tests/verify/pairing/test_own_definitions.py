"""Somebody's own definition of a known architecture in the place of ours, with our names or a library's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pairs import PROTOCOL

from convert.errors import FerryError
from convert.tables import ModelName
from verify import sample
from verify.gate import Gate, Verdict
from verify.gates.gradients import gradients_gate, run_gradients
from verify.gates.layers import layers_gate
from verify.gates.parity import parity_gates, parity_inputs
from verify.gates.structure import file_digests, run_structure
from verify.pair import Pair, read_pair
from verify.pairing.layers import run_paired_layers
from verify.pairing.stranger import Strangers
from verify.run import convert_sample
from verify.workers.compute import Compute
from verify.workers.worker import Worker, start_workers

Workers = Mapping[str, Worker]

DEFINITIONS = """
from convert.archs import get_spec

SPEC = get_spec("convnext_digits")


def as_paddleclas():
    from paddleclas_twins import Network

    return Network(SPEC)


def as_ours():
    from models_paddle import build

    return build(SPEC)


def of_another_eps():
    model = as_ours()
    model.stages[2][1].norm._epsilon = 1e-5
    return model


def of_other_names():
    from paddle import nn

    return nn.Sequential(nn.Conv2D(3, 8, 3), nn.Linear(8, 8))


def in_torch():
    from models_torch import build

    return build(SPEC)
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with start_workers(Compute(threads=1)) as started:
        yield started


def pair_of(folder: Path, **callables: str) -> Pair:
    file = folder / "definitions.py"
    file.write_text(DEFINITIONS, encoding="utf-8")
    models = {framework: ModelName(f"{file}:{name}") for framework, name in callables.items()}
    pair = read_pair(sample.ARCH, sample.CHECKPOINT, convert_sample(folder))
    return replace(pair, builders=Strangers.read(None, models).builders)


def gates_of(pair: Pair, workers: Workers) -> list[Gate]:
    inputs = parity_inputs(pair.spec, PROTOCOL)
    return [
        run_structure(pair, file_digests(pair), workers),
        *parity_gates(pair, workers, inputs),
        layers_gate(run_paired_layers(pair, workers, inputs)),
        gradients_gate(run_gradients(pair, workers, inputs)),
    ]


@pytest.mark.parametrize(
    "callables",
    [{"paddle": "as_paddleclas"}, {"paddle": "as_ours"}, {"torch": "in_torch"}],
    ids=["PaddleClas' names", "our names", "PyTorch's model"],
)
def test_a_right_definition_passes_every_gate(callables: dict[str, str], tmp_path: Path, workers: Workers) -> None:
    gates = gates_of(pair_of(tmp_path, **callables), workers)

    assert {gate.name: gate.verdict for gate in gates if gate.verdict is not Verdict.PASSED} == {}


def test_another_eps_is_seen_and_named(tmp_path: Path, workers: Workers) -> None:
    gates = {gate.name: gate for gate in gates_of(pair_of(tmp_path, paddle="of_another_eps"), workers)}

    assert {name for name, gate in gates.items() if gate.verdict is Verdict.FAILED} >= {"float64 oracle", "layers"}
    details = dict(gates["layers"].details)
    assert details["first"] == "stages.2.1.norm"
    assert "eps is 1e-06 in PyTorch and 1e-05 in Paddle" in details["hint"]


def test_names_that_are_nobody_s_are_refused(tmp_path: Path, workers: Workers) -> None:
    pair = pair_of(tmp_path, paddle="of_other_names")

    with pytest.raises(FerryError, match=r"^definitions.py:of_other_names: its tensors' names "):
        run_structure(pair, file_digests(pair), workers)
