"""Targets in another precision than the source: compared with the source rounded the same way, its effect told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from pairs import PROTOCOL, Weights
from twins import TINY

import models_torch
from convert import ARCHS
from convert.archs import ArchSpec
from convert.arrays import BFLOAT16, Array
from convert.casting import DTYPES, cast_state_dict
from convert.checkpoints import write_checkpoint, write_pdparams
from convert.cli import main as convert_main
from convert.state_dict import convert_state_dict
from verify.cli import main as verify_main
from verify.gate import Gate, Verdict
from verify.gates.parity import parity_gates, parity_inputs
from verify.gates.structure import file_digests, run_structure, tensor_problems
from verify.pair import Pair, read_pair
from verify.selftest.weights import distinct_weights
from verify.workers.worker import Worker

pytestmark = pytest.mark.long

pytest_plugins = ["stand_ins"]

# Of a source and of its target; the last two hold every value of their source.
ROUNDED = [
    ("float32", "bfloat16"),
    ("float32", "float16"),
    ("float64", "bfloat16"),
    ("float64", "float16"),
    ("float64", "float32"),
    ("float16", "bfloat16"),
    ("bfloat16", "float16"),
]
KEPT = [("bfloat16", "bfloat16"), ("float16", "float16"), ("bfloat16", "float32"), ("float16", "float32")]


def weights_in(dtype: str, spec: ArchSpec = TINY) -> dict[str, torch.Tensor]:
    """Distinct weights that this dtype can hold; some are so small that of these float16 has few."""
    weights = distinct_weights(spec.params(), dtype="float64")
    weights["stages.0.0.gamma"] *= 2e-6
    return {name: tensor.to(getattr(torch, dtype)) for name, tensor in as_tensors(weights).items()}


def write_pair(
    folder: Path, source: str, target: str, edit: Callable[[Weights], object] | None = None, suffix: str = ".pdparams"
) -> Pair:
    """x.pth in one precision, and what PyTorch's own rounding of it to the other is for Paddle.

    Args:
        folder: gets both files.
        source: dtype of the source.
        target: dtype of the target.
        edit: changes the target's tensors, in Paddle's layout, before they are written.
        suffix: of the target.
    """
    tensors = weights_in(source)
    torch.save(tensors, folder / "x.pth")
    halves = {name: tensor.to(getattr(torch, target)) for name, tensor in tensors.items()}
    rounded = {name: as_numpy(tensor) for name, tensor in halves.items()}
    theirs = {name: np.array(array) for name, array in convert_state_dict(TINY, rounded, dtype=DTYPES[target]).items()}
    if edit is not None:
        edit(theirs)
    write_checkpoint(folder / f"x{suffix}", theirs, framework="paddle", force=True)
    return read_pair(TINY, folder / "x.pth", folder / f"x{suffix}")


def as_numpy(tensor: torch.Tensor) -> Array:
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.contiguous().view(torch.int16)
        return np.asarray(tensor.numpy()).view(BFLOAT16)
    return np.asarray(tensor.numpy())


def gates_of(pair: Pair, workers: Mapping[str, Worker]) -> tuple[Gate, Gate, Gate]:
    assert tensor_problems(pair) == []
    inputs = parity_inputs(pair.spec, PROTOCOL)
    return (run_structure(pair, file_digests(pair), workers), *parity_gates(pair, workers, inputs))


def number(gate: Gate, name: str) -> float:
    return {measure.name: measure.value for measure in gate.measures}[name]


@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
@pytest.mark.parametrize(("source", "target"), [*ROUNDED, *KEPT])
def test_a_target_that_is_the_rounded_source_passes(
    source: str, target: str, suffix: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    pair = write_pair(tmp_path, source, target, suffix=suffix)

    structure, float64, float32 = gates_of(pair, workers)

    assert [gate.verdict for gate in (structure, float64, float32)] == [Verdict.PASSED] * 3
    assert pair.dtype == target
    assert pair.rounds == ((source, target) in ROUNDED)
    assert number(float64, "max rel") < 1e-12
    assert (f"parameters in {target}, digest" in structure.measured) == (target != "float32")


def torch_logits(weights: Mapping[str, torch.Tensor]) -> Array:
    """Of the parity inputs, in float64, without a file or a worker between."""
    model: Any = models_torch.build_with(TINY, {k: t.double().numpy() for k, t in weights.items()}, dtype="float64")
    with torch.no_grad():
        return np.concatenate(
            [model(torch.from_numpy(batch)).numpy() for batch in parity_inputs(TINY, PROTOCOL).batches]
        )


@pytest.mark.parametrize(("source", "target"), ROUNDED)
def test_the_roundings_own_effect_is_told(source: str, target: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    _, float64, _ = gates_of(write_pair(tmp_path, source, target), workers)

    weights = weights_in(source)
    rounded = {name: tensor.to(getattr(torch, target)) for name, tensor in weights.items()}
    difference = np.abs(torch_logits(weights) - torch_logits(rounded))
    effect, relative = float(difference.max()), float(difference.max() / np.abs(torch_logits(weights)).max())
    assert number(float64, "max abs of the rounding alone") == pytest.approx(effect, rel=1e-6)
    assert float64.note == (
        f"both models hold the source rounded to {target}, as the target is; the rounding alone moves torch's "
        f"logits by up to {effect:.1e} (max rel {relative:.1e})"
    )
    assert effect > 1e-9


@pytest.mark.parametrize(("source", "target"), KEPT)
def test_where_no_value_is_rounded_that_is_told(
    source: str, target: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    _, float64, _ = gates_of(write_pair(tmp_path, source, target), workers)

    told = "" if target == "float32" else f"the target is in {target}, which holds every value of the source"
    assert float64.note == told
    assert [measure.name for measure in float64.measures] == ["max rel", "max abs"]


def test_an_effect_is_no_gate(tmp_path: Path, workers: dict[str, Worker]) -> None:
    _, float64, _ = gates_of(write_pair(tmp_path, "float32", "bfloat16"), workers)

    (told,) = [measure for measure in float64.measures if measure.name == "max abs of the rounding alone"]
    assert told.limit is None
    assert told.value > 1e-9  # far over the gate's own limit
    assert float64.verdict is Verdict.PASSED


def last_bit(weights: Weights) -> None:
    weights["stages.0.0.dwconv.bias"].view(np.uint16)[3] ^= 1


def cut_off(weights: Weights) -> None:
    """bfloat16 as the upper half of float32's bits, which is no rounding."""
    whole = convert_state_dict(TINY, {k: t.numpy() for k, t in weights_in("float32").items()})
    weights.update(
        {k: (np.ascontiguousarray(a).view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16) for k, a in whole.items()}
    )


