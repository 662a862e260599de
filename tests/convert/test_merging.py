"""convert --merge: one convolution of several tensors, in float64, rounded once; and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, same_bits
from twins import REPLKNET, REPLKNET_XL

from convert.archs import ARCHS
from convert.archs.replknet import RepLKNetSpec, merged_bias, merged_kernel
from convert.arrays import Array, cast_values
from convert.casting import DTYPES
from convert.cli import main
from convert.job import Job, Options
from convert.source.read import read_source
from verify.selftest.weights import distinct_weights

Weights = dict[str, Array]
KERNEL = "stages.2.blocks.2.large_kernel"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny networks are recognised, as the listed ones are."""
    for spec in (REPLKNET, REPLKNET_XL):
        monkeypatch.setitem(ARCHS, spec.name, spec)


def written(path: Path, spec: RepLKNetSpec = REPLKNET, edit: Callable[[Weights], object] | None = None) -> Weights:
    """The weights of a file that is written there, with a counter of 7 for each batch norm."""
    weights = distinct_weights(spec.params(), dtype="float32")
    if edit:
        edit(weights)
    torch.save({**as_tensors(weights), **{name: torch.tensor(7) for name in spec.left_out()}}, path)
    return weights


def test_the_kernels_are_added_at_their_centres() -> None:
    large, small = np.zeros((1, 1, 7, 7)), np.arange(1.0, 10).reshape(1, 1, 3, 3)
    one, two, four = np.ones(1), np.full(1, 2.0), np.full(1, 4.0)

    kernel = merged_kernel(0.0, large, two, four, small, two, one)

    assert kernel.sum() == 2 * 45
    assert kernel[0, 0, 2:5, 2:5].tolist() == (2 * small[0, 0]).tolist()
    assert not large.any()


def test_the_bias_is_each_branch_s_shift_less_its_scaled_mean() -> None:
    parts = [np.full(1, value) for value in (6.0, 1.0, 2.0, 8.0, 3.0, 5.0, 1.0, 8.0)]

    assert merged_bias(1.0, *parts).tolist() == [1 - 2 * 6 / 3 + 5 - 1 * 3 / 3]


