"""Faults in Paddle's model, imported in Paddle's worker only. model_kinds.py says which fit which network.

A worker builds a faulty model by the builder "verify.selftest.paddle_models:planted:NAME@UNIT", UNIT being the
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

Edit = Callable[[Any], None]
Forward = Callable[[Any], Any]


def planted(fault: str, spec: ArchSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> Any:
    """A `build_with` whose model has that fault, "NAME@UNIT"."""
    name, _, unit = fault.partition("@")
    model = models_paddle.build_with(spec, weights, dtype=dtype)
    FAULTS[name](dict(model.named_sublayers())[unit] if unit else model)
    return model


def rounded(x: Any, dtype: str) -> Any:
    return x.astype(dtype).astype(x.dtype)


def in_float32(x: Any) -> bool:
    return bool(x.dtype == paddle.float32)


def in_the_run(x: Any) -> bool:
    return len(x) > 2  # the batches of the forward gates hold two images


def around(change: Callable[[Forward, Any], Any], when: Callable[[Any], bool] = lambda _: True) -> Edit:
    """`change(forward, x)` in place of a module's answer, to those inputs."""

    def edit(module: Any) -> None:
        forward = module.forward
        module.forward = lambda x: change(forward, x) if when(x) else forward(x)

    return edit


def anew(forward: Callable[[Any, Any], Any], find: Callable[[Any], Any] = lambda module: module) -> Edit:
    """Another forward pass of a module, or of one within it."""

    def edit(module: Any) -> None:
        owner = find(module)
        owner.forward = types.MethodType(forward, owner)

    return edit


def of_dwconv(kernel: Callable[[Any], Any] = lambda weight: weight, pad: str = "constant") -> Edit:
    def forward(conv: Any, x: Any) -> Any:
        side = conv.kernel // 2
        padded = F.pad(x, [side] * 4, mode=pad)
        return F.conv2d(padded, kernel(conv.weight), conv.bias, groups=conv.weight.shape[0])

    return anew(forward, lambda block: block.dwconv)


def of_grn(norm: Callable[[Any], Any]) -> Edit:
    """Another norm of x (N, H, W, C) in a block's response norm."""

    def forward(grn: Any, x: Any) -> Any:
        n = norm(x)
        return grn.gamma * (x * (n / (n.mean(-1, keepdim=True) + 1e-6))) + grn.beta + x

    return anew(forward, lambda block: block.grn)


def of_end(end: Callable[[Any, Any], Any]) -> Edit:
    """Another end of `forward_features`, from what the last block gives, (N, C, H, W)."""

    def forward_features(model: Any, x: Any) -> Any:
        if hasattr(model, "blocks"):
            return end(model, model.blocks(model.stem(x)))
        for downsample, stage in zip(model.downsample_layers, model.stages, strict=True):
            x = stage(downsample(x))
        return end(model, x)

    def edit(model: Any) -> None:
        model.forward_features = types.MethodType(forward_features, model)

    return edit


def other_eps(norm: Any) -> None:
    name = "_epsilon" if isinstance(norm, nn.LayerNorm) else "eps"
    setattr(norm, name, 1e-6 if getattr(norm, name) == 1e-5 else 1e-5)


def other_variance(norm: Any, x: Any) -> Any:
    """Unbiased for biased in a LayerNorm, biased for unbiased in a SimpleNorm."""
    apart = x - x.mean(-1, keepdim=True)
    squares, count = (apart * apart).sum(-1, keepdim=True), x.shape[-1]
    if isinstance(norm, nn.LayerNorm):
        return apart / (squares / (count - 1) + norm._epsilon).sqrt() * norm.weight + norm.bias
    return x / (squares / count + norm.eps).sqrt() * norm.weight


def other_order(model: Any, x: Any) -> Any:
    """Norm and mean exchanged."""
    if hasattr(model, "norm_pre"):
        return model.norm_pre(x.mean([2, 3], keepdim=True)).squeeze([2, 3])
    return model.norm(x.transpose([0, 2, 3, 1])).mean([1, 2])


