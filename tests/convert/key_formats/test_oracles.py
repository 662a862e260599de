"""Other libraries' models as judges of the key formats: their output on randomised weights is ours after renaming."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from oracles import ORACLE, Judged, judge, torch_output
from torchvision.models import convnext_tiny
from torchvision.models.convnext import CNBlock, CNBlockConfig, LayerNorm2d
from torchvision.models.convnext import ConvNeXt as TorchvisionConvNeXt
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ConvNextModel,
    ConvNextV2Config,
    ConvNextV2ForImageClassification,
    ConvNextV2Model,
)
from twins import TINY, max_rel

from convert.archs import ARCHS, ArchSpec
from convert.key_formats import name_officially
from convert.key_formats.rules import Reshape
from verify.selftest.weights import distinct_weights

TINY_V2 = dataclasses.replace(TINY, layer_scale=False, grn=True)
SIZES = {"depths": list(TINY.depths), "hidden_sizes": list(TINY.dims), "num_labels": TINY.num_classes}


OTHER_EPS = dataclasses.replace(TINY, eps=0.1)  # large, so that one norm of another eps shows
STAGES = [CNBlockConfig(*stage) for stage in zip(TINY.dims, (*TINY.dims[1:], None), TINY.depths, strict=True)]


def torchvision_twin() -> torch.nn.Module:
    return TorchvisionConvNeXt(STAGES, num_classes=TINY.num_classes)


def torchvision_of_another_eps() -> torch.nn.Module:
    return TorchvisionConvNeXt(
        STAGES,
        num_classes=TINY.num_classes,
        block=partial(CNBlock, norm_layer=partial(torch.nn.LayerNorm, eps=OTHER_EPS.eps)),
        norm_layer=partial(LayerNorm2d, eps=OTHER_EPS.eps),
    )


# `layer_norm_eps` is the last norm's alone, and 1e-12 unless given, which is another function than the authors' 1e-6;
# every other norm of transformers has 1e-6 written out. The converted facebook/convnext-* checkpoints say 1e-12.
JUDGES: dict[str, tuple[ArchSpec, str, Any]] = {
    "torchvision's convnext_tiny": (ARCHS["convnext_tiny"], "torchvision", convnext_tiny),
    "torchvision's, small": (TINY, "torchvision", torchvision_twin),
    "torchvision's, of another eps": (OTHER_EPS, "torchvision", torchvision_of_another_eps),
    "transformers'": (
        TINY,
        "transformers",
        lambda: ConvNextForImageClassification(ConvNextConfig(**SIZES, layer_norm_eps=1e-6)),
    ),
    "transformers' version 2": (
        TINY_V2,
        "transformers",
        lambda: ConvNextV2ForImageClassification(ConvNextV2Config(**SIZES, layer_norm_eps=1e-6)),
    ),
}


@pytest.mark.parametrize("build", [ConvNextForImageClassification, ConvNextV2ForImageClassification])
def test_transformers_takes_another_eps_for_its_last_norm_alone(build: Any) -> None:
    model = build(build.config_class(**SIZES, layer_norm_eps=1e-5))

    eps = {name: norm.eps for name, norm in model.named_modules() if isinstance(norm, torch.nn.LayerNorm)}
    assert [name for name, value in eps.items() if value == 1e-5] == [f"{model.base_model_prefix}.layernorm"]
    assert set(eps.values()) == {1e-5, 1e-6}


@pytest.mark.parametrize("build", [ConvNextModel, ConvNextV2Model])
def test_the_keys_of_transformers_model_without_a_head_are_recognised(build: Any) -> None:
    named = name_officially(
        {name: tensor.numpy() for name, tensor in build(build.config_class(**SIZES)).state_dict().items()}
    )

    spec = TINY_V2 if build is ConvNextV2Model else TINY
    expected = {param.torch_name: param.shape for param in spec.params() if not param.torch_name.startswith("head.")}
    assert named.key_format.name == "transformers"
    assert {name: array.shape for name, array in named.tensors.items()} == expected


@pytest.fixture(scope="module", params=JUDGES)
def judge_of(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def judged(judge_of: str) -> Judged:
    return judge(JUDGES[judge_of][2])


def test_the_librarys_keys_are_recognised(judged: Judged, judge_of: str) -> None:
    named = judged.named

    assert (named.key_format.name, named.prefix, named.left_out) == (JUDGES[judge_of][1], "", ())


def test_the_librarys_names_and_shapes_become_the_tables(judged: Judged, judge_of: str) -> None:
    shapes = {name: array.shape for name, array in judged.named.tensors.items()}

    assert shapes == {param.torch_name: param.shape for param in JUDGES[judge_of][0].params()}


def test_the_librarys_logits_are_finite_and_differ(judged: Judged) -> None:
    assert np.isfinite(judged.expected).all()
    assert judged.expected.std() > 0.1


def test_our_model_answers_as_the_librarys(judged: Judged, judge_of: str) -> None:
    assert max_rel(torch_output(JUDGES[judge_of][0], judged.named.tensors), judged.expected) <= ORACLE


# mmpretrain is not installed. Its names, written by hand after tools/model_converters/convnext_to_mmpretrain.py of
# https://github.com/open-mmlab/mmpretrain at ee7f2e8, of a network with one block in the first stage.
MMPRETRAIN_NAMES = {
    "downsample_layers.0.0.weight": "backbone.downsample_layers.0.0.weight",
    "downsample_layers.0.0.bias": "backbone.downsample_layers.0.0.bias",
    "downsample_layers.0.1.weight": "backbone.downsample_layers.0.1.weight",
    "downsample_layers.0.1.bias": "backbone.downsample_layers.0.1.bias",
    "stages.0.0.gamma": "backbone.stages.0.0.gamma",
    "stages.0.0.dwconv.weight": "backbone.stages.0.0.depthwise_conv.weight",
    "stages.0.0.dwconv.bias": "backbone.stages.0.0.depthwise_conv.bias",
    "stages.0.0.norm.weight": "backbone.stages.0.0.norm.weight",
    "stages.0.0.norm.bias": "backbone.stages.0.0.norm.bias",
    "stages.0.0.pwconv1.weight": "backbone.stages.0.0.pointwise_conv1.weight",
    "stages.0.0.pwconv1.bias": "backbone.stages.0.0.pointwise_conv1.bias",
    "stages.0.0.pwconv2.weight": "backbone.stages.0.0.pointwise_conv2.weight",
    "stages.0.0.pwconv2.bias": "backbone.stages.0.0.pointwise_conv2.bias",
    "norm.weight": "backbone.norm3.weight",
    "norm.bias": "backbone.norm3.bias",
    "head.weight": "head.fc.weight",
    "head.bias": "head.fc.bias",
}
ONE_BLOCK = dataclasses.replace(TINY, name="one_block", depths=(1,), dims=(6,))


def test_mmpretrains_names_are_those_written_by_hand() -> None:
    weights = distinct_weights(ONE_BLOCK.params())

    named = name_officially({theirs: weights[ours] for ours, theirs in MMPRETRAIN_NAMES.items()})

    assert named.key_format.name == "mmpretrain"
    assert named.keys == MMPRETRAIN_NAMES
    assert all(named.tensors[name] is weights[name] for name in weights)


def test_mmpretrains_response_norm_and_1x1_convolutions_are_reshaped() -> None:
    block = "backbone.stages.0.0"
    theirs = {
        f"{block}.depthwise_conv.weight": np.ones((6, 1, 7, 7)),
        f"{block}.pointwise_conv1.weight": np.ones((24, 6, 1, 1)),
        f"{block}.grn.gamma": np.ones(24),
        f"{block}.grn.beta": np.ones(24),
    }

    named = name_officially(theirs)

    assert {name: (named.tensors[name].shape, reshape) for name, reshape in named.reshaped.items()} == {
        "stages.0.0.pwconv1.weight": ((24, 6), Reshape.CONV1X1),
        "stages.0.0.grn.gamma": ((1, 1, 1, 24), Reshape.GRN),
        "stages.0.0.grn.beta": ((1, 1, 1, 24), Reshape.GRN),
    }
