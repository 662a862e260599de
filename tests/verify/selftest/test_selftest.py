"""`verify --selftest`: the table of faults, what is seen of it, and that a fault made invisible fails it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from twins import FAMILIES

from verify.cli import main
from verify.gate import Gate, Measure, not_run
from verify.gates import GATES, When
from verify.selftest.bench import Plants
from verify.selftest.command import Selftest, Untouched, as_json, as_text, headline, readme_table, selftest
from verify.selftest.faults import FAULTS
from verify.selftest.model_kinds import MODEL_KINDS
from verify.selftest.reading import Reading, reading
from verify.selftest.tensor_kinds import KINDS
from verify.selftest.weights import distinct_weights
from verify.workers.compute import Compute

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
TABLE = {fault.name: fault for fault in FAULTS}
ASKED_FOR = """
two blocks swapped, a square matrix transposed, a Linear reshaped, not transposed, everything rounded to half,
one tensor rounded to bfloat16, one element changed by 1e-3, a bias dropped, gamma at its initial value, sign flipped,
two norms swapped, a tensor of zeros, a NaN, a tensor missing, an extra tensor, another dtype, eps 1e-5 in one norm,
tanh GELU, norm before pooling, unbiased variance, GRN by the spectral norm, gamma ignored, shortcut left out,
kernel flipped, half-precision activations, labels shifted by one, one class missing, BGR, mean and std swapped,
wrong resize, wrong interpolation, an image replaced by another class's, a batch dropped, a batch twice,
images in another order for Paddle, a broken image
"""


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "verify", "--selftest", "--json"], capture_output=True, text=True)


@pytest.fixture(scope="module")
def document(run: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(run.stdout)


def test_every_fault_is_seen_and_nothing_else(run: subprocess.CompletedProcess[str], document: Any) -> None:
    assert (run.returncode, run.stderr) == (0, "")
    assert (document["ok"], document["missed"]) == (True, [])
    assert [pair["ok"] for pair in document["untouched"]] == [True, True, True]


def test_the_untouched_pairs_pass_every_gate(document: Any) -> None:
    gates = [row.name for row in GATES if row.when not in (When.LAYERS, When.GRADIENTS)]

    assert [list(pair["gates"]) for pair in document["untouched"]] == [gates, gates[:-1], gates[:-1]]
    assert {gate["verdict"] for pair in document["untouched"] for gate in pair["gates"].values()} == {"passed"}


def test_each_is_seen_first_by_the_gate_that_is_there_for_it(document: Any) -> None:
    assert [(row["fault"], row["gate"]) for row in document["faults"]] == [(fault.name, fault.gate) for fault in FAULTS]


def test_what_is_measured_stands_beyond_its_limit(document: Any) -> None:
    times = {row["fault"]: row["times_the_limit"] for row in document["faults"] if row["times_the_limit"] is not None}

    assert len(times) > 25
    assert min(times.values()) > 1.5
    assert times["logits off by 2e-4"] == pytest.approx(2, rel=0.1)
    assert all(row["measured"] for row in document["faults"])


def test_the_table_has_every_fault_that_was_asked_for() -> None:
    names = " ".join(ASKED_FOR.split())
    wanted = {
        "a Linear reshaped, not transposed",
        *names.replace("a Linear reshaped, not transposed, ", "").split(", "),
    }

    assert len(FAULTS) == len(TABLE) >= 60
    assert wanted <= set(TABLE)
    assert min(Counter(fault.gate for fault in FAULTS).values()) >= 2


# A few faults, planted in this process


def test_a_fault_made_invisible_fails_and_is_named() -> None:
    blind = replace(TABLE["a batch dropped"], plants=Plants())
    result = selftest(Compute(threads=1), [TABLE["a NaN"], blind])
    lines = as_text(result).splitlines()

    assert not result.ok
    assert result.missed == ("a batch dropped",)
    assert re.fullmatch(r"a batch dropped +the run +NOBODY +should be seen by paired accuracy", lines[-4])
    assert lines[-2].startswith("SELFTEST FAILED: 1 of 2 faults seen, 3 of 3 untouched pairs pass, in ")
    assert lines[-1] == "  nobody saw: a batch dropped"
    assert json.loads(as_json(result))["missed"] == ["a batch dropped"]


def test_an_untouched_pair_that_fails_fails_all() -> None:
    alarm = Untouched("the bundled sample", (not_run("structure", "no reason", "x"),))
    result = Selftest((alarm,), (), 1.0)

    assert not result.ok
    assert headline(result) == "SELFTEST FAILED: 0 of 0 faults seen, 0 of 1 untouched pairs pass, in 1 s"
    assert "FAILED: no reason" in as_text(result)


def test_a_selftest_of_nothing_is_none() -> None:
    assert not Selftest((), (), 0.0).ok


@pytest.mark.parametrize("option", [["--src", "x.pth"], ["--sample"], ["--data", "val"], ["--report", "out"]])
def test_what_does_not_go_with_it_is_wrong_usage(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--selftest", *option])

    assert caught.value.code == 2
    assert "--selftest brings its own pairs and images" in capsys.readouterr().err


# What a gate that failed measured

LITTLE, MUCH = Measure("max abs", 3e-4, 1e-4), Measure("max rel", 4e-8, 1e-9)


@pytest.mark.parametrize(
    ("measures", "problems", "expected", "words"),
    [
        ((LITTLE, MUCH), ("p",), Reading("max rel 4.0e-08, limit 1.0e-09", 4e-8 / 1e-9), "40 x"),
        ((MUCH, LITTLE), (), Reading("max rel 4.0e-08, limit 1.0e-09", 4e-8 / 1e-9), "40 x"),
        ((Measure("levels", 278.4, 1.5), Measure("told", 1e9)), (), Reading("levels 278, limit 1.5", 185.6), "190 x"),
        ((Measure("levels", 1.0, 1.5),), ("a  line", "b"), Reading("a line and 1 more", None), None),
        ((Measure("flips", 3, 0),), ("a flip",), Reading("a flip", None), None),
        ((Measure("flips", 3, 0), LITTLE), ("a flip",), Reading("max abs 3.0e-04, limit 1.0e-04", 3e-4 / 1e-4), "3 x"),
        ((Measure("max abs", 1e-9, 0.0),), (), Reading("max abs 1.0e-09, limit 0", math.inf), "without end"),
        ((), (), Reading("measured", None), None),
    ],
)
def test_a_reading_is_of_the_measure_that_is_furthest_over_its_limit(
    measures: tuple[Measure, ...], problems: tuple[str, ...], expected: Reading, words: str | None
) -> None:
    found = reading(Gate("any", "measured", "limit", measures, problems))

    assert found == expected
    assert found.shown == (f"{expected.text}: {words}" if words else expected.text)


def test_what_is_not_a_number_is_further_than_anything() -> None:
    found = reading(Gate("any", "", "", (MUCH, Measure("max abs", math.nan, 1e-4))))

    assert found.shown == "max abs nan, limit 1.0e-04: not a number"


# Faults, places and words


@pytest.mark.parametrize("kind", KINDS)
def test_wherever_it_fits_a_fault_of_tensors_changes_some(kind: str) -> None:
    planted = 0
    for spec in FAMILIES:
        right = {p.paddle_name: p.layout.to_paddle(array) for p, array in _weights(spec)}
        for place in KINDS[kind].places(spec):
            KINDS[kind].plant(right, place, np.random.default_rng(0))
            planted += 1

    assert planted


def _weights(spec: Any) -> Any:
    weights = distinct_weights(spec.params(), dtype="float32")
    return [(param, weights[param.torch_name]) for param in spec.params()]


def test_a_fault_that_changes_nothing_is_refused() -> None:
    zeros = {"head.bias": np.zeros(3, np.float32)}

    with pytest.raises(ValueError, match=r"a bias dropped at \('head.bias',\) changes nothing"):
        KINDS["a bias dropped"].plant(zeros, ("head.bias",), np.random.default_rng(0))


def test_every_kind_of_fault_in_a_model_fits_some_network_and_is_known_to_the_worker() -> None:
    from verify.selftest.paddle_models import FAULTS as WORKER_S

    assert {kind.name for kind in MODEL_KINDS} <= set(WORKER_S)
    assert all(any(kind.places(spec) for spec in FAMILIES) for kind in MODEL_KINDS)


def test_the_manual_has_the_table() -> None:
    assert readme_table() in (ROOT / "verify/selftest/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("seed", "count"), [(7, 6)])
def test_the_script_sees_seeded_faults(seed: int, count: int) -> None:
    command = [sys.executable, str(ROOT / "scripts/fuzz_verify.py"), "--count", str(count), "--seed", str(seed)]
    process = subprocess.run(command, capture_output=True, text=True)

    assert process.returncode == 0, process.stdout + process.stderr
    assert f"{count} of {count} faults seen, 0 false alarms over {count} untouched pairs" in process.stdout
