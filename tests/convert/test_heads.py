"""A freshly initialised head: only when asked for, the same bits everywhere, and said."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from library_keys import stored
from twins import carried

from convert import ARCHS, read_checkpoint
from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.fresh_head import fresh_head
from verify.selftest.weights import distinct_weights

DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")
SEVEN = dataclasses.replace(DIGITS, num_classes=7)
HEAD = ("head.weight", "head.bias")
BACKBONE = {name: array for name, array in WEIGHTS.items() if name not in HEAD}
HEAD_SHA256 = "2619b54e06ee910b8ef71e0dd6a92f2c8ab66dae9edfb4d53d5f8cd0106c4940"


def convert(folder: Path, weights: dict[str, Array], *options: str, framework: str = "torch") -> dict[str, Array]:
    """The target's tensors, by way of the command."""
    source = folder / {"torch": "x.pth", "paddle": "x.pdparams"}[framework]
    target = folder / {"torch": "y.pdparams", "paddle": "y.pth"}[framework]
    write_checkpoint(source, weights, framework=framework)
    assert main(["--src", str(source), "--dst", str(target), *options]) == 0
    return dict(read_checkpoint(target).tensors)


def test_a_fresh_heads_bits_are_those_of_every_other_machine() -> None:
    head = fresh_head(SEVEN, framework="torch")["head.weight"]

    assert (head.dtype, head.shape) == (np.dtype(np.float32), (7, 160))
    assert hashlib.sha256(head.tobytes()).hexdigest() == HEAD_SHA256


def test_a_fresh_head_is_drawn_as_the_authors_draw_it() -> None:
    head = fresh_head(ARCHS["convnext_base"], framework="torch")

    assert abs(head["head.weight"].std() / 0.02 - 1) < 0.01
    assert not head["head.bias"].any()


def test_a_fresh_head_is_last_and_leaves_the_others_alone() -> None:
    tensors = {**BACKBONE, **fresh_head(SEVEN, framework="torch")}

    assert list(tensors) == [*BACKBONE, *HEAD]
    assert all(tensors[name] is BACKBONE[name] for name in BACKBONE)


@pytest.mark.parametrize("framework", ["torch", "paddle"])
@pytest.mark.parametrize("weights", [BACKBONE, WEIGHTS], ids=["without a head", "with another head"])
def test_a_head_of_that_size_is_made_when_asked(weights: dict[str, Array], framework: str, tmp_path: Path) -> None:
    with_head = {**BACKBONE, **fresh_head(SEVEN, framework="torch")}
    rows = [param for param in DIGITS.params() if param.torch_name in weights]
    source = weights if framework == "torch" else carried(rows, weights)

    target = convert(tmp_path, source, "--num-classes", "7", framework=framework)

    expected = carried(SEVEN.params(), with_head) if framework == "torch" else with_head
    assert target.keys() == expected.keys()
    assert all(np.array_equal(target[name], expected[name]) for name in expected)


def test_a_head_of_that_size_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = convert(tmp_path, WEIGHTS, "--num-classes", "10")

    assert np.array_equal(target["head.weight"], WEIGHTS["head.weight"].T)
    assert "new" not in capsys.readouterr().out


def test_the_summary_says_that_the_head_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert(tmp_path, BACKBONE, "--num-classes", "7")

    assert capsys.readouterr().out.split("\n")[1:3] == [
        "convnext_digits (recognised from the tensors), 7 classes, 3 input channels: 471,307 parameters in 74 tensors, "
        "60 copied, 2 new, 12 transposed",
        "the head is new: 7 classes, initialised at random (seed 0), untrained",
    ]


