"""A target that was merged beside the source that was not: every gate, and what is wrong with either."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from pairs import PROTOCOL, Weights, forward_gates
from twins import REPLKNET, REPLKNET_XL

from convert.archs.replknet import RepLKNetSpec
from convert.casting import DEFAULT
from convert.checkpoints import write_pdparams
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
    kept = {name: array.astype(dtype) for name, array in weights.items() if name not in merging.parts}
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
    arrays = convert_state_dict(merging_of(spec).spec, target, dtype=np.dtype(dtype))
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
    print([(gate.measured, gate.measures, gate.details) for gate in gates])
