"""The depthwise convolution by matrix products is nn.Conv2D: values, gradients, and the same bits every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from checkpoint_files import run_python
from twins import max_rel

import models_paddle.depthwise as fast
from convert.arrays import Array
from models_paddle.depthwise import MAX_HEIGHT, DepthwiseConv2D

KERNEL = 7
FLOAT64 = 1e-14  # max|difference| / max|expected|; measured floor 7e-16
FLOAT32 = 2e-6  # measured floor 5e-7


def layers(dim: int, dtype: str = "float64", kernel: int = KERNEL) -> tuple[DepthwiseConv2D, Any]:
    """Our layer and Paddle's own with the same weights."""
    ours = DepthwiseConv2D(dim, kernel)
    theirs = paddle.nn.Conv2D(dim, dim, kernel, padding=kernel // 2, groups=dim)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=tensor.shape).astype(dtype) for name, tensor in ours.state_dict().items()}
    for layer in (ours, theirs):
        layer.to(dtype=dtype)
        assert layer.set_state_dict(weights) in (None, ([], []))
    return ours, theirs


def image(*shape: int, dtype: str = "float64") -> Any:
    return paddle.to_tensor(np.random.default_rng(1).normal(size=shape).astype(dtype))


def difference(ours: Any, theirs: Any, x: Any) -> float:
    """How far our products are from Paddle's own convolution."""
    with paddle.no_grad():
        assert fast.takes_products(x)
        return max_rel(ours(x).numpy(), theirs(x).numpy())


@pytest.mark.parametrize(("dtype", "limit"), [("float64", FLOAT64), ("float32", FLOAT32)])
def test_products_are_the_convolution_at_every_height_and_width_from_1_to_20(dtype: str, limit: float) -> None:
    ours, theirs = layers(3, dtype)

    failures = {
        (h, w): error
        for h in range(1, 21)
        for w in range(1, 21)
        if not (error := difference(ours, theirs, image(2, 3, h, w, dtype=dtype))) <= limit
    }
    assert failures == {}


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("dim", [1, 5, 96])
def test_products_are_the_convolution_for_any_number_of_images_and_channels(n: int, dim: int) -> None:
    assert difference(*layers(dim), image(n, dim, 14, 9)) <= FLOAT64


@pytest.mark.parametrize("kernel", [1, 3, 5, 9])
def test_products_are_the_convolution_for_kernels_of_other_sizes(kernel: int) -> None:
    assert difference(*layers(4, kernel=kernel), image(2, 4, 11, 8)) <= FLOAT64


def test_products_take_an_image_whose_axes_were_exchanged() -> None:
    assert difference(*layers(4), image(2, 13, 10, 4).transpose([0, 3, 1, 2])) <= FLOAT64


def test_the_products_follow_a_change_of_the_weight() -> None:
    ours, theirs = layers(4)
    x = image(2, 4, 10, 13)
    difference(ours, theirs, x)

    for layer in (ours, theirs):
        layer.weight.set_value(layer.weight * 2 + 1)

    assert difference(ours, theirs, x) <= FLOAT64


FAULTS = {
    "kernel upside down": lambda w: w[:, :, ::-1],
    "kernel mirrored": lambda w: w[..., ::-1],
    "kernel transposed": lambda w: w.transpose(0, 1, 3, 2),
    "kernel moved down by one": lambda w: np.roll(w, 1, 2),
    "kernel moved right by one": lambda w: np.roll(w, 1, 3),
    "channels exchanged": lambda w: w[::-1],
    "one weight off by 1e-9": lambda w: w + 1e-9 * (np.arange(w.size) == 17).reshape(w.shape),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_sees(fault: str) -> None:
    ours, theirs = layers(4)
    theirs.weight.set_value(np.ascontiguousarray(FAULTS[fault](theirs.weight.numpy())))

    assert difference(ours, theirs, image(2, 4, 10, 13)) > 100 * FLOAT64


def test_gradients_reach_the_layers_own_parameters_and_the_image() -> None:
    def gradients(layer: Any) -> list[Array]:
        x = image(2, 5, 9, 12)
        x.stop_gradient = False
        (layer(x) ** 2).sum().backward()
        return [tensor.grad.numpy() for tensor in (layer.weight, layer.bias, x)]

    ours, theirs = map(gradients, layers(5))

    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_with_gradients_in_a_trace_or_too_high_the_convolution_stays() -> None:
    x = image(1, 2, 4, 4)
    assert not fast.takes_products(x)
    with paddle.no_grad():
        assert fast.takes_products(x)
        assert not fast.takes_products(image(1, 1, MAX_HEIGHT + 1, 1))
        assert not fast.takes_products(image(0, 2, 4, 4))
        paddle.enable_static()
        try:
            assert not fast.takes_products(paddle.static.data("x", [1, 2, 4, 4]))
        finally:
            paddle.disable_static()


def test_the_state_dict_is_the_convolutions() -> None:
    ours, theirs = layers(6)

    shapes = [{name: tensor.shape for name, tensor in layer.state_dict().items()} for layer in (ours, theirs)]
    assert shapes == [{"weight": [6, 1, 7, 7], "bias": [6]}] * 2


def test_an_image_gives_the_same_bits_in_every_batch() -> None:
    ours, _ = layers(8, "float32")
    x = image(5, 8, 14, 14, dtype="float32")
    with paddle.no_grad():
        whole, again, alone = ours(x).numpy(), ours(x).numpy(), ours(x[2:3]).numpy()

    assert whole.tobytes() == again.tobytes()
    assert whole[2:3].tobytes() == alone.tobytes()


DIGEST = """
import hashlib, warnings
import numpy as np
warnings.simplefilter("ignore")
import paddle, models_paddle
from convert.archs import get_spec
spec = get_spec("convnext_digits")
paddle.seed(0)
model = models_paddle.build(spec, layer_scale_init_value=1.0)
x = paddle.to_tensor(np.random.default_rng(0).normal(size=(3, 3, 64, 96)).astype("float32"))
with paddle.no_grad():
    digests = [hashlib.sha256(model(x).numpy().tobytes()).hexdigest() for _ in range(3)]
print(digests[0] if len(set(digests)) == 1 else digests)
"""


def test_two_processes_of_two_threads_give_the_same_bits() -> None:
    first, second = (run_python(DIGEST, OMP_NUM_THREADS="2", MKL_NUM_THREADS="2") for _ in range(2))

    assert (first.returncode, len(first.stdout)) == (0, 65)
    assert first.stdout == second.stdout
