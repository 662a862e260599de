"""MindSpore's names: every tensor has its place, what is of the training stays out, and the function is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from mindspore_files import DATA, EPOCH, checkpoint, plain

from convert import read_checkpoint
from convert.archs import ARCHS
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from convert.cli import main
from convert.errors import CheckpointError
from convert.inspect.cli import main as inspect
from convert.job import Job, Options
from convert.key_formats import name_officially
from convert.key_formats.mindspore import MINDCV, MINDVISION
from convert.key_formats.rules import KeyFormat
from convert.source.read import Selection, read_source
from verify.selftest.weights import distinct_weights

TRAINING = DATA / "mindvision_training_adamweightdecay.ckpt"
COLLISION = DATA / "mindspore_collision.ckpt"
SMALL = {"depths": (3, 3, 9, 3), "dims": (8, 16, 24, 32)}
FILES: dict[str, tuple[Path, dict[str, Any], str]] = {
    "mindvision": (EPOCH, SMALL, "MindSpore's: tanh GELU, eps 1e-07 in the last norm, "),
    "mindcv": (DATA / "mindcv_v1_small.ckpt", SMALL, "MindSpore's: tanh GELU, "),
    "mindcv V2": (
        DATA / "mindcv_v2_small.ckpt",
        SMALL | {"grn": True, "layer_scale": False},
        "MindSpore's: tanh GELU, ",
    ),
}
PADDING = "'same' padding (sizes in multiples of 32)"
DIGITS = ARCHS["convnext_digits"]


def theirs(key_format: KeyFormat, weights: Mapping[str, Array]) -> dict[str, Array]:
    """Official weights under that format's names."""
    rows = {name: key_format.from_official(name) for name in weights}
    return {row[0]: weights[name] for name, row in rows.items() if row}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize("kind", FILES)
def test_what_mindspore_wrote_is_its_network_with_its_function(kind: str) -> None:
    path, fields, variant = FILES[kind]

    source = read_source(path)

    spec = source.spec
    assert isinstance(spec, ConvNeXtSpec)
    assert {name: getattr(spec, name) for name in fields} == fields
    assert (source.framework, spec.num_classes, spec.variant) == ("torch", 7, variant + PADDING)
    assert (spec.gelu_tanh, spec.same_padding, spec.multiple_of) == (True, True, 32)
    assert spec.last_norm_eps == (1e-7 if kind == "mindvision" else 1e-6)
    assert spec.assumed == ("strides as the kernels of stem and downsampling", "no dilation")


@pytest.mark.parametrize("kind", FILES)
def test_every_tensor_goes_to_the_layer_that_has_its_values_and_no_gamma_to_another(kind: str) -> None:
    path = FILES[kind][0]
    own, named = read_checkpoint(path).tensors, read_source(path).named

    blocks = {key.removesuffix(".dwconv.weight") for key in own if key.endswith(".dwconv.weight")}
    assert sorted(named.keys.values()) == sorted(own)
    for name, key in named.keys.items():
        parent, _, word = key.rpartition(".")
        is_scale = word in ("gamma", "gamma_") and (parent in blocks or parent.endswith(".grn"))
        assert name.endswith(".gamma") == is_scale
        assert named.tensors[name].tobytes() == own[key].tobytes()


@pytest.mark.parametrize("key_format", [MINDVISION, MINDCV], ids=lambda row: row.name)
@pytest.mark.parametrize("arch", ["convnext_tiny", "convnextv2_tiny"])
def test_a_listed_architecture_keeps_its_name(key_format: KeyFormat, arch: str) -> None:
    names = [param.torch_name for param in ARCHS[arch].params()]

    rows = [key_format.from_official(name) for name in names]

    keys = [row[0] for row in rows if row]
    assert len(set(keys)) == len(names)
    assert [row[0] for key in keys if (row := key_format.to_official(key))] == names


@pytest.mark.parametrize("key_format", [MINDVISION, MINDCV], ids=lambda row: row.name)
@pytest.mark.parametrize("arch", ["", DIGITS.name])
def test_a_listed_network_is_converted_under_its_name_with_the_variant_said(
    key_format: KeyFormat, arch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = distinct_weights(DIGITS.params(), dtype="float32")
    (tmp_path / "x.ckpt").write_bytes(checkpoint(theirs(key_format, weights)))
    for suffix in ("pth", "pdparams"):
        options = ["--arch", arch] if arch else []
        assert run("--src", tmp_path / "x.ckpt", "--dst", tmp_path / f"x.{suffix}", "--json", *options) == 0
        document = json.loads(capsys.readouterr().out)

        assert document["arch"] == DIGITS.name
        assert document["variant"] == key_format.as_computed(DIGITS).variant != ""
        assert document["source"]["key_format"] == key_format.name
        assert any(f"what is {document['variant']}" in note for note in document["notes"])
        back = read_source(tmp_path / f"x.{suffix}")
        assert (back.spec.name, back.spec.variant, back.named.key_format.name) == (DIGITS.name, "", "official")
    assert all(np.array_equal(read_source(tmp_path / "x.pth").tensors[name], weights[name]) for name in weights)


def test_an_optimizer_s_state_and_the_counts_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--src", TRAINING, "--dst", tmp_path / "x.pdparams") == 0

    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("in 65 tensors, 54 copied, 11 transposed") for line in lines)
    assert "130 tensors beside the weights left out, first adam_m.backbone.start_cell.0.bias" in lines
    assert any(line.startswith("5 values beside the weights left out: global_step (Int32), lear") for line in lines)


