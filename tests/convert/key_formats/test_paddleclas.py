"""PaddleClas both ways: its names and shapes written, loaded by its layers, and read back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from checkpoint_files import as_tensors, same_bits
from library_keys import stored
from oracles import IMAGE, ORACLE, torch_output
from paddleclas_twins import Network
from twins import carried, max_rel, random_image

from convert import ARCHS, read_checkpoint
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.errors import CheckpointError, FerryError
from convert.key_formats import name_officially, names_for
from convert.key_formats.rules import Reshape
from verify.gates.structure import file_digests, run_structure, tensor_problems
from verify.pair import read_pair
from verify.selftest.weights import distinct_weights
from verify.workers.compute import Compute
from verify.workers.worker import start_workers

pytestmark = pytest.mark.long

# One of version 1, of version 2 with 1x1 convolutions, and of version 2 with Linear layers.
V1, CONV, LINEAR = "convnext_digits", "convnextv2_atto", "convnextv2_tiny"
KINDS = (V1, CONV, LINEAR)


def weights_of(arch: str) -> dict[str, Array]:
    return distinct_weights(ARCHS[arch].params(), dtype="float32")


def convert(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module", params=KINDS)
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(arch: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x.pth of the architecture, and clas.pdparams made of it."""
    folder = tmp_path_factory.mktemp(arch)
    write_checkpoint(folder / "x.pth", weights_of(arch), framework="torch")
    convert("--src", folder / "x.pth", "--dst", folder / "clas.pdparams", "--to", "paddleclas")
    return folder


@pytest.fixture(scope="module")
def network(arch: str, folder: Path) -> Any:
    """The stand-in, filled from the file as PaddleClas fills its own: by paddle.load and set_state_dict."""
    model: Any = Network(ARCHS[arch])
    loaded = paddle.load(str(folder / "clas.pdparams"))
    assert {name: list(tensor.shape) for name, tensor in loaded.items()} == {
        name: list(tensor.shape) for name, tensor in model.state_dict().items()
    }
    assert model.set_state_dict(loaded) == ([], [])
    return model


def test_version_2_atto_has_the_140_tensors_that_paddleclas_wants() -> None:
    assert len(Network(ARCHS[CONV]).state_dict()) == 140


def test_its_network_answers_as_ours(arch: str, network: Any) -> None:
    network.to(dtype="float64")
    network.eval()
    with paddle.no_grad():
        logits = network(paddle.to_tensor(random_image(IMAGE))).numpy()

    expected = torch_output(ARCHS[arch], weights_of(arch))
    assert expected.std() > 0.1
    assert max_rel(logits, expected) <= ORACLE


