"""Other libraries' models without a head as judges of the key formats: on random weights their features are ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
from oracles import IMAGE, ORACLE, paddle_output, torch_output
from timm.models.convnext import checkpoint_filter_fn
from transformers import (
    ConvNextBackbone,
    ConvNextConfig,
    ConvNextModel,
    ConvNextV2Backbone,
    ConvNextV2Config,
    ConvNextV2Model,
    DINOv3ConvNextBackbone,
    DINOv3ConvNextConfig,
    DINOv3ConvNextModel,
)
from twins import TINY, V2, max_rel, random_image, randomised

from convert.archs import ARCHS, ArchSpec
from convert.arrays import Array
from convert.errors import CheckpointError
from convert.key_formats import name_officially
from verify.selftest.weights import distinct_weights

SIZES = {"depths": list(TINY.depths), "hidden_sizes": list(TINY.dims)}
EPS = {"layer_norm_eps": 1e-6}
ATTO = ARCHS["convnext_atto"]


def headless(spec: ArchSpec, *, last_norm: bool = True) -> ArchSpec:
    return dataclasses.replace(spec, num_classes=0, last_norm=last_norm)


def pooled(answer: Any) -> torch.Tensor:
    """Features (N, dim) of a library's answer: its own, or the mean of its last feature map."""
    if isinstance(answer, torch.Tensor):
        return answer
    if getattr(answer, "pooler_output", None) is not None:
        features: torch.Tensor = answer.pooler_output
        return features
    maps = answer if isinstance(answer, list) else answer.hidden_states  # a backbone's own are normed
    return maps[-1].mean((2, 3))


@dataclasses.dataclass(frozen=True)
class Judge:
    """A library's model without a head.

    Attributes:
        make: builds it.
        spec: what its tensors are.
        key_format: what its keys are called.
        left_out: keys that no ConvNeXt has.
    """

    make: Callable[[], Any]
    spec: ArchSpec
    key_format: str
    left_out: tuple[str, ...] = ()


MAP_NORMS = ("hidden_states_norms.stage4.weight", "hidden_states_norms.stage4.bias")
JUDGES = {
    "timm's": Judge(lambda: timm.create_model("convnext_atto", num_classes=0), headless(ATTO), "timm"),
    "timm's features": Judge(
        lambda: timm.create_model("convnext_atto", features_only=True), headless(ATTO, last_norm=False), "timm"
    ),
    "timm's features, of version 2": Judge(
        lambda: timm.create_model("convnextv2_atto", features_only=True),
        headless(ARCHS["convnextv2_atto"], last_norm=False),
        "timm",
    ),
    "timm's features, of an overlapping stem": Judge(
        lambda: timm.create_model("convnext_zepto_rms_ols", features_only=True),
        headless(ARCHS["convnext_zepto_rms_ols"], last_norm=False),
        "timm",
    ),
    "transformers'": Judge(lambda: ConvNextModel(ConvNextConfig(**SIZES, **EPS)), headless(TINY), "transformers"),
    "transformers', of version 2": Judge(
        lambda: ConvNextV2Model(ConvNextV2Config(**SIZES, **EPS)), headless(V2), "transformers"
    ),
    "transformers' backbone": Judge(
        lambda: ConvNextBackbone(ConvNextConfig(**SIZES, output_hidden_states=True)),
        headless(TINY, last_norm=False),
        "transformers",
        MAP_NORMS,
    ),
    "transformers' backbone, of version 2": Judge(
        lambda: ConvNextV2Backbone(ConvNextV2Config(**SIZES, output_hidden_states=True)),
        headless(V2, last_norm=False),
        "transformers",
        MAP_NORMS,
    ),
    "transformers' DINOv3": Judge(
        lambda: DINOv3ConvNextModel(DINOv3ConvNextConfig(**SIZES)), headless(TINY), "transformers DINOv3"
    ),
    "transformers' DINOv3 backbone": Judge(
        lambda: DINOv3ConvNextBackbone(DINOv3ConvNextConfig(**SIZES, output_hidden_states=True)),
        headless(TINY, last_norm=False),
        "transformers DINOv3",
    ),
}


