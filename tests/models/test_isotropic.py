"""The isotropic models against a plain re-statement of the authors' forward pass, in float64.

After models/convnext_isotropic.py of https://github.com/facebookresearch/ConvNeXt at 048efce; no library has them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import IMAGE, ORACLE, paddle_output, torch_output
from twins import max_rel, random_image

from convert.archs import ARCHS, ArchSpec
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.arrays import Array
from verify.selftest.weights import distinct_weights

SIZES = {"small": (18, 384), "base": (18, 768), "large": (36, 1024)}
FEWER_BLOCKS = {"small": 18, "base": 4, "large": 3}

BLOCK = (
    "dwconv.weight",
    "dwconv.bias",
    "norm.weight",
    "norm.bias",
    "pwconv1.weight",
    "pwconv1.bias",
    "pwconv2.weight",
    "pwconv2.bias",
)


def restated(weights: dict[str, Array], depth: int) -> Array:
    """Logits, written without a module: `w[name]` is what the official file calls it."""
    w = {name: torch.from_numpy(array) for name, array in weights.items()}
    x = F.conv2d(torch.from_numpy(random_image(IMAGE)), w["stem.weight"], w["stem.bias"], stride=16)
    channels = x.shape[1]
    for j in range(depth):
        b = {name: w[f"blocks.{j}.{name}"] for name in BLOCK}
        y = F.conv2d(x, b["dwconv.weight"], b["dwconv.bias"], padding=3, groups=channels)
        y = y.movedim(1, -1)
        y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
        y = y * b["norm.weight"] + b["norm.bias"]
        y = y @ b["pwconv1.weight"].T + b["pwconv1.bias"]
        y = y * (1 + torch.erf(y / 2**0.5)) / 2
        y = y @ b["pwconv2.weight"].T + b["pwconv2.bias"]
        x = x + y.movedim(-1, 1)
    x = x.mean((-2, -1))
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
    x = x * w["norm.weight"] + w["norm.bias"]
    logits: Array = (x @ w["head.weight"].T + w["head.bias"]).numpy()
    return logits


@pytest.fixture(scope="module", params=SIZES)
def spec(request: pytest.FixtureRequest) -> ArchSpec:
    whole = ARCHS[f"convnext_isotropic_{request.param}"]
    assert isinstance(whole, ConvNeXtIsotropicSpec)
    return dataclasses.replace(whole, depth=FEWER_BLOCKS[request.param], num_classes=10)


@pytest.fixture(scope="module")
def weights(spec: ArchSpec) -> dict[str, Array]:
    return distinct_weights(spec.params())


@pytest.fixture(scope="module")
def expected(spec: ArchSpec, weights: dict[str, Array]) -> Array:
    return restated(weights, spec.blocks)


@pytest.mark.parametrize("size", SIZES)
def test_the_tables_keys_are_the_official_files(size: str) -> None:
    depth, _ = SIZES[size]
    blocks = [f"blocks.{j}.{name}" for j in range(depth) for name in BLOCK]

    names = [param.torch_name for param in ARCHS[f"convnext_isotropic_{size}"].params()]
    assert names == ["stem.weight", "stem.bias", *blocks, "norm.weight", "norm.bias", "head.weight", "head.bias"]


@pytest.mark.parametrize("size", SIZES)
def test_the_tables_shapes_are_the_official_files(size: str) -> None:
    _, dim = SIZES[size]
    shapes = {param.torch_name: param.shape for param in ARCHS[f"convnext_isotropic_{size}"].params()}

    assert shapes["stem.weight"] == (dim, 3, 16, 16)
    assert shapes["blocks.0.dwconv.weight"] == (dim, 1, 7, 7)
    assert shapes["blocks.0.pwconv1.weight"] == (4 * dim, dim)
    assert shapes["blocks.0.pwconv2.weight"] == (dim, 4 * dim)
    assert shapes["head.weight"] == (1000, dim)


def test_the_restated_logits_are_finite_and_differ(expected: Array) -> None:
    assert np.isfinite(expected).all()
    assert expected.std() > 0.1


def test_our_torch_model_answers_as_restated(spec: ArchSpec, weights: dict[str, Array], expected: Array) -> None:
    assert max_rel(torch_output(spec, weights), expected) <= ORACLE


def test_our_paddle_model_answers_as_restated(spec: ArchSpec, weights: dict[str, Array], expected: Array) -> None:
    assert max_rel(paddle_output(spec, weights), expected) <= ORACLE