def test_version_1_has_the_bytes_of_the_target_without_the_option(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", weights_of(V1), framework="torch")
    convert("--src", tmp_path / "x.pth", "--dst", tmp_path / "clas.pdparams", "--to", "paddleclas")
    convert("--src", tmp_path / "x.pth", "--dst", tmp_path / "plain.pdparams")

    assert (tmp_path / "clas.pdparams").read_bytes() == (tmp_path / "plain.pdparams").read_bytes()


def test_official_keys_may_be_asked_for_by_name(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", weights_of(CONV), framework="torch")
    convert("--src", tmp_path / "x.pth", "--dst", tmp_path / "one.pdparams", "--to", "official")
    convert("--src", tmp_path / "x.pth", "--dst", tmp_path / "plain.pdparams")

    assert (tmp_path / "one.pdparams").read_bytes() == (tmp_path / "plain.pdparams").read_bytes()


# Names and shapes by hand, of the first block and the head.
BY_HAND: dict[str, dict[str, tuple[int, ...]]] = {
    V1: {"stages.0.0.pwconv1.weight": (20, 80), "stages.0.0.gamma": (20,), "norm.bias": (160,)},
    CONV: {"stages.0.0.pwconv1.weight": (160, 40, 1, 1), "stages.0.0.pwconv2.weight": (40, 160, 1, 1)},
    LINEAR: {"stages.0.0.pwconv1.weight": (96, 384), "stages.0.0.pwconv2.weight": (384, 96)},
}
HEADS: dict[str, dict[str, tuple[int, ...]]] = {
    V1: {"head.weight": (160, 10), "head.bias": (10,)},
    CONV: {"head.norm.weight": (320,), "head.fc.weight": (320, 1000), "stages.0.0.grn.gamma": (160,)},
    LINEAR: {"head.norm.bias": (768,), "head.fc.bias": (1000,), "stages.0.0.grn.beta": (384,)},
}


def test_the_names_and_shapes_are_those_written_by_hand(arch: str, folder: Path) -> None:
    tensors = read_checkpoint(folder / "clas.pdparams").tensors

    expected = BY_HAND[arch] | HEADS[arch]
    assert {name: tensors[name].shape for name in expected} == expected


def test_a_1x1_convolution_is_not_transposed() -> None:
    weights = weights_of(CONV)

    theirs = stored(ARCHS[CONV], "paddleclas", weights)

    name = "stages.1.0.pwconv1.weight"
    assert np.array_equal(theirs[name][:, :, 0, 0], weights[name])
    assert np.array_equal(theirs["head.fc.weight"], weights["head.weight"].T)


@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
def test_every_bit_comes_back(suffix: str, arch: str, folder: Path, tmp_path: Path) -> None:
    theirs, back = tmp_path / f"clas{suffix}", tmp_path / "back.pth"

    convert("--src", folder / "x.pth", "--dst", theirs, "--to", "paddleclas")
    convert("--src", theirs, "--dst", back, "--to", "official")

    assert same_bits(read_checkpoint(theirs).tensors, stored(ARCHS[arch], "paddleclas", weights_of(arch)))
    assert back.read_bytes() == (folder / "x.pth").read_bytes()


def test_a_paddle_target_of_ours_is_renamed_and_comes_back(folder: Path, tmp_path: Path) -> None:
    convert("--src", folder / "x.pth", "--dst", tmp_path / "ours.pdparams")
    convert("--src", tmp_path / "ours.pdparams", "--dst", tmp_path / "clas.pdparams", "--to", "paddleclas")
    convert("--src", folder / "clas.pdparams", "--dst", tmp_path / "back.pdparams", "--to", "official")

    assert (tmp_path / "clas.pdparams").read_bytes() == (folder / "clas.pdparams").read_bytes()
    assert (tmp_path / "back.pdparams").read_bytes() == (tmp_path / "ours.pdparams").read_bytes()


def test_the_digest_is_that_of_the_same_values_elsewhere(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = set()
    for target in (["clas.pdparams", "--to", "paddleclas"], ["plain.pdparams"], ["x.safetensors", "--to", "official"]):
        convert("--src", folder / "x.pth", "--json", "--dst", tmp_path / target[0], *target[1:])
        digests.add(json.loads(capsys.readouterr().out)["digest"])

    assert len(digests) == 1


@pytest.mark.parametrize(
    ("source", "more", "operations"),
    [
        ("x.pth", ["--dst", "y.pdparams", "--to", "paddleclas"], ["back from 1x1 convolution to Linear of Paddle"]),
        ("clas.pdparams", ["--dst", "y.pth"], ["1x1 convolution to Linear of Paddle"]),
        (
            "clas.pdparams",
            ["--dst", "y.pdparams", "--to", "official"],
            ["1x1 convolution to Linear of Paddle", "transpose"],
        ),
        (
            "clas.pdparams",
            ["--dst", "y.pdparams", "--to", "paddleclas"],
            ["1x1 convolution to Linear of Paddle", "back from 1x1 convolution to Linear of Paddle"],
        ),
    ],
)
def test_the_plan_says_what_is_done(
    source: str, more: list[str], operations: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "x.pth", weights_of(CONV), framework="torch")
    convert("--src", tmp_path / "x.pth", "--dst", tmp_path / "clas.pdparams", "--to", "paddleclas")
    capsys.readouterr()

    convert("--src", tmp_path / source, "--plan", *more)

    lines = [line for line in capsys.readouterr().out.split("\n") if line.startswith("stages.0.0.pwconv1.weight")]
    assert f"  {', '.join(operations)}  " in lines[0]


def test_what_is_read_is_called_by_its_librarys_name(
    arch: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--src", folder / "clas.pdparams", "--plan")

    name = "official" if arch == V1 else "paddleclas"
    assert f"clas.pdparams: paddle pickle, {name} keys\n{arch} (recognised from the tensors)" in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "model.module."])
def test_a_prefix_is_taken_off(prefix: str) -> None:
    theirs = stored(ARCHS[CONV], "paddleclas", weights_of(CONV))

    named = name_officially({prefix + key: array for key, array in theirs.items()})

    assert (named.key_format.name, named.prefix) == ("paddleclas", prefix)


def test_the_way_back_is_reshapes_alone() -> None:
    named = name_officially(stored(ARCHS[CONV], "paddleclas", weights_of(CONV)))

    kinds = list(named.reshaped.values())
    assert {kind: kinds.count(kind) for kind in kinds} == {Reshape.CONV1X1_OF_PADDLE: 24, Reshape.GRN: 24}
    assert same_bits(named.tensors, carried(ARCHS[CONV].params(), weights_of(CONV)))


def test_a_paddleclas_file_is_verified(folder: Path) -> None:
    pair = read_pair("", folder / "x.pth", folder / "clas.pdparams")

    assert tensor_problems(pair) == []
    with start_workers(Compute(threads=1)) as workers:
        gate = run_structure(pair, file_digests(pair), workers)
    assert (gate.verdict.value, gate.problems) == ("passed", ())


def swap(theirs: dict[str, Array], one: str, other: str) -> None:
    theirs[one], theirs[other] = theirs[other], theirs[one]


# Planted in PaddleClas' file of version 2 with 1x1 convolutions: what the structure gate must see.
FAULTS: dict[str, Callable[[dict[str, Array]], None]] = {
    "two norms exchanged": lambda w: swap(w, "stages.0.0.norm.weight", "stages.0.1.norm.weight"),
    "a convolution in Paddle's order of a Linear": lambda w: w.update(
        {"stages.0.0.pwconv1.weight": w["stages.0.0.pwconv1.weight"].reshape(40, 160).T.copy().reshape(160, 40, 1, 1)}
    ),
    "a response norm's vectors exchanged": lambda w: swap(w, "stages.2.0.grn.gamma", "stages.2.0.grn.beta"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_its_file_is_seen(fault: str, tmp_path: Path) -> None:
    theirs = stored(ARCHS[CONV], "paddleclas", weights_of(CONV))
    FAULTS[fault](theirs)
    write_checkpoint(tmp_path / "x.pth", weights_of(CONV), framework="torch")
    write_checkpoint(tmp_path / "x.pdparams", theirs, framework="paddle")

    pair = read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams")

    assert tensor_problems(pair) == []
    files = file_digests(pair)
    assert files["torch"] != files["paddle"]


@pytest.mark.parametrize("arch", ["convnextv2_atto", "convnextv2_tiny"])
def test_its_keys_in_a_file_of_pytorch_are_refused(
    arch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(as_tensors(stored(ARCHS[arch], "paddleclas", weights_of(arch))), tmp_path / "x.pth")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.pdparams"]) == 1

    assert capsys.readouterr().err == (
        f"convert: {tmp_path}/x.pth: a torch zip with paddleclas keys, which are for Paddle alone; "
        "give Paddle's own file\nconvert: nothing was written\n"
    )


def test_official_names_among_its_keys_are_refused() -> None:
    theirs = stored(ARCHS[CONV], "paddleclas", weights_of(CONV))

    with pytest.raises(CheckpointError) as caught:
        name_officially({**theirs, "norm.weight": np.ones(320, "float32")})

    assert str(caught.value) == (
        "'norm.weight' is an official name among paddleclas keys; keep one model's keys in the file"
    )


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"eps": 1e-5}, "eps but 1e-06"),
        ({"gelu_tanh": True}, "GELU but the exact one"),
        ({"grn": True}, "place for stages.0.0.gamma"),
    ],
)
def test_what_its_code_cannot_build_is_named(changes: dict[str, Any], lacks: str) -> None:
    spec: ArchSpec = dataclasses.replace(ARCHS["convnext_atto"], **changes)

    with pytest.raises(FerryError) as caught:
        names_for(spec, "paddleclas")

    assert str(caught.value) == (f"paddleclas has no convnext_atto: it has no {lacks}; choose --to official")
