"""Somebody else's ConvNeXt as the judge: timm's full-size convnext_tiny, in float64, against both of our models."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
import timm
import torch
from twins import carried, max_rel, random_image

import models_paddle
import models_torch
from convert.archs import ARCHS
from verify.selftest.weights import distinct_weights

ORACLE = 1e-10  # max|difference| / max|expected|; measured floor 2e-15 (convnext_tiny, CPU)
SPEC = ARCHS["convnext_tiny"]

# timm's names in the forward pass's order, as timm/models/convnext.py of 1.0.31 has them, and the authors' own.
OFFICIAL_NAMES = (
    (r"^stem\.(\d)\.", r"downsample_layers.0.\1."),
    (r"^stages\.(\d)\.downsample\.(\d)\.", r"downsample_layers.\1.\2."),
    (r"^stages\.(\d)\.blocks\.(\d+)\.", r"stages.\1.\2."),
    (r"\.conv_dw\.", ".dwconv."),
    (r"\.mlp\.fc(\d)\.", r".pwconv\1."),
    (r"^head\.norm\.", "norm."),
    (r"^head\.fc\.", "head."),
)


def official(name: str) -> str:
    for pattern, replacement in OFFICIAL_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


@pytest.fixture(scope="module")
def answers() -> SimpleNamespace:
    """One image's logits from timm's model and from each of ours, every parameter distinct and of order 1."""
    weights = distinct_weights(SPEC.params())
    image = random_image((1, 3, 96, 128))
    with torch.device("meta"):
        judge = timm.create_model("convnext_tiny", pretrained=False)
    names = {name: official(name) for name in judge.state_dict()}
    judge.load_state_dict({name: torch.from_numpy(weights[names[name]]) for name in names}, assign=True)
    ours = models_torch.build_with(SPEC, weights, dtype="float64")
    paddles = models_paddle.build_with(SPEC, carried(SPEC.params(), weights), dtype="float64")
    with torch.no_grad(), paddle.no_grad():
        return SimpleNamespace(
            names=names,
            expected=judge.eval()(torch.from_numpy(image)).numpy(),
            torch=ours(torch.from_numpy(image)).numpy(),
            paddle=paddles(paddle.to_tensor(image)).numpy(),
        )


def test_timms_names_are_the_tables_names(answers: SimpleNamespace) -> None:
    assert sorted(answers.names.values()) == sorted(param.torch_name for param in SPEC.params())


def test_timms_logits_are_finite_and_differ(answers: SimpleNamespace) -> None:
    assert np.isfinite(answers.expected).all()
    assert answers.expected.std() > 0.1


def test_our_torch_model_answers_as_timms(answers: SimpleNamespace) -> None:
    assert max_rel(answers.torch, answers.expected) <= ORACLE


def test_our_paddle_model_answers_as_timms(answers: SimpleNamespace) -> None:
    assert max_rel(answers.paddle, answers.expected) <= ORACLE
