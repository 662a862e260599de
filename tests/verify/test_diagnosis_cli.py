"""`python -m verify --layers --gradients` as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pairs import WRONG_VALUES, write_pair

from convert.archs import get_spec
from verify.gates import GATES, When

DIGITS = get_spec("convnext_digits")
UNITS = 12


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run on a pair of which one bias is zeroed."""
    folder = tmp_path_factory.mktemp("wrong")
    write_pair(folder, DIGITS, WRONG_VALUES["a depthwise bias zeroed"])
    paths = ["--src", folder / "x.pth", "--dst", folder / "x.pdparams", "--report", folder / "out"]
    command = [sys.executable, "-m", "verify", "--arch", DIGITS.name, *paths, "--size", "64", "--layers", "--gradients"]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120), folder / "out"


def test_the_gates_stand_between_the_forward_gates_and_the_accuracy(wrong: Any) -> None:
    process, folder = wrong
    document = json.loads((folder / "report.json").read_text())

    assert [(gate["name"], gate["verdict"]) for gate in document["gates"]] == [
        ("structure", "failed"),
        ("float64 oracle", "failed"),
        ("float32 logits", "failed"),
        ("layers", "failed"),
        ("gradients", "failed"),
        ("preprocessing", "not run"),
        ("paired accuracy", "not run"),
    ]
    assert (process.returncode, process.stderr) == (1, "")


def test_the_terminal_shows_the_hint_and_every_unit(wrong: Any) -> None:
    lines = wrong[0].stdout.splitlines()

    assert "  stages.2.1.dwconv.bias is 0 throughout" in lines
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("unit ")) :]
    assert [line.split()[0] for line in table[: UNITS + 1]][::UNITS] == ["unit", "head"]
    assert next(line for line in table if line.endswith("first to depart")).startswith("stages.2.1 ")


def test_programs_get_every_unit_and_a_pull_request_the_first_that_departs(wrong: Any) -> None:
    folder = wrong[1]
    layers = json.loads((folder / "report.json").read_text())["layers"]
    markdown = (folder / "report.md").read_text()

    assert (layers["first"], layers["hint"]) == ("stages.2.1", "stages.2.1.dwconv.bias is 0 throughout")
    assert len(layers["units"]) == 2 * UNITS
    assert sorted(layers["units"][0]) == ["alone", "cumulative", "dtype", "name"]
    assert "First unit that departs: `stages.2.1`: stages.2.1.dwconv.bias is 0 throughout" in markdown


def test_files_that_do_not_fit_leave_both_gates_unrun(tmp_path: Path) -> None:
    from verify.options import Options
    from verify.run import verify

    write_pair(tmp_path, DIGITS, lambda weights: weights.pop("norm.bias"))
    result = verify(
        Options(arch=DIGITS.name, src=tmp_path / "x.pth", dst=tmp_path / "x.pdparams", layers=True, gradients=True)
    )

    assert [(gate.name, gate.verdict.value) for gate in result.gates] == [
        (row.name, "FAILED" if row.name == "structure" else "not run") for row in GATES if row.when is not When.RECIPE
    ]
