"""MindSpore as the judge: its own logits of its own checkpoints, against both models with its function."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from mindspore_files import DATA, EPOCH
from twins import carried

import models_paddle
import models_torch
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.source.read import Selection, Source, read_source

FLOAT32 = 2e-6  # max|difference| of logits of a deviation of 0.4 to 1.6; measured floor 1.3e-6 (MindSpore, CPU)
FLOAT64 = 1e-12  # max|difference| / max|expected|; measured floor 8e-15
# What is seen of a fault in float64, max|difference| / max|expected|; measured 1e-4 to 6e-4, and 5e-8 to 6e-7.
EXACT_GELU, OTHER_EPS = 5e-5, 2e-8

FILES = {
    "mindvision_small": EPOCH,
    "mindvision_training_adamweightdecay": DATA / "mindvision_training_adamweightdecay.ckpt",
    "mindvision_ema": DATA / "mindvision_ema.ckpt",
    "mindcv_v1_small": DATA / "mindcv_v1_small.ckpt",
    "mindcv_v2_small": DATA / "mindcv_v2_small.ckpt",
}
SIZES = ("x64x64", "x96x128")
cases = pytest.mark.parametrize(("file", "size"), [(file, size) for file in FILES for size in SIZES])
frameworks = pytest.mark.parametrize("framework", ["torch", "paddle"])


@cache
def source_of(file: str) -> Source[Array]:
    return read_source(FILES[file], selection=Selection(weights="model" if file.endswith("ema") else ""))


@cache
def logits_of(file: str) -> Mapping[str, Array]:
    return dict(np.load(DATA / f"{file}_logits.npz"))


def answer(framework: str, spec: ArchSpec, file: str, size: str, dtype: str = "float64") -> Array:
    weights, images = source_of(file).tensors, np.load(DATA / "inputs.npz")[size].astype(dtype)
    model: Any
    if framework == "torch":
        model = models_torch.build_with(spec, weights, dtype=dtype)
        with torch.no_grad():
            return np.asarray(model(torch.from_numpy(images)))
    model = models_paddle.build_with(spec, carried(spec.params(), weights), dtype=dtype)
    with paddle.no_grad():
        return np.asarray(model(paddle.to_tensor(images)))


def departure(actual: Array, expected: Array) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@cases
@frameworks
def test_in_float32_the_model_answers_as_mindspore_does(framework: str, file: str, size: str) -> None:
    actual = answer(framework, source_of(file).spec, file, size, "float32")

    assert np.abs(actual - logits_of(file)[size]).max() <= FLOAT32


@cases
@frameworks
def test_in_float64_the_model_is_mindspore_s_function(framework: str, file: str, size: str) -> None:
    actual = answer(framework, source_of(file).spec, file, size)

    assert departure(actual, logits_of(file)[f"float64_{size}"]) <= FLOAT64


@cases
@frameworks
def test_without_the_function_the_model_is_the_authors(framework: str, file: str, size: str) -> None:
    spec = dataclasses.replace(source_of(file).spec, gelu_tanh=False, last_eps=None)  # type: ignore[call-arg]  # ConvNeXt's

    actual = answer(framework, spec, file, size)

    assert departure(actual, logits_of(file)[f"official_float64_{size}"]) <= FLOAT64


FAULTS: dict[str, tuple[dict[str, Any], float]] = {
    "the exact GELU": ({"gelu_tanh": False}, EXACT_GELU),
    "another eps in the last norm": ({"last_eps": 1e-6}, OTHER_EPS),
}


@cases
@frameworks
@pytest.mark.parametrize("fault", FAULTS)
def test_is_seen(fault: str, framework: str, file: str, size: str) -> None:
    fields, least = FAULTS[fault]
    if "last_eps" in fields and source_of(file).spec.last_norm_eps == fields["last_eps"]:
        fields = {"last_eps": 1e-7}

    actual = answer(framework, dataclasses.replace(source_of(file).spec, **fields), file, size)

    assert departure(actual, logits_of(file)[f"float64_{size}"]) >= least


@frameworks
def test_at_a_size_that_is_padded_there_the_model_is_not_mindspore_s(framework: str) -> None:
    file = "mindvision_small"

    actual = answer(framework, source_of(file).spec, file, "x72x88")

    assert np.abs(actual - logits_of(file)["float64_x72x88"]).max() > 0.1  # so verify refuses the size
