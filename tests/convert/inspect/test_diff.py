"""What parts two files is told tensor by tensor, whatever their containers, and nothing where nothing does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from library_keys import stored

from convert import ARCHS, convert_state_dict, write_checkpoint
from convert.arrays import Array
from convert.errors import WrongChoice
from convert.inspect.diff import FileDiff, Renamed, diff_files
from convert.inspect.diff_document import SCHEMA as FORM
from convert.inspect.diff_document import diff_as_json
from verify.program.commands import main
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(SPEC.params(), dtype="float32")
SCHEMA = json.loads(FORM.read_text(encoding="utf-8"))
HEAD, BIAS, GAMMA = "head.weight", "head.bias", "stages.2.1.gamma"

Weights = dict[str, Array]


def copy() -> Weights:
    return {name: array.copy() for name, array in WEIGHTS.items()}


def write(path: Path, weights: Weights) -> Path:
    write_checkpoint(path, weights, framework="paddle" if path.suffix == ".pdparams" else "torch")
    return path


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write(tmp_path / "a.pth", WEIGHTS)


def changed(folder: Path, change: Callable[[Weights], object]) -> Path:
    weights = copy()
    change(weights)
    return write(folder / "b.pth", weights)


def found(diff: FileDiff) -> list[tuple[Any, ...]]:
    return [(d.name, d.shapes, d.dtypes, d.values, d.transposed) for d in diff.different]


@pytest.mark.parametrize("name", ["b.pth", "b.safetensors"])
def test_equal_files_are_equal_in(name: str, original: Path) -> None:
    diff = diff_files(original, write(original.with_name(name), dict(reversed(WEIGHTS.items()))))

    assert (diff.is_equal, diff.same, found(diff), diff.only, diff.renamed) == (True, len(WEIGHTS), [], ((), ()), ())


def test_a_value_is_seen(original: Path) -> None:
    diff = diff_files(original, changed(original.parent, lambda w: w[HEAD].__setitem__((2, 3), w[HEAD][2, 3] + 0.25)))

    ((name, shapes, dtypes, values, transposed),) = found(diff)
    assert (name, shapes, dtypes, transposed) == (HEAD, (WEIGHTS[HEAD].shape,) * 2, ("float32", "float32"), False)
    assert values[0] == 1
    assert values[1] == pytest.approx(0.25, rel=1e-6)
    assert (diff.is_equal, diff.same) == (False, len(WEIGHTS) - 1)


def test_the_last_bit_of_a_value_is_seen(original: Path) -> None:
    diff = diff_files(original, changed(original.parent, lambda w: w[GAMMA].view("u4").__setitem__(1, 7)))

    assert [(row[0], row[3][0]) for row in found(diff)] == [(GAMMA, 1)]


def test_a_shape_and_a_dtype_are_seen(original: Path) -> None:
    def change(w: Weights) -> None:
        w[BIAS] = w[BIAS][:-1]
        w[GAMMA] = w[GAMMA].astype("float64")

    diff = diff_files(original, changed(original.parent, change))

    length = len(WEIGHTS[GAMMA])
    assert found(diff) == [
        (GAMMA, ((length,), (length,)), ("float32", "float64"), (0, 0.0), False),
        (BIAS, ((10,), (9,)), ("float32", "float32"), None, False),
    ]


def test_what_one_alone_has_is_seen_and_known_again(original: Path) -> None:
    def change(w: Weights) -> None:
        w["other.gamma"] = w.pop(GAMMA)
        w["other.weight"] = w.pop(HEAD).T.copy()
        w["new"] = np.ones(3, "float32")

    diff = diff_files(original, changed(original.parent, change))

    assert diff.only == ((GAMMA, HEAD), ("other.gamma", "other.weight", "new"))
    assert diff.renamed == (Renamed(GAMMA, "other.gamma", False), Renamed(HEAD, "other.weight", True))
    assert (diff.is_equal, diff.same) == (False, len(WEIGHTS) - 2)


def test_a_paddle_file_is_the_torch_one_transposed(original: Path) -> None:
    target = write(original.with_name("b.pdparams"), convert_state_dict(SPEC, WEIGHTS))

    diff = diff_files(original, target)

    linear = [name for name, array in WEIGHTS.items() if array.ndim == 2]
    assert [(row[0], row[4]) for row in found(diff)] == [(name, True) for name in linear]
    assert diff.same == len(WEIGHTS) - len(linear)


def test_a_square_matrix_that_was_turned_is_told_as_such(tmp_path: Path) -> None:
    square = np.random.default_rng(0).standard_normal((700, 700), np.float32)
    write(tmp_path / "a.pth", {"w": square})

    (row,) = found(diff_files(tmp_path / "a.pth", write(tmp_path / "b.pth", {"w": square.T.copy()})))

    assert row[3].differing == 700 * 699
    assert row[4]


def test_another_librarys_keys_are_known_again(original: Path) -> None:
    theirs = original.with_name("timm.pth")
    torch.save(as_tensors(stored(SPEC, "timm", WEIGHTS)), theirs)

    diff = diff_files(original, theirs)

    assert ("downsample_layers.0.0.weight", "stem.0.weight") in [(pair.first, pair.second) for pair in diff.renamed]


def test_a_state_dict_is_chosen_where_a_file_holds_several(original: Path) -> None:
    both = original.with_name("both.pth")
    torch.save({"model": as_tensors(distinct_weights(SPEC.params(), 1, "float32")), "ema": as_tensors(WEIGHTS)}, both)

    assert diff_files(original, both, weights="ema").is_equal
    assert not diff_files(both, original, weights="model").is_equal
    assert diff_files(both, both).is_equal
    with pytest.raises(WrongChoice) as several:
        diff_files(original, both)
    assert str(several.value) == f"{both}: holds several state dicts: 'model', 'ema'; choose one with --weights"
    with pytest.raises(WrongChoice) as none:
        diff_files(original, both, weights="x")
    assert str(none.value) == f"{both}: has no weights under 'x'; it holds 'model', 'ema'"


@pytest.mark.parametrize("change", [lambda _: None, lambda w: w[HEAD].fill(np.nan), lambda w: w.pop(BIAS)])
def test_the_json_has_the_stated_form(change: Callable[[Weights], object], original: Path) -> None:
    document = json.loads(diff_as_json(diff_files(original, changed(original.parent, change))))

    jsonschema.validate(document, SCHEMA)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(document | {"extra": 1})


def test_the_command_says_it_and_ends_with_a_status(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = changed(original.parent, lambda w: w[BIAS].__setitem__(0, 5))

    assert main(["inspect", str(original), str(original), "--diff"]) == 0
    assert capsys.readouterr().out.endswith("\nequal: 74 of 74 tensors the same, bit for bit\n")
    assert main(["inspect", str(original), str(other), "--diff"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"{path}: torch zip, at model, 74 tensors" for path in (original, other)] + [""]
    assert lines[3] == "different: 1 tensor"
    assert lines[5].split()[:4] == [BIAS, "(10,)", "float32", "1"]
    assert lines[6] == "different: 73 of 74 tensors the same, bit for bit"
    assert main(["inspect", str(original), str(other), "--diff", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["equal"] is False
