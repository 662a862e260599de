"""Each sign that something is off is seen where it was planted, and a good file has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from twins import FAMILIES

from convert import ARCHS, write_checkpoint
from convert.arrays import Array
from convert.fresh_head import fresh_head
from convert.inspect.inspection import Inspection, inspect_file
from convert.inspect.signs import CONSTANT, EQUAL, KINDS, NOT_FINITE, UNTRAINED, ZERO
from verify import sample
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
BLOCK = "stages.2.1"
Weights = dict[str, Array]


def weights() -> Weights:
    return distinct_weights(SPEC.params(), dtype="float32")


def inspected(folder: Path, planted: Weights) -> Inspection:
    torch.save({"model": as_tensors(planted)}, folder / "x.pth")
    return inspect_file(folder / "x.pth")


def put(name: str, value: float) -> Callable[[Weights], None]:
    """One value of a tensor."""
    return lambda w: w[name].reshape(-1).__setitem__(3, value)


def fill(value: float, *names: str) -> Callable[[Weights], None]:
    def change(w: Weights) -> None:
        for name in names:
            w[name][...] = value

    return change


def rename(library: Callable[[str], str], change: Callable[[Weights], None]) -> Callable[[Weights], None]:
    def both(w: Weights) -> None:
        change(w)
        named = {library(name): array for name, array in w.items()}
        w.clear()
        w.update(named)

    return both


def new_head(w: Weights) -> None:
    w.update(fresh_head(SPEC, framework="torch"))


def zero_head(w: Weights) -> None:
    fill(0, "head.weight", "head.bias")(w)


def copy(source: str, target: str) -> Callable[[Weights], None]:
    return lambda w: w.__setitem__(target, w[source].copy())


# What is planted, the kinds of the signs, and the tensors of the first.
PLANTED: dict[str, tuple[Callable[[Weights], None], list[str], list[str]]] = {
    "a NaN": (put(f"{BLOCK}.dwconv.bias", np.nan), [NOT_FINITE], [f"{BLOCK}.dwconv.bias"]),
    "an Inf": (put("head.weight", np.inf), [NOT_FINITE], ["head.weight"]),
    "an Inf below zero": (put("norm.bias", -np.inf), [NOT_FINITE], ["norm.bias"]),
    "a new head": (new_head, [UNTRAINED, ZERO], ["head.weight", "head.bias"]),
    "a head of zeros": (zero_head, [UNTRAINED, ZERO], ["head.weight", "head.bias"]),
    "a new head under another name": (
        rename(lambda name: name.replace("head.", "classifier.2.").replace("stages", "layers"), new_head),
        [UNTRAINED, ZERO],
        ["classifier.2.weight", "classifier.2.bias"],
    ),
    "LayerScale at its initial value": (fill(1e-6, f"{BLOCK}.gamma"), [CONSTANT], [f"{BLOCK}.gamma"]),
    "norms at their initial value": (
        fill(1, f"{BLOCK}.norm.weight", "norm.weight"),
        [CONSTANT],
        [f"{BLOCK}.norm.weight", "norm.weight"],
    ),
    "a bias of zeros": (fill(0, f"{BLOCK}.norm.bias"), [ZERO], [f"{BLOCK}.norm.bias"]),
    "a bias of zeros of both signs": (fill(-0.0, f"{BLOCK}.norm.bias"), [ZERO], [f"{BLOCK}.norm.bias"]),
    "two equal norms": (
        copy(f"{BLOCK}.norm.weight", "stages.2.0.norm.weight"),
        [EQUAL],
        ["stages.2.0.norm.weight", f"{BLOCK}.norm.weight"],
    ),
    "two equal matrices": (
        copy(f"{BLOCK}.pwconv1.weight", "stages.2.0.pwconv1.weight"),
        [EQUAL],
        ["stages.2.0.pwconv1.weight", f"{BLOCK}.pwconv1.weight"],
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_it_is_seen_that_there_is(kind: str, tmp_path: Path) -> None:
    plant, kinds, tensors = PLANTED[kind]
    planted = weights()
    plant(planted)

    signs = inspected(tmp_path, planted).signs

    assert [sign.kind for sign in signs] == kinds
    assert list(signs[0].tensors) == [f"model.{name}" for name in tensors]


def test_every_kind_of_sign_is_planted() -> None:
    assert {kind for _, kinds, _ in PLANTED.values() for kind in kinds} == set(KINDS)


def test_one_tensor_of_two_names_is_told_as_one(tmp_path: Path) -> None:
    tensors = as_tensors(weights())
    tensors["stages.2.0.norm.weight"] = tensors[f"{BLOCK}.norm.weight"]
    torch.save(tensors, tmp_path / "x.pth")

    (sign,) = inspect_file(tmp_path / "x.pth").signs

    assert (sign.kind, len(sign.tensors)) == (EQUAL, 2)
    assert sign.description == "1 group of tensors that are equal, 1 of them one tensor in the file"


def test_an_average_that_is_still_the_model_is_told(tmp_path: Path) -> None:
    torch.save({"model": as_tensors(weights()), "model_ema": as_tensors(weights())}, tmp_path / "x.pth")

    (sign,) = inspect_file(tmp_path / "x.pth").signs

    assert (sign.kind, len(sign.tensors)) == (EQUAL, 2 * len(weights()))


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_distinct_weights_have_no_sign(spec: object, dtype: str, tmp_path: Path) -> None:
    planted = distinct_weights(spec.params(), dtype=dtype)  # type: ignore[attr-defined]

    assert inspected(tmp_path, planted).signs == ()


def test_a_trained_model_has_no_sign() -> None:
    assert inspect_file(sample.CHECKPOINT).signs == ()


def test_what_an_optimizer_keeps_is_no_sign_unless_it_is_not_finite(tmp_path: Path) -> None:
    state = {0: {"step": torch.zeros(3), "exp_avg": torch.ones(4)}, 1: {"exp_avg": torch.ones(4)}}
    whole = {"model": as_tensors(weights()), "optimizer": {"state": state}}
    torch.save(whole, tmp_path / "x.pth")
    state[1]["exp_avg"][2] = np.nan
    torch.save(whole, tmp_path / "y.pth")

    assert inspect_file(tmp_path / "x.pth").signs == ()
    (sign,) = inspect_file(tmp_path / "y.pth").signs
    assert (sign.kind, sign.tensors) == (NOT_FINITE, ("optimizer.state[1].exp_avg",))


def test_a_counter_and_an_empty_tensor_are_no_sign(tmp_path: Path) -> None:
    extra = {"bn.num_batches_tracked": np.array(0), "empty": np.empty((0, 3), "float32")}
    write_checkpoint(tmp_path / "x.pth", {**weights(), **extra}, framework="torch")

    assert inspect_file(tmp_path / "x.pth").signs == ()
