"""A tiny network's parameter table with every kind of row, and weights for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from convert import convert_state_dict, write_checkpoint
from convert.arrays import Array
from convert.cli import main
from convert.frameworks import TORCH
from convert.params import Layout, LeftOut, PaddleLeftOut, Param, batch_norm
from convert.tables import ModelName, Proof, Table, TableSpec, format_table

ROWS = (
    Param("stem.weight", (4, 3, 3, 3), paddle_name="conv0._conv.weight"),
    *batch_norm("layer1.0.bn1", 4, paddle_name="bb_1_0.bn1"),
    *batch_norm("layer1.1.bn1", 4, paddle_name="bb_1_1.bn1"),
    Param("to_linear.weight", (5, 4, 1, 1), Layout.CONV_LINEAR, "mix.weight"),
    Param("to_conv.weight", (6, 5), Layout.LINEAR_CONV),
    Param("flat.weight", (6, 6, 1, 1), Layout.SQUEEZE),
    Param("index", (3, 3), dtype="int64"),
    Param("keep", (2,), dtype="bool"),
    Param("square.weight", (6, 6), Layout.LINEAR),
    Param("fc.weight", (10, 6), Layout.LINEAR, "out.weight"),
    Param("fc.bias", (10,), paddle_name="out.bias"),
)
RULES = (
    ("layer{i}.{j}.bn{k}.{p}", "bb_{i}_{j}.bn{k}.{p}"),
    ("layer{i}.{j}.bn{k}.running_mean", "bb_{i}_{j}.bn{k}._mean"),
)
PROOF = Proof(0, (40, 32), 3, 1.2e-14, 3e-05, True, (("torch", "2.14.0"), ("paddle", "3.3.1")), "2026-11-25")
TINY = Table(
    "tiny",
    ModelName("nets.py:Tiny", (("num_classes", 10), ("depths", (1, (2, 0.5), "a b")), ("bias", True)), "nets:prepare"),
    ModelName("package.nets:Tiny"),
    ROWS,
    (PaddleLeftOut("aux.weight", (6, 2), "a head for training alone"),),
    RULES,
    PROOF,
)
# One whose names and shapes are the same in both frameworks, and whose layout is not.
SQUARE = dataclasses.replace(
    TINY,
    name="square",
    rows=(Param("a.weight", (3, 3), Layout.LINEAR), Param("a.bias", (3,)), Param("b.weight", (2, 3, 1, 1))),
    paddle_left_out=(),
    rules=(),
)


def weights_of(table: Table, *, counters: int = 7) -> dict[str, Array]:
    """Values for every tensor of PyTorch's, no two alike, in the order of the table."""
    random = np.random.default_rng(0)
    weights: dict[str, Array] = {}
    for row in table.rows:
        if isinstance(row, LeftOut):
            weights[row.torch_name] = np.full(row.shape, counters, row.dtype)
        elif row.dtype:
            weights[row.torch_name] = np.arange(row.size).reshape(row.shape).astype(row.dtype)
        else:
            weights[row.torch_name] = random.standard_normal(row.shape).astype("float32")
    return weights


def written(table: Table, folder: Path) -> Path:
    """The table's file in a folder."""
    path = folder / f"{table.name}.toml"
    path.write_text(format_table(table), encoding="utf-8")
    return path


def saved(path: Path, weights: Mapping[str, Array], framework: str = TORCH) -> Path:
    """A checkpoint of those tensors."""
    write_checkpoint(path, weights, framework=framework)
    return path


def paddles(**more: Array) -> dict[str, Array]:
    """The tiny network's state dict in Paddle, and other tensors beside it."""
    return {**convert_state_dict(TableSpec.of(TINY), weights_of(TINY)), **more}


def run(folder: Path, command: str, capsys: pytest.CaptureFixture[str], *, table: Table = TINY, status: int = 0) -> str:
    """What the command prints in that folder, its errors where it is to fail."""
    path = written(table, folder)
    words = [str(folder / word) if word.startswith(("x.", "y.", "z.")) else word for word in command.split()]
    try:
        ended = main(["--table", str(path), *words])
    except SystemExit as error:
        ended = int(error.code or 0)
    out, err = capsys.readouterr()
    assert ended == status, err
    return err if status else out
