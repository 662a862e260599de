"""What is said of files whose values are of a kind that is not read, and that it leads on."""

from __future__ import annotations

import pickle
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from safetensors.torch import save_file
from wrapped_files import DIGITS, WEIGHTS

from convert import CheckpointError, read_checkpoint
from convert.casting import cast_state_dict
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.inspect.opened import open_everything
from convert.state_dict import convert_state_dict
from verify.program.commands import main as ferry

WEIGHT = torch.arange(12.0).reshape(3, 4)

# Values of other kinds, what the message must have, and the advice as a function.
KINDS: dict[str, tuple[Any, str]] = {
    "float8": (WEIGHT.to(torch.float8_e4m3fn), "a dtype that is not supported, float8 say; save tensor.float()"),
    "sparse": (WEIGHT.to_sparse(), "sparse tensors; save tensor.to_dense()"),
    "expanded": (WEIGHT[:1].clone().expand(3, 4), "its storage carries 4; save tensor.contiguous()"),
}
ADVICE = {
    "float8": torch.Tensor.float,
    "sparse": torch.Tensor.to_dense,
    "expanded": torch.Tensor.contiguous,
}


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_of_another_kind_is_named_with_what_to_save(kind: str, is_zip: bool, tmp_path: Path) -> None:
    value, reason = KINDS[kind]
    torch.save({"w": value}, tmp_path / "x.pth", _use_new_zipfile_serialization=is_zip)
    torch.save({"w": ADVICE[kind](value)}, tmp_path / "saved.pth")

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.pth")
    saved = read_checkpoint(tmp_path / "saved.pth").tensors["w"]

    assert reason in str(caught.value)
    expected = np.repeat(WEIGHT.numpy()[:1], 3, axis=0) if kind == "expanded" else WEIGHT.numpy()
    assert np.array_equal(saved, expected)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_quantised_tensor_is_named(tmp_path: Path) -> None:
    torch.save({"w": torch.quantize_per_tensor(WEIGHT, 1.0, 0, torch.qint8)}, tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"quantised tensors; save tensor\.dequantize\(\)"):
        read_checkpoint(tmp_path / "x.pth")


def test_tensors_without_values_are_named(tmp_path: Path) -> None:
    torch.save({"w": WEIGHT.to("meta")}, tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match="tensors of the device meta, which have no values; save the model once"):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", ["float8", "sparse"])
def test_who_is_told_what_to_save_is_not_sent_to_the_author(
    kind: str, is_zip: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"w": KINDS[kind][0]}, tmp_path / "x.pth", _use_new_zipfile_serialization=is_zip)

    assert main(["--src", f"{tmp_path}/x.pth", "--plan"]) == 1

    first, *others = capsys.readouterr().err.splitlines()
    assert "; save tensor." in first
    assert others == ["convert: nothing was written"]


@pytest.mark.parametrize("command", [["convert"], ["convert", "--arch", "convnext_digits"], ["verify"]])
@pytest.mark.parametrize("dtype", [paddle.float8_e4m3fn, paddle.float8_e5m2])
def test_float8_of_paddle_is_told_though_the_file_calls_it_int8(
    command: list[str], dtype: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "x.pth", WEIGHTS, framework="torch")
    state_dict = {name: paddle.to_tensor(values) for name, values in convert_state_dict(DIGITS, WEIGHTS).items()}
    state_dict["norm.bias"] = state_dict["norm.bias"].astype(dtype)
    paddle.save(state_dict, str(tmp_path / "x.pdparams"))
    source, target = ("x.pth", "x.pdparams") if command == ["verify"] else ("x.pdparams", "y.pth")

    assert ferry([*command, "--src", f"{tmp_path}/{source}", "--dst", f"{tmp_path}/{target}"]) == 1

    assert capsys.readouterr().err.splitlines()[0] == (
        f"paddleferry {command[0]}: {tmp_path}/x.pdparams: 1 tensor in int8, which paddle.save makes of float8, "
        "first norm.bias; save tensor.astype('float32')"
    )


def test_float8_of_paddle_can_be_saved_as_is_advised(tmp_path: Path) -> None:
    paddle.save(
        {"w": paddle.to_tensor(WEIGHT.numpy()).astype("float8_e4m3fn").astype("float32")}, f"{tmp_path}/x.pdparams"
    )

    assert np.array_equal(read_checkpoint(tmp_path / "x.pdparams").tensors["w"], WEIGHT.numpy())


def test_float8_of_safetensors_is_no_reason_to_ask_for_safetensors(tmp_path: Path) -> None:
    save_file({"w": WEIGHT.to(torch.float8_e4m3fn)}, tmp_path / "x.safetensors")

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.safetensors")

    assert str(caught.value).endswith("'w' has a dtype that is not supported: F8_E4M3; save tensor.float()")
    assert type(caught.value) is CheckpointError  # the command asks for a .safetensors after a RefusedCheckpoint


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.complex64])
def test_other_numbers_of_safetensors_are_named_with_what_to_save(dtype: torch.dtype, tmp_path: Path) -> None:
    save_file({"w": WEIGHT.to(dtype)}, tmp_path / "x.safetensors")

    with pytest.raises(
        CheckpointError, match=r"a dtype that is not supported: [UC]\d\d; weights are float32, float16 or bfloat16$"
    ) as caught:
        read_checkpoint(tmp_path / "x.safetensors")

    assert type(caught.value) is CheckpointError


@pytest.mark.parametrize("value", [WEIGHT, torch.nn.Parameter(WEIGHT)], ids=["a tensor", "a parameter"])
def test_tensors_in_a_plain_pickle_are_told_with_what_saves_them(value: torch.Tensor, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"w": value}))

    with pytest.raises(
        CheckpointError, match=r"PyTorch's tensors, but torch\.save did not write it; save it with torch"
    ):
        read_checkpoint(tmp_path / "x.pkl")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_numpy_is_named_and_its_command_makes_a_checkpoint(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "x y.npz", w=WEIGHT.numpy())

    with pytest.raises(
        CheckpointError, match=r"an archive of numpy\.savez; of PyTorch's tensors make a \.pth"
    ) as caught:
        read_checkpoint(tmp_path / "x y.npz")
    command = shlex.split(str(caught.value).partition("make a .pth: ")[2])
    subprocess.run([sys.executable, *command[1:]], check=True)

    assert np.array_equal(read_checkpoint(tmp_path / "x y_state_dict.pth").tensors["w"], WEIGHT.numpy())


def test_the_other_order_of_bytes_is_told_as_what_it_is() -> None:
    values, casts = cast_state_dict({"w": WEIGHT.numpy().astype(">f4")})

    assert casts == {"big-endian float32": 1}
    assert np.array_equal(np.asarray(values["w"]), WEIGHT.numpy())


@pytest.mark.parametrize("name", ["x.pdiparams", "__0_0.distcp"])
def test_inspect_says_of_a_part_what_convert_says(name: str, tmp_path: Path) -> None:
    torch.save({"w": WEIGHT}, tmp_path / name)
    if name.endswith(".pdiparams"):
        (tmp_path / name).write_bytes(bytes(100))

    with pytest.raises(CheckpointError) as converted:
        read_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError) as inspected:
        open_everything(tmp_path / name)

    assert str(inspected.value) == str(converted.value)
