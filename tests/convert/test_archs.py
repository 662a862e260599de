"""Architectures by name, the rows of their tables, and the keys that checkpoints use."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from convert import ARCHS, get_spec
from convert.errors import FerryError, UnknownArch, WrongChoice
from convert.key_formats import name_officially
from convert.params import Layout, Param, conv, linear, norm


def test_the_layouts_are_their_own_inverses() -> None:
    arrays = [np.arange(6).reshape(shape) for shape in ((2, 3), (2, 3, 1, 1))]

    for layout in Layout:
        fitting = [array for array in arrays if layout.fits(array.shape)]
        assert fitting
        assert all(np.array_equal(layout.to_torch(layout.to_paddle(array)), array) for array in fitting)
        assert all(layout.to_paddle(array).shape == layout.paddle_shape(array.shape) for array in fitting)


def test_a_row_may_have_another_name_in_paddle() -> None:
    param = Param("bn.running_mean", (4,), paddle_name="bn._mean")

    assert (param.paddle_name, param.paddle_shape, param.size) == ("bn._mean", (4,), 4)


def test_a_prefix_is_taken_off_only_where_every_key_has_it() -> None:
    marker, other = "stages.0.0.dwconv.weight", "head.bias"
    tensors = {f"module.{marker}": np.zeros(1), f"module.{other}": np.ones(1)}

    assert name_officially(tensors).keys == {marker: f"module.{marker}", other: f"module.{other}"}
    with pytest.raises(WrongChoice):
        name_officially({**tensors, "head.weight": np.ones(1)})


@pytest.mark.parametrize(
    ("arch", "hint"),
    [
        ("convnxt_base", "did you mean convnext_base, convnextv2_base, convnext_large?"),
        ("ConvNeXt-Tiny", "did you mean convnext_tiny, convnextv2_tiny, convnext_tiny_hnf?"),
        ("vgg16", "known are " + ", ".join(ARCHS)),
        ("", "known are " + ", ".join(ARCHS)),
    ],
)
def test_an_unknown_architecture_is_told_with_the_closest(arch: str, hint: str) -> None:
    with pytest.raises(UnknownArch) as caught:
        get_spec(arch)

    assert str(caught.value) == f"unknown architecture {arch!r}; {hint}"


@pytest.mark.parametrize("arch", ARCHS)
def test_an_architecture_is_found_by_its_name(arch: str) -> None:
    assert get_spec(arch).name == arch


@pytest.mark.parametrize("arch", ARCHS)
def test_an_architecture_of_its_own_stages_is_itself(arch: str) -> None:
    spec = get_spec(arch)

    assert spec.resized(spec.stages) == spec


def test_what_depends_on_the_last_stage_s_channels_grows_with_them() -> None:
    stages = [(1, 4), (2, 6), (1, 8), (1, 12)]

    small = get_spec("convnext_large_mlp").resized(stages)

    assert small.stages == tuple(stages)
    assert [param.shape for param in small.params() if param.torch_name == "pre_logits.weight"] == [(12, 12)]


@pytest.mark.parametrize("arch", ARCHS)
def test_every_block_has_its_tensors(arch: str) -> None:
    spec = get_spec(arch)
    names = [param.torch_name for param in spec.params()]

    owners = [block for name in names for block in spec.block_names if name.startswith(f"{block}.")]
    assert list(spec.block_names) == list(dict.fromkeys(owners))
    assert len(spec.block_names) == sum(count for count, _ in spec.stages) * (2 if "replknet" in arch else 1)


def test_an_unknown_architecture_is_the_users_error() -> None:
    assert issubclass(UnknownArch, FerryError)


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_spec("convnext_tiny").num_classes = 5  # type: ignore[misc]  # a type checker sees it too


def test_the_rows_of_each_layer_are_its_own() -> None:
    rows = [*conv("c", out=8, in_per_group=3, kernel=5), *norm("n", 8), *linear("l", out=4, in_=8)]

    assert [(row.torch_name, row.shape, row.paddle_shape) for row in rows] == [
        ("c.weight", (8, 3, 5, 5), (8, 3, 5, 5)),
        ("c.bias", (8,), (8,)),
        ("n.weight", (8,), (8,)),
        ("n.bias", (8,), (8,)),
        ("l.weight", (4, 8), (8, 4)),
        ("l.bias", (4,), (4,)),
    ]
