"""A target that was made of a MindSpore checkpoint is verified as the network that MindSpore computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mindspore_files import DATA, EPOCH
from pairs import forward_gates

from convert.archs.convnext import ConvNeXtSpec
from convert.errors import CheckpointError
from convert.job import Job, Options
from convert.source.read import Selection
from verify.facts import facts_of
from verify.gate import Verdict
from verify.gates.parity import parity_inputs
from verify.gates.structure import file_digests, run_structure
from verify.inputs import Inputs
from verify.options import Options as RunOptions
from verify.pair import Pair, read_pair
from verify.recipes.choose import Overrides, WrongProtocol
from verify.recipes.protocol import Protocol
from verify.reference.families import units_of
from verify.reference.steps import Gelu, NormStep
from verify.report.fields import fact_fields
from verify.store.words import fact_words
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

VARIANT = "MindSpore's: tanh GELU, eps 1e-07 in the last norm, 'same' padding (sizes in multiples of 32)"
FILES = {"mindvision": EPOCH, "mindcv": DATA / "mindcv_v1_small.ckpt", "mindcv V2": DATA / "mindcv_v2_small.ckpt"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    for name, source in FILES.items():
        Job.read("", source, Options()).write(folder / f"{name}.pdparams")
    return folder


def options(target: Path, **values: Any) -> RunOptions:
    return RunOptions(arch="", src=EPOCH, dst=target / "mindvision.pdparams", **values)


@pytest.mark.parametrize("arch", ["", "own"])
def test_both_models_are_the_source_s_network_with_its_function(arch: str, target: Path) -> None:
    pair = read_pair(arch, EPOCH, target / "mindvision.pdparams")

    assert pair.spec == pair.source.spec == pair.target.spec
    assert (pair.spec.variant, pair.spec.gelu_tanh, pair.spec.last_norm_eps) == (VARIANT, True, 1e-7)


@pytest.mark.parametrize("name", FILES)
def test_the_pair_passes_each_read_by_a_reader_that_is_named(
    name: str, target: Path, workers: Mapping[str, Worker]
) -> None:
    pair = read_pair("", FILES[name], target / f"{name}.pdparams")

    structure = run_structure(pair, file_digests(pair), workers)
    forward = forward_gates(pair, workers)

    assert [gate.verdict for gate in (structure, *forward)] == [Verdict.PASSED] * 3
    assert dict(structure.details)["readers"] == "torch by paddleferry's reader, paddle by paddle.load"


def test_a_value_that_is_another_in_the_target_is_seen(target: Path, workers: Mapping[str, Worker]) -> None:
    pair = read_pair("", EPOCH, target / "mindcv.pdparams")

    gate = run_structure(pair, file_digests(pair), workers)

    assert gate.verdict is Verdict.FAILED


def test_averages_are_verified_where_they_are_asked_for(tmp_path: Path, workers: Mapping[str, Worker]) -> None:

    source = DATA / "mindvision_ema.ckpt"
    Job.read("", source, Options(weights="ema")).write(tmp_path / "x.pdparams")

    def verdict(weights: str) -> Verdict:
        pair = read_pair("", source, tmp_path / "x.pdparams", source_part=Selection(weights=weights))
        return run_structure(pair, file_digests(pair), workers).verdict

    assert (verdict("ema"), verdict("model")) == (Verdict.PASSED, Verdict.FAILED)


def test_another_head_keeps_the_function(tmp_path: Path) -> None:
    Job.read("", EPOCH, Options(num_classes=3)).write(tmp_path / "x.pdparams")

    pair = read_pair("", EPOCH, tmp_path / "x.pdparams")

    assert (pair.spec.num_classes, pair.spec.variant) == (3, VARIANT)


@pytest.mark.parametrize(("size", "instead"), [(72, "64 or 96"), (33, "32 or 64"), (225, "224 or 256")])
def test_a_size_that_mindspore_would_pad_at_is_refused(size: int, instead: str, target: Path) -> None:
    with pytest.raises(WrongProtocol) as caught:
        Inputs.read(options(target, overrides=Overrides(size=size)))

    assert f"--size {size}: own ConvNeXt: depths (3, 3, 9, 3), dims (8, 16, 24, 32) is {VARIANT}" in str(caught.value)
    assert str(caught.value).endswith(f"take --size {instead}")


@pytest.mark.parametrize("size", [32, 64, 224, 288])
def test_a_multiple_of_32_is_taken(size: int, target: Path) -> None:
    assert Inputs.read(options(target, overrides=Overrides(size=size))).chosen.protocol.size == size


@pytest.mark.parametrize("patch", [2, 3, 4, 5])
def test_the_noise_is_of_sizes_that_are_not_padded(patch: int, target: Path) -> None:
    spec = read_pair("", EPOCH, target / "mindvision.pdparams").spec
    assert isinstance(spec, ConvNeXtSpec)
    spec = dataclasses.replace(spec, patch=patch)

    inputs = parity_inputs(spec, Protocol(size=8 * patch * 3))

    assert all(side % (8 * patch) == 0 for side in inputs.batches[0].shape[2:])


def test_the_reference_in_numpy_has_the_function_too(target: Path) -> None:
    pair = read_pair("", EPOCH, target / "mindvision.pdparams")
    steps = [step for unit in units_of(pair.spec) for step in unit.steps]

    assert {step.form for step in steps if isinstance(step, Gelu)} == {"tanh"}
    assert {step.name for step in steps if isinstance(step, NormStep) and step.eps != 1e-6} == {"norm"}


def test_the_reference_answers_as_mindspore_does(target: Path) -> None:
    pair = read_pair("", EPOCH, target / "mindvision.pdparams")
    weights = {name: array.astype(np.float64) for name, array in pair.source.tensors.items()}
    x = np.load(DATA / "inputs.npz")["x64x64"].astype(np.float64)
    for unit in units_of(pair.spec):
        x = unit.run(x, weights)

    expected = np.load(DATA / "mindvision_small_logits.npz")["float64_x64x64"]
    assert np.abs(x - expected).max() / np.abs(expected).max() < 1e-12


def test_the_report_says_the_variant(target: Path) -> None:
    inputs = Inputs.read(options(target))
    facts = facts_of(options(target), inputs.pair, inputs.chosen)

    assert f"({VARIANT}), 7 classes" in fact_words(facts)["arch"]
    assert fact_fields(facts)["arch"]["variant"] == VARIANT


def test_as_a_target_it_is_called_mindspore_s() -> None:
    with pytest.raises(CheckpointError, match="is a MindSpore checkpoint; --dst takes the one of Paddle"):
        read_pair("", EPOCH, EPOCH)


def test_of_a_known_function_nothing_is_said(tmp_path: Path, target: Path) -> None:
    Job.read("", EPOCH, Options()).write(tmp_path / "x.pth")

    pair: Pair = read_pair("", tmp_path / "x.pth", target / "mindvision.pdparams")

    assert (pair.spec.variant, pair.spec.gelu_tanh) == ("", False)
