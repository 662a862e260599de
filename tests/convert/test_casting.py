"""Casts and fresh heads: what is done to the values, only when it is asked for or loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
import torch
from checkpoint_files import as_array, as_tensors, same_bits
from twins import carried

from convert import ARCHS
from convert.arrays import BFLOAT16, Array
from convert.casting import cast_state_dict
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.errors import FerryError
from verify.selftest.weights import distinct_weights

DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")
COUNTS = "471,790 parameters in 74 tensors"

EVERY_16_BITS = np.arange(1 << 16, dtype="uint16")
# Every way a bfloat16 can round: the bits that are kept, and below them nothing, less than half, half, more, all.
PATTERNS = (
    EVERY_16_BITS.astype("uint32")[:, None] << 16 | np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], "uint32")
).ravel()


def bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view("uint16")


def as_torch(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.view("int16").copy()).view(torch.bfloat16)


def test_a_cast_to_bfloat16_is_torchs_for_every_pattern_of_bits() -> None:
    values = PATTERNS.view("float32")

    cast, counts = cast_state_dict({"w": values}, "bfloat16")

    expected = as_array(torch.from_numpy(values).to(torch.bfloat16))
    assert counts == {"float32": 1}
    assert cast["w"].dtype == BFLOAT16
    finite = ~np.isnan(values)
    assert np.array_equal(bits(cast["w"])[finite], bits(expected)[finite])


def test_a_nan_stays_one_as_bfloat16() -> None:
    values = PATTERNS.view("float32")

    cast, _ = cast_state_dict({"w": values}, "bfloat16")

    assert (bits(cast["w"])[np.isnan(values)] == 0x7FC0).all()


def test_a_tie_rounds_to_the_even_neighbour() -> None:
    cast, _ = cast_state_dict({"w": np.array([0x3F80_8000, 0x3F81_8000], "uint32").view("float32")}, "bfloat16")

    assert bits(cast["w"]).tolist() == [0x3F80, 0x3F82]


def test_the_largest_float32_overflows_to_infinity_as_bfloat16() -> None:
    cast, _ = cast_state_dict({"w": np.array([3.4e38, -3.4e38], "float32")}, "bfloat16")

    assert bits(cast["w"]).tolist() == [0x7F80, 0xFF80]


def test_a_subnormal_is_kept_as_bfloat16() -> None:
    cast, _ = cast_state_dict({"w": np.array([0x0001_0000, 0x8000_8001], "uint32").view("float32")}, "bfloat16")

    assert bits(cast["w"]).tolist() == [0x0001, 0x8001]


def test_every_bfloat16_widens_to_the_float32_of_torch() -> None:
    cast, counts = cast_state_dict({"w": EVERY_16_BITS.view(BFLOAT16)})

    assert counts == {"bfloat16": 1}
    assert same_bits(cast, {"w": as_torch(EVERY_16_BITS).to(torch.float32).numpy()})


def test_every_float16_widens_without_loss() -> None:
    cast, counts = cast_state_dict({"w": EVERY_16_BITS.view("float16")})

    assert (cast["w"].dtype, counts) == (np.dtype(np.float32), {"float16": 1})
    assert np.array_equal(cast["w"].astype("float16"), EVERY_16_BITS.view("float16"), equal_nan=True)


def test_a_cast_to_float16_is_torchs() -> None:
    values = np.array([1 / 3, 65504, 65519, 65520, -1e9, 6e-8, 2e-8, 1.0004883, 1.0014648], "float32")

    cast, _ = cast_state_dict({"w": values}, "float16")

    assert same_bits(cast, {"w": torch.from_numpy(values).to(torch.float16).numpy()})


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_float64_is_cast_when_asked_without_a_warning(dtype: str) -> None:
    values = np.array([[1 / 3, 1e300], [1e-300, -2.5]])

    cast, counts = cast_state_dict({"w": values}, dtype)

    assert counts == {"float64": 1}
    expected = as_array(torch.from_numpy(values).to(getattr(torch, dtype)))
    assert same_bits(cast, {"w": expected})


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_cast_keeps_the_shape(dtype: str, shape: tuple[int, ...]) -> None:
    cast, _ = cast_state_dict({"w": np.ones(shape)}, dtype)

    assert cast["w"].shape == shape


def test_a_transposed_tensor_is_cast_in_its_own_places() -> None:
    values = np.arange(12, dtype="float32").reshape(3, 4)

    one, other = cast_state_dict({"w": values.T}, "bfloat16")[0], cast_state_dict({"w": values}, "bfloat16")[0]
    assert np.array_equal(one["w"].T, other["w"])


def test_what_needs_no_cast_is_left_as_it_is() -> None:
    tensors = {"w": np.ones(3, "float32"), "n": np.ones(3, "int64")}

    cast, counts = cast_state_dict(tensors)

    assert all(cast[name] is tensors[name] for name in tensors)
    assert counts == {}


def test_a_float64_is_not_rounded_unasked() -> None:
    with pytest.raises(FerryError) as caught:
        cast_state_dict({"v": np.ones(2, "float32"), "w": np.ones(2)})

    assert str(caught.value) == "w is float64, which float32 cannot hold"


def save(path: Path, dtype: torch.dtype) -> Path:
    torch.save({name: tensor.to(dtype) for name, tensor in as_tensors(WEIGHTS).items()}, path)
    return path


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_summary_says_that_a_half_became_float32(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save(tmp_path / "x.pth", getattr(torch, dtype))

    assert main(["--src", str(source), "--dst", str(tmp_path / "x.pdparams")]) == 0

    assert capsys.readouterr().out.split("\n")[1:3] == [
        f"convnext_digits (recognised from the tensors), 10 classes, 3 input channels: {COUNTS}, 74 cast, "
        "13 transposed",
        f"74 tensors of {dtype} became float32",
    ]


def test_a_source_in_float64_needs_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = save(tmp_path / "x.pth", torch.float64)

    assert main(["--src", str(source), "--dst", str(tmp_path / "x.pdparams")]) == 1

    assert capsys.readouterr().err == (
        f"convert: {source}: downsample_layers.0.0.weight is float64, which float32 cannot hold: "
        "--dtype float32 rounds it\nconvert: nothing was written\n"
    )


def test_an_overflow_is_refused_as_not_finite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "x.pth", WEIGHTS | {"head.bias": np.full(10, 1e5, "float32")}, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.pth", "--dtype", "float16"]) == 1

    assert capsys.readouterr().err.split("\n")[1] == (
        "  not finite  head.bias                     10 of 10 values are NaN or Inf"
    )


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_torch_loads_a_target_in_half_precision_as_such(dtype: str, suffix: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    source, target = save(tmp_path / "x.pt", torch.float32), tmp_path / f"y{suffix}"

    assert main(["--src", str(source), "--dst", str(target), "--dtype", dtype, "--to", "official"]) == 0

    loaded = load_file(target) if suffix == ".safetensors" else torch.load(target, weights_only=True)["model"]
    expected = {name: tensor.to(getattr(torch, dtype)) for name, tensor in as_tensors(WEIGHTS).items()}
    assert loaded.keys() == expected.keys()
    assert all(loaded[name].dtype == expected[name].dtype for name in expected)
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_paddle_loads_a_target_in_half_precision_as_such(dtype: str, suffix: str, tmp_path: Path) -> None:
    source, target = save(tmp_path / "x.pt", torch.float32), tmp_path / f"y{suffix}"

    assert main(["--src", str(source), "--dst", str(target), "--dtype", dtype]) == 0

    loaded = paddle.load(str(target), safetensors=suffix == ".safetensors")
    halves = {name: tensor.to(getattr(torch, dtype)).float() for name, tensor in as_tensors(WEIGHTS).items()}
    expected = carried(DIGITS.params(), {name: tensor.numpy() for name, tensor in halves.items()})
    assert {str(tensor.dtype) for tensor in loaded.values()} == {f"paddle.{dtype}"}
    assert loaded.keys() == expected.keys()
    assert all(np.array_equal(loaded[name].astype("float32").numpy(), expected[name]) for name in expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_comes_back_from_paddle(dtype: str, tmp_path: Path) -> None:
    source = save(tmp_path / "x.pt", torch.float32)
    main(["--src", str(source), "--dst", f"{tmp_path}/x.pdparams", "--dtype", dtype])
    main(["--src", str(source), "--dst", f"{tmp_path}/there.pth", "--dtype", dtype])

    assert main(["--src", f"{tmp_path}/x.pdparams", "--dst", f"{tmp_path}/back.pth", "--dtype", dtype]) == 0

    assert (tmp_path / "back.pth").read_bytes() == (tmp_path / "there.pth").read_bytes()
