"""Test of the test: every planted fault must be seen by the parity check, far above its limit."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from pairs import plant
from torch import nn
from torch.nn import functional as F
from twins import TINY, carried, max_rel, random_image

import models_paddle
import models_torch
from convert.arrays import Array
from verify.selftest.weights import distinct_weights

SEEN = 1e-9  # a thousand times the parity limit; the smallest of the faults below measures 5e-9

Weights = dict[str, Array]


def change(name: str, edit: Callable[[Array], Array]) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: edit(weights[name])})


def change_each(part: str, edit: Callable[[Array], Array]) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: edit(w) for name, w in weights.items() if part in name})


# In the weights: the self-test's kinds of fault, and a few that are finer or of this network.
WEIGHT_FAULTS: dict[str, Callable[[Weights], None]] = {
    "a depthwise bias dropped": plant("a bias dropped", "stages.2.1.dwconv.bias"),
    "a linear bias dropped": plant("a bias dropped", "stages.3.0.pwconv2.bias"),
    "the head's bias dropped": plant("a bias dropped", "head.bias"),
    "two norms swapped": plant("two norms swapped", "stages.2.0.norm.weight", "stages.2.1.norm.weight"),
    "a norm's weight and bias swapped": plant("scale and shift swapped", "norm.weight", "norm.bias"),
    "two gammas swapped": plant("two norms swapped", "stages.2.1.gamma", "stages.2.2.gamma"),  # any two tensors
    "one LayerScale at its initial value": plant("gamma at its initial value", "stages.3.0.gamma"),
    "two blocks swapped": plant("two blocks swapped", "stages.2.0", "stages.2.2"),
    "the square head not transposed": plant("a square matrix transposed", "head.weight"),
    "a depthwise kernel flipped": plant("a kernel flipped", "stages.0.0.dwconv.weight"),
    "a depthwise kernel's height and width exchanged": plant("a kernel transposed", "stages.1.0.dwconv.weight"),
    "the stem's kernel flipped": plant("a kernel flipped", "downsample_layers.0.0.weight"),
    "the stem's channels in the order blue, green, red": plant(
        "input channels reversed", "downsample_layers.0.0.weight"
    ),
    "a downsampling kernel's height and width exchanged": plant("a kernel transposed", "downsample_layers.3.1.weight"),
    "a linear weight reshaped instead of transposed": plant(
        "a Linear reshaped, not transposed", "stages.2.2.pwconv1.weight"
    ),
    "a norm left at its initial value": change("downsample_layers.2.0.weight", np.ones_like),
    "LayerScale missing": change_each("gamma", np.ones_like),
    "a weight in float32": change("stages.1.0.pwconv2.weight", lambda w: w.astype("float32").astype("float64")),
    "one value off by a millionth": change("stages.0.0.pwconv1.bias", lambda w: w + 1e-6 * (np.arange(len(w)) == 3)),
    "the classes shifted by one": change("head.bias", lambda w: np.roll(w, 1)),
}


def epsilon(path: str) -> Callable[[nn.Module], None]:
    def plant(model: nn.Module) -> None:
        assert model.get_submodule(path).eps == 1e-6
        model.get_submodule(path).eps = 1e-5

    return plant


def forward_of(path: str, forward: Callable[..., Any]) -> Callable[[nn.Module], None]:
    def plant(model: nn.Module) -> None:
        module = model.get_submodule(path)
        module.forward = types.MethodType(forward, module)

    return plant


def features(pool: Callable[[Any, Any], Any]) -> Callable[[nn.Module], None]:
    def forward_features(model: Any, x: Any) -> Any:
        for downsample, stage in zip(model.downsample_layers, model.stages, strict=True):
            x = stage(downsample(x))
        return pool(model, x)

    def plant(model: nn.Module) -> None:
        model.forward_features = types.MethodType(forward_features, model)

    return plant


def branch(block: Any, x: Any, gelu: str = "none", activation: Any = None) -> Any:
    y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
    y = block.pwconv1(y)
    y = activation(y) if activation else F.gelu(y, approximate=gelu)
    return block.pwconv2(y)


def replaced(path: str, attribute: str, make: Callable[[Any], Any]) -> Callable[[nn.Module], None]:
    def plant(model: nn.Module) -> None:
        owner = model.get_submodule(path)
        setattr(owner, attribute, make(getattr(owner, attribute)))

    return plant


def kernel_of_5(conv: nn.Conv2d) -> nn.Conv2d:
    smaller = nn.Conv2d(conv.in_channels, conv.out_channels, 5, padding=2, groups=conv.groups, dtype=torch.float64)
    smaller.load_state_dict({"weight": conv.weight[:, :, 1:-1, 1:-1], "bias": conv.bias})
    return smaller


def padded_by(padding: nn.Module) -> Callable[[nn.Conv2d], nn.Module]:
    def make(conv: nn.Conv2d) -> nn.Module:
        conv.padding = (0, 0)
        return nn.Sequential(padding, conv)

    return make


MODEL_FAULTS: dict[str, Callable[[nn.Module], None]] = {
    "the stem's epsilon is 1e-5": epsilon("downsample_layers.0.1"),
    "a downsampling norm's epsilon is 1e-5": epsilon("downsample_layers.2.0"),
    "a block's epsilon is 1e-5": epsilon("stages.2.1.norm"),
    "the last epsilon is 1e-5": epsilon("norm"),
    "GELU by tanh": forward_of(
        "stages.2.0", lambda b, x: x + (b.gamma * branch(b, x, gelu="tanh")).permute(0, 3, 1, 2)
    ),
    "ReLU for GELU": forward_of(
        "stages.2.0", lambda b, x: x + (b.gamma * branch(b, x, activation=F.relu)).permute(0, 3, 1, 2)
    ),
    "LayerScale not applied": forward_of("stages.1.0", lambda b, x: x + branch(b, x).permute(0, 3, 1, 2)),
    "the shortcut left out": forward_of("stages.0.0", lambda b, x: (b.gamma * branch(b, x)).permute(0, 3, 1, 2)),
    "the branch scaled as if one in ten were dropped": forward_of(
        "stages.3.0", lambda b, x: x + (b.gamma * branch(b, x) / 0.9).permute(0, 3, 1, 2)
    ),
    "the norm before the pooling": features(lambda m, x: m.norm(x.permute(0, 2, 3, 1)).mean([1, 2])),
    "the last norm left out": features(lambda _, x: x.mean([2, 3])),
    "pooling by the maximum": features(lambda m, x: m.norm(x.amax([2, 3]))),
    "a depthwise kernel of 5": replaced("stages.0.0", "dwconv", kernel_of_5),
    "the padding off by one": replaced("stages.0.0", "dwconv", padded_by(nn.ZeroPad2d((2, 4, 3, 3)))),
    "the padding by reflection": replaced("stages.1.0", "dwconv", padded_by(nn.ReflectionPad2d(3))),
    "an image's height and width exchanged": replaced(
        "downsample_layers.0", "forward", lambda forward: lambda x: forward(x.transpose(2, 3))
    ),
}


def difference(weights: Weights, model: nn.Module) -> float:
    """Difference between Paddle's logits with those weights, in Paddle's layout, and that torch model's."""
    paddle_model = models_paddle.build_with(TINY, weights, dtype="float64")
    with torch.no_grad(), paddle.no_grad():
        actual = paddle_model(paddle.to_tensor(random_image())).numpy()
        return max_rel(actual, model(torch.from_numpy(random_image())).numpy())


@pytest.fixture
def weights() -> Weights:
    return distinct_weights(TINY.params())


@pytest.fixture
def torch_model(weights: Weights) -> nn.Module:
    return models_torch.build_with(TINY, weights, dtype="float64")


def test_no_fault_is_seen_where_none_was_planted(weights: Weights, torch_model: nn.Module) -> None:
    assert difference(carried(TINY.params(), weights), torch_model) <= 1e-12


@pytest.mark.parametrize("fault", WEIGHT_FAULTS)
def test_parity_sees_in_the_weights(fault: str, weights: Weights, torch_model: nn.Module) -> None:
    faulty = carried(TINY.params(), weights)
    WEIGHT_FAULTS[fault](faulty)

    assert difference(faulty, torch_model) > SEEN


@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_parity_sees_in_a_model(fault: str, weights: Weights, torch_model: nn.Module) -> None:
    MODEL_FAULTS[fault](torch_model)

    assert difference(carried(TINY.params(), weights), torch_model) > SEEN