@pytest.mark.parametrize("prefix", ["", "network.", "module.net."])
def test_of_a_safetensors_the_same_is_left_out(prefix: str, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(TRAINING)
    weights = {key: array for key, array in checkpoint.tensors.items() if not key.startswith("adam_")}
    state = {f"adam_m.{prefix}{key}": array for key, array in weights.items()}
    counts = {"global_step": np.ones(1, "int32"), "learning_rate": np.array(0.1, "float32")}
    content = {f"{prefix}{key}": array for key, array in weights.items()} | state | counts
    safetensors.numpy.save_file(dict(sorted(content.items())), tmp_path / "x.safetensors")

    source = read_source(tmp_path / "x.safetensors")

    assert (source.named.prefix, len(source.tensors), len(source.named.left_out)) == (prefix, 65, 67)
    assert source.spec == read_source(TRAINING).spec


@pytest.mark.parametrize("name", ["model", "ema"])
def test_averages_are_taken_where_they_are_asked_for(name: str) -> None:
    path = DATA / "mindvision_ema.ckpt"
    both = {key: read_source(path, selection=Selection(weights=key)).tensors for key in ("model", "ema")}

    converted = Job.read("", path, Options(weights=name)).converted("torch")

    assert all(np.array_equal(converted[key], both[name][key]) for key in converted)
    with pytest.raises(CheckpointError, match="--weights model or --weights ema"):
        Job.read("", path)


def test_of_a_safetensors_averages_are_taken_by_their_prefix(tmp_path: Path) -> None:
    path = DATA / "mindvision_ema.ckpt"
    model, ema = (read_checkpoint(path, weights=name).tensors for name in ("model", "ema"))
    content = {**model, **{f"ema.{key}": array for key, array in ema.items()}}
    safetensors.numpy.save_file(content, tmp_path / "x.safetensors")

    source = read_source(tmp_path / "x.safetensors", selection=Selection(strip_prefix="ema."))

    assert np.array_equal(source.tensors["head.weight"], ema["head.dense.weight"])
    with pytest.raises(CheckpointError, match=r"--strip-prefix ema\."):
        read_source(tmp_path / "x.safetensors")


@pytest.mark.parametrize("container", ["ckpt", "safetensors"])
def test_a_file_whose_layers_shared_their_names_cannot_be_recovered(
    container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"x.{container}"
    tensors = dict(read_checkpoint(COLLISION).tensors)
    path.write_bytes(COLLISION.read_bytes() if container == "ckpt" else safetensors.numpy.save(tensors))

    assert run("--src", path, "--dst", tmp_path / "x.pdparams") == 1

    error = capsys.readouterr().err
    assert f"{path}: cannot be recovered: '0.0' is the name of a block and of another layer" in error
    assert "the others are lost (42 are left)" in error


def test_a_config_beside_it_is_another_library_s(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(plain())
    config = {"model_type": "convnext", "hidden_act": "gelu", "depths": [3, 3, 9, 3], "hidden_sizes": [8, 16, 24, 32]}
    (tmp_path / "config.json").write_text(json.dumps(config))

    source = read_source(tmp_path / "x.ckpt")

    assert isinstance(source.spec, ConvNeXtSpec)
    assert source.spec.gelu_tanh
    assert source.told == "config.json beside it is of transformers, and was not used"


@pytest.mark.parametrize("to", ["torchvision", "transformers", "mmpretrain", "paddleclas"])
def test_a_library_of_the_exact_gelu_is_refused(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suffix = "pdparams" if to == "paddleclas" else "pth"

    assert run("--src", EPOCH, "--dst", tmp_path / f"x.{suffix}", "--to", to) == 1
    assert "it has no GELU but the exact one" in capsys.readouterr().err


def test_inspect_says_the_variant_and_what_lies_beside(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect([str(EPOCH)]) == 0

    output = capsys.readouterr().out
    assert "(MindSpore's: tanh GELU, eps 1e-07 in the last norm, 'same' padding (sizes in multiples of 32))" in output
    assert all(name in output for name in ("epoch", "lr ", "note", "done"))


def test_a_key_beside_the_format_s_is_unexpected() -> None:
    tensors = {**read_checkpoint(EPOCH).tensors, "backbone.extra.weight": np.ones(3, "float32")}

    named = name_officially(tensors)

    assert named.tensors.keys() >= {"backbone.extra.weight", "head.weight"}


def test_the_function_is_of_the_given_architecture_too() -> None:
    spec = dataclasses.replace(DIGITS, eps=1e-5)

    assert (MINDVISION.as_computed(spec).last_norm_eps, MINDCV.as_computed(spec).last_norm_eps) == (1e-7, 1e-5)
