"""MindSpore's container: what itself wrote is read, bit for bit, and whatever is off is refused with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from bad_mindspore import BAD, ENDS, GOOD, SUMMED, WHOLE, sliced
from mindspore_files import DATA, EPOCH, array_entry, checkpoint, entry, plain, tensor, with_checksum

from convert import read_checkpoint
from convert.arrays import BFLOAT16, Array
from convert.checkpoints.reading import open_checkpoint, open_file
from convert.cli import main
from convert.errors import CheckpointError, FerryError
from convert.job import Job

# Of the files that MindSpore wrote of the same network: without anything beside the weights, and with `crc_check=True`.
PLAIN_SHA256 = "e19fcb4b73498922b163c13e746d1790fea0d13370e165b1a569e4f96efacb25"
CHECKED_SHA256 = "887aad304dec55a86967ed54c6f4c1fb8409a3fb13902890c9e5708cef386d2c"

SCALE = np.linspace(0.5, 2, 12, dtype="<f4").reshape(3, 4)


def read(content: bytes, folder: Path, **options: str) -> Mapping[str, Array]:
    (folder / "x.ckpt").write_bytes(content)
    return read_checkpoint(folder / "x.ckpt", **options).tensors


def test_the_files_that_are_made_here_are_mindspore_s_own() -> None:
    assert hashlib.sha256(plain()).hexdigest() == PLAIN_SHA256
    assert hashlib.sha256(with_checksum(plain())).hexdigest() == CHECKED_SHA256


def test_what_mindspore_wrote_has_its_tensors_and_names_what_lies_beside_them() -> None:
    checkpoint = read_checkpoint(EPOCH)

    assert (checkpoint.container, len(checkpoint.tensors)) == ("mindspore", 182)
    assert {array.dtype.str for array in checkpoint.tensors.values()} == {"<f4"}
    assert checkpoint.left_out == {"epoch": "Int64", "lr": "Float32", "note": "str", "done": "Bool"}


@pytest.mark.parametrize("checked", [False, True])
def test_every_value_stands_where_it_was(tmp_path: Path, *, checked: bool) -> None:
    arrays = {
        "single.weight": SCALE,
        "double.weight": SCALE.astype("<f8") * np.pi,
        "half.weight": SCALE.astype("<f2"),
        "brain.weight": np.arange(6, dtype="<u2").view(BFLOAT16).reshape(2, 3),
        "one.bias": SCALE[0, :1],
        "none.bias": SCALE[:0],
    }
    content = checkpoint(arrays)

    tensors = read(with_checksum(content) if checked else content, tmp_path)

    assert list(tensors) == list(arrays)
    for name, array in arrays.items():
        assert (tensors[name].dtype, tensors[name].shape) == (array.dtype, array.shape)
        assert tensors[name].tobytes() == array.tobytes()


def test_sizes_may_be_packed(tmp_path: Path) -> None:
    tensors = read(array_entry("a.weight", SCALE, packed=True), tmp_path)

    assert np.array_equal(tensors["a.weight"], SCALE)


@pytest.mark.parametrize("sizes", [(24,), (12, 12), (16, 8), (4,) * 6, (20, 4), (7, 7, 7, 3)])
@pytest.mark.parametrize("checked", [False, True])
def test_slices_of_a_tensor_are_joined(sizes: tuple[int, ...], tmp_path: Path, *, checked: bool) -> None:
    content = GOOD + sliced("w.weight", *sizes) + GOOD.replace(b"a.", b"b.")

    tensors = read(with_checksum(content) if checked else content, tmp_path)

    assert list(tensors) == ["a.weight", "w.weight", "b.weight"]
    assert np.array_equal(tensors["w.weight"], tensors["a.weight"])


def test_averages_beside_the_weights_are_asked_for() -> None:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(DATA / "mindvision_ema.ckpt")

    assert str(caught.value).endswith("choose one with --weights model or --weights ema")
    weights, averages = (
        read_checkpoint(DATA / "mindvision_ema.ckpt", weights=name).tensors for name in ("model", "ema")
    )
    assert list(weights) == list(averages)
    assert not any(np.array_equal(weights[name], averages[name]) for name in weights)


@pytest.mark.parametrize("kind", BAD)
def test_is_refused_in_one_line_that_says_why(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, reason = BAD[kind]
    monkeypatch.chdir(tmp_path)
    Path("x.ckpt").write_bytes(content)

    status = main(["--src", "x.ckpt", "--dst", "y.pdparams"])

    error = capsys.readouterr().err
    assert status == 1
    assert reason in error
    assert error.startswith("convert: x.ckpt: ")
    assert [path.name for path in tmp_path.iterdir()] == ["x.ckpt"]


def test_there_are_dozens_of_them() -> None:
    assert len(BAD) >= 70


def test_a_file_that_ends_between_any_two_entries_is_refused(tmp_path: Path) -> None:
    for end in ENDS[:-1]:
        (tmp_path / "x.ckpt").write_bytes(WHOLE[:end])

        with pytest.raises(FerryError):
            Job.read("", tmp_path / "x.ckpt").check("paddle")


def test_a_file_without_a_head_is_taken_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(WHOLE[: ENDS[-3]])

    with pytest.raises(CheckpointError, match=r"has no head, as has a file that was cut .* choose --arch own"):
        Job.read("", tmp_path / "x.ckpt")
    assert Job.read("own", tmp_path / "x.ckpt").spec.num_classes == 0


@pytest.mark.parametrize("place", range(0, len(WHOLE), 29_989))
def test_no_bit_changes_unseen_under_a_checksum(place: int, tmp_path: Path) -> None:
    changed = bytearray(SUMMED)
    changed[place] ^= 1

    with pytest.raises(FerryError):
        read(bytes(changed), tmp_path)


def test_a_tensor_that_changes_after_the_checksum_was_taken_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(with_checksum(GOOD))
    opened = open_checkpoint(open_file(path))
    path.write_bytes(with_checksum(GOOD[:-1] + b"\x00"))

    with pytest.raises(CheckpointError):
        opened.tensors["a.weight"].read()


def test_a_last_tensor_that_ends_as_a_checksum_does_is_taken_for_one_as_mindspore_takes_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cut short"):
        read(entry("w", tensor((17,), "Float32", bytes(51) + b"crc_num" + bytes(10))), tmp_path)
