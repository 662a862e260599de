"""Differences of shape between the libraries' tensors and the official ones."""

from __future__ import annotations

import numpy as np
import pytest
from library_keys import SMALL, stored

from convert.arrays import Array
from convert.key_formats import name_officially
from convert.key_formats.rules import Reshape
from verify.selftest.weights import distinct_weights


@pytest.mark.parametrize(
    ("kind", "name", "counts"),
    [
        ("plain", "timm", {}),  # its blocks' Linear layers are stored as such
        ("1x1 convolutions", "timm", {Reshape.CONV1X1: 12}),
        ("version 2", "timm", {Reshape.GRN: 12}),
        ("plain", "torchvision", {Reshape.SCALE: 6}),
        ("version 2", "transformers", {}),
        ("version 2", "mmpretrain", {Reshape.GRN: 12}),
        ("plain", "official", {}),
    ],
)
def test_reshapes_are_counted(kind: str, name: str, counts: dict[Reshape, int]) -> None:
    named = name_officially(stored(SMALL[kind], name, distinct_weights(SMALL[kind].params())))

    reshapes = list(named.reshaped.values())
    assert {reshape: reshapes.count(reshape) for reshape in set(reshapes)} == counts


def test_a_shape_that_the_reshape_does_not_fit_is_left_for_the_comparison() -> None:
    theirs: dict[str, Array] = stored(SMALL["1x1 convolutions"], "timm", distinct_weights(SMALL["plain"].params()))
    theirs["stages.0.blocks.0.mlp.fc1.weight"] = np.ones((16, 4, 3, 3))

    assert name_officially(theirs).tensors["stages.0.0.pwconv1.weight"].shape == (16, 4, 3, 3)


VECTORS = [(1, -1), (-1, 1), (-1, 1, 1), (1, -1, 1, 1), (1, 1, 1, -1)]


@pytest.mark.parametrize("shape", VECTORS)
@pytest.mark.parametrize("name", ["official", "timm", "torchvision", "transformers", "mmpretrain"])
@pytest.mark.parametrize("kind", ["plain", "version 2"])
def test_a_scale_is_read_in_whatever_shape_has_one_axis(kind: str, name: str, shape: tuple[int, ...]) -> None:
    if (kind, name) == ("version 2", "torchvision"):
        pytest.skip("torchvision has no version 2")
    weights = distinct_weights(SMALL[kind].params())
    scales = {key for key in weights if key.endswith("gamma") or ".grn." in key}
    theirs = stored(SMALL[kind], name, weights)
    keys = {official: key for key, official in zip(theirs, weights, strict=True)}
    odd = {key: theirs[key].reshape(shape) for official, key in keys.items() if official in scales}

    named = name_officially({**theirs, **odd})

    assert odd
    assert {key: array.shape for key, array in named.tensors.items()} == {k: a.shape for k, a in weights.items()}
    assert all(np.array_equal(named.tensors[key], weights[key]) for key in weights)


@pytest.mark.parametrize("shape", [(2, -1), (-1, 2), (1, 2, -1), (1, 1, 1, 1, -1)])
def test_a_scale_of_two_axes_is_left_for_the_comparison(shape: tuple[int, ...]) -> None:
    weights = distinct_weights(SMALL["plain"].params())
    odd = weights["stages.0.0.gamma"].reshape(shape)

    assert name_officially({**weights, "stages.0.0.gamma": odd}).tensors["stages.0.0.gamma"].shape == odd.shape
