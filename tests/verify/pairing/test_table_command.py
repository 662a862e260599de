"""`verify --table` from end to end: what is printed, what a report has, and the selftest of a table's own pair."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from table_pairs import TablePair, table_of, write_pair

from convert.tables import format_table
from verify import sample
from verify.cli import main

pytestmark = pytest.mark.long


@pytest.fixture
def files(tmp_path: Path) -> TablePair:
    return write_pair(tmp_path)


def test_a_report_names_the_table_and_both_models(
    files: TablePair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"

    status = main([*files.options, "--layers", "--gradients", "--threads", "1", "--report", str(report), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert (status, document["ok"]) == (0, True)
    facts = document["facts"]
    assert facts["table"]["file"] == "net.table.toml"
    assert facts["table"]["proof"].startswith("max rel 1.2e-15 on 32 x 64, ")
    assert [model.partition(", sha256 ")[0] for model in facts["models"].values()] == [
        "net_torch.py:build",
        "net_paddle.py:build",
    ]
    assert (facts["arch"]["classes"], facts["protocol"]["size"], facts["recipe"]["how"]) == (6, 32, "table")
    assert "net.table.toml" in (report / "report.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in (report / "report.html").read_text(encoding="utf-8").replace(document["command"], "")


def test_images_are_run_and_a_store_is_gone_on_with(
    files: TablePair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*files.options, "--data", str(sample.IMAGES), "--unlabelled", "--threads", "1"]
    report = ["--report", str(tmp_path / "report")]

    statuses = [main([*options, *report]) for _ in range(2)]

    assert statuses == [0, 0]
    assert "all 364 images were in the run store already" in capsys.readouterr().out


def test_a_model_of_square_images_gets_square_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_pair(
        tmp_path, paddle={"        x = self.bn(": "        assert x.shape[2] == x.shape[3]\n        x = self.bn("}
    )
    table = table_of(tmp_path)
    assert table.proof is not None
    files.table.write_text(format_table(replace(table, proof=replace(table.proof, size=(40, 40)))), encoding="utf-8")

    status = main([*files.options, "--threads", "1"])

    assert (status, "crop 40" in capsys.readouterr().out) == (0, True)


def test_interpreters_are_named_for_each_framework(files: TablePair, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([*files.options, "--python", "torch=no/such/python"])

    assert status == 1
    assert "--python: no/such/python cannot be run: " in capsys.readouterr().err


def test_the_selftest_sees_every_fault_in_the_pair_s_own_tensors_and_layers(
    files: TablePair, capsys: pytest.CaptureFixture[str]
) -> None:
    options = files.options[: files.options.index("--src")]

    status = main(["--selftest", *options, "--json"])

    document = json.loads(capsys.readouterr().out)
    assert (status, document["missed"]) == (0, [])
    kinds = {fault["fault"].partition(":")[0] for fault in document["faults"]}
    assert {
        "two tensors of one shape exchanged",
        "mean and variance exchanged",
        "statistics at their initial value",
        "a square matrix transposed",
        "another eps",
        "statistics of the batch",
        "float32 rounded to half",
    } <= kinds
    assert all(fault["gate"] == fault["expected_gate"] for fault in document["faults"])


def test_the_selftest_needs_the_table_for_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--selftest", "--torch", "timm:resnet18"])

    assert "--selftest needs --table" in capsys.readouterr().err