def test_a_backbone_is_converted_as_one_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = convert(tmp_path, BACKBONE)

    assert target.keys() == BACKBONE.keys()
    assert capsys.readouterr().out.split("\n")[1:2] == [
        "convnext_digits (recognised from the tensors), no head: features of 160, 3 input channels: "
        "470,180 parameters in 72 tensors, 60 copied, 12 transposed",
    ]


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_a_head_is_left_out_when_asked_and_said(
    framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = WEIGHTS if framework == "torch" else carried(DIGITS.params(), WEIGHTS)

    target = convert(tmp_path, source, "--num-classes", "0", framework=framework)

    assert target.keys() == BACKBONE.keys()
    assert "\nthe head is left out\n" in capsys.readouterr().out


def test_a_last_norm_that_is_missing_comes_with_a_new_head_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = {name: array for name, array in BACKBONE.items() if not name.startswith("norm.")}

    target = convert(tmp_path, bare, "--num-classes", "7")

    assert set(target) == {*BACKBONE, *HEAD}
    assert (target["norm.weight"] == 1).all()
    assert not target["norm.bias"].any()
    assert (
        "the head is new: 7 classes, initialised at random (seed 0), untrained; the last norm is new too: "
        "ones and zeros\n"
    ) in capsys.readouterr().out


@pytest.mark.parametrize("target", ["official", "timm", "torchvision", "transformers", "mmpretrain"])
def test_a_backbone_goes_to_another_librarys_keys_and_back(target: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", BACKBONE, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.pth", "--to", target]) == 0
    assert main(["--src", f"{tmp_path}/y.pth", "--dst", f"{tmp_path}/z.pdparams"]) == 0

    back = read_checkpoint(tmp_path / "z.pdparams").tensors
    rows = [param for param in DIGITS.params() if param.torch_name in BACKBONE]
    assert {name: array.tobytes() for name, array in back.items()} == {
        name: array.tobytes() for name, array in carried(rows, BACKBONE).items()
    }


def test_the_plan_shows_where_a_new_head_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "x.pth", BACKBONE, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--plan", "--num-classes", "7"]) == 0

    lines = capsys.readouterr().out.split("\n")
    assert [line.split() for line in lines[73:75]] == [
        ["()", "new", "head.weight", "(160,", "7)"],
        ["()", "new", "head.bias", "(7,)"],
    ]


def test_a_new_head_is_cast_as_the_others(tmp_path: Path) -> None:
    target = convert(tmp_path, BACKBONE, "--num-classes", "7", "--dtype", "float16")

    assert {array.dtype for array in target.values()} == {np.dtype("float16")}
    assert np.array_equal(
        target["head.weight"],
        fresh_head(SEVEN, framework="torch")["head.weight"].T.astype("float16"),
    )


def test_a_head_of_less_than_no_classes_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--src", "x.pth", "--plan", "--num-classes", "-3"])

    assert caught.value.code == 2
    assert capsys.readouterr().err.split("\n")[-2] == (
        "convert: error: argument --num-classes: -3 is not a whole number of 0 or above"
    )


def test_transformers_model_without_a_head_is_a_backbone_and_takes_one(tmp_path: Path) -> None:
    theirs = stored(DIGITS, "transformers", WEIGHTS)
    bare = {key.removeprefix("convnext."): array for key, array in theirs.items() if not key.startswith("classifier.")}
    write_checkpoint(tmp_path / "x.pth", bare, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.pdparams"]) == 0
    assert read_checkpoint(tmp_path / "y.pdparams").tensors.keys() == BACKBONE.keys()
    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/z.pdparams", "--num-classes", "7"]) == 0
    assert read_checkpoint(tmp_path / "z.pdparams").tensors["head.bias"].shape == (7,)


def test_a_backbone_with_two_faults_is_not_told_that_it_lacks_a_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two problems are no head's weight and bias: they are told as what they are."""
    names = ("stages.0.0.gamma", "stages.1.0.gamma")
    weights = {name: np.full_like(array, np.nan) if name in names else array for name, array in BACKBONE.items()}
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    assert main(["--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "y.pdparams")]) == 1

    message = capsys.readouterr().err
    assert "does not fit convnext_digits: 2 problems" in message
    assert all(name in message for name in names)
    assert "head" not in message
