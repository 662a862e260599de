"""Faults in Paddle's model. Imported in Paddle's worker only, where "paddle_faults:NAME" builds the faulty one."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional as F

import models_paddle
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from verify.selftest.paddle_models import (
    Forward,
    build_faulty,
    is_float32,
    normalise_with_other_variance,
    replace_features,
    replace_forward,
    rounded,
    wrap_forward,
)

Builder = Callable[..., paddle.nn.Layer]


class ScaledInPrograms(paddle.nn.Layer):  # type: ignore[misc]
    """A model that is right as it is built, and wrong once it is saved."""

    def __init__(self, model: paddle.nn.Layer) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.model(x)
        return y if paddle.in_dynamic_mode() else y * 1.001


def scaled_in_programs(spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str) -> paddle.nn.Layer:
    return ScaledInPrograms(models_paddle.build_with(spec, weights, dtype=dtype))


def shipped(fault: str) -> Builder:
    """A fault that `verify --selftest` plants as well, "NAME@UNIT"."""
    return partial(build_faulty, fault)


def plant(edit: Callable[[Any], None]) -> Builder:
    """A `build_with` whose model was edited."""

    def build(spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> paddle.nn.Layer:
        model = models_paddle.build_with(spec, weights, dtype=dtype)
        edit(model)
        return model

    return build


def plant_forward(change: Callable[[Forward, Any], Any], *, when: Callable[[Any], bool] = lambda _: True) -> Builder:
    """A model of which `change(forward, x)` is the answer to those batches."""
    return plant(wrap_forward(change, when))


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


def drop_paths_in_training_mode(model: Any) -> None:
    paddle.seed(0)
    for layer in model.sublayers():
        if isinstance(layer, models_paddle.layers.DropPath):
            layer.rate, layer.training = 0.5, True


def flip_kernel(weight: Any) -> None:
    weight.set_value(weight.flip([2, 3]))


# Faults of every dtype, for the float64 oracle.

an_epsilon_of_1e_5 = shipped("another eps@stages.2.1")
the_last_epsilon_of_1e_5 = shipped("the last norm's eps")
gelu_by_tanh = shipped("tanh GELU@stages.2.0")
gelu_by_sigmoid = shipped("sigmoid GELU@stages.2.0")
gamma_ignored = shipped("gamma ignored@stages.2.0")
shortcut_left_out = shipped("shortcut left out@stages.2.0")
reflecting_padding = shipped("padding by reflection@stages.0.0")
norm_before_pooling = shipped("norm and mean exchanged")
pooling_by_maximum = shipped("pooling by maximum")
unbiased_variance = plant(
    lambda model: setattr(model.norm, "forward", types.MethodType(normalise_with_other_variance, model.norm))
)
kernel_flipped = plant(lambda model: flip_kernel(model.stages[0][0].dwconv.weight))
drop_path_active = plant(drop_paths_in_training_mode)
channels_swapped = shipped("channels reversed")
height_and_width_exchanged = shipped("height and width exchanged")
rounding_in_float64 = plant(replace_features(lambda model, x: rounded(model.norm(x.mean([2, 3])), "float32")))


# Faults of float32 alone.


def half_precision_weights(
    spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32"
) -> paddle.nn.Layer:
    if dtype == "float32":
        weights = {name: tensor.astype(np.float16).astype(np.float32) for name, tensor in weights.items()}
    return models_paddle.build_with(spec, weights, dtype=dtype)


half_precision_input = plant_forward(lambda forward, x: forward(rounded(x, "float16")), when=is_float32)
bfloat16_logits = plant_forward(lambda forward, x: rounded(forward(x), "bfloat16"), when=is_float32)
four_decimals = shipped("logits of four decimals")


# Faults that only the run over the images can show.

batch_shifted = shipped("a batch shifted by one")
image_replaced = shipped("an image replaced")
classes_reversed = shipped("classes in another order")
channels_swapped_in_the_run = shipped("channels reversed in the run")
logits_off_by_2e_4 = shipped("logits off by 2e-4")
not_a_number_in_the_run = shipped("not a number in the run")


# Faults that a unit's own output tells apart, for the layers.


def reorder_blocks(model: Any) -> None:
    blocks = list(model.stages[2])
    model.stages[2].forward = lambda x: blocks[2](blocks[0](blocks[1](x)))


def normalise_with_scale_and_shift_exchanged(norm: Any, x: Any) -> Any:
    return F.layer_norm(x, x.shape[-1:], norm.bias, norm.weight, norm._epsilon)


grn_by_the_spectral_norm = shipped("GRN by the spectral norm@stages.2.1")
grn_over_the_channels = shipped("GRN over the channels@stages.2.1")
the_head_transposed = plant(
    replace_forward(lambda head, x: F.linear(x, head.weight.t(), head.bias), lambda model: model.head)
)
a_bias_dropped = shipped("bias of a Linear dropped@stages.2.1")
an_odd_epsilon = plant(lambda model: setattr(model.stages[1][0].norm, "_epsilon", 3.7e-4))
norm_tensors_exchanged = plant(
    lambda model: setattr(
        model.stages[2][2].norm,
        "forward",
        types.MethodType(normalise_with_scale_and_shift_exchanged, model.stages[2][2].norm),
    )
)
blocks_in_another_order = plant(reorder_blocks)
not_a_number_in_a_block = branch(lambda block, x: x + residual(block, x) * float("nan"))
one_pixel_doubled = branch(lambda block, x: x + residual(block, x) * (1 + (x == x.max()).astype(x.dtype)))
a_block_in_half_precision = branch(
    lambda block, x: x + (rounded(residual(block, x), "float16") if is_float32(x) else residual(block, x))
)
isotropic_block_without_its_shortcut = plant(
    lambda model: setattr(model.blocks[1], "forward", types.MethodType(residual_without_gamma, model.blocks[1]))
)
the_rms_norm_as_a_layer_norm = plant(
    lambda model: setattr(
        model.stages[2][1].norm,
        "forward",
        lambda x: F.layer_norm(x, x.shape[-1:], model.stages[2][1].norm.weight, None, 1e-6),
    )
)


def residual_without_gamma(block: Any, x: Any) -> Any:
    return residual(block, x, gamma=1.0)


# Faults of the backward pass alone: the forward pass gives the right answer to the last bits.


def gelu_with_the_other_ones_gradient(x: Any) -> Any:
    approximate = F.gelu(x, approximate=True)
    return F.gelu(x).detach() + (approximate - approximate.detach())


branch_detached = branch(lambda block, x: x + residual(block, x).detach(), block=1)
shortcut_detached = branch(lambda block, x: x.detach() + residual(block, x), block=1)
a_gamma_frozen = plant(lambda model: setattr(model.stages[2][1].gamma, "stop_gradient", True))
gelu_gradient_by_tanh = branch(lambda block, x: x + residual(block, x, gelu=gelu_with_the_other_ones_gradient), block=1)
head_gradient_doubled = plant_forward(lambda forward, x: doubled_gradient(forward(x)))


def doubled_gradient(x: Any) -> Any:
    return 2 * x - x.detach()


# Faults of RepLKNet that neither a shape nor a key shows.


def without_relu(*paths: str) -> Builder:
    """A RepLKNet in which no ReLU follows those convolutions."""

    def edit(model: Any) -> None:
        layers = dict(model.named_sublayers())
        for path in paths:
            layers[path].relu = paddle.nn.Identity()

    return plant(edit)


def forget_statistics(model: Any) -> None:
    norm = model.stages[2].blocks[0].prelkb_bn
    norm._mean.set_value(paddle.zeros_like(norm._mean))
    norm._variance.set_value(paddle.ones_like(norm._variance))


def pool_by_the_maximum(model: Any) -> None:
    def forward_features(x: Any) -> Any:
        x = model.stages[0](model.stem(x))
        for transition, stage in zip(model.transitions, list(model.stages)[1:], strict=True):
            x = stage(transition(x))
        return model.norm(x).max([2, 3])

    model.forward_features = forward_features


no_relu_after_pw1 = without_relu("stages.2.blocks.0.pw1")
no_relu_in_the_stem = without_relu("stem.0", "stem.1", "stem.2", "stem.3")
no_relu_in_a_transition = without_relu("transitions.1.0")
no_relu_after_the_large_kernel = plant(
    lambda model: setattr(model.stages[2].blocks[0], "lk_nonlinear", paddle.nn.Identity())
)
a_relu_for_the_gelu = plant(lambda model: setattr(model.stages[2].blocks[1], "nonlinear", paddle.nn.ReLU()))
a_relu_after_pw2 = plant(lambda model: setattr(model.stages[2].blocks[0].pw2, "relu", paddle.nn.ReLU()))
statistics_forgotten = plant(forget_statistics)
the_maximum_of_a_map = plant(pool_by_the_maximum)
an_eps_of_1e_3_in_a_batch_norm = plant(lambda model: setattr(model.stages[2].blocks[0].prelkb_bn, "_epsilon", 1e-3))
