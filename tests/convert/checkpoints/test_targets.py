"""Files for PyTorch and Paddle: every library loads them, and the same tensors give the same bytes everywhere."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import paddle
import pytest
import torch
from checkpoint_files import ARRAY_DICTS, MANY, OTHERS, as_array, as_tensors, run_python, same_bits
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from twins import carried

from convert import ARCHS, read_checkpoint
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.errors import TargetError
from verify.selftest.weights import distinct_weights

DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")
SHA256 = {
    ".pth": "9e29a53d2aa9a7d34d3893fa69b1dc3d733a162decc40b204c1812e9dc3db58e",
    ".safetensors": "e5ca0bffdc23e2cfdf180c28c8276d752e0ca6bfc63156ef088316d2c3406edd",
}
SUFFIXES = list(SHA256)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.save({"model": as_tensors(WEIGHTS)}, tmp_path / "x.pt")
    return tmp_path / "x.pt"


@pytest.mark.parametrize("kind", ARRAY_DICTS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_written_file_is_read_back_bit_for_bit(suffix: str, kind: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / f"x{suffix}", ARRAY_DICTS[kind], framework="torch")

    assert same_bits(read_checkpoint(tmp_path / f"x{suffix}").tensors, ARRAY_DICTS[kind])


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_torch_loads_a_pth_bit_for_bit(kind: str, mapped: bool, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", ARRAY_DICTS[kind], framework="torch")

    loaded = torch.load(tmp_path / "x.pth", weights_only=True, mmap=mapped)
    assert list(loaded) == ["model"]
    assert same_bits({name: as_array(tensor) for name, tensor in loaded["model"].items()}, ARRAY_DICTS[kind])


def test_torch_resumes_training_from_what_it_loaded(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", {"w": np.ones((2, 3), "float32")}, framework="torch")

    tensor = torch.load(tmp_path / "x.pth", weights_only=True)["model"]["w"]
    tensor += 1

    assert (tensor.requires_grad, tensor.is_contiguous(), tensor.tolist()) == (False, True, [[2.0] * 3] * 2)


@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_safetensors_loads_a_file_bit_for_bit(kind: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.safetensors", ARRAY_DICTS[kind], framework="torch")

    loaded = load_file(tmp_path / "x.safetensors")
    assert same_bits({name: as_array(loaded[name]) for name in ARRAY_DICTS[kind]}, ARRAY_DICTS[kind])


@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_a_file_of_safetensors_is_read_bit_for_bit(kind: str, tmp_path: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in as_tensors(ARRAY_DICTS[kind]).items()}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt", "who": "else"})

    arrays = read_checkpoint(tmp_path / "x.safetensors").tensors
    assert same_bits({name: arrays[name] for name in tensors}, ARRAY_DICTS[kind])


@pytest.mark.parametrize(("framework", "note"), [("torch", "pt"), ("paddle", "paddle")])
def test_a_safetensors_file_notes_its_framework(framework: str, note: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.safetensors", MANY, framework=framework)

    with safe_open(tmp_path / "x.safetensors", "np") as file:
        assert file.metadata() == {"format": note}


def test_paddle_loads_a_safetensors_target(source: Path) -> None:
    target = source.with_suffix(".safetensors")

    assert main(["--src", str(source), "--dst", str(target)]) == 0

    loaded = paddle.load(str(target), safetensors=True)
    wanted = carried(DIGITS.params(), WEIGHTS)
    assert same_bits({name: loaded[name].numpy() for name in wanted}, {n: a.copy("C") for n, a in wanted.items()})


def test_paddle_loads_a_pdparams_target(source: Path) -> None:
    target = source.with_suffix(".pdparams")

    assert main(["--src", str(source), "--dst", str(target)]) == 0

    loaded = paddle.load(str(target))
    wanted = carried(DIGITS.params(), WEIGHTS)
    assert same_bits({name: tensor.numpy() for name, tensor in loaded.items()}, wanted)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_bytes_are_those_of_every_other_machine(suffix: str, tmp_path: Path) -> None:
    assert write_checkpoint(tmp_path / f"x{suffix}", MANY, framework="torch").sha256 == SHA256[suffix]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", OTHERS)
def test_the_same_values_give_the_same_bytes_from(kind: str, suffix: str, tmp_path: Path) -> None:
    written = write_checkpoint(tmp_path / f"x{suffix}", OTHERS[kind], framework="torch")

    assert written.sha256 == SHA256[suffix]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", ["0", "12345"])
def test_a_fresh_process_with_another_hash_seed_writes_the_same_bytes(seed: str, suffix: str, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from convert import *\n"
        "tensors = read_checkpoint(pathlib.Path(sys.argv[1])).tensors\n"
        "print(write_checkpoint(pathlib.Path(sys.argv[2]), tensors, framework='torch').sha256)"
    )
    write_checkpoint(tmp_path / f"x{suffix}", MANY, framework="torch")

    child = run_python(code, tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", PYTHONHASHSEED=seed)

    assert (child.stdout, child.stderr) == (f"{SHA256[suffix]}\n", "")


def test_every_storage_of_a_pth_begins_on_a_64_byte_boundary(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", MANY, framework="torch")

    content = (tmp_path / "x.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        infos = [info for info in archive.infolist() if "/data/" in info.filename]
    for info, array in zip(infos, MANY.values(), strict=True):
        name_length, extra_length = struct.unpack_from("<HH", content, info.header_offset + 26)
        start = info.header_offset + 30 + name_length + extra_length
        assert start % 64 == 0
        assert content[start:].startswith(array.tobytes())


@pytest.mark.parametrize(
    ("suffix", "framework", "allowed"),
    [
        (".pdparams", "torch", ".pth, .pt or .safetensors"),
        (".bin", "torch", ".pth, .pt or .safetensors"),
        (".pth", "paddle", ".pdparams or .safetensors"),
        ("", "paddle", ".pdparams or .safetensors"),
        (".PTH", "paddle", ".pdparams or .safetensors"),
    ],
)
def test_a_suffix_that_stands_for_no_container_is_refused(
    suffix: str, framework: str, allowed: str, tmp_path: Path
) -> None:
    with pytest.raises(TargetError) as caught:
        write_checkpoint(tmp_path / f"x{suffix}", MANY, framework=framework)

    assert str(caught.value) == f"{tmp_path}/x{suffix}: the target's name must end in {allowed}"
    assert list(tmp_path.iterdir()) == []


def legacy(path: Path, content: object) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_a_legacy_file_of_torch_is_read_bit_for_bit(kind: str, tmp_path: Path) -> None:
    path = legacy(tmp_path / "x.pth", as_tensors(ARRAY_DICTS[kind]))

    read = read_checkpoint(path)

    loaded = {name: as_array(tensor) for name, tensor in torch.load(path, weights_only=True).items()}
    assert read.container == "torch legacy"
    assert same_bits(read.tensors, ARRAY_DICTS[kind])
    assert same_bits(read.tensors, loaded)


def test_views_of_one_storage_in_a_legacy_file_are_read_as_torch_reads_them(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    path = legacy(tmp_path / "x.pth", {"state_dict": {"all": base, "row": base[1:3, ::2], "turned": base.T}})

    read = read_checkpoint(path)

    loaded = {name: tensor.numpy() for name, tensor in torch.load(path, weights_only=True)["state_dict"].items()}
    assert read.wrapper == "state_dict"
    assert same_bits(read.tensors, loaded)


def test_a_legacy_checkpoint_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = legacy(tmp_path / "x.pth", {"model": as_tensors(WEIGHTS), "epoch": 3})

    assert main(["--src", str(path), "--dst", f"{tmp_path}/x.pdparams"]) == 0

    assert capsys.readouterr().out.startswith(f"read {path}: torch legacy, under 'model', official keys\n")
    assert same_bits(read_checkpoint(tmp_path / "x.pdparams").tensors, carried(DIGITS.params(), WEIGHTS))
