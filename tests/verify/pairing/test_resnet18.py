"""resnet18 of torchvision and of paddle.vision, by a table that names both, from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.cli import main as convert
from convert.params import Layout, Param, Row, batch_norm
from convert.tables import ModelName, Proof, Table, format_table
from verify.cli import main

pytestmark = pytest.mark.long

PROOF = Proof(0, (224, 256), 3, 1.2e-12, 1.2e-12, False, (("torch", "2.14.0"), ("paddle", "3.3.1")), "2026-11-25")


def rows() -> list[Row]:
    found: list[Row] = [Param("conv1.weight", (64, 3, 7, 7)), *batch_norm("bn1", 64)]
    width = 64
    for stage, dim in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            found += [Param(f"{name}.conv1.weight", (dim, width, 3, 3)), *batch_norm(f"{name}.bn1", dim)]
            found += [Param(f"{name}.conv2.weight", (dim, dim, 3, 3)), *batch_norm(f"{name}.bn2", dim)]
            if width != dim:
                found += [Param(f"{name}.downsample.0.weight", (dim, width, 1, 1))]
                found += batch_norm(f"{name}.downsample.1", dim)
            width = dim
    return [*found, Param("fc.weight", (1000, 512), Layout.LINEAR), Param("fc.bias", (1000,))]


def weights() -> dict[str, Array]:
    random = np.random.default_rng(0)
    found = {}
    for row in rows():
        if isinstance(row, Param):
            wide = len(row.shape) > 1
            values = random.normal(0, (2 / np.prod(row.shape[1:])) ** 0.5 if wide else 0.1, row.shape)
            scale = row.torch_name.endswith("running_var") or (not wide and row.torch_name.endswith("weight"))
            found[row.torch_name] = (values + scale).astype("float32")
    return found


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    table, src, dst = (tmp_path / name for name in ("resnet18.table.toml", "x.pth", "x.pdparams"))
    models = ModelName("torchvision:resnet18"), ModelName("paddle.vision:resnet18")
    table.write_text(format_table(Table("resnet18", *models, tuple(rows()), proof=PROOF)), encoding="utf-8")
    write_checkpoint(src, weights(), framework="torch", force=True)
    files = ["--table", str(table), "--src", str(src), "--dst", str(dst)]
    assert convert(files) == 0
    return files


def test_every_gate_passes(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()

    status = main([*options, "--layers", "--gradients", "--size", "96", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert status == 0
    verdicts = {gate["name"]: gate["verdict"] for gate in document["gates"]}
    assert {name for name, verdict in verdicts.items() if verdict == "passed"} == {
        "structure",
        "float64 oracle",
        "float32 logits",
        "layers",
        "gradients",
    }
    assert document["facts"]["versions"].keys() >= {"torch", "torchvision", "paddle"}
    assert document["facts"]["models"] == {"torch": "torchvision:resnet18", "paddle": "paddle.vision:resnet18"}
    assert len(document["layers"]["units"]) == 2 * 42


def test_the_protocol_is_the_library_s_own(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()

    status = main([*options, "--json"])

    facts = json.loads(capsys.readouterr().out)["facts"]
    assert status == 0
    assert facts["table"]["said_by"] == "torchvision's for ResNet18_Weights.IMAGENET1K_V1"
    assert (facts["protocol"]["resize"], facts["protocol"]["interpolation"]) == (256, "bilinear")
    assert facts["recipe"]["how"] == "library"
