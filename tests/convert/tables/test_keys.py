"""A table's state dict is found by the table's names; whose names and layout a file has is never guessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, same_bits
from tables import SQUARE, TINY, paddles, run, saved, weights_of

from convert import read_checkpoint
from convert.frameworks import PADDLE, TORCH

Capture = pytest.CaptureFixture[str]


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