@pytest.mark.parametrize(("spec", "count"), [(REPLKNET, 50), (REPLKNET_XL, 25)])
def test_the_summary_says_what_was_merged(
    spec: RepLKNetSpec, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "x.pth", spec)

    assert main(["--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "y.pdparams"), "--merge"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{spec.name} (recognised from the tensors), merged, 10 classes, 3 input channels: ")
    assert lines[1].endswith(f"{count} merged, 1 transposed")
    gone = 10 if spec.small_kernel else 5
    assert lines[3:5] == [
        f"{gone} tensors dropped: of norms that are merged",
        f"{count} tensors merged into 10, in float64 and rounded once; there is no way back from it",
    ]


def test_a_program_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "x.pth")

    assert main(["--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "y.pth"), "--merge", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["arch"], document["form"], document["operations"]["merge"]) == (REPLKNET.name, "merged", 50)
    assert "10 tensors dropped: of norms that are merged" in document["notes"]


def test_the_plan_says_of_each_tensor_where_it_goes(tmp_path: Path) -> None:
    weights = written(tmp_path / "x.pth")

    steps = Job.read("", tmp_path / "x.pth", Options(merge=True)).steps("paddle")

    assert {step.source for step in steps} == {*weights, *REPLKNET.left_out()}
    merged = {step.source: step.target for step in steps if step.operations == ("merge",)}
    assert len(merged) == 50
    assert merged[f"{KERNEL}.small_conv.bn.running_var"] == f"{KERNEL}.lkb_reparam.weight"
    assert merged[f"{KERNEL}.small_conv.bn.running_mean"] == f"{KERNEL}.lkb_reparam.bias"


@pytest.mark.parametrize("suffix", [".pdparams", ".pth", ".safetensors"])
def test_a_merged_file_is_recognised_and_carried_over(suffix: str, tmp_path: Path) -> None:
    written(tmp_path / "x.pth")
    Job.read("", tmp_path / "x.pth", Options(merge=True)).write(tmp_path / f"m{suffix}")

    source = read_source(tmp_path / f"m{suffix}")

    assert source.spec == dataclasses.replace(REPLKNET, merged=True)
    Job.read("", tmp_path / f"m{suffix}").write(tmp_path / "back.pth")
    assert read_source(tmp_path / "back.pth").tensors.keys() == {p.torch_name for p in source.spec.params()}


def test_merging_before_and_after_crossing_gives_the_same_file(tmp_path: Path) -> None:
    written(tmp_path / "x.pth")
    Job.read("", tmp_path / "x.pth").write(tmp_path / "x.pdparams")

    Job.read("", tmp_path / "x.pth", Options(merge=True)).write(tmp_path / "one.pdparams")
    Job.read("", tmp_path / "x.pdparams", Options(merge=True, to="official")).write(tmp_path / "other.pdparams")

    assert (tmp_path / "one.pdparams").read_bytes() == (tmp_path / "other.pdparams").read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_merge_is_rounded_once(dtype: str, tmp_path: Path) -> None:
    weights = written(tmp_path / "x.pth")
    merging = REPLKNET.merging()
    assert merging is not None

    job = Job.read("", tmp_path / "x.pth", Options(merge=True, dtype=dtype))

    exact = {
        name: made.formula(*(weights[part].astype(np.float64) for part in made.parts))
        for name, made in merging.made.items()
    }
    actual = {name: np.asarray(job.tensors[name]) for name in exact}
    assert same_bits(actual, {name: cast_values(array, DTYPES[dtype]) for name, array in exact.items()})


def test_a_merged_network_gets_a_new_head_as_any_does(tmp_path: Path) -> None:
    written(tmp_path / "x.pth")

    Job.read("", tmp_path / "x.pth", Options(merge=True, num_classes=4)).write(tmp_path / "y.pdparams")

    assert read_source(tmp_path / "y.pdparams").spec == dataclasses.replace(REPLKNET, merged=True, num_classes=4)


def negative_variance(weights: Weights) -> None:
    weights[f"{KERNEL}.lkb_origin.bn.running_var"][1] = -1.0


def not_a_number(weights: Weights) -> None:
    weights[f"{KERNEL}.lkb_origin.conv.weight"][0, 0, 1, 1] = np.nan


def missing(weights: Weights) -> None:
    del weights[f"{KERNEL}.lkb_origin.bn.bias"]


REFUSED: dict[str, tuple[Callable[[Weights], object], str]] = {
    "a negative variance": (negative_variance, f"merged, {KERNEL}.lkb_reparam.weight would have 49 values that are"),
    "not a number": (not_a_number, f"not finite  {KERNEL}.lkb_origin.conv.weight"),
    "a missing tensor": (missing, f"missing     {KERNEL}.lkb_origin.bn.bias"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("options", [["--dst", "y.pdparams"], ["--plan"]])
def test_what_cannot_be_merged_is_refused(
    kind: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, message = REFUSED[kind]
    written(tmp_path / "x.pth", edit=edit)
    monkeypatch.chdir(tmp_path)

    assert main(["--arch", REPLKNET.name, "--src", "x.pth", "--merge", *options]) == 1

    error = capsys.readouterr().err
    assert message in error
    assert "x.pth" in error
    assert not (tmp_path / "y.pdparams").exists()


def test_a_merged_file_cannot_be_merged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "x.pth")
    Job.read("", tmp_path / "x.pth", Options(merge=True)).write(tmp_path / "m.pth")

    assert main(["--src", str(tmp_path / "m.pth"), "--dst", str(tmp_path / "y.pth"), "--merge"]) == 1

    said = f"convert: {tmp_path}/m.pth: {REPLKNET.name} is merged already; leave --merge out"
    assert capsys.readouterr().err.splitlines()[0] == said


def test_a_network_without_such_kernels_has_nothing_to_merge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = Path(__file__).parents[2] / "verify/sample/convnext_digits.pth"

    assert main(["--src", str(sample), "--dst", str(tmp_path / "y.pth"), "--merge"]) == 1

    said = f"convert: {sample}: convnext_digits has nothing to merge; leave --merge out"
    assert capsys.readouterr().err.splitlines()[0] == said