def by_way_of_float16(weights: Weights) -> None:
    halves = {name: as_numpy(tensor.half()) for name, tensor in weights_in("float32").items()}
    cast, _ = cast_state_dict(halves, "bfloat16")
    weights.update({name: np.array(a) for name, a in convert_state_dict(TINY, cast, dtype=BFLOAT16).items()})


# In a target of bfloat16 whose source is float32: values that the same rounding would not have given.
WRONG_ROUNDINGS = {
    "the last bit of one element": last_bit,
    "bits cut off, not rounded": cut_off,
    "rounded to float16 first": by_way_of_float16,
}


@pytest.mark.parametrize("fault", WRONG_ROUNDINGS)
def test_another_rounding_is_seen(fault: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = write_pair(tmp_path, "float32", "bfloat16", WRONG_ROUNDINGS[fault])

    assert tensor_problems(pair) == []
    gate = run_structure(pair, file_digests(pair), workers)
    assert gate.verdict is Verdict.FAILED
    assert any(problem.startswith("differs  ") for problem in gate.problems)


def test_a_rounding_that_changes_no_value_is_none(tmp_path: Path, workers: dict[str, Worker]) -> None:
    torch.save({name: tensor.double() for name, tensor in weights_in("bfloat16").items()}, tmp_path / "x.pth")
    (tmp_path / "y").mkdir()
    write_pair(tmp_path / "y", "bfloat16", "bfloat16")

    pair = read_pair(TINY, tmp_path / "x.pth", tmp_path / "y" / "x.pdparams")

    _, float64, _ = gates_of(pair, workers)
    assert float64.note == "the target is in bfloat16, which holds every value of the source"


def test_a_target_of_two_precisions_is_none(tmp_path: Path) -> None:
    def edit(weights: Weights) -> None:
        weights["norm.bias"] = np.ones(10, "float32")

    pair = write_pair(tmp_path, "float32", "bfloat16", edit)

    problems = tensor_problems(pair)
    assert pair.dtype == "float32"
    assert len(problems) == len(TINY.params()) - 1
    assert problems[0].endswith("expected float32, found bfloat16")


def test_a_target_in_float64_is_none(tmp_path: Path) -> None:
    weights = convert_state_dict(TINY, {k: t.numpy() for k, t in weights_in("float64").items()}, dtype=np.dtype("f8"))
    torch.save(weights_in("float64"), tmp_path / "x.pth")
    write_pdparams(tmp_path / "x.pdparams", weights)

    problems = tensor_problems(read_pair(TINY, tmp_path / "x.pth", tmp_path / "x.pdparams"))

    assert len(problems) == len(TINY.params())
    assert problems[0].endswith("expected float32, found float64")


def test_a_value_that_the_rounding_makes_infinite_is_a_problem_of_both(tmp_path: Path) -> None:
    def edit(weights: Weights) -> None:
        weights["norm.bias"][0] = np.inf

    pair = write_pair(tmp_path, "float32", "float16", edit)
    tensors = {**weights_in("float32"), "norm.bias": torch.full((10,), 1e5)}
    torch.save(tensors, tmp_path / "x.pth")
    pair = read_pair(TINY, tmp_path / "x.pth", tmp_path / "x.pdparams")

    assert [problem.split()[:4] for problem in tensor_problems(pair)] == [
        ["source", "not", "finite", "norm.bias"],
        ["target", "not", "finite", "norm.bias"],
    ]


class Unrounded(Pair):
    """A pair whose models are built without the rounding: the test of the test."""

    def load_job(self, *arguments: Any, **options: Any) -> Any:
        return replace(super().load_job(*arguments, **options), rounding="")


def test_a_model_that_was_not_rounded_is_named(tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = write_pair(tmp_path, "float32", "bfloat16")
    unrounded = Unrounded(pair.spec, pair.source, pair.target, pair.expected, dtype=pair.dtype)

    gate = run_structure(unrounded, file_digests(pair), workers)

    assert gate.verdict is Verdict.FAILED
    assert {problem.split("  ")[0] for problem in gate.problems} == {"read otherwise by torch"}


# From file to file, by both commands, as a user would.
DIGITS = ARCHS["convnext_digits"]


@pytest.mark.parametrize(
    ("source", "dtype"), [("bfloat16", "bfloat16"), ("float32", "bfloat16"), ("float32", "float16")]
)
def test_what_convert_made_verify_verifies(
    source: str, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(weights_in(source, DIGITS), tmp_path / "x.pth")
    pair = ["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]

    assert convert_main([*pair, "--dtype", dtype]) == 0
    capsys.readouterr()
    assert verify_main([*pair, "--threads", "1"]) == 0

    out = capsys.readouterr().out
    assert "VERIFIED: 3 passed, 2 not run" in out
    assert ("the rounding alone moves torch's logits by up to" in out) == (source != dtype)
