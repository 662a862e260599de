"""Two definitions of one small network, as two libraries would write it, and faults in Paddle's."""

from __future__ import annotations

TORCH = """
import torch
from torch import nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.left = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.right = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(dim)
        self.squeeze = nn.Conv2d(dim, 4, 1)
        self.excite = nn.Conv2d(4, dim, 1)

    def forward(self, x):
        y = F.gelu(self.norm(self.left(x) + self.right(x * x)))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return x + y * gate * self.gamma[:, None, None]


class Net(nn.Module):
    def __init__(self, num_classes=6, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(dim) for _ in range(2))
        self.mix = nn.Linear(dim, dim)
        self.aux = nn.Linear(dim, 3)
        self.last_norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = self.last_norm(F.max_pool2d(x, 3, 2, 1).mean((2, 3)))
        return self.head(F.relu(self.mix(x)))


def build(**arguments):
    return Net(**arguments)
"""

# Other names, the branches defined and called in another order, a Linear where PyTorch has a 1x1 convolution.
PADDLE = """
import paddle
from paddle import nn
import paddle.nn.functional as F


class ConvBN(nn.Layer):
    def __init__(self, dim):
        super().__init__()
        self.b_conv = nn.Conv2D(dim, dim, 3, padding=1, bias_attr=False)
        self.a_conv = nn.Conv2D(dim, dim, 3, padding=1, bias_attr=False)
        self.bn = nn.BatchNorm2D(dim, epsilon=1e-5)

    def forward(self, x):
        right = self.b_conv(x * x)
        return self.bn(right + self.a_conv(x))


class Unit(nn.Layer):
    def __init__(self, dim):
        super().__init__()
        self.body = ConvBN(dim)
        self.scale = self.create_parameter([dim], default_initializer=nn.initializer.Constant(1.0))
        self.fc1 = nn.Linear(dim, 4)
        self.fc2 = nn.Linear(4, dim)

    def forward(self, x):
        y = F.gelu(self.body(x))
        gate = F.sigmoid(self.fc2(F.relu(self.fc1(y.mean([2, 3])))))
        return x + y * gate.unsqueeze(-1).unsqueeze(-1) * self.scale.reshape([-1, 1, 1])


class Net(nn.Layer):
    def __init__(self, num_classes=6, dim=8):
        super().__init__()
        self.conv1 = nn.Conv2D(3, dim, 3, stride=2, padding=1)
        self.stage = nn.Sequential(Unit(dim), Unit(dim))
        self.norm = nn.LayerNorm(dim, epsilon=1e-5)
        self.project = nn.Linear(dim, dim)
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stage(self.conv1(x))
        x = self.norm(F.max_pool2d(x, 3, 2, 1).mean([2, 3]))
        return self.fc(F.relu(self.project(x)))


def build(**arguments):
    return Net(**arguments)
"""

# What is changed in Paddle's text, and what must be said of it.
FAULTS = {
    "an eps of a batch norm": ("BatchNorm2D(dim, epsilon=1e-5)", "BatchNorm2D(dim, epsilon=1e-3)", "epsilon=1e-05"),
    "an eps of a layer norm": ("LayerNorm(dim, epsilon=1e-5)", "LayerNorm(dim, epsilon=1e-6)", "epsilon=1e-05"),
    "the tanh GELU": ("F.gelu(self.body(x))", "F.gelu(self.body(x), approximate=True)", "tanh GELU"),
    "another activation": ("F.relu(self.project(x))", "F.silu(self.project(x))", "SiLU"),
    "another gate": ("F.sigmoid(self.fc2", "F.hardsigmoid(self.fc2", "stage.0.fc2, is right"),
    "another padding of a pooling": ("F.max_pool2d(x, 3, 2, 1)", "F.max_pool2d(x, 3, 2, 0)", "self.norm|norm"),
    "a bias missing": ("self.fc2 = nn.Linear(4, dim)", "self.fc2 = nn.Linear(4, dim, bias_attr=False)", "bias of (8,)"),
    "another stride": ("3, dim, 3, stride=2", "3, dim, 3, stride=1", "stride is (2, 2) in PyTorch and"),
    "a shortcut left out": ("return x + y * gate", "return y * gate", "gets another input"),
}
