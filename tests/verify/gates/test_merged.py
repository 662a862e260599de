"""A target that was merged beside the source that was not: every gate, and what is wrong with either."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from pairs import PROTOCOL, Weights, forward_gates
from twins import REPLKNET, REPLKNET_XL

from convert.archs.replknet import RepLKNetSpec
from convert.arrays import cast_values
from convert.casting import DEFAULT, DTYPES
from convert.checkpoints import write_pdparams
from convert.fresh_head import HeadChange
from convert.merging import EXACT, merged, merging_of
from convert.state_dict import convert_state_dict
from verify.gate import Gate
from verify.gates.gradients import gradients_gate, run_gradients
from verify.gates.layers import layers_gate, run_layers
from verify.gates.parity import parity_inputs
from verify.gates.structure import file_digests, mismatch_gate, run_structure, tensor_problems
from verify.pair import Pair, read_pair
from verify.selftest.weights import distinct_weights
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

SPECS = [REPLKNET, REPLKNET_XL]
PLACE = "stages.2.blocks.2.large_kernel.lkb_reparam"


def merged_weights(spec: RepLKNetSpec, weights: Weights, dtype: str = DEFAULT) -> Weights:
    """The merged network's tensors, in PyTorch's layout."""
    merging = merging_of(spec)
    parts = {name: array.astype(EXACT) for name, array in weights.items() if name in merging.parts}
    kept = {
        name: cast_values(array, DTYPES[dtype]).copy() for name, array in weights.items() if name not in merging.parts
    }
    return {**kept, **merged(merging, parts, dtype)}


def write_merged(
    folder: Path, spec: RepLKNetSpec, edit: Callable[[Weights], object] | None = None, dtype: str = DEFAULT
) -> Pair:
    """x.pth, not merged, and x.pdparams, merged and then changed by `edit`, read."""
    weights = distinct_weights(spec.params(), dtype="float32")
    target = merged_weights(spec, weights, dtype)
    if edit:
        edit(target)
    torch.save(as_tensors(weights), folder / "x.pth")
    arrays = convert_state_dict(merging_of(spec).spec, target, dtype=DTYPES[dtype])
    write_pdparams(folder / "x.pdparams", {name: np.array(array) for name, array in arrays.items()})
    return read_pair(spec, folder / "x.pth", folder / "x.pdparams")


def structure_of(pair: Pair, workers: dict[str, Worker]) -> Gate:
    if problems := tensor_problems(pair):
        return mismatch_gate(problems)
    return run_structure(pair, file_digests(pair), workers)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_merged_target_passes_every_gate_beside_its_source(
    spec: RepLKNetSpec, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    pair = write_merged(tmp_path, spec)
    inputs = parity_inputs(pair.spec, PROTOCOL)

    gates = [
        structure_of(pair, workers),
        *forward_gates(pair, workers),
        layers_gate(run_layers(pair, workers, inputs)),
        gradients_gate(run_gradients(pair, workers, inputs)),
    ]

    assert [(gate.verdict.value, gate.problems) for gate in gates] == [("passed", ())] * 5
    count, made = len(merging_of(spec).parts), len(merging_of(spec).made)
    assert gates[0].measured.endswith(f"; {count} of the source's tensors merged into {made}, 0 ulp apart at most")
    assert dict(gates[1].details)["note"].startswith("torch's model is the source as it was trained and Paddle's the")
    rounding = {measure.name: measure.value for measure in gates[1].measures}
    assert rounding["max rel"] < 1e-14
    assert 1e-9 < rounding["max abs of the merged tensors' rounding alone"] < 1e-5


def step(count: int) -> Callable[[Weights], None]:
    """Moves one value of a merged kernel by that many steps of float32."""

    def edit(target: Weights) -> None:
        bits = target[f"{PLACE}.weight"].view(np.int32)
        bits[0, 0, 0, 0] += count

    return edit


def test_one_step_of_float32_is_rounding(tmp_path: Path, workers: dict[str, Worker]) -> None:
    gate = structure_of(write_merged(tmp_path, REPLKNET, step(1)), workers)

    assert (gate.verdict.value, gate.measured.rpartition(", ")[2]) == ("passed", "1 ulp apart at most")


def without_the_small_kernel(target: Weights) -> None:
    weights = distinct_weights(REPLKNET.params(), dtype="float32")
    alone = dataclasses.replace(REPLKNET, small_kernel=0)
    target[f"{PLACE}.weight"] = merged_weights(alone, weights)[f"{PLACE}.weight"]


def with_another_eps(target: Weights) -> None:
    weights = distinct_weights(REPLKNET.params(), dtype="float32")
    other = dataclasses.replace(REPLKNET, eps=1e-3)
    target[f"{PLACE}.bias"] = merged_weights(other, weights)[f"{PLACE}.bias"]


WRONG: dict[str, tuple[Callable[[Weights], object], str]] = {
    "two steps of float32": (step(2), f"{PLACE}.weight"),
    "the small kernel forgotten": (without_the_small_kernel, f"{PLACE}.weight"),
    "an eps of 1e-3": (with_another_eps, f"{PLACE}.bias"),
    "the small kernel off its centre": (
        lambda target: target.update({f"{PLACE}.weight": np.roll(target[f"{PLACE}.weight"], 1, axis=3)}),
        f"{PLACE}.weight",
    ),
    "another sign": (lambda target: np.negative(target[f"{PLACE}.bias"], out=target[f"{PLACE}.bias"]), f"{PLACE}.bias"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_tensor_that_was_merged_otherwise_is_named(wrong: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    edit, name = WRONG[wrong]

    gate = structure_of(write_merged(tmp_path, REPLKNET, edit), workers)

    assert gate.verdict.value == "FAILED"
    assert [problem.partition(":")[0] for problem in gate.problems] == [f"merged otherwise  {name}"]


def test_a_tensor_that_was_not_merged_must_be_the_same(tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = write_merged(tmp_path, REPLKNET, lambda target: np.negative(target["norm.bias"], out=target["norm.bias"]))

    assert structure_of(pair, workers).problems == ("differs  norm.bias",)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_merged_target_of_a_half_is_compared_with_what_is_merged_and_rounded(
    dtype: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    pair = write_merged(tmp_path, REPLKNET, dtype=dtype)

    gates = [structure_of(pair, workers), *forward_gates(pair, workers)]

    assert pair.dtype == dtype
    assert [gate.verdict.value for gate in gates] == ["passed"] * 3
    assert f"both models hold the source rounded to {dtype}" in dict(gates[1].details)["note"]


@pytest.mark.parametrize("classes", [0, 7])
def test_a_merged_target_may_have_another_head(classes: int, tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = write_merged(tmp_path, REPLKNET)
    spec = dataclasses.replace(pair.spec, num_classes=classes)
    fresh = HeadChange.to(classes, pair.spec, framework="torch")
    target = convert_state_dict(spec, {**fresh.kept(pair.expected), **fresh.fresh})
    write_pdparams(tmp_path / "y.pdparams", target)

    other = read_pair(REPLKNET, tmp_path / "x.pth", tmp_path / "y.pdparams")

    assert (other.spec, other.unmerged is None) == (spec, False)
    gates = [structure_of(other, workers), *forward_gates(other, workers)]
    assert [(gate.verdict.value, gate.problems) for gate in gates] == [("passed", ())] * 3


def test_a_source_that_lacks_a_tensor_is_told_as_ever(tmp_path: Path) -> None:
    write_merged(tmp_path, REPLKNET)
    weights = distinct_weights(REPLKNET.params(), dtype="float32")
    del weights["stages.2.blocks.2.large_kernel.small_conv.bn.bias"]
    torch.save(as_tensors(weights), tmp_path / "x.pth")

    problems = tensor_problems(read_pair(REPLKNET, tmp_path / "x.pth", tmp_path / "x.pdparams"))

    assert [" ".join(problem.split()) for problem in problems] == [
        "source missing stages.2.blocks.2.large_kernel.small_conv.bn.bias (8,)"
    ]
