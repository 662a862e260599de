"""RepLKNet-31B at full size, in float64: torch's model against Paddle's, and merged against unmerged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import paddle
import pytest
import torch
from twins import carried, max_rel, random_image

import models_paddle
import models_torch
from convert.archs import ArchSpec, get_spec
from convert.arrays import Array
from convert.merging import EXACT, merged_exactly, merging_of
from convert.params import BATCH_NORM_EPS
from verify.selftest.weights import distinct_weights

pytestmark = pytest.mark.long

SPEC = get_spec("replknet_31b")
IMAGE = (1, 3, 64, 96)
PARITY = 1e-9  # max|difference| / max|expected|; measured floor 2e-15, and 6e-14 with a merge's eps of 1e-5 sharp

Weights = dict[str, Array]


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Distinct weights of which 48 blocks still give logits of order 1."""
    weights = distinct_weights(SPEC.params())
    return {name: array * (0.2 if ".pw2.bn." in name and "var" not in name else 1) for name, array in weights.items()}


def torch_logits(spec: ArchSpec, weights: Weights) -> Array:
    with torch.no_grad():
        model = models_torch.build_with(spec, weights, dtype="float64")
        logits: Array = model(torch.from_numpy(random_image(IMAGE))).numpy()
    return logits


def paddle_logits(spec: ArchSpec, weights: Weights) -> Array:
    model = models_paddle.build_with(spec, carried(spec.params(), weights), dtype="float64")
    with paddle.no_grad():
        logits: Array = model(paddle.to_tensor(random_image(IMAGE))).numpy()
    return logits


@pytest.fixture(scope="module")
def expected(weights: Weights) -> Array:
    logits = torch_logits(SPEC, weights)
    assert 0.1 < logits.std() < 100
    return logits


def test_both_frameworks_give_the_same_logits(weights: Weights, expected: Array) -> None:
    actual = paddle_logits(SPEC, weights)

    assert max_rel(actual, expected) <= PARITY


@pytest.mark.parametrize("logits", [torch_logits, paddle_logits])
@pytest.mark.parametrize("eps", [BATCH_NORM_EPS, SPEC.eps])
def test_the_merged_network_gives_the_unmerged_ones(
    logits: Callable[[ArchSpec, Weights], Array], eps: float, weights: Weights, expected: Array
) -> None:
    merging = merging_of(dataclasses.replace(SPEC, eps=eps))
    parts = {name: weights[name].astype(EXACT) for name in merging.parts}
    kept = {name: array for name, array in weights.items() if name not in parts}

    actual = logits(merging.spec, {**kept, **merged_exactly(merging, parts)})

    assert max_rel(actual, expected) <= PARITY
