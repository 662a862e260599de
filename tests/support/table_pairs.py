"""Two tiny networks of somebody's own, a file each, and the table that states which tensor is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.params import Layout, LeftOut, PaddleLeftOut, Param, Row, batch_norm
from convert.state_dict import convert_state_dict
from convert.tables import ModelName, Proof, Table, TableSpec, format_table

TORCH = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=6, eps=1e-5):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8, eps=eps)
        self.left = nn.Conv2d(8, 8, 1)
        self.right = nn.Conv2d(8, 8, 1)
        self.hidden = nn.Linear(8, 8)
        self.head = nn.Linear(8, num_classes)
        self.register_buffer("index", torch.arange(4))

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = self.left(x) + torch.sigmoid(self.right(x))
        x = self.head(torch.relu(self.hidden(x.mean((2, 3)))))
        return {"logits": x, "index": self.index}


def build(num_classes=6, eps=1e-5):
    return Net(num_classes, eps)
"""
# Its branches run in another order, its norm has its activation inside, and one 1x1 convolution is a Linear.
PADDLE = """
import paddle
from paddle import nn


class Act(nn.BatchNorm2D):
    def forward(self, x):
        return nn.functional.relu(super().forward(x))


class Net(nn.Layer):
    def __init__(self, num_classes=6, eps=1e-5):
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2, padding=1, bias_attr=False)
        self.bn = Act(8, epsilon=eps)
        self.b = nn.Linear(8, 8)
        self.a = nn.Conv2D(8, 8, 1)
        self.fc1 = nn.Linear(8, 8)
        self.fc2 = nn.Linear(8, num_classes)
        self.aux = nn.Linear(8, 2)

    def forward(self, x):
        x = self.bn(self.conv(x))
        y = nn.functional.sigmoid(self.b(x.transpose([0, 2, 3, 1]))).transpose([0, 3, 1, 2])
        x = self.a(x) + y
        return self.fc2(nn.functional.relu(self.fc1(x.mean([2, 3])))), x


def build(num_classes=6, eps=1e-5):
    return Net(num_classes, eps)
"""
ROWS: tuple[Row, ...] = (
    Param("stem.weight", (8, 3, 3, 3), paddle_name="conv.weight"),
    *batch_norm("norm", 8, paddle_name="bn"),
    Param("left.weight", (8, 8, 1, 1), paddle_name="a.weight"),
    Param("left.bias", (8,), paddle_name="a.bias"),
    Param("right.weight", (8, 8, 1, 1), Layout.CONV_LINEAR, "b.weight"),
    Param("right.bias", (8,), paddle_name="b.bias"),
    Param("hidden.weight", (8, 8), Layout.LINEAR, "fc1.weight"),
    Param("hidden.bias", (8,), paddle_name="fc1.bias"),
    Param("head.weight", (6, 8), Layout.LINEAR, "fc2.weight"),
    Param("head.bias", (6,), paddle_name="fc2.bias"),
    LeftOut("index", (4,), "int64", None, "integers that the model computes when it is built"),
)
AUX = tuple(PaddleLeftOut(f"aux.{leaf}", shape, "for training") for leaf, shape in (("weight", (8, 2)), ("bias", (2,))))
PROOF = Proof(0, (32, 64), 3, 1.2e-15, None, False, (("torch", "2.14.0"), ("paddle", "3.3.1")), "2026-11-25")


@dataclass(frozen=True)
class TablePair:
    """The files of a pair.

    Attributes:
        table: the parameter table.
        torch: the model of PyTorch, `FILE:build`.
        paddle: the model of Paddle, likewise.
        src: PyTorch's checkpoint.
        dst: Paddle's.
    """

    table: Path
    torch: str
    paddle: str
    src: Path
    dst: Path

    @property
    def options(self) -> list[str]:
        """What a command line takes for it."""
        models = ["--torch", self.torch, "--paddle", self.paddle]
        return ["--table", str(self.table), *models, "--src", str(self.src), "--dst", str(self.dst)]


def table_of(folder: Path) -> Table:
    """The table of the two networks, which names them as they lie in that folder."""
    torch, paddle = (ModelName(f"{folder / name}:build") for name in ("net_torch.py", "net_paddle.py"))
    return Table("net", torch, paddle, ROWS, AUX, proof=PROOF)


def weights_of_net(seed: int = 0) -> dict[str, Array]:
    """Values for every tensor of PyTorch's network, no two alike and none trivial."""
    random = np.random.default_rng(seed)
    weights = {}
    for row in ROWS:
        if isinstance(row, Param):
            positive = row.torch_name in ("norm.weight", "norm.running_var")
            values = random.uniform(0.5, 1.5, row.shape) if positive else random.normal(0, 0.4, row.shape)
            weights[row.torch_name] = values.astype("f4")
    return weights


def write_pair(folder: Path, *, paddle: Mapping[str, str] | None = None, torch: str = TORCH) -> TablePair:
    """Writes the pair's files into a folder.

    Args:
        folder: that gets them.
        paddle: texts in the Paddle network's definition and what stands there in their place.
        torch: the PyTorch network's definition.
    """
    text = PADDLE
    for old, new in (paddle or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "net_torch.py").write_text(torch, encoding="utf-8")
    (folder / "net_paddle.py").write_text(text, encoding="utf-8")
    table, weights = table_of(folder), weights_of_net()
    path = folder / "net.table.toml"
    path.write_text(format_table(table), encoding="utf-8")
    src, dst = folder / "x.pth", folder / "x.pdparams"
    write_checkpoint(src, weights, framework="torch", force=True)
    write_checkpoint(dst, convert_state_dict(TableSpec.of(table), weights), framework="paddle", force=True)
    return TablePair(path, table.torch.reference, table.paddle.reference, src, dst)
