"""A checkpoint in several safetensors files: read by its index, and every way in which that can be wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from checkpoint_files import as_tensors, same_bits
from safetensors.torch import save_file
from twins import carried

from convert import ARCHS, read_checkpoint
from convert.cli import main
from convert.errors import CheckpointError, RefusedCheckpoint
from verify.selftest.weights import distinct_weights

DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")
SHARDS = ("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors")
WEIGHT_MAP = {name: SHARDS[i // 25] for i, name in enumerate(WEIGHTS)}
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shards and their index, as transformers saves them."""
    for shard in SHARDS:
        tensors = {name: array for name, array in WEIGHTS.items() if WEIGHT_MAP[name] == shard}
        save_file(as_tensors(tensors), tmp_path / shard, metadata={"format": "pt"})
    write_index(tmp_path, WEIGHT_MAP)
    return tmp_path


def write_index(folder: Path, weight_map: object) -> None:
    document = {"metadata": {"total_size": 4 * 471_790}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(document))


def refusal(folder: Path, kind: type[CheckpointError] = CheckpointError) -> str:
    """The message without the path that it begins with."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(folder / INDEX)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"{folder / INDEX}: ")
    return str(caught.value).removeprefix(f"{folder / INDEX}: ")


def test_every_shard_is_read(folder: Path) -> None:
    read = read_checkpoint(folder / INDEX)

    assert read.container == "safetensors"
    assert same_bits({name: read.tensors[name] for name in WEIGHTS}, WEIGHTS)
    assert len(read.tensors) == len(WEIGHTS)


def test_a_sharded_checkpoint_is_converted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--src", str(folder / INDEX), "--dst", f"{folder}/x.pdparams"]) == 0

    assert capsys.readouterr().out.startswith(f"read {folder / INDEX}: safetensors, official keys\n")
    assert same_bits(read_checkpoint(folder / "x.pdparams").tensors, carried(DIGITS.params(), WEIGHTS))


def test_the_summary_for_programs_has_the_digest_of_every_shard(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--src", str(folder / INDEX), "--dst", f"{folder}/x.pdparams", "--json"]) == 0

    source = json.loads(capsys.readouterr().out)["source"]
    expected = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (INDEX, *SHARDS)}
    assert {INDEX: source["sha256"], **source["shards"]} == expected


def test_a_shard_alone_is_told_as_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--src", str(folder / SHARDS[0]), "--dst", f"{folder}/x.pdparams"]) == 1

    message = f"is part 1 of 3 of a checkpoint; give {folder / INDEX}\n"
    assert capsys.readouterr().err.startswith(f"convert: {folder / SHARDS[0]}: {message}")


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / SHARDS[1]).unlink()

    assert SHARDS[1] in refusal(folder)
    assert "No such file or directory" in refusal(folder)


def test_a_tensor_that_its_shard_lacks_is_named(folder: Path) -> None:
    write_index(folder, WEIGHT_MAP | {"head.scale": SHARDS[0]})

    assert refusal(folder) == f"{SHARDS[0]} does not hold what the index says: 'head.scale'; fetch both again"


def test_a_tensor_that_the_index_lacks_is_named(folder: Path) -> None:
    write_index(folder, {name: shard for name, shard in WEIGHT_MAP.items() if name != "head.bias"})

    assert (
        refusal(folder) == f"{WEIGHT_MAP['head.bias']} does not hold what the index says: 'head.bias'; fetch both again"
    )


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "."])
def test_a_file_outside_the_folder_is_refused(name: str, folder: Path) -> None:
    write_index(folder, WEIGHT_MAP | {"head.bias": name})

    assert refusal(folder, RefusedCheckpoint) == f"the index names {name!r}, which is no file beside {INDEX}"


@pytest.mark.parametrize("weight_map", [None, [], "x", {"head.bias": 3}, {"head.bias": None}])
def test_an_index_without_a_map_is_refused(weight_map: object, folder: Path) -> None:
    write_index(folder, weight_map)

    assert refusal(folder) == (
        "an index without a weight_map from tensors to files; give the index that lies beside the shards"
    )


def test_an_index_that_is_a_list_is_refused(folder: Path) -> None:
    (folder / INDEX).write_text("[]")

    assert refusal(folder) == "the index is no JSON object; fetch the file again"


def test_an_index_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / INDEX).write_text("{'a': 1}")

    assert refusal(folder).startswith("the index is no JSON: Expecting property name enclosed in double quotes")


def test_an_empty_index_holds_no_tensors(folder: Path) -> None:
    write_index(folder, {})

    assert refusal(folder).startswith("holds no tensors; keys: ")


def test_a_damaged_shard_is_named(folder: Path) -> None:
    (folder / SHARDS[2]).write_bytes((folder / SHARDS[2]).read_bytes()[:-1])

    assert SHARDS[2] in refusal(folder)
