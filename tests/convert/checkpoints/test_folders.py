"""A folder as a source: as Hugging Face's libraries leave one, and which file in it is meant."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, same_bits
from safetensors.torch import save_file
from wrapped_files import WEIGHTS, model, write_shards

from convert import read_checkpoint, write_pdparams
from convert.checkpoints.folders import NAMES
from convert.cli import main
from convert.errors import CheckpointError, WrongChoice

PART = "model-00001-of-00001.safetensors"


def with_safetensors(folder: Path) -> None:
    save_file(model(), folder / "model.safetensors", metadata={"format": "pt"})


def with_index(folder: Path) -> None:
    save_file(model(), folder / PART, metadata={"format": "pt"})
    document = {"metadata": {}, "weight_map": dict.fromkeys(WEIGHTS, PART)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(document))


def with_bin(folder: Path) -> None:
    torch.save(model(), folder / "pytorch_model.bin")


def with_sharded_bin(folder: Path) -> None:
    write_shards(folder, model())


WRITE: dict[str, Callable[[Path], None]] = dict(
    zip(NAMES, (with_safetensors, with_index, with_bin, with_sharded_bin), strict=True)
)


def others(folder: Path) -> None:
    """What else lies in such a folder."""
    for name in ("config.json", "README.md", "optimizer.bin", "training_args.bin", "rng_state.pth"):
        (folder / name).write_bytes(b"{}")


def refusal(folder: Path, kind: type[CheckpointError]) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(folder)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"{folder}: ")
    return str(caught.value).removeprefix(f"{folder}: ")


@pytest.mark.parametrize("name", NAMES)
def test_the_file_with_the_weights_is_taken(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    others(folder)
    WRITE[name](folder)

    status = main(["--src", str(folder), "--dst", f"{tmp_path}/x.pdparams"])

    container = "safetensors" if name.startswith("model") else "sharded torch" if "index" in name else "torch zip"
    assert capsys.readouterr().out.startswith(f"read {folder / name}: {container}, official keys\n")
    assert status == 0
    assert same_bits({key: read_checkpoint(folder).tensors[key] for key in WEIGHTS}, WEIGHTS)


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(NAMES, 2)))
def test_of_several_the_user_has_to_choose(first: str, second: str, tmp_path: Path) -> None:
    WRITE[first](tmp_path)
    WRITE[second](tmp_path)

    assert refusal(tmp_path, WrongChoice) == (
        f"is a folder with {first}, {second}; give the one that is meant, as {tmp_path / first}"
    )
    assert same_bits({key: read_checkpoint(tmp_path / first).tensors[key] for key in WEIGHTS}, WEIGHTS)


def test_checkpoints_of_other_names_are_named(tmp_path: Path) -> None:
    torch.save(model(), tmp_path / "best.pth")
    write_pdparams(tmp_path / "last.pdparams", {"w": np.ones(3, "float32")})

    assert refusal(tmp_path, WrongChoice) == (
        "is a folder without model.safetensors or its kin, but with best.pth, last.pdparams; "
        f"give the one that is meant, as {tmp_path}/best.pth"
    )


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    assert (
        refusal(tmp_path, CheckpointError)
        == f"is a folder without a checkpoint ({', '.join(NAMES)}); give the file itself"
    )


def test_a_link_to_a_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with_safetensors(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    assert read_checkpoint(tmp_path / "b").path == tmp_path / "b" / "model.safetensors"


def test_an_index_whose_shard_is_missing_says_so(tmp_path: Path) -> None:
    with_sharded_bin(tmp_path)
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()

    with pytest.raises(CheckpointError, match=r"00002\.bin, which it names, cannot be read: No such file"):
        read_checkpoint(tmp_path)


def test_a_shard_that_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    with_sharded_bin(tmp_path)
    path = tmp_path / "pytorch_model-00001-of-00002.bin"
    torch.save(dict.fromkeys(torch.load(path, weights_only=True), 3), path)

    with pytest.raises(CheckpointError, match=r"00001-of-00002\.bin holds entries that are no tensors: "):
        read_checkpoint(tmp_path)


def test_a_shard_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    with_sharded_bin(tmp_path)
    torch.save(as_tensors({"w": np.ones(3, "float32")}), tmp_path / "pytorch_model-00001-of-00002.bin")

    with pytest.raises(CheckpointError, match=r"00001-of-00002\.bin does not hold what the index says: "):
        read_checkpoint(tmp_path)
