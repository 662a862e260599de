"""A pair that a table states, through every gate: right pairs pass, and each planted difference is seen and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from table_pairs import TORCH, TablePair, write_pair

from convert.errors import CheckpointMismatch, FerryError
from convert.tables import ModelName, TableSpec, read_table
from verify.gate import Gate, Verdict
from verify.gates.gradients import gradients_gate, run_gradients
from verify.gates.layers import UnitReport, layers_gate
from verify.gates.parity import ParityInputs, parity_gates
from verify.gates.structure import file_digests, run_structure
from verify.limits import POOLED_GRADIENT_MAX_REL
from verify.pair import Pair, read_pair
from verify.pairing.layers import ANSWER, run_paired_layers
from verify.pairing.stranger import Strangers
from verify.workers.compute import Compute
from verify.workers.worker import Worker, start_workers

Workers = Mapping[str, Worker]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with start_workers(Compute(threads=1)) as started:
        yield started


def pair_of(files: TablePair) -> Pair:
    table = read_table(files.table)
    spec = replace(TableSpec.of(table), num_classes=6, numbers=6)
    strangers = Strangers.read(files.table, {"torch": table.torch, "paddle": table.paddle})
    return replace(read_pair(spec, files.src, files.dst), builders=strangers.builders)


def inputs() -> ParityInputs:
    noise = np.random.default_rng(0).standard_normal((2, 3, 12, 20)).astype("f4").astype("f8")
    return ParityInputs((noise, noise[:, :, :, :12]))


@dataclass(frozen=True)
class Seen:
    gates: dict[str, Gate]
    units: UnitReport

    @property
    def failed(self) -> set[str]:
        return {name for name, gate in self.gates.items() if gate.verdict is Verdict.FAILED}


def run(files: TablePair, workers: Workers) -> Seen:
    pair = pair_of(files)
    units = run_paired_layers(pair, workers, inputs())
    gates = [
        run_structure(pair, file_digests(pair), workers),
        *parity_gates(pair, workers, inputs()),
        layers_gate(units),
        gradients_gate(run_gradients(pair, workers, inputs())),
    ]
    return Seen({gate.name: gate for gate in gates}, units)


def test_a_right_pair_passes_every_gate(tmp_path: Path, workers: Workers) -> None:
    seen = run(write_pair(tmp_path), workers)

    assert {gate.verdict for gate in seen.gates.values()} == {Verdict.PASSED}
    names = [unit.name for unit in seen.units.units if unit.dtype == "float64"]
    assert names == ["stem", "norm", "left", "right", "hidden", "head", ANSWER]
    assert seen.gates["gradients"].measures[0].limit == POOLED_GRADIENT_MAX_REL


# What is changed in Paddle's definition; the unit that departs first, and what the hint says of it.
DIFFERENCES: dict[str, tuple[dict[str, str], str, str]] = {
    "another eps": ({"epsilon=eps": "epsilon=1e-4"}, "norm", "eps is 1e-05 in PyTorch and 0.0001 in Paddle"),
    "another stride": ({"stride=2, padding=1": "stride=2, padding=2"}, "stem", "padding is (1, 1) in PyTorch"),
    "an activation left out": ({"nn.functional.relu(self.fc1": "(self.fc1"}, "head", "compare what runs before it"),
    "another activation": (
        {"nn.functional.relu(super": "nn.functional.gelu(super"},
        "left",
        "compare what runs before",
    ),
    "another activation in a branch": (
        {"nn.functional.sigmoid(": "nn.functional.tanh("},
        "hidden",
        "compare what runs before it",
    ),
    "an output scaled": ({"return self.fc2(": "return 2 * self.fc2("}, ANSWER, "compare what runs after the last"),
    "the answers in another order": ({"(x.mean([2, 3])))), x": "(x.mean([2, 3])))).flip([1]), x"}, ANSWER, "after"),
    "a branch twice": ({"self.a(x) + y": "self.a(x) + 2 * y"}, "hidden", "compare what runs before it"),
    "another pooling": ({"x.mean([2, 3])": "x.max([2, 3])"}, "hidden", "compare what runs before it"),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_a_difference_of_the_definitions_is_seen_and_placed(kind: str, tmp_path: Path, workers: Workers) -> None:
    changes, unit, words = DIFFERENCES[kind]

    seen = run(write_pair(tmp_path, paddle=changes), workers)

    assert {"float64 oracle", "layers"} <= seen.failed
    assert seen.units.first is not None
    assert (seen.units.first.name, seen.units.first.dtype) == (unit, "float64")
    assert words in seen.units.hint


def test_a_gradient_that_does_not_flow_is_seen_where_the_answers_are_the_same(tmp_path: Path, workers: Workers) -> None:
    files = write_pair(tmp_path, paddle={"x = self.a(x) + y": "x = self.a(x.detach()) + y"})

    seen = run(files, workers)

    assert seen.failed == {"gradients"}


def test_a_parameter_of_one_framework_alone_is_named(tmp_path: Path, workers: Workers) -> None:
    files = write_pair(tmp_path, paddle={"self.aux =": "self.fc1.bias.stop_gradient = True\n        self.aux ="})

    gate = run(files, workers).gates["gradients"]

    assert gate.problems == ("hidden.bias: no gradient in paddle",)


def test_a_model_with_other_tensors_than_the_table_s_is_an_error(tmp_path: Path, workers: Workers) -> None:
    files = write_pair(tmp_path, paddle={"self.fc1 = nn.Linear(8, 8)": "self.fc1 = nn.Linear(8, 8, bias_attr=False)"})
    pair = pair_of(files)

    with pytest.raises((CheckpointMismatch, FerryError), match="unexpected") as caught:
        run_structure(pair, file_digests(pair), workers)

    assert "net_paddle.py:build" in str(caught.value)
    assert "fc1.bias" in str(caught.value)


def test_what_a_model_s_code_raises_is_said(tmp_path: Path, workers: Workers) -> None:
    files = write_pair(tmp_path, paddle={"        self.conv =": "        raise KeyError('a')\n        self.conv ="})
    pair = pair_of(files)

    with pytest.raises(FerryError, match=r"cannot be built: KeyError: 'a' \(net_paddle.py, line 14\)"):
        run_structure(pair, file_digests(pair), workers)


def test_what_a_model_raises_when_it_runs_is_said(tmp_path: Path, workers: Workers) -> None:
    files = write_pair(tmp_path, torch=TORCH.replace("        x = torch.relu(", "        x = 1 / 0 * torch.relu("))
    pair = pair_of(files)

    with pytest.raises(FerryError, match="cannot be run: ZeroDivisionError"):
        parity_gates(pair, workers, inputs())


def test_the_setup_is_called_once(tmp_path: Path, workers: Workers) -> None:
    files = write_pair(tmp_path)
    log = tmp_path / "calls"
    (tmp_path / "ready.py").write_text(f"def prepare():\n    open({str(log)!r}, 'a').write('x')\n", encoding="utf-8")
    table = read_table(files.table)
    torch = ModelName(table.torch.reference, (("eps", 1e-5),), f"{tmp_path / 'ready.py'}:prepare")
    strangers = Strangers.read(files.table, {"torch": torch, "paddle": table.paddle})
    pair = replace(pair_of(files), builders=strangers.builders)

    parity_gates(pair, workers, inputs())

    assert log.read_text(encoding="utf-8") == "x"