def last_norm(model: Any) -> Any:
    return model.norm_pre if hasattr(model, "norm_pre") else model.norm


def by_maximum(model: Any, x: Any) -> Any:
    if hasattr(model, "norm_pre"):
        return model.norm_pre(x).max([2, 3])
    return model.norm(x.max([2, 3]))


def in_another_order(stage: Any) -> None:
    first, second, *others = list(stage)
    layers = [second, first, *others]

    def forward(x: Any) -> Any:
        for layer in layers:
            x = layer(x)
        return x

    stage.forward = forward


def with_other_gelu(block: Any) -> None:
    block.gelu = nn.GELU(approximate=not block.gelu._approximate)


def without_gamma(block: Any) -> None:
    block.layer_scale = False


def in_every_block(dtype: str) -> Edit:
    """What leaves a block is rounded, in float32."""

    def edit(model: Any) -> None:
        for layer in model.sublayers():
            if isinstance(layer, Block):
                around(lambda forward, x: rounded(forward(x), dtype), in_float32)(layer)

    return edit


FAULTS: dict[str, Edit] = {
    # Of one block.
    "another eps": lambda block: other_eps(block.norm),
    "unbiased variance": lambda block: anew(other_variance)(block.norm),
    "norm left out": anew(lambda _, x: x, lambda block: block.norm),
    "tanh GELU": with_other_gelu,
    "sigmoid GELU": anew(lambda _, x: x * F.sigmoid(1.702 * x), lambda block: block.gelu),
    "gamma ignored": without_gamma,
    "shortcut left out": around(lambda forward, x: forward(x) - x),
    "kernel flipped": of_dwconv(lambda weight: weight.flip([2, 3])),
    "kernel transposed": of_dwconv(lambda weight: weight.transpose([0, 1, 3, 2])),
    "padding by reflection": of_dwconv(pad="reflect"),
    "bias of a Linear dropped": anew(lambda linear, x: F.linear(x, linear.weight), lambda block: block.pwconv1),
    "GRN by the spectral norm": of_grn(lambda x: paddle.norm(x, p=2, axis=[1, 2], keepdim=True)),
    "GRN over the channels": of_grn(lambda x: paddle.norm(x, p=2, axis=-1, keepdim=True)),
    "GRN without its shortcut": lambda block: around(lambda forward, x: forward(x) - x)(block.grn),
    # Of a stage.
    "blocks in another order": in_another_order,
    # Of the model.
    "the last norm's eps": lambda model: other_eps(last_norm(model)),
    "norm and mean exchanged": of_end(other_order),
    "pooling by maximum": of_end(by_maximum),
    "the head's bias dropped": anew(lambda head, x: F.linear(x, head.weight), lambda model: model.head),
    "channels reversed": around(lambda forward, x: forward(x.flip([1]))),
    "height and width exchanged": around(lambda forward, x: forward(x.transpose([0, 1, 3, 2]))),
    "half-precision activations": in_every_block("float16"),
    "bfloat16 activations": in_every_block("bfloat16"),
    "logits of four decimals": around(lambda forward, x: (forward(x) * 1e4).round() / 1e4, in_float32),
    # Of the model, in batches of more than two images.
    "images in another order": around(lambda forward, x: forward(x.flip([0])), in_the_run),
    "a batch shifted by one": around(lambda forward, x: forward(x).roll(1, 0), in_the_run),
    "an image replaced": around(lambda forward, x: forward(paddle.concat([x[1:2], x[1:]])), in_the_run),
    "classes in another order": around(lambda forward, x: forward(x).flip([1]), in_the_run),
    "channels reversed in the run": around(lambda forward, x: forward(x.flip([1])), in_the_run),
    "logits off by 2e-4": around(lambda forward, x: forward(x) + 2e-4, in_the_run),
    "not a number in the run": around(lambda forward, x: forward(x) * float("nan"), in_the_run),
}
