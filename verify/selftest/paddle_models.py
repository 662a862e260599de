"""Faults in Paddle's model, imported in Paddle's worker only. model_kinds.py says which fit which network.

A worker builds a faulty model by the builder "verify.selftest.paddle_models:build_faulty:NAME@UNIT", UNIT being the
module that has the fault, as in the parameter table ("stages.2.1"), or nothing for the model itself.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional as F

import models_paddle
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from models_paddle.layers import Block
from models_paddle.resnext import Bottleneck
from models_paddle.resnext_blog import BlogBottleneck

Edit = Callable[[Any], None]
Forward = Callable[[Any], Any]

BLOCKS = (Block, Bottleneck, BlogBottleneck)


def build_faulty(fault: str, spec: ArchSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> Any:
    """Builds a model, as `build_with` does, with that fault, "NAME@UNIT"."""
    name, _, unit = fault.partition("@")
    model = models_paddle.build_with(spec, weights, dtype=dtype)
    FAULTS[name](dict(model.named_sublayers())[unit] if unit else model)
    return model


def rounded(x: Any, dtype: str) -> Any:
    return x.astype(dtype).astype(x.dtype)


def is_float32(x: Any) -> bool:
    return bool(x.dtype == paddle.float32)


def is_run_batch(x: Any) -> bool:
    return len(x) > 2  # the batches of the forward gates hold two images


def wrap_forward(change: Callable[[Forward, Any], Any], when: Callable[[Any], bool] = lambda _: True) -> Edit:
    """Makes an edit by which a module answers `change(forward, x)` to the inputs that `when` is true for."""

    def edit(module: Any) -> None:
        forward = module.forward
        module.forward = lambda x: change(forward, x) if when(x) else forward(x)

    return edit


def replace_forward(forward: Callable[[Any, Any], Any], find: Callable[[Any], Any] = lambda module: module) -> Edit:
    """Makes an edit that gives another forward pass to a module, or to one within it."""

    def edit(module: Any) -> None:
        owner = find(module)
        owner.forward = types.MethodType(forward, owner)

    return edit


def replace_dwconv(kernel: Callable[[Any], Any] = lambda weight: weight, pad: str = "constant") -> Edit:
    def forward(conv: Any, x: Any) -> Any:
        side = conv.kernel // 2
        padded = F.pad(x, [side] * 4, mode=pad)
        return F.conv2d(padded, kernel(conv.weight), conv.bias, groups=conv.weight.shape[0])

    return replace_forward(forward, lambda block: block.dwconv)


def replace_grn(norm: Callable[[Any], Any]) -> Edit:
    """Makes an edit that puts another norm of x (N, H, W, C) into a block's response norm."""

    def forward(grn: Any, x: Any) -> Any:
        n = norm(x)
        return grn.gamma * (x * (n / (n.mean(-1, keepdim=True) + 1e-6))) + grn.beta + x

    return replace_forward(forward, lambda block: block.grn)


def replace_features(end: Callable[[Any, Any], Any]) -> Edit:
    """Makes an edit that ends `forward_features` in another way, given what the last block gives, (N, C, H, W)."""

    def forward_features(model: Any, x: Any) -> Any:
        if hasattr(model, "blocks"):
            return end(model, model.blocks(model.stem(x)))
        for downsample, stage in zip(model.downsample_layers, model.stages, strict=True):
            x = stage(downsample(x))
        return end(model, x)

    def edit(model: Any) -> None:
        model.forward_features = types.MethodType(forward_features, model)

    return edit


def change_eps(norm: Any) -> None:
    name = "_epsilon" if isinstance(norm, nn.LayerNorm) else "eps"
    setattr(norm, name, 1e-6 if getattr(norm, name) == 1e-5 else 1e-5)


def normalise_with_other_variance(norm: Any, x: Any) -> Any:
    """Normalises x by the unbiased variance for a LayerNorm, by the biased one for a SimpleNorm."""
    deviation = x - x.mean(-1, keepdim=True)
    squares, count = (deviation * deviation).sum(-1, keepdim=True), x.shape[-1]
    if isinstance(norm, nn.LayerNorm):
        return deviation / (squares / (count - 1) + norm._epsilon).sqrt() * norm.weight + norm.bias
    return x / (squares / count + norm.eps).sqrt() * norm.weight


def exchange_norm_and_mean(model: Any, x: Any) -> Any:
    """Ends `forward_features` with norm and mean exchanged."""
    if hasattr(model, "norm_pre"):
        return model.norm_pre(x.mean([2, 3], keepdim=True)).squeeze([2, 3])
    return model.norm(x.transpose([0, 2, 3, 1])).mean([1, 2])


def last_norm(model: Any) -> Any:
    return model.norm_pre if hasattr(model, "norm_pre") else model.norm


def pool_by_maximum(model: Any, x: Any) -> Any:
    if hasattr(model, "norm_pre"):
        return model.norm_pre(x).max([2, 3])
    return model.norm(x.max([2, 3]))


def reorder_blocks(stage: Any) -> None:
    first, second, *others = list(stage)
    layers = [second, first, *others]

    def forward(x: Any) -> Any:
        for layer in layers:
            x = layer(x)
        return x

    stage.forward = forward


def change_gelu(block: Any) -> None:
    block.gelu = nn.GELU(approximate=not block.gelu._approximate)


def ignore_gamma(block: Any) -> None:
    block.layer_scale = False


def batch_norms(block: Any) -> list[Any]:
    return [layer for layer in block.sublayers() if isinstance(layer, nn.BatchNorm2D)]


def reset_statistics(block: Any) -> None:
    for norm in batch_norms(block):
        norm._mean.set_value(paddle.zeros_like(norm._mean))
        norm._variance.set_value(paddle.ones_like(norm._variance))


