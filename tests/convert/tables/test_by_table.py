"""A conversion by a table: there and back bit for bit, and everything that a conversion by an architecture gives."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import same_bits
from tables import ROWS, TINY, paddles, run, saved, weights_of

from convert import ARCHS, Job, TableSpec, convert_state_dict, read_checkpoint, restore_state_dict
from convert.archs.spec import ArchSpec
from convert.cli import main
from convert.errors import CheckpointMismatch, FerryError, WrongUsage
from convert.frameworks import PADDLE
from convert.job import Options
from convert.params import LeftOut, Param
from convert.tables import Table

TINY_SPEC = TableSpec.of(TINY)
SUFFIXES = (".pth", ".safetensors")
SMALL = ARCHS["convnext_digits"]

Capture = pytest.CaptureFixture[str]


def of_architecture(spec: ArchSpec) -> Table:
    return dataclasses.replace(TINY, name=spec.name, rows=tuple(spec.rows()), paddle_left_out=(), rules=())


@pytest.mark.parametrize("between", [".pdparams", ".safetensors"])
@pytest.mark.parametrize("ends", SUFFIXES)
def test_there_and_back_bit_for_bit(ends: str, between: str, tmp_path: Path, capsys: Capture) -> None:
    weights = weights_of(TINY, counters=0)
    saved(tmp_path / f"x{ends}", weights)

    run(tmp_path, f"--src x{ends} --dst y{between}", capsys)
    run(tmp_path, f"--src y{between} --dst z{ends}", capsys)

    back = read_checkpoint(tmp_path / f"z{ends}").tensors
    assert list(back) == list(weights) or ends == ".safetensors"
    assert same_bits(back, weights)


def test_every_layout_and_name_is_as_paddle_has_it(tmp_path: Path, capsys: Capture) -> None:
    weights = weights_of(TINY)
    saved(tmp_path / "x.pth", weights)

    run(tmp_path, "--src x.pth --dst y.pdparams", capsys)

    target = read_checkpoint(tmp_path / "y.pdparams").tensors
    assert list(target) == [row.paddle_name for row in ROWS if isinstance(row, Param)]
    assert same_bits(
        {name: target[name] for name in ("mix.weight", "to_conv.weight", "flat.weight", "square.weight", "index")},
        {
            "mix.weight": weights["to_linear.weight"][:, :, 0, 0].T,
            "to_conv.weight": weights["to_conv.weight"][:, :, None, None],
            "flat.weight": weights["flat.weight"][:, :, 0, 0],
            "square.weight": weights["square.weight"].T,
            "index": weights["index"],
        },
    )


@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors", ".pth"])
@pytest.mark.parametrize("dtype", ["", "float16", "bfloat16"])
def test_the_bytes_are_those_of_the_architecture(suffix: str, dtype: str, tmp_path: Path, capsys: Capture) -> None:
    weights = {f"module.{name}": values for name, values in weights_of(of_architecture(SMALL)).items()}
    saved(tmp_path / "x.pth", weights)
    asked = f"--src x.pth --json {f'--dtype {dtype}' if dtype else ''}"

    ours = json.loads(run(tmp_path, f"{asked} --dst y{suffix}", capsys, table=of_architecture(SMALL)))
    assert (
        main(
            f"{asked} --arch {SMALL.name} --dst z{suffix}".replace(" x.", f" {tmp_path}/x.")
            .replace(" z.", f" {tmp_path}/z.")
            .split()
        )
        == 0
    )
    theirs = json.loads(capsys.readouterr().out)

    assert ours["target"]["sha256"] == theirs["target"]["sha256"]
    assert ours["digest"] == theirs["digest"]
    assert ours["operations"] == theirs["operations"]
    assert (ours["source"]["key_format"], ours["target"]["key_format"]) == ("table", "table")
    assert (ours["num_classes"], ours["in_chans"]) == (None, None)


def test_the_plan_has_a_line_a_tensor(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pdparams", paddles(**{"aux.weight": np.ones((6, 2), "float32")}), PADDLE)

    lines = [line.split() for line in run(tmp_path, "--src x.pdparams --plan", capsys).splitlines()]

    assert ["to_linear.weight", "(5,", "4,", "1,", "1)"] in [line[-5:] for line in lines]
    plan = {line[0]: " ".join(line[1:]) for line in lines if line}
    assert plan["mix.weight"] == "(4, 5) Linear to 1x1 convolution to_linear.weight (5, 4, 1, 1)"
    assert plan["to_conv.weight"] == "(6, 5, 1, 1) 1x1 convolution to Linear to_conv.weight (6, 5)"
    assert plan["flat.weight"] == "(6, 6) unsqueeze flat.weight (6, 6, 1, 1)"
    assert plan["bb_1_0.bn1._mean"] == "(4,) copy layer1.0.bn1.running_mean (4,)"
    assert plan["()"] == "make layer1.1.bn1.num_batches_tracked ()"
    assert plan["aux.weight"] == "(6, 2) drop ()"


def test_the_summary_says_what_is_left_out(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pdparams", paddles(**{"aux.weight": np.ones((6, 2), "float32")}), PADDLE)

    out = run(tmp_path, "--src x.pdparams --dst y.pth", capsys).splitlines()

    assert out[0].endswith("x.pdparams: paddle pickle, table keys")
    assert out[1].startswith(
        "tiny, nets.py:Tiny in PyTorch, package.nets:Tiny in Paddle: 327 parameters in 17 tensors, "
    )
    assert out[2:4] == [
        "2 tensors made anew: a count of training steps, which Paddle does not keep",
        "1 tensor dropped: a head for training alone",
    ]


def test_what_paddle_alone_has_is_not_written(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pdparams", paddles(**{"aux.weight": np.ones((6, 2), "float32")}), PADDLE)

    run(tmp_path, "--src x.pdparams --dst y.safetensors", capsys)
    run(tmp_path, "--src y.safetensors --dst z.pdparams", capsys)

    assert same_bits(read_checkpoint(tmp_path / "z.pdparams").tensors, paddles())


def test_whole_numbers_are_carried_whatever_the_dtype(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pth", weights_of(TINY))

    run(tmp_path, "--src x.pth --dst y.pdparams --dtype float16", capsys)

    dtypes = {name: str(array.dtype) for name, array in read_checkpoint(tmp_path / "y.pdparams").tensors.items()}
    assert {name: dtype for name, dtype in dtypes.items() if dtype != "float16"} == {"index": "int64", "keep": "bool"}


def test_every_problem_is_named(tmp_path: Path, capsys: Capture) -> None:
    weights = weights_of(TINY)
    del weights["fc.bias"]
    weights["fc.weight"] = weights["fc.weight"][:, :5]
    weights["index"] = weights["index"].astype("int32")
    weights["square.weight"] = weights["square.weight"].astype("int64")
    weights["more.weight"] = np.ones(3, "float32")
    weights["stem.weight"][0, 0, 0, 0] = np.nan
    weights["layer1.0.bn1.num_batches_tracked"] = np.zeros(2, "int64")
    saved(tmp_path / "x.pth", weights)

    for command in ("--src x.pth --dst y.pdparams", "--src x.pth --plan"):
        error = run(tmp_path, command, capsys, status=1)

        problems = [line.split()[:2] for line in error.splitlines()[1:8]]
        assert error.splitlines()[0].endswith("x.pth does not fit tiny: 7 problems")
        assert problems == [
            ["not", "finite"],
            ["dtype", "index"],
            ["dtype", "square.weight"],
            ["shape", "fc.weight"],
            ["missing", "fc.bias"],
            ["unexpected", "layer1.0.bn1.num_batches_tracked"],
            ["unexpected", "more.weight"],
        ]
        assert "or mend its table" in error
    assert not (tmp_path / "y.pdparams").exists()


def test_there_is_no_way_back_to_what_cannot_be_made(tmp_path: Path, capsys: Capture) -> None:
    mask = LeftOut("mask", (2, 2), "float32", None, "made by Paddle's model itself")
    table = dataclasses.replace(TINY, rows=(*ROWS, mask))
    saved(tmp_path / "x.pth", weights_of(table))

    assert "3 dropped" in run(tmp_path, "--src x.pth --dst y.pdparams", capsys, table=table)
    error = run(tmp_path, "--src y.pdparams --dst z.pth", capsys, table=table, status=1)

    assert "PyTorch's mask was left out on the way to Paddle (made by Paddle's model itself)" in error
    with pytest.raises(FerryError, match="there is no way back"):
        restore_state_dict(TableSpec.of(table), paddles())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--arch convnext_tiny", "--table and --arch contradict each other"),
        ("--to timm", "--table and --to contradict each other"),
        ("--num-classes 5", "a table has one shape for each tensor"),
    ],
)
def test_what_makes_another_network_is_wrong_usage(options: str, message: str, tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pth", weights_of(TINY))

    assert message in run(tmp_path, f"--src x.pth --dst y.pth {options}", capsys, status=2)


def test_from_python_too(tmp_path: Path) -> None:
    saved(tmp_path / "x.pth", weights_of(TINY))

    for options in (Options(num_classes=5), Options(to="timm")):
        with pytest.raises(WrongUsage):
            Job.read(TINY_SPEC, tmp_path / "x.pth", options)
    Job.read(TINY_SPEC, tmp_path / "x.pth").write(tmp_path / "y.pdparams")

    assert same_bits(read_checkpoint(tmp_path / "y.pdparams").tensors, paddles())


def test_a_state_dict_comes_back_bit_for_bit() -> None:
    weights = weights_of(TINY, counters=0)

    assert same_bits(restore_state_dict(TINY_SPEC, paddles()), weights)
    with pytest.raises(CheckpointMismatch, match="dtype"):
        convert_state_dict(TINY_SPEC, {**weights, "index": weights["index"].astype("float32")})
