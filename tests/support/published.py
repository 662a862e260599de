"""The files that the names of `convert --list` stand for, as timm's own constructors and filter have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache

import numpy as np
import timm
import torch
from timm.models.convnext import checkpoint_filter_fn

from convert.archs import get_spec
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.params import Shape
from convert.source.pretrained import ROWS, Pretrained

AUTHORS = "https://dl.fbaipublicfiles.com/convnext/"  # whose files have the official names; all others have timm's
ISOTROPIC = "convnext_isotropic"  # which timm does not have
FCMAE = [row.name for row in ROWS if row.name.endswith(".fcmae")]


@cache
def timms_shapes(arch: str, num_classes: int) -> dict[str, Shape]:
    """Names and shapes of the tensors of timm's model."""
    with torch.device("meta"):
        model = timm.create_model(arch, num_classes=num_classes)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def spec_of(row: Pretrained) -> ArchSpec:
    """The architecture of a published file."""
    spec = get_spec(row.arch)
    return dataclasses.replace(spec, num_classes=row.num_classes, last_norm=row.name not in FCMAE)


def is_of_authors(row: Pretrained) -> bool:
    """Whether the published file has the official names."""
    return row.url.startswith(AUTHORS)


def shapes_in(row: Pretrained) -> dict[str, Shape]:
    """The published file's keys and shapes."""
    if is_of_authors(row):
        return {param.torch_name: param.shape for param in spec_of(row).params()}
    return timms_shapes(row.arch, row.num_classes)


def filtered_by_timm(tensors: dict[str, torch.Tensor], row: Pretrained) -> dict[str, torch.Tensor]:
    """The file's tensors as timm's own filter gives them to its model."""
    expected = timms_shapes(row.arch, row.num_classes)

    class Model:
        """All that the filter asks of a model."""

        @staticmethod
        def state_dict() -> dict[str, torch.Tensor]:
            return {key: torch.empty(shape, device="meta") for key, shape in expected.items()}

    filtered: dict[str, torch.Tensor] = checkpoint_filter_fn(tensors, Model)
    return filtered


def difference(written: Mapping[str, Array], named: Mapping[str, Array], spec: ArchSpec) -> str:
    """In what a target is not those tensors, which have official names; empty if in nothing."""
    params = spec.params()
    if len(written) != len(params):
        return f"{len(written)} tensors, and {len(params)} are expected"
    for param in params:
        if not np.array_equal(param.layout.to_torch(written[param.paddle_name]), named[param.torch_name]):
            return f"{param.torch_name} has other values"
    return ""
