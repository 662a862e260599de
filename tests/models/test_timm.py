"""timm's own model of each architecture as the judge, in float64, against both of our models."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import timm
import torch
from oracles import ORACLE, Judged, judge, paddle_output, torch_output
from twins import max_rel

from convert.archs import ARCHS, ArchSpec
from convert.archs.spec import Norm
from convert.arrays import Array

NOT_TIMMS = {"convnext_digits", "convnext_isotropic_small", "convnext_isotropic_base", "convnext_isotropic_large"}
CONVNEXTS = [arch for arch in ARCHS if "convnext" in arch]  # test_resnext.py and test_replknet.py have others
TIMMS = [arch for arch in CONVNEXTS if arch not in NOT_TIMMS]
CLASSES = 10

# The same code with fewer blocks, where all of them would take minutes. convnext_tiny, convnext_base, convnextv2_tiny
# and everything smaller are whole.
FEWER_BLOCKS = {
    "convnext_small": (1, 2, 4, 1),
    "convnext_large": (1, 1, 2, 1),
    "convnext_large_mlp": (1, 1, 1, 1),
    "convnext_xlarge": (1, 1, 1, 1),
    "convnext_xxlarge": (1, 1, 1, 1),
    "convnextv2_small": (1, 2, 4, 1),
    "convnextv2_base": (1, 1, 2, 1),
    "convnextv2_large": (1, 1, 1, 1),
    "convnextv2_huge": (1, 1, 1, 1),
}


@pytest.fixture(scope="module", params=TIMMS)
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def spec(arch: str) -> ArchSpec:
    changes: dict[str, Any] = {"depths": FEWER_BLOCKS[arch]} if arch in FEWER_BLOCKS else {}
    return dataclasses.replace(ARCHS[arch], num_classes=CLASSES, **changes)


@pytest.fixture(scope="module")
def judged(arch: str) -> Judged:
    """timm's model of the architecture with every parameter randomised under timm's keys, and its logits."""
    changes = {"depths": FEWER_BLOCKS[arch]} if arch in FEWER_BLOCKS else {}
    return judge(lambda: timm.create_model(arch, pretrained=False, num_classes=CLASSES, **changes))


def test_every_convnext_of_timm_is_known() -> None:
    known = {*timm.list_models("convnext*"), *timm.list_models("test_convnext*")}

    assert known - set(TIMMS) == {"test_convnext3"}  # of another activation
    assert set(TIMMS) <= known


def test_timms_keys_are_recognised(judged: Judged) -> None:
    assert (judged.named.key_format.name, judged.named.prefix, judged.named.left_out) == ("timm", "", ())


def test_timms_names_and_shapes_are_the_tables(judged: Judged, spec: ArchSpec) -> None:
    shapes = {name: array.shape for name, array in judged.named.tensors.items()}

    assert shapes == {param.torch_name: param.shape for param in spec.params()}


def test_timms_logits_are_finite_and_differ(judged: Judged) -> None:
    assert np.isfinite(judged.expected).all()
    assert judged.expected.std() > 0.1


def test_our_torch_model_answers_as_timms(judged: Judged, spec: ArchSpec) -> None:
    assert max_rel(torch_output(spec, judged.named.tensors), judged.expected) <= ORACLE


def test_our_paddle_model_answers_as_timms(judged: Judged, spec: ArchSpec) -> None:
    assert max_rel(paddle_output(spec, judged.named.tensors), judged.expected) <= ORACLE


# Whole or, where that would take long, with fewer blocks; every kind of stem, norm and head is among them.
HEADLESS = ["convnext_atto_ols", "convnext_zepto_rms", "convnext_tiny_hnf", "convnext_large_mlp", "convnextv2_atto"]
TRUNKS = ["convnext_atto", "convnextv2_atto"]


@pytest.mark.parametrize("arch", HEADLESS)
def test_our_features_are_those_of_timms_model_without_a_head(arch: str) -> None:
    changes: dict[str, Any] = {"depths": FEWER_BLOCKS[arch]} if arch in FEWER_BLOCKS else {}
    judged = judge(lambda: timm.create_model(arch, pretrained=False, num_classes=0, **changes))

    spec = dataclasses.replace(ARCHS[arch], num_classes=0, **changes)
    assert judged.expected.shape == (1, spec.outputs)
    assert max_rel(torch_output(spec, judged.named.tensors), judged.expected) <= ORACLE
    assert max_rel(paddle_output(spec, judged.named.tensors), judged.expected) <= ORACLE


def trunk(arch: str) -> torch.nn.Module:
    """timm's model up to the last block, pooled: what a masked autoencoder's file has."""
    model = timm.create_model(arch, pretrained=False)
    pool, flatten = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(OrderedDict(stem=model.stem, stages=model.stages, pool=pool, flatten=flatten))


@pytest.mark.parametrize("arch", TRUNKS)
def test_our_features_without_a_last_norm_are_timms(arch: str) -> None:
    judged = judge(lambda: trunk(arch))

    spec = dataclasses.replace(ARCHS[arch], num_classes=0, last_norm=False)
    assert max_rel(torch_output(spec, judged.named.tensors), judged.expected) <= ORACLE
    assert max_rel(paddle_output(spec, judged.named.tensors), judged.expected) <= ORACLE


# The test of the test: what a spec could state wrongly without another name or shape in its table.
FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "another eps": ("convnext_atto", {"eps": 1e-5}),
    "another GELU": ("convnext_atto", {"gelu_tanh": True}),
    "an RMS norm for a simple one": ("convnext_zepto_rms", {"norm": Norm.RMS}),
    "a simple norm for an RMS norm": ("convnext_atto_rms", {"norm": Norm.SIMPLE}),
    "another eps before a response norm": ("convnextv2_atto", {"eps": 1e-5}),
}


@pytest.mark.parametrize("output", [torch_output, paddle_output])
@pytest.mark.parametrize("fault", FAULTS)
def test_timm_sees(fault: str, output: Callable[[ArchSpec, Mapping[str, Array]], Array]) -> None:
    arch, wrong = FAULTS[fault]
    judged = judge(lambda: timm.create_model(arch, pretrained=False, num_classes=CLASSES))

    faulty = dataclasses.replace(ARCHS[arch], num_classes=CLASSES, **wrong)
    assert max_rel(output(faulty, judged.named.tensors), judged.expected) > 100 * ORACLE
