"""numpy's statement of every unit, against timm's models and against ours."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import timm
from oracles import IMAGE, ORACLE, judge, torch_output, units_in_order
from twins import FAMILIES, TINY, max_rel, random_image

from convert.archs import ARCHS, ArchSpec
from convert.arrays import Array
from verify.reference.families import build_unit, tensors_of, unit_names
from verify.reference.steps import Weights
from verify.selftest.weights import distinct_weights

CLASSES = 10
FEWER_BLOCKS = {"convnext_large_mlp": (1, 1, 1, 1), "convnext_tiny_hnf": (1, 1, 3, 1)}
TIMMS = [
    "convnext_atto",
    "convnext_atto_ols",
    "convnext_atto_rms",
    "convnext_zepto_rms_ols",
    "convnextv2_atto",
    *FEWER_BLOCKS,
]


def chained(spec: ArchSpec, weights: Weights, image: Array) -> Array:
    x = image
    for name in units_in_order(spec):
        x = build_unit(spec, name).run(x, weights)
    return x


@pytest.mark.parametrize("arch", TIMMS)
def test_the_chained_units_answer_as_timm_s_model(arch: str) -> None:
    depths: dict[str, Any] = {"depths": FEWER_BLOCKS[arch]} if arch in FEWER_BLOCKS else {}
    judged = judge(lambda: timm.create_model(arch, pretrained=False, num_classes=CLASSES, **depths))

    spec = dataclasses.replace(ARCHS[arch], num_classes=CLASSES, **depths)
    assert max_rel(chained(spec, judged.named.tensors, random_image(IMAGE)), judged.expected) <= ORACLE


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
def test_the_chained_units_answer_as_our_torch_model(spec: ArchSpec) -> None:
    weights = distinct_weights(spec.params())

    assert max_rel(chained(spec, weights, random_image(IMAGE)), torch_output(spec.compared, weights)) <= ORACLE


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
def test_every_tensor_belongs_to_one_unit(spec: ArchSpec) -> None:
    tensors = [tensor for name in units_in_order(spec) for tensor in tensors_of(spec, name)]

    assert sorted(tensors) == sorted(param.torch_name for param in spec.params())


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
def test_every_unit_uses_all_its_tensors(spec: ArchSpec) -> None:
    weights = distinct_weights(spec.params())
    x = random_image(IMAGE)
    for name in units_in_order(spec):
        unit = build_unit(spec, name)
        right = unit.run(x, weights)
        for tensor in tensors_of(spec, name):
            assert not np.array_equal(unit.run(x, {**weights, tensor: weights[tensor] * 1.5}), right), tensor
        x = right


@pytest.mark.parametrize(
    ("arch", "tensor", "unit"),
    [
        ("convnext_isotropic_small", "stem.weight", "stem"),
        ("convnext_tiny", "downsample_layers.0.1.bias", "downsample_layers.0"),
        ("convnext_tiny", "stages.2.1.gamma", "stages.2.1"),
        ("convnextv2_base", "stages.2.10.grn.gamma", "stages.2.10"),
        ("convnext_isotropic_small", "blocks.17.norm.weight", "blocks.17"),
        ("convnext_tiny", "norm.weight", "features"),
        ("convnext_tiny_hnf", "norm_pre.bias", "features"),
        ("convnext_large_mlp", "pre_logits.weight", "pre_logits"),
        ("convnext_large_mlp", "head.bias", "head"),
    ],
)
def test_a_tensor_belongs_to_this_unit(arch: str, tensor: str, unit: str) -> None:
    assert unit_names(ARCHS[arch])[tensor] == unit


def test_a_unit_that_the_architecture_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^tiny_twin has no unit blocks\.0$"):
        build_unit(TINY, "blocks.0")
