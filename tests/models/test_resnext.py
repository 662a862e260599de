"""ResNeXt against torchvision's, timm's and Paddle's own models, in float64, on images of odd sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
import timm
import torch
import torchvision
from paddle.vision.models import ResNet as PaddlesResNet
from paddle.vision.models.resnet import BottleneckBlock
from torchvision.models.resnet import Bottleneck, ResNet
from twins import BLOG, RESNEXT, carried, max_rel, random_image

import models_paddle
import models_torch
from convert.archs import ARCHS
from convert.archs.resnext import ResNeXtSpec
from convert.arrays import Array
from verify.selftest.weights import distinct_weights

pytestmark = pytest.mark.long

ORACLE = 1e-12  # with eps as float32 on both sides; measured floor 2e-14 (resnext101_64x4d, CPU)
PADDLE_DEPTHS: dict[tuple[int, ...], int] = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
RESNEXTS = [spec for spec in ARCHS.values() if isinstance(spec, ResNeXtSpec)]
IMAGE = (1, 3, 97, 161)  # odd, and not square


def torch_answer(model: Any, weights: dict[str, Array], image: Array) -> Array:
    """The answer of another library's model with those weights, and with eps as Paddle keeps it."""
    own = model.double().eval().state_dict()
    model.load_state_dict({name: torch.from_numpy(weights[name]) if name in weights else own[name] for name in own})
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = float(np.float32(module.eps))
    with torch.no_grad():
        answer: Array = model(torch.from_numpy(image)).numpy()
    return answer


def paddles_answer(spec: ResNeXtSpec, weights: dict[str, Array], image: Array) -> Array:
    """The answer of paddle.vision's model for the weights that are carried over."""
    paddle.set_default_dtype("float64")
    try:
        depth = PADDLE_DEPTHS[spec.depths]
        classes = spec.num_classes
        model = PaddlesResNet(BottleneckBlock, depth, spec.width, num_classes=classes, groups=spec.groups)
    finally:
        paddle.set_default_dtype("float32")
    assert model.set_state_dict(carried(spec.params(), weights)) == ([], [])
    model.eval()
    with paddle.no_grad():
        answer: Array = model(paddle.to_tensor(image)).numpy()
    return answer


def ours(spec: Any, weights: dict[str, Array], image: Array) -> tuple[Array, Array]:
    torchs = models_torch.build_with(spec, weights, dtype="float64")
    paddles = models_paddle.build_with(spec, carried(spec.params(), weights), dtype="float64")
    with torch.no_grad(), paddle.no_grad():
        return torchs(torch.from_numpy(image)).numpy(), paddles(paddle.to_tensor(image)).numpy()


def torchvisions(spec: ResNeXtSpec) -> torch.nn.Module:
    classes = spec.num_classes
    return ResNet(Bottleneck, [*spec.depths], classes, groups=spec.groups, width_per_group=spec.width)


def test_the_whole_network_answers_as_torchvisions_timms_and_paddles() -> None:
    spec, image = ARCHS["resnext50_32x4d"], random_image((1, 3, 193, 225))
    assert isinstance(spec, ResNeXtSpec)
    weights = distinct_weights(spec.params())
    makers: list[Callable[[], Any]] = [
        torchvision.models.resnext50_32x4d,
        lambda: timm.create_model("resnext50_32x4d"),
    ]

    torchs, paddles = ours(spec, weights, image)

    assert 0.5 < torchs.std() < 200
    for expected in (*(torch_answer(make(), weights, image) for make in makers), paddles_answer(spec, weights, image)):
        assert max_rel(torchs, expected) <= ORACLE
        assert max_rel(paddles, expected) <= ORACLE


@pytest.mark.parametrize("arch", ["resnext50_64x4d", "resnext101_32x8d"])
def test_another_variant_answers_as_torchvisions_and_paddles(arch: str) -> None:
    spec = dataclasses.replace(ARCHS[arch], num_classes=10)
    assert isinstance(spec, ResNeXtSpec)
    weights, image = distinct_weights(spec.params()), random_image(IMAGE)

    torchs, paddles = ours(spec, weights, image)

    for expected in (torch_answer(torchvisions(spec), weights, image), paddles_answer(spec, weights, image)):
        assert max_rel(torchs, expected) <= ORACLE
        assert max_rel(paddles, expected) <= ORACLE


@pytest.mark.parametrize("spec", RESNEXTS, ids=lambda spec: spec.name)
def test_the_table_has_the_names_and_shapes_of_torchvisions(spec: ResNeXtSpec) -> None:
    with torch.device("meta"):
        state_dict = torchvisions(spec).state_dict()

    assert [(row.torch_name, row.shape) for row in spec.rows()] == [
        (name, tuple(tensor.shape)) for name, tensor in state_dict.items()
    ]


@pytest.mark.parametrize("spec", RESNEXTS, ids=lambda spec: spec.name)
def test_the_table_has_the_names_and_shapes_of_paddles(spec: ResNeXtSpec) -> None:
    with paddle.LazyGuard():
        model = PaddlesResNet(BottleneckBlock, PADDLE_DEPTHS[spec.depths], spec.width, groups=spec.groups)

    assert [(param.paddle_name, param.paddle_shape) for param in spec.params()] == [
        (name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()
    ]


def test_a_small_network_answers_as_the_same_code_of_torchvision() -> None:
    """With its depths and groups; torchvision's channels cannot be made smaller."""
    spec = dataclasses.replace(RESNEXT, dims=(256, 512, 1024, 2048))
    weights, image = distinct_weights(spec.params()), random_image(IMAGE)

    expected = torch_answer(torchvisions(spec), weights, image)

    assert all(max_rel(answer, expected) <= ORACLE for answer in ours(spec, weights, image))


@pytest.mark.parametrize("size", [(64, 64), (33, 64), (64, 96), (45, 61)])
def test_the_twins_agree_on_every_size(size: tuple[int, int]) -> None:
    image = random_image((2, 3, *size))
    for spec in (RESNEXT, BLOG.compared):
        torchs, paddles = ours(spec, distinct_weights(spec.params()), image)

        assert max_rel(paddles, torchs) <= ORACLE


def test_the_tutorials_network_answers_with_probabilities_and_is_compared_by_its_logits() -> None:
    weights, image = distinct_weights(BLOG.params()), random_image((2, 3, 64, 64))

    for answer, logits in zip(ours(BLOG, weights, image), ours(BLOG.compared, weights, image), strict=True):
        assert answer.sum(1) == pytest.approx([1, 1])
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        assert np.allclose(answer, exponentials / exponentials.sum(1, keepdims=True), atol=1e-15)


def test_the_tutorials_network_has_the_tensors_that_its_code_has() -> None:
    spec = dataclasses.replace(ARCHS["resnext50_blog"], num_classes=4)

    assert (len(list(spec.rows())), len(spec.params())) == (408, 343)