def fill(model: Any) -> dict[str, Array]:
    """Gives every tensor of a library's model a value of its own, and returns them under its keys."""
    weights = randomised({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, assign=True)
    return weights


@pytest.mark.parametrize("name", JUDGES)
def test_our_features_are_the_librarys(name: str) -> None:
    judge = JUDGES[name]
    model = judge.make()
    weights = fill(model)
    with torch.no_grad():
        expected = pooled(model.double().eval()(torch.from_numpy(random_image(IMAGE)))).numpy()

    named = name_officially(weights)

    assert (named.key_format.name, named.prefix, named.left_out) == (judge.key_format, "", judge.left_out)
    assert {name: array.shape for name, array in named.tensors.items()} == {
        param.torch_name: param.shape for param in judge.spec.params()
    }
    assert max_rel(torch_output(judge.spec, named.tensors), expected) <= ORACLE
    assert max_rel(paddle_output(judge.spec, named.tensors), expected) <= ORACLE


@pytest.mark.parametrize("build", [DINOv3ConvNextModel, DINOv3ConvNextBackbone])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_keys_that_transformers_saves_dinov3_under_are_those_in_memory_without_a_prefix(
    build: Any, prefix: str
) -> None:
    weights = {name: tensor.numpy() for name, tensor in build(DINOv3ConvNextConfig(**SIZES)).state_dict().items()}
    saved = {prefix + name.removeprefix("model."): array for name, array in weights.items()}

    in_memory, on_disk = (name_officially(tensors) for tensors in (weights, saved))

    assert (on_disk.key_format.name, on_disk.prefix) == ("transformers DINOv3", prefix)
    assert list(on_disk.tensors) == list(in_memory.tensors)


# Meta's own DINOv3: the official names, and the last norm a second time as `norms.3`.
BACKBONE = distinct_weights(headless(TINY).params(), dtype="float32")
SECOND = {"norms.3.weight": BACKBONE["norm.weight"], "norms.3.bias": BACKBONE["norm.bias"]}


def test_a_second_name_of_the_last_norm_is_taken_where_it_is_the_same() -> None:
    named = name_officially({**BACKBONE, **{name: array.copy() for name, array in SECOND.items()}})

    assert (named.tensors.keys(), named.aliases) == (BACKBONE.keys(), tuple(SECOND))


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array + np.float32(1e-7) * (array == array.max()),
        lambda array: array.astype("float64"),
        lambda array: array[:-1],
        lambda array: array[None],
    ],
    ids=["a bit", "dtype", "length", "rank"],
)
def test_a_second_name_with_another_tensor_is_refused(change: Callable[[Array], Array]) -> None:
    with pytest.raises(CheckpointError) as caught:
        name_officially({**BACKBONE, **SECOND, "norms.3.bias": change(SECOND["norms.3.bias"])})

    assert str(caught.value) == (
        "'norm.bias' and 'norms.3.bias' are one tensor's names, and the two differ; keep one model's keys in the file"
    )


def test_a_second_name_without_the_first_is_unexpected() -> None:
    rest = {name: array for name, array in BACKBONE.items() if not name.startswith("norm.")}

    assert list(name_officially({**rest, **SECOND}).tensors)[-2:] == list(SECOND)


def test_timms_own_filter_makes_the_same_of_metas_dinov3() -> None:
    spec = headless(ATTO)
    official = randomised({param.torch_name: param.shape for param in spec.params()})
    second = {f"norms.3.{name}": official[f"norm.{name}"] for name in ("weight", "bias")}
    model = timm.create_model("convnext_atto", num_classes=0)
    tensors = {name: torch.from_numpy(array) for name, array in {**official, **second}.items()}
    model.load_state_dict(checkpoint_filter_fn(tensors, model), assign=True)
    with torch.no_grad():
        expected = model.double().eval()(torch.from_numpy(random_image(IMAGE))).numpy()

    named = name_officially({**official, **second})

    assert max_rel(torch_output(spec, named.tensors), expected) <= ORACLE
