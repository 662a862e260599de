"""The structure gate says which tensors are wrong, and how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pairs import MISFITS, WRONG_VALUES, Weights, write_pair
from twins import TINY

from convert.archs import ARCHS
from convert.checkpoints import write_checkpoint, write_pdparams
from convert.digest import combined_digest
from convert.state_dict import convert_state_dict
from verify.gate import Gate, Measure, Verdict
from verify.gates import STRUCTURE
from verify.gates.structure import file_digests, mismatch_gate, structure_gate, tensor_problems
from verify.pair import read_pair
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]

# What is wrong, of which tensor, and how.
PROBLEMS = {
    "a tensor missing": ("missing", "stages.2.1.gamma", "(8,)"),
    "an unexpected tensor": ("unexpected", "norm.bias_extra", "(10,)"),
    "a wrong shape": ("shape", "stages.0.0.gamma", "expected (4,), found (1, 4)"),
    "a Linear weight left in PyTorch's layout": (
        "shape",
        "stages.0.0.pwconv1.weight",
        "expected (4, 16), found (16, 4)",
    ),
    "a tensor in float64": ("dtype", "norm.bias", "expected float32, found float64"),
    "a tensor in half precision": ("dtype", "norm.bias", "expected float32, found float16"),
    "a NaN": ("not finite", "stages.1.0.norm.weight", "1 of 6 values are NaN or Inf"),
    "an infinity": ("not finite", "stages.1.0.norm.weight", "1 of 6 values are NaN or Inf"),
}


def line(side: str, problem: str, name: str, how: str) -> str:
    return f"{side}  {problem:<10}  {name:<28}  {how}"


@pytest.mark.parametrize("fault", MISFITS)
def test_it_says_of(fault: str, tmp_path: Path) -> None:
    assert tensor_problems(write_pair(tmp_path, edit=MISFITS[fault])) == [line("target", *PROBLEMS[fault])]


def test_it_says_everything_at_once(tmp_path: Path) -> None:
    def edit(weights: Weights) -> None:
        for fault in MISFITS.values():
            fault(weights)

    # Where several faults meet in one tensor, its first is said.
    assert len(tensor_problems(write_pair(tmp_path, edit=edit))) == 6


def test_a_source_of_another_architecture_is_a_problem_of_the_source(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    deeper = replace(pair, spec=replace(TINY, name="deeper", depths=(1, 1, 4, 1)))
    problems = tensor_problems(deeper)

    assert problems[0] == line("source", "missing", "stages.2.3.gamma", "(8,)")
    assert [problem.split()[:2] for problem in problems] == [["source", "missing"]] * 9 + [["target", "missing"]] * 9


def test_the_gate_of_tensors_that_do_not_fit_has_every_problem() -> None:
    assert mismatch_gate(["source  a", "target  b"]) == Gate(
        "structure", "2 problems", STRUCTURE.limit, problems=("source  a", "target  b")
    )


def test_equal_files_and_models_pass_with_their_digest(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    files = file_digests(pair)
    digest, count = combined_digest(files["torch"]), sum(param.size for param in TINY.params())

    assert structure_gate(pair, files, files, "torch by torch.load, paddle by paddle.load") == Gate(
        "structure",
        f"74 tensors, {count:,} parameters, digest {digest[:12]}",
        STRUCTURE.limit,
        measures=(Measure("tensors", 74), Measure("parameters", count)),
        details=(("digest", digest), ("readers", "torch by torch.load, paddle by paddle.load")),
    )


def test_a_tensor_with_another_value_is_named(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, edit=WRONG_VALUES["one element off by 1e-3"])
    files = file_digests(pair)
    gate = structure_gate(pair, files, files, "")

    assert (gate.verdict, gate.measured) == (Verdict.FAILED, "1 tensor of 74 with other values")
    assert gate.problems == ("differs  stages.1.0.pwconv2.weight",)


def test_a_zero_of_the_other_sign_is_another_value(tmp_path: Path) -> None:
    def edit(weights: Weights) -> None:
        weights["norm.bias"][0] = -0.0

    one = file_digests(write_pair(tmp_path, edit=lambda w: w["norm.bias"].__setitem__(0, 0.0)))
    other = file_digests(write_pair(tmp_path, edit=edit))

    assert one["paddle"]["norm.bias"] != other["paddle"]["norm.bias"]


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_a_model_that_holds_other_values_than_its_file_is_named(framework: str, tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    files = file_digests(pair)
    models = {**files, framework: {**files[framework], "head.bias": "another"}}

    assert structure_gate(pair, files, models, "").problems == (f"read otherwise by {framework}  head.bias",)


def test_a_model_that_lacks_a_tensor_fails(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    files = file_digests(pair)
    models = {**files, "paddle": {name: digest for name, digest in files["paddle"].items() if name != "norm.weight"}}

    assert structure_gate(pair, files, models, "").problems == ("read otherwise by paddle  norm.weight",)


def test_the_digests_of_both_files_are_in_one_layout(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    files = file_digests(pair)

    assert not np.array_equal(pair.source.tensors["head.weight"], pair.target.tensors["head.weight"])
    assert files["torch"] == files["paddle"]


def test_what_stands_beside_the_tensors_of_either_file_is_told(tmp_path: Path) -> None:
    weights = distinct_weights(SPEC.params(), dtype="float32")
    write_checkpoint(tmp_path / "x.safetensors", weights | {"best_acc1": np.array(70, "float32")}, framework="torch")
    write_pdparams(tmp_path / "x.pdparams", convert_state_dict(SPEC, weights) | {"epoch": np.array(3)})
    (tmp_path / "config.json").write_text('{"model_type": "convnext", "hidden_act": "gelu", "layer_norm_eps": 1e-6}')
    pair = read_pair("", tmp_path / "x.safetensors", tmp_path / "x.pdparams")
    files = file_digests(pair)

    gate = structure_gate(pair, files, files, "")

    left_out = "1 single number among the weights left out, for no network has one"
    told = "config.json beside it, of transformers: hidden_act gelu, layer_norm_eps 1e-06"
    assert gate.verdict is Verdict.PASSED
    assert gate.note == f"source: {told}; source: {left_out}: best_acc1; target: {told}; target: {left_out}: epoch"
