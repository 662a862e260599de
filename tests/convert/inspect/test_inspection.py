"""What is in a file is told of every container and family: weights, what wraps them, what lies beside them."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import safetensors.torch
import torch
from bad_files import SHARD, good_shards
from checkpoint_files import as_tensors, run_python
from library_keys import stored

from convert import ARCHS, CheckpointError, convert_state_dict, read_checkpoint, write_checkpoint
from convert.checkpoints.containers import INDEX_SUFFIX
from convert.digest import sha256_of, tensor_digest
from convert.inspect.inspection import DIGESTED, PlaceFacts, inspect_file
from convert.inspect.published import find_published, published_files
from convert.inspect.text import as_text
from convert.source.pretrained import PRETRAINED
from verify.recipes.recipe import RECIPES
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(SPEC.params(), dtype="float32")
PARAMETERS = sum(array.size for array in WEIGHTS.values())


def paddle_file(path: Path) -> None:
    paddle.save({name: paddle.to_tensor(array) for name, array in convert_state_dict(SPEC, WEIGHTS).items()}, str(path))


def legacy(path: Path) -> None:
    torch.save(as_tensors(WEIGHTS), path, _use_new_zipfile_serialization=False)


# A file, and what its container, framework and key format are.
FILES: dict[str, tuple[Callable[[Path], Any], str, str, str]] = {
    "x.pth": (lambda path: torch.save(as_tensors(WEIGHTS), path), "torch zip", "torch", "official"),
    "legacy.pth": (legacy, "torch legacy", "torch", "official"),
    "x.safetensors": (
        lambda path: safetensors.torch.save_file(as_tensors(WEIGHTS), path),
        "safetensors",
        "torch",
        "official",
    ),
    "x.pdparams": (paddle_file, "paddle pickle", "paddle", "official"),
    "timm.pth": (
        lambda path: torch.save(as_tensors(stored(SPEC, "timm", WEIGHTS)), path),
        "torch zip",
        "torch",
        "timm",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_model_is_told_in(name: str, tmp_path: Path) -> None:
    make, container, framework, key_format = FILES[name]
    make(tmp_path / name)

    inspection = inspect_file(tmp_path / name)

    (place,) = inspection.places
    known = place.recognised
    assert (inspection.container, inspection.beside, inspection.shards) == (container, (), ())
    assert (inspection.file.size, inspection.file.sha256) == (
        (tmp_path / name).stat().st_size,
        sha256_of(tmp_path / name),
    )
    assert (place.path, place.is_state_dict, len(place.tensors)) == ("", True, len(WEIGHTS))
    assert (place.parameters, place.nbytes, place.dtypes) == (PARAMETERS, 4 * PARAMETERS, {"float32": len(WEIGHTS)})
    assert (known.arch, known.num_classes, known.in_chans) == (SPEC.name, 10, 3)
    assert (known.framework, known.key_format, known.reason) == (framework, key_format, "")


def test_every_tensor_is_told_with_its_digest(tmp_path: Path) -> None:
    torch.save(as_tensors(WEIGHTS), tmp_path / "x.pth")

    (place,) = inspect_file(tmp_path / "x.pth", thorough=True).places

    assert [(t.name, t.shape, t.dtype) for t in place.tensors] == [
        (name, array.shape, "float32") for name, array in WEIGHTS.items()
    ]
    assert [t.measure.digest for t in place.tensors] == [tensor_digest(array) for array in WEIGHTS.values()]


def test_a_sharded_one_is_told_with_its_shards(tmp_path: Path) -> None:
    good_shards(tmp_path / f"model{INDEX_SUFFIX}")

    inspection = inspect_file(tmp_path / f"model{INDEX_SUFFIX}")

    (shard,) = inspection.shards
    assert (shard.path.name, shard.sha256) == (SHARD, sha256_of(tmp_path / SHARD))
    assert inspection.places[0].recognised.arch == SPEC.name


def training_checkpoint() -> dict[str, Any]:
    return {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
        "state_dict": as_tensors(WEIGHTS),
        "ema": {"decay": 0.99, "module": {f"module.{name}": t for name, t in as_tensors(WEIGHTS).items()}},
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}, 1: {"exp_avg": torch.ones(2)}}, "groups": [{"lr": 1}]},
        "out": pathlib.PurePosixPath("out"),
        "rng": torch.get_rng_state(),
        "loss": [1.5, float("nan")],
    }


@pytest.mark.parametrize("is_legacy", [False, True])
def test_wrappers_and_what_lies_beside_are_told_by_path(is_legacy: bool, tmp_path: Path) -> None:
    torch.save(training_checkpoint(), tmp_path / "x.pth", _use_new_zipfile_serialization=not is_legacy)

    inspection = inspect_file(tmp_path / "x.pth")

    places = {place.path: (place.is_state_dict, len(place.tensors)) for place in inspection.places}
    assert places == {
        "state_dict": (True, len(WEIGHTS)),
        "ema.module": (True, len(WEIGHTS)),
        "optimizer.state": (False, 2),
        "": (False, 1),
    }
    assert [(item.path, item.description) for item in inspection.beside] == [
        ("epoch", "3"),
        ("args", "an object, not looked at"),
        ("ema.decay", "0.99"),
        ("optimizer.groups", "a list of 1"),
        ("out", "pathlib.PurePosixPath"),
        ("loss", "a list of 2"),
    ]
    assert inspection.kinds == ("pathlib.PurePosixPath",)
    (average,) = (place for place in inspection.places if place.path == "ema.module")
    assert (average.recognised.prefix, average.recognised.arch) == ("module.", SPEC.name)


def only_place(folder: Path, value: Any) -> PlaceFacts:
    torch.save(value, folder / "x.pth")
    (place,) = inspect_file(folder / "x.pth").places
    return place


def test_another_network_is_told_with_why_it_is_not_known(tmp_path: Path) -> None:
    place = only_place(tmp_path, {"conv1.weight": torch.ones(1), "fc.bias": torch.ones(1)})

    assert place.recognised.arch == ""
    assert place.recognised.reason.startswith(
        "the keys ('conv1.weight', 'fc.bias', ...) are a network's in no key format known here: official, timm"
    )
    assert ";" not in place.recognised.reason


def test_a_convnext_of_no_known_size_is_told_with_the_closest(tmp_path: Path) -> None:
    recognised = only_place(tmp_path, {"stages.0.0.dwconv.weight": torch.ones(1)}).recognised

    assert recognised.key_format == "official"
    assert re.fullmatch(
        r"the tensors fit no architecture known here; closest is \w+, \d+ names or shapes apart", recognised.reason
    )


def test_a_backbone_has_no_classes(tmp_path: Path) -> None:
    bare = {name: array for name, array in WEIGHTS.items() if not name.startswith("head.")}

    recognised = only_place(tmp_path, as_tensors(bare)).recognised

    assert (recognised.arch, recognised.num_classes, recognised.head) == (SPEC.name, 0, ())


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (torch.ones(2), [""]),
        ([torch.ones(2), torch.ones(3)], ["[0]", "[1]"]),
        ({0: torch.ones(2), "0": torch.ones(3)}, ["[0]", "0"]),
        ({"a.b": torch.ones(2), "a": {"b": torch.ones(3)}}, ["a.b", "b"]),
        ({"x": {"y": {"w": torch.ones(2)}}}, ["w"]),
    ],
)
def test_tensors_are_found_wherever_they_stand(value: Any, names: list[str], tmp_path: Path) -> None:
    torch.save(value, tmp_path / "x.pth")

    places = inspect_file(tmp_path / "x.pth").places

    assert [tensor.name for place in places for tensor in place.tensors] == names


def test_an_object_that_is_named_twice_is_told_once(tmp_path: Path) -> None:
    state_dict = as_tensors(WEIGHTS)
    torch.save({"model": state_dict, "best": state_dict}, tmp_path / "x.pth")

    inspection = inspect_file(tmp_path / "x.pth")

    assert [place.path for place in inspection.places] == ["model"]
    assert [(item.path, item.description) for item in inspection.beside] == [("best", "the same object as model")]


def test_bfloat16_is_told_as_such_where_paddle_keeps_its_bits(tmp_path: Path) -> None:
    path = str(tmp_path / "x.pdparams")
    paddle.save({"w": paddle.to_tensor(np.array([1.5, -2], "float32")).astype("bfloat16")}, path)

    (tensor,) = inspect_file(path).places[0].tensors

    assert (tensor.dtype, tensor.measure.low, tensor.measure.high) == ("bfloat16", -2, 1.5)


def test_the_metadata_of_a_safetensors_lies_beside(tmp_path: Path) -> None:
    safetensors.torch.save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors", metadata={"format": "pt"})

    (item,) = inspect_file(tmp_path / "x.safetensors").beside

    assert (item.path, item.description) == ("__metadata__.format", "'pt'")


def test_every_published_file_with_a_digest_in_its_name_is_found_by_it() -> None:
    rows = list(published_files())

    assert len(rows) > 15
    assert all(find_published(row.digits.ljust(64, "0")) == row for row in rows)
    assert find_published("0" * 64) is None
    torchvision = find_published("983f1562".ljust(64, "a"))
    assert torchvision
    assert torchvision.name == "torchvision/ConvNeXt_Tiny_Weights.IMAGENET1K_V1"
    assert {row.name for row in rows} <= {*RECIPES, *PRETRAINED}


def test_the_digest_of_a_large_file_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    path, count = tmp_path / "x.safetensors", DIGESTED + 4
    header = {"w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}
    content = json.dumps(header).encode()
    with path.open("wb") as file:  # of holes, which take no room
        file.write(len(content).to_bytes(8, "little") + content)
        file.truncate(file.tell() + count)

    assert inspect_file(path).file.sha256 == ""
    assert inspect_file(path, digest=True).file.sha256 == sha256_of(path)


def test_a_file_is_looked_at_without_a_framework(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", WEIGHTS, framework="torch")
    code = (
        "import sys, verify.program.commands as program\n"
        "path = sys.argv[1]\n"
        "assert program.main(['inspect', path, '--tensors']) == 0\n"
        "assert program.main(['inspect', path, path, '--diff']) == 0\n"
        "print(*{'torch', 'paddle', 'tqdm', 'http.client'} & set(sys.modules))"
    )

    child = run_python(code, tmp_path / "x.pth")

    assert (child.stdout.splitlines()[-1], child.stderr) == ("", "")


def stepped_adam(framework: Any) -> dict[str, Any]:
    """The state of Adam after one step."""
    layer = framework.nn.Linear(3, 4)
    adam = (
        paddle.optimizer.Adam(parameters=layer.parameters())
        if framework is paddle
        else torch.optim.Adam(layer.parameters())
    )
    layer(framework.ones([2, 3])).sum().backward()
    adam.step()
    state: dict[str, Any] = adam.state_dict()
    return state


@pytest.mark.parametrize("framework", [paddle, torch])
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"opt": state}], ids=["bare", "in a dict"])
def test_an_optimizers_state_is_told_as_convert_tells_it(framework: Any, wrap: Any, tmp_path: Path) -> None:
    path = tmp_path / ("x.pdopt" if framework is paddle else "x.pth")
    framework.save(wrap(stepped_adam(framework)), str(path))

    (place,) = inspect_file(path).places

    assert (place.is_optimizer, place.is_state_dict, place.recognised.reason) == (True, False, "")
    assert "an optimizer's state" in as_text(inspect_file(path), tensors=False)
    with pytest.raises(CheckpointError, match="holds an optimizer's state"):
        read_checkpoint(path)
