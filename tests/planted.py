"""Faults in Paddle's model. Imported in Paddle's worker only, where the builder "planted:NAME" makes the faulty one."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional as F

import models_paddle
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array

Builder = Callable[..., models_paddle.ConvNeXt]
Forward = Callable[[Any], Any]


def plant(edit: Callable[[Any], None]) -> Builder:
    """A `build_with` whose model was edited."""

    def build(spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> models_paddle.ConvNeXt:
        model = models_paddle.build_with(spec, weights, dtype=dtype)
        edit(model)
        return model

    return build


def around(change: Callable[[Forward, Any], Any], *, when: Callable[[Any], bool] = lambda _: True) -> Builder:
    """A model of which `change(forward, x)` is the answer to those batches."""

    def edit(model: Any) -> None:
        forward = model.forward
        model.forward = lambda x: change(forward, x) if when(x) else forward(x)

    return plant(edit)


def in_float32(x: Any) -> bool:
    return bool(x.dtype == paddle.float32)


def in_the_run(x: Any) -> bool:
    return len(x) > 2  # the parity gates' batches hold two images


def features(pool: Callable[[Any, Any], Any]) -> Builder:
    """Another end of `forward_features`."""

    def forward_features(model: Any, x: Any) -> Any:
        for downsample, stage in zip(model.downsample_layers, model.stages, strict=True):
            x = stage(downsample(x))
        return pool(model, x)

    def edit(model: Any) -> None:
        model.forward_features = types.MethodType(forward_features, model)

    return plant(edit)


def branch(change: Callable[..., Any], stage: int = 2, block: int = 0) -> Builder:
    """Another forward pass of one block."""

    def edit(model: Any) -> None:
        owner = model.stages[stage][block]
        owner.forward = types.MethodType(change, owner)

    return plant(edit)


def residual(block: Any, x: Any, *, gelu: Callable[[Any], Any] = F.gelu, gamma: Any = None, dwconv: Any = None) -> Any:
    y = (dwconv or block.dwconv)(x).transpose([0, 2, 3, 1])
    y = block.pwconv2(gelu(block.pwconv1(block.norm(y))))
    y = (block.gamma if gamma is None else gamma) * y
    return y.transpose([0, 3, 1, 2])


def with_unbiased_variance(norm: Any, x: Any) -> Any:
    deviation = x - x.mean(-1, keepdim=True)
    return norm.weight * deviation / (x.var(-1, keepdim=True) + norm._epsilon).sqrt() + norm.bias


def padded_by_reflection(block: Any, x: Any) -> Any:
    conv, padded = block.dwconv, F.pad(x, [3, 3, 3, 3], mode="reflect")
    return x + residual(block, x, dwconv=lambda _: F.conv2d(padded, conv.weight, conv.bias, groups=conv._groups))


def drop_paths_in_training_mode(model: Any) -> None:
    paddle.seed(0)
    for layer in model.sublayers():
        if isinstance(layer, models_paddle.layers.DropPath):
            layer.rate, layer.training = 0.5, True


def flipped(weight: Any) -> None:
    weight.set_value(weight.flip([2, 3]))


def rounded(x: Any, dtype: str) -> Any:
    return x.astype(dtype).astype(x.dtype)


# Faults of every dtype, for the float64 oracle.

an_epsilon_of_1e_5 = plant(lambda model: setattr(model.stages[2][1].norm, "_epsilon", 1e-5))
the_last_epsilon_of_1e_5 = plant(lambda model: setattr(model.norm, "_epsilon", 1e-5))
gelu_by_tanh = branch(lambda block, x: x + residual(block, x, gelu=lambda y: F.gelu(y, approximate=True)))
gelu_by_sigmoid = branch(lambda block, x: x + residual(block, x, gelu=lambda y: y * F.sigmoid(1.702 * y)))
gamma_ignored = branch(lambda block, x: x + residual(block, x, gamma=1.0))
shortcut_left_out = branch(residual)
reflecting_padding = branch(padded_by_reflection, stage=0)
norm_before_pooling = features(lambda model, x: model.norm(x.transpose([0, 2, 3, 1])).mean([1, 2]))
pooling_by_maximum = features(lambda model, x: model.norm(x.max([2, 3])))
unbiased_variance = plant(
    lambda model: setattr(model.norm, "forward", types.MethodType(with_unbiased_variance, model.norm))
)
kernel_flipped = plant(lambda model: flipped(model.stages[0][0].dwconv.weight))
drop_path_active = plant(drop_paths_in_training_mode)
channels_swapped = around(lambda forward, x: forward(x.flip([1])))
height_and_width_exchanged = around(lambda forward, x: forward(x.transpose([0, 1, 3, 2])))
rounding_in_float64 = features(lambda model, x: rounded(model.norm(x.mean([2, 3])), "float32"))


# Faults of float32 alone.


def half_precision_weights(
    spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32"
) -> models_paddle.ConvNeXt:
    if dtype == "float32":
        weights = {name: tensor.astype(np.float16).astype(np.float32) for name, tensor in weights.items()}
    return models_paddle.build_with(spec, weights, dtype=dtype)


half_precision_input = around(lambda forward, x: forward(rounded(x, "float16")), when=in_float32)
bfloat16_logits = around(lambda forward, x: rounded(forward(x), "bfloat16"), when=in_float32)
four_decimals = around(lambda forward, x: (forward(x) * 1e4).round() / 1e4, when=in_float32)


# Faults that only the run over the images can show.

batch_shifted = around(lambda forward, x: forward(x).roll(1, 0), when=in_the_run)
image_replaced = around(lambda forward, x: forward(paddle.concat([x[1:2], x[1:]])), when=in_the_run)
classes_reversed = around(lambda forward, x: forward(x).flip([1]), when=in_the_run)
channels_swapped_in_the_run = around(lambda forward, x: forward(x.flip([1])), when=in_the_run)
logits_off_by_2e_4 = around(lambda forward, x: forward(x) + 2e-4, when=in_the_run)
not_a_number_in_the_run = around(lambda forward, x: forward(x) * float("nan"), when=in_the_run)


# Faults that a unit's own output tells apart, for the layers.


def in_grn(norm: Callable[[Any], Any], stage: int = 2, block: int = 1) -> Builder:
    """Another norm of x (N, H, W, C) in a response norm."""

    def forward(grn: Any, x: Any) -> Any:
        n = norm(x)
        return grn.gamma * (x * (n / (n.mean(-1, keepdim=True) + 1e-6))) + grn.beta + x

    def edit(model: Any) -> None:
        grn = model.stages[stage][block].grn
        grn.forward = types.MethodType(forward, grn)

    return plant(edit)


def of_linear(find: Callable[[Any], Any], forward: Callable[[Any, Any], Any]) -> Builder:
    """Another forward pass of one Linear."""

    def edit(model: Any) -> None:
        linear = find(model)
        linear.forward = types.MethodType(forward, linear)

    return plant(edit)


def in_another_order(model: Any) -> None:
    blocks = list(model.stages[2])
    model.stages[2].forward = lambda x: blocks[2](blocks[0](blocks[1](x)))


def with_scale_and_shift_exchanged(norm: Any, x: Any) -> Any:
    return F.layer_norm(x, x.shape[-1:], norm.bias, norm.weight, norm._epsilon)


grn_by_the_spectral_norm = in_grn(lambda x: paddle.norm(x, p=2, axis=[1, 2], keepdim=True))
grn_over_the_channels = in_grn(lambda x: paddle.norm(x, p=2, axis=-1, keepdim=True))
the_head_transposed = of_linear(lambda model: model.head, lambda head, x: F.linear(x, head.weight.t(), head.bias))
a_bias_dropped = of_linear(lambda model: model.stages[2][1].pwconv1, lambda linear, x: F.linear(x, linear.weight))
an_odd_epsilon = plant(lambda model: setattr(model.stages[1][0].norm, "_epsilon", 3.7e-4))
norm_tensors_exchanged = plant(
    lambda model: setattr(
        model.stages[2][2].norm, "forward", types.MethodType(with_scale_and_shift_exchanged, model.stages[2][2].norm)
    )
)
blocks_in_another_order = plant(in_another_order)
not_a_number_in_a_block = branch(lambda block, x: x + residual(block, x) * float("nan"))
one_pixel_doubled = branch(lambda block, x: x + residual(block, x) * (1 + (x == x.max()).astype(x.dtype)))
a_block_in_half_precision = branch(
    lambda block, x: x + (rounded(residual(block, x), "float16") if in_float32(x) else residual(block, x))
)
isotropic_block_without_its_shortcut = plant(
    lambda model: setattr(model.blocks[1], "forward", types.MethodType(without_gamma, model.blocks[1]))
)
the_rms_norm_as_a_layer_norm = plant(
    lambda model: setattr(
        model.stages[2][1].norm,
        "forward",
        lambda x: F.layer_norm(x, x.shape[-1:], model.stages[2][1].norm.weight, None, 1e-6),
    )
)


def without_gamma(block: Any, x: Any) -> Any:
    return residual(block, x, gamma=1.0)


# Faults of the backward pass alone: the forward pass gives the right answer to the last bits.


def gelu_with_the_other_ones_gradient(x: Any) -> Any:
    approximate = F.gelu(x, approximate=True)
    return F.gelu(x).detach() + (approximate - approximate.detach())


branch_detached = branch(lambda block, x: x + residual(block, x).detach(), block=1)
shortcut_detached = branch(lambda block, x: x.detach() + residual(block, x), block=1)
a_gamma_frozen = plant(lambda model: setattr(model.stages[2][1].gamma, "stop_gradient", True))
gelu_gradient_by_tanh = branch(lambda block, x: x + residual(block, x, gelu=gelu_with_the_other_ones_gradient), block=1)
head_gradient_doubled = around(lambda forward, x: doubled_gradient(forward(x)))


def doubled_gradient(x: Any) -> Any:
    return 2 * x - x.detach()
