"""The two models are one: tiny twins with distinct weights, in float64, on an image that is not square."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from twins import GRAY, TINY, carried, max_rel, random_image

import models_paddle
import models_torch
from convert import convert_state_dict
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from verify.selftest.weights import distinct_weights

PARITY = 1e-12  # max|difference| / max|expected|; measured floors 6e-16 for logits, 8e-14 for gradients (CPU)


def twins(spec: ConvNeXtSpec = TINY) -> tuple[Any, Any]:
    weights = distinct_weights(spec.params())
    return (
        models_torch.build_with(spec, weights, dtype="float64"),
        models_paddle.build_with(spec, carried(spec.params(), weights), dtype="float64"),
    )


def outputs(call: Callable[[Any, Any], Any], image: Array, spec: ConvNeXtSpec = TINY) -> tuple[Array, Array]:
    """Paddle's output and torch's."""
    torch_model, paddle_model = twins(spec)
    with torch.no_grad(), paddle.no_grad():
        actual = call(paddle_model, paddle.to_tensor(image)).numpy()
        return actual, call(torch_model, torch.from_numpy(image)).numpy()


@pytest.mark.parametrize("shape", [(2, 3, 64, 96), (1, 3, 96, 64), (3, 3, 32, 32), (1, 3, 71, 105)])
def test_logits_agree_in_evaluation_mode(shape: tuple[int, ...]) -> None:
    actual, expected = outputs(lambda model, x: model(x), random_image(shape))

    assert max_rel(actual, expected) <= PARITY


def test_logits_agree_with_one_input_channel_and_another_number_of_classes() -> None:
    actual, expected = outputs(lambda model, x: model(x), random_image((2, 1, 64, 96)), GRAY)

    assert max_rel(actual, expected) <= PARITY


def test_features_agree() -> None:
    actual, expected = outputs(lambda model, x: model.forward_features(x), random_image())

    assert actual.shape == (2, 10)
    assert max_rel(actual, expected) <= PARITY


@pytest.mark.parametrize("stage", range(4))
def test_every_stages_output_agrees(stage: int) -> None:
    def up_to_the_stage(model: Any, x: Any) -> Any:
        for downsample, blocks in zip(model.downsample_layers[: stage + 1], model.stages[: stage + 1], strict=True):
            x = blocks(downsample(x))
        return x

    actual, expected = outputs(up_to_the_stage, random_image())

    assert max_rel(actual, expected) <= PARITY


def test_float32_weights_carried_by_the_converter_agree_once_widened() -> None:
    weights = distinct_weights(TINY.params(), dtype="float32")
    torch_model = models_torch.build_with(TINY, weights, dtype="float64")
    paddle_model = models_paddle.build_with(TINY, convert_state_dict(TINY, weights), dtype="float64")

    actual = paddle_model(paddle.to_tensor(random_image())).numpy()
    expected = torch_model(torch.from_numpy(random_image())).detach().numpy()
    assert max_rel(actual, expected) <= PARITY


@pytest.fixture(scope="module")
def trained() -> SimpleNamespace:
    """Both models in training mode without stochastic depth, their logits, and the gradients of a loss."""
    torch_model, paddle_model = twins()
    torch_model.train()
    paddle_model.train()
    upstream = random_image((2, 10), seed=2)

    torch_image = torch.from_numpy(random_image()).requires_grad_()
    torch_logits = torch_model(torch_image)
    torch_logits.backward(torch.from_numpy(upstream))

    paddle_image = paddle.to_tensor(random_image(), stop_gradient=False)
    paddle_logits = paddle_model(paddle_image)
    paddle_logits.backward(paddle.to_tensor(upstream))

    return SimpleNamespace(
        expected_logits=torch_logits.detach().numpy(),
        actual_logits=paddle_logits.numpy(),
        expected_image=torch_image.grad.numpy(),
        actual_image=paddle_image.grad.numpy(),
        expected={name: parameter.grad.numpy() for name, parameter in torch_model.named_parameters()},
        actual={name: parameter.grad.numpy() for name, parameter in paddle_model.named_parameters()},
    )


def test_logits_agree_in_training_mode(trained: SimpleNamespace) -> None:
    assert max_rel(trained.actual_logits, trained.expected_logits) <= PARITY


def test_training_mode_without_stochastic_depth_is_evaluation_mode(trained: SimpleNamespace) -> None:
    _, expected = outputs(lambda model, x: model(x), random_image())

    assert np.array_equal(trained.expected_logits, expected)


def test_the_images_gradient_agrees(trained: SimpleNamespace) -> None:
    assert max_rel(trained.actual_image, trained.expected_image) <= PARITY


@pytest.mark.parametrize("param", TINY.params(), ids=lambda param: param.torch_name)
def test_the_gradient_agrees_of(param: Any, trained: SimpleNamespace) -> None:
    actual = trained.actual[param.paddle_name]

    assert max_rel(actual, param.layout.to_paddle(trained.expected[param.torch_name])) <= PARITY
