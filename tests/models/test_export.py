"""Paddle's models as programs of `paddle.jit.save`: what deployment takes, with the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
from twins import BACKBONES

import models_paddle
from convert.archs import ArchSpec, get_spec
from convert.state_dict import convert_state_dict
from verify.selftest.weights import distinct_weights

ARCHS = ["convnext_digits", "convnextv2_atto", "convnext_atto_ols", "convnext_atto_rms", "convnext_isotropic_small"]


@pytest.mark.parametrize("arch", ARCHS)
def test_a_saved_program_gives_the_models_logits(arch: str, tmp_path: Path) -> None:
    check_saved(get_spec(arch), tmp_path)


@pytest.mark.parametrize("spec", BACKBONES, ids=lambda spec: spec.name)
def test_a_saved_backbone_gives_the_models_features(spec: ArchSpec, tmp_path: Path) -> None:
    check_saved(spec, tmp_path)


def check_saved(spec: ArchSpec, tmp_path: Path) -> None:
    weights = convert_state_dict(spec, distinct_weights(spec.params(), dtype="float32"))
    model = models_paddle.build_with(spec, weights)
    model.eval()
    batch = paddle.to_tensor(np.random.default_rng(0).standard_normal((2, 3, 64, 96), np.float32))
    with paddle.no_grad():
        expected = model(batch).numpy()
    paddle.jit.save(model, str(tmp_path / "x"), input_spec=[paddle.static.InputSpec([None, 3, 64, 96], "float32")])
    actual = paddle.jit.load(str(tmp_path / "x"))(batch).numpy()

    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