def exchange_statistics(block: Any) -> None:
    """Exchanges mean and variance, whose root is taken of its magnitude."""
    for norm in batch_norms(block):
        mean, variance = norm._mean.clone(), norm._variance.clone()
        norm._mean.set_value(variance)
        norm._variance.set_value(mean.abs())


def enlarge_eps(block: Any) -> None:
    for norm in batch_norms(block):
        norm._epsilon = 1e-3


def normalise_by_the_batch(block: Any) -> None:
    """Normalises as in training, by the batch's own mean and variance."""

    def forward(norm: Any, x: Any) -> Any:
        x = x - x.mean([0, 2, 3], keepdim=True)
        y = x / ((x * x).mean([0, 2, 3], keepdim=True) + norm._epsilon).sqrt()
        return y * norm.weight.reshape([-1, 1, 1]) + norm.bias.reshape([-1, 1, 1])

    for norm in batch_norms(block):
        replace_forward(forward)(norm)


def reverse_a_group(block: Any) -> None:
    """Reverses the outputs of the first group of a block's grouped convolution."""
    conv = next(layer for layer in block.sublayers() if isinstance(layer, nn.Conv2D) and layer._groups > 1)
    size = conv.weight.shape[0] // conv._groups
    wrap_forward(lambda forward, x: _with_the_first_reversed(forward(x), size))(conv)


def _with_the_first_reversed(y: Any, size: int) -> Any:
    return paddle.concat([y[:, :size].flip([1]), y[:, size:]], axis=1)


def pool_as_caffe(model: Any) -> None:
    """Pools the stem's maxima with padding below and to the right alone."""
    pool = next(layer for layer in model.sublayers() if isinstance(layer, nn.MaxPool2D))
    pool.forward = lambda x: F.max_pool2d(x, 3, stride=2, padding=0, ceil_mode=True)


def drop_last_bias(model: Any) -> None:
    head = [layer for layer in model.sublayers() if isinstance(layer, nn.Linear)][-1]
    head.forward = lambda x: F.linear(x, head.weight)


def round_every_block(dtype: str) -> Edit:
    """Makes an edit that rounds what leaves a block, in float32."""

    def edit(model: Any) -> None:
        for layer in model.sublayers():
            if isinstance(layer, BLOCKS):
                wrap_forward(lambda forward, x: rounded(forward(x), dtype), is_float32)(layer)

    return edit


FAULTS: dict[str, Edit] = {
    # Of one block.
    "another eps": lambda block: change_eps(block.norm),
    "unbiased variance": lambda block: replace_forward(normalise_with_other_variance)(block.norm),
    "norm left out": replace_forward(lambda _, x: x, lambda block: block.norm),
    "tanh GELU": change_gelu,
    "sigmoid GELU": replace_forward(lambda _, x: x * F.sigmoid(1.702 * x), lambda block: block.gelu),
    "gamma ignored": ignore_gamma,
    "shortcut left out": wrap_forward(lambda forward, x: forward(x) - x),
    "kernel flipped": replace_dwconv(lambda weight: weight.flip([2, 3])),
    "kernel transposed": replace_dwconv(lambda weight: weight.transpose([0, 1, 3, 2])),
    "padding by reflection": replace_dwconv(pad="reflect"),
    "bias of a Linear dropped": replace_forward(
        lambda linear, x: F.linear(x, linear.weight), lambda block: block.pwconv1
    ),
    "GRN by the spectral norm": replace_grn(lambda x: paddle.norm(x, p=2, axis=[1, 2], keepdim=True)),
    "GRN over the channels": replace_grn(lambda x: paddle.norm(x, p=2, axis=-1, keepdim=True)),
    "GRN without its shortcut": lambda block: wrap_forward(lambda forward, x: forward(x) - x)(block.grn),
    "batch norms' statistics at their initial value": reset_statistics,
    "batch norms' mean and variance exchanged": exchange_statistics,
    "batch norms' eps 1e-3": enlarge_eps,
    "batch norms by the batch": normalise_by_the_batch,
    "a group's outputs reversed": reverse_a_group,
    # Of a stage.
    "blocks in another order": reorder_blocks,
    # Of the model.
    "the last norm's eps": lambda model: change_eps(last_norm(model)),
    "norm and mean exchanged": replace_features(exchange_norm_and_mean),
    "pooling by maximum": replace_features(pool_by_maximum),
    "the head's bias dropped": drop_last_bias,
    "Caffe's max pool": pool_as_caffe,
    "channels reversed": wrap_forward(lambda forward, x: forward(x.flip([1]))),
    "height and width exchanged": wrap_forward(lambda forward, x: forward(x.transpose([0, 1, 3, 2]))),
    "half-precision activations": round_every_block("float16"),
    "bfloat16 activations": round_every_block("bfloat16"),
    "logits of four decimals": wrap_forward(lambda forward, x: (forward(x) * 1e4).round() / 1e4, is_float32),
    # Of the model, in batches of more than two images.
    "images in another order": wrap_forward(lambda forward, x: forward(x.flip([0])), is_run_batch),
    "a batch shifted by one": wrap_forward(lambda forward, x: forward(x).roll(1, 0), is_run_batch),
    "an image replaced": wrap_forward(lambda forward, x: forward(paddle.concat([x[1:2], x[1:]])), is_run_batch),
    "classes in another order": wrap_forward(lambda forward, x: forward(x).flip([1]), is_run_batch),
    "channels reversed in the run": wrap_forward(lambda forward, x: forward(x.flip([1])), is_run_batch),
    "logits off by 2e-4": wrap_forward(lambda forward, x: forward(x) + 2e-4, is_run_batch),
    "not a number in the run": wrap_forward(lambda forward, x: forward(x) * float("nan"), is_run_batch),
}
