"""There and back: from PyTorch to Paddle and home again, bit for bit, through every container and key format."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import same_bits
from library_keys import SMALL, stored

from convert import ARCHS, convert_state_dict, read_checkpoint, restore_state_dict
from convert.archs import ArchSpec
from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.cli import main
from verify.selftest.weights import distinct_weights

# Whole networks of every kind that takes part: GRN, norms without a shift, overlapping stems, the square hidden layer.
WHOLE = ("convnextv2_atto", "convnext_zepto_rms_ols", "convnext_atto_ols", "convnext_digits")


def with_few_blocks(spec: ArchSpec) -> ArchSpec:
    return dataclasses.replace(spec.resized([(1, dim) for _, dim in spec.stages]), num_classes=10)


def counted_weights(spec: ArchSpec) -> dict[str, Array]:
    """Cheap weights, every one of its own place."""
    return {
        p.torch_name: np.arange(i, i + p.size, dtype="float32").reshape(p.shape) for i, p in enumerate(spec.params())
    }


@pytest.mark.parametrize("arch", ARCHS)
def test_a_state_dict_comes_back_bit_for_bit(arch: str) -> None:
    spec = with_few_blocks(ARCHS[arch])
    weights = counted_weights(spec)

    paddles = convert_state_dict(spec, weights)

    back = restore_state_dict(spec, paddles)
    made = {name: back.pop(name) for name in spec.left_out()}
    assert same_bits(back, weights)
    assert not any(counter.any() for counter in made.values())
    assert {name: array.shape for name, array in paddles.items()} == {
        param.paddle_name: param.paddle_shape for param in spec.params()
    }


@pytest.mark.parametrize("kind", [*SMALL])
def test_a_square_matrix_is_transposed_on_the_way(kind: str) -> None:
    spec = SMALL[kind]
    weights = distinct_weights(spec.params(), dtype="float32")

    paddles = convert_state_dict(spec, weights)

    square = [name for name in ("head.weight", "pre_logits.weight") if name in weights]
    assert all(weights[name].shape == weights[name].T.shape for name in square)
    assert all(np.array_equal(paddles[name], weights[name].T) for name in square)


@pytest.mark.parametrize("suffixes", list(itertools.product((".pdparams", ".safetensors"), (".pth", ".safetensors"))))
@pytest.mark.parametrize("arch", WHOLE)
def test_a_file_comes_back_bit_for_bit(arch: str, suffixes: tuple[str, str], tmp_path: Path) -> None:
    weights = distinct_weights(ARCHS[arch].params(), dtype="float32")
    start, paddles, end = tmp_path / "start.pth", tmp_path / f"paddle{suffixes[0]}", tmp_path / f"end{suffixes[1]}"
    write_checkpoint(start, weights, framework="torch")

    assert main(["--src", str(start), "--dst", str(paddles)]) == 0
    assert main(["--src", str(paddles), "--dst", str(end)]) == 0

    assert same_bits(read_checkpoint(end).tensors, weights)
    assert suffixes[1] != ".pth" or end.read_bytes() == start.read_bytes()


FORMATS = ("official", "timm", "torchvision", "transformers", "mmpretrain")
CIRCLES = [
    *(("convnext_digits", name) for name in FORMATS),
    *(("convnextv2_atto", name) for name in FORMATS if name != "torchvision"),
    ("convnext_atto_ols", "timm"),
    ("convnext_atto_rms", "timm"),
]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("arch", "name"), CIRCLES)
def test_a_target_of_another_key_format_comes_back(arch: str, name: str, suffix: str, tmp_path: Path) -> None:
    spec = ARCHS[arch]
    weights = distinct_weights(spec.params(), dtype="float32")
    write_checkpoint(tmp_path / "x.pdparams", convert_state_dict(spec, weights), framework="paddle")
    theirs = tmp_path / f"theirs{suffix}"

    assert main(["--src", f"{tmp_path}/x.pdparams", "--dst", str(theirs), "--to", name]) == 0
    assert main(["--src", str(theirs), "--dst", f"{tmp_path}/y.pdparams"]) == 0

    assert same_bits(read_checkpoint(theirs).tensors, stored(spec, name, weights))
    assert (tmp_path / "y.pdparams").read_bytes() == (tmp_path / "x.pdparams").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_a_pytorch_source_is_renamed_without_paddle(name: str, tmp_path: Path) -> None:
    weights = distinct_weights(ARCHS["convnext_digits"].params(), dtype="float32")
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.safetensors", "--to", name]) == 0

    assert same_bits(
        read_checkpoint(tmp_path / "y.safetensors").tensors, stored(ARCHS["convnext_digits"], name, weights)
    )


def test_a_key_format_without_a_place_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = distinct_weights(ARCHS["convnextv2_atto"].params(), dtype="float32")
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.pth", "--to", "torchvision"]) == 1

    assert capsys.readouterr().err == (
        "convert: torchvision has no convnextv2_atto: it has no place for stages.0.0.grn.gamma; "
        "choose --to official or timm or transformers or mmpretrain\n"
        "convert: nothing was written\n"
    )
    assert not (tmp_path / "y.pth").exists()
