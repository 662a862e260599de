"""From an architecture to its Paddle model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import paddle
from paddle import nn

from convert.archs.convnext import ConvNeXtSpec
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.replknet import RepLKNetSpec
from convert.archs.resnext import ResNeXtSpec
from convert.archs.resnext_blog import ResNeXtBlogSpec
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from models_paddle.convnext import ConvNeXt
from models_paddle.convnext_isotropic import ConvNeXtIsotropic
from models_paddle.loading import load_weights
from models_paddle.replknet import RepLKNet
from models_paddle.resnext import ResNeXt
from models_paddle.resnext_blog import ResNeXtBlog

MODELS: Mapping[type[ArchSpec], Callable[..., nn.Layer]] = {
    ConvNeXtSpec: ConvNeXt,
    ConvNeXtIsotropicSpec: ConvNeXtIsotropic,
    ResNeXtSpec: ResNeXt,
    ResNeXtBlogSpec: ResNeXtBlog,
    RepLKNetSpec: RepLKNet,
}


def build(
    spec: ArchSpec,
    *,
    dtype: str = "float32",
    drop_path_rate: float = 0.0,
    layer_scale_init_value: float | None = None,
    head_init_scale: float = 1.0,
) -> nn.Layer:
    """An initialised model in evaluation mode.

    Args:
        spec: the architecture; `dataclasses.replace(spec, num_classes=10)` changes its head, 0 leaves it out.
        dtype: "float32" or "float64", of every parameter.
        drop_path_rate: of the last block; the rates grow linearly from 0 over all blocks.
        layer_scale_init_value: initial value of every `gamma`; 1e-6 unless given.
        head_init_scale: factor on the head's initial weight and bias.

    Raises:
        ValueError: a `layer_scale_init_value` for an architecture without LayerScale.
    """
    with _default_dtype(dtype):
        model = MODELS[type(spec)](
            spec,
            drop_path_rate=drop_path_rate,
            layer_scale_init_value=layer_scale_init_value,
            head_init_scale=head_init_scale,
        )
    return _in_evaluation_mode(model)


def build_with(spec: ArchSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> nn.Layer:
    """A model in evaluation mode that holds those weights; nothing is drawn at random first.

    Args:
        spec: the architecture.
        weights: as `load_weights` takes them.
        dtype: "float32" or "float64", of every parameter.

    Raises:
        CheckpointMismatch: the weights are not the architecture's.
    """
    with _default_dtype(dtype), paddle.LazyGuard():
        model = MODELS[type(spec)](spec)
    load_weights(model, weights)
    return _in_evaluation_mode(model)


@contextmanager
def _default_dtype(dtype: str) -> Iterator[None]:
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def _in_evaluation_mode(model: nn.Layer) -> nn.Layer:
    model.eval()  # returns nothing in Paddle 2.6
    return model
