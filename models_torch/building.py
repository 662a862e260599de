"""From an architecture to its PyTorch model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from convert.archs.convnext import ConvNeXtSpec
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.replknet import RepLKNetSpec
from convert.archs.resnext import ResNeXtSpec
from convert.archs.resnext_blog import ResNeXtBlogSpec
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from models_torch.convnext import ConvNeXt
from models_torch.convnext_isotropic import ConvNeXtIsotropic
from models_torch.loading import load_weights
from models_torch.replknet import RepLKNet
from models_torch.resnext import ResNeXt
from models_torch.resnext_blog import ResNeXtBlog

MODELS: Mapping[type[ArchSpec], Callable[..., nn.Module]] = {
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
) -> nn.Module:
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
    model = MODELS[type(spec)](
        spec,
        drop_path_rate=drop_path_rate,
        layer_scale_init_value=layer_scale_init_value,
        head_init_scale=head_init_scale,
    )
    return model.to(getattr(torch, dtype)).eval()


def build_with(spec: ArchSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> nn.Module:
    """A model in evaluation mode that holds those weights; nothing is drawn at random first.

    Args:
        spec: the architecture.
        weights: as `load_weights` takes them.
        dtype: "float32" or "float64", of every parameter.

    Raises:
        CheckpointMismatch: the weights are not the architecture's.
    """
    with torch.device("meta"):
        model = MODELS[type(spec)](spec).to(getattr(torch, dtype))
    model.to_empty(device="cpu")
    load_weights(model, weights)
    return model.eval()
