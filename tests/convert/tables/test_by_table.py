"""A conversion by a table: there and back bit for bit, and everything that a conversion by an architecture gives."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, same_bits
from tables import ROWS, SQUARE, TINY, weights_of, written

from convert import ARCHS, Job, TableSpec, convert_state_dict, read_checkpoint, restore_state_dict, write_checkpoint
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.cli import main
from convert.errors import CheckpointMismatch, FerryError, WrongUsage
from convert.frameworks import PADDLE, TORCH
from convert.job import Options
from convert.params import LeftOut, Param
from convert.tables import Table

TINY_SPEC = TableSpec.of(TINY)
SUFFIXES = (".pth", ".safetensors")
SMALL = ARCHS["convnext_digits"]

Capture = pytest.CaptureFixture[str]


def of_architecture(spec: ArchSpec) -> Table:
    return dataclasses.replace(TINY, name=spec.name, rows=tuple(spec.rows()), paddle_left_out=(), rules=())


def saved(path: Path, weights: Mapping[str, Array], framework: str = TORCH) -> Path:
    write_checkpoint(path, weights, framework=framework)
    return path


def paddles(**more: Array) -> dict[str, Array]:
    """The tiny network's state dict in Paddle."""
    return {**convert_state_dict(TINY_SPEC, weights_of(TINY)), **more}


def run(folder: Path, command: str, capsys: Capture, *, table: Table = TINY, status: int = 0) -> str:
    """What the command prints in that folder, its errors where it is to fail."""
    path = written(table, folder)
    words = [str(folder / word) if word.startswith(("x.", "y.", "z.")) else word for word in command.split()]
    try:
        ended = main(["--table", str(path), *words])
    except SystemExit as error:
        ended = int(error.code or 0)
    out, err = capsys.readouterr()
    assert ended == status, err
    return err if status else out


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
        "tiny, nets.py:Tiny in PyTorch, package.nets:Tiny in Paddle: 349 parameters in 17 tensors, "
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


def nested() -> dict[str, Any]:
    tensors = as_tensors(weights_of(TINY))
    return {"model": tensors, "ema": {f"module.{name}": tensor for name, tensor in tensors.items()}, "epoch": 3}


def two_behind() -> dict[str, Any]:
    tensors = as_tensors(weights_of(TINY))
    return {f"{prefix}.{name}": tensor for prefix in ("student", "teacher") for name, tensor in tensors.items()}


def beside_others() -> dict[str, Any]:
    tensors = as_tensors(weights_of(TINY))
    return {**{f"net.{name}": tensor for name, tensor in tensors.items()}, "loss.center": torch.ones(3)}


# What a file holds, what is said without an option, and the option that the message gives.
CHOICES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "several state dicts": (nested, "--weights model or --weights ema", "--weights ema"),
    "two models": (two_behind, "--strip-prefix student. or --strip-prefix teacher.", "--strip-prefix teacher."),
    "another tensor": (beside_others, "before tiny's keys, but not before 1 other tensor", "--strip-prefix net."),
}


@pytest.mark.parametrize("case", CHOICES)
def test_a_state_dict_is_chosen_in_a_file_that_holds(case: str, tmp_path: Path, capsys: Capture) -> None:
    make, message, option = CHOICES[case]
    torch.save(make(), tmp_path / "x.pth")

    assert message in run(tmp_path, "--src x.pth --dst y.pdparams", capsys, status=1)
    run(tmp_path, f"--src x.pth --dst y.pdparams {option}", capsys)

    assert same_bits(read_checkpoint(tmp_path / "y.pdparams").tensors, paddles())


@pytest.mark.parametrize("wrap", ["module.", "model.module.", "_orig_mod."])
def test_what_stands_before_every_key_is_taken_off_and_said(wrap: str, tmp_path: Path, capsys: Capture) -> None:
    torch.save({f"{wrap}{name}": tensor for name, tensor in as_tensors(weights_of(TINY)).items()}, tmp_path / "x.pth")

    assert f"prefix '{wrap}' taken off" in run(tmp_path, "--src x.pth --dst y.pdparams", capsys)
    assert same_bits(read_checkpoint(tmp_path / "y.pdparams").tensors, paddles())


@pytest.mark.parametrize(("suffix", "framework"), [(".pth", TORCH), (".pdparams", PADDLE)])
def test_the_container_says_whose_a_square_matrix_is(
    suffix: str, framework: str, tmp_path: Path, capsys: Capture
) -> None:
    saved(tmp_path / f"x{suffix}", weights_of(SQUARE), framework)
    other = ".pdparams" if suffix == ".pth" else ".pth"

    run(tmp_path, f"--src x{suffix} --dst y{other}", capsys, table=SQUARE)

    assert same_bits(
        {"a.weight": read_checkpoint(tmp_path / f"y{other}").tensors["a.weight"]},
        {"a.weight": weights_of(SQUARE)["a.weight"].T},
    )


def test_where_the_layout_is_open_it_is_not_guessed(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.safetensors", weights_of(SQUARE))

    error = run(tmp_path, "--src x.safetensors --dst y.pdparams", capsys, table=SQUARE, status=1)

    assert "a.weight, (3, 3), does not lie alike in them; a safetensors leaves open which it is" in error


def test_where_nothing_differs_a_safetensors_is_taken(tmp_path: Path, capsys: Capture) -> None:
    table = dataclasses.replace(SQUARE, rows=SQUARE.rows[1:])
    saved(tmp_path / "x.safetensors", weights_of(table))

    run(tmp_path, "--src x.safetensors --dst y.pdparams", capsys, table=table)

    assert same_bits(read_checkpoint(tmp_path / "y.pdparams").tensors, weights_of(table))


def test_names_of_the_other_framework_are_not_guessed_at(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pdparams", weights_of(TINY), PADDLE)
    saved(tmp_path / "x.pth", paddles())

    assert "with the names and shapes that tiny has in PyTorch" in run(
        tmp_path, "--src x.pdparams --dst y.pth", capsys, status=1
    )
    assert "with the names and shapes that tiny has in Paddle" in run(
        tmp_path, "--src x.pth --dst y.pdparams", capsys, status=1
    )


def test_a_file_of_another_network_is_named_as_one(tmp_path: Path, capsys: Capture) -> None:
    saved(tmp_path / "x.pth", {"a": np.ones(3, "float32"), "b": np.ones(3, "float32")})

    error = run(tmp_path, "--src x.pth --dst y.pdparams", capsys, status=1)

    assert "the keys ('a', 'b', ...) are none of tiny's, neither in PyTorch nor in Paddle" in error


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
