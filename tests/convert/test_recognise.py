"""The architecture read off the tensors: every one from its shapes, in both layouts, and never a guess."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from convert import ARCHS, write_pdparams
from convert.archs import ArchSpec
from convert.checkpoints import write_checkpoint
from convert.errors import CheckpointError, CheckpointMismatch, UnknownArch
from convert.job import Job
from convert.params import Shape
from convert.source.read import open_source, read_source
from convert.source.recognise import distance, recognise_arch
from convert.state_dict import convert_state_dict, expected_shapes
from verify.selftest.weights import distinct_weights

BOTH = ("torch", "paddle")
DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")


def without_head(spec: ArchSpec, framework: str) -> dict[str, Shape]:
    return {
        name: shape
        for name, shape in expected_shapes(spec, framework).items()
        if name not in (spec.head_key, spec.head_bias_key)
    }


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("arch", ARCHS)
def test_an_architecture_is_recognised_in_a_layout(arch: str, framework: str) -> None:
    assert recognise_arch(expected_shapes(ARCHS[arch], framework), BOTH) == (ARCHS[arch], framework)


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("arch", ARCHS)
def test_another_head_and_another_stem_are_recognised(arch: str, framework: str) -> None:
    spec = dataclasses.replace(ARCHS[arch], num_classes=21841, in_chans=4)

    assert recognise_arch(expected_shapes(spec, framework), BOTH) == (spec, framework)


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("arch", ARCHS)
def test_a_backbone_without_a_head_is_recognised(arch: str, framework: str) -> None:
    spec = dataclasses.replace(ARCHS[arch], num_classes=0)

    assert recognise_arch(without_head(ARCHS[arch], framework), BOTH) == (spec, framework)


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("arch", [arch for arch in ARCHS if "convnext" in arch and arch != "convnext_tiny_hnf"])
def test_a_backbone_without_a_last_norm_is_recognised(arch: str, framework: str) -> None:
    spec = dataclasses.replace(ARCHS[arch], num_classes=0, last_norm=False)

    assert recognise_arch(expected_shapes(spec, framework), BOTH) == (spec, framework)


def test_without_its_last_norm_a_model_in_which_it_comes_first_is_the_one_in_which_it_comes_last() -> None:
    spec = dataclasses.replace(ARCHS["convnext_tiny_hnf"], num_classes=0, last_norm=False)

    recognised, _ = recognise_arch(expected_shapes(spec, "torch"), BOTH)
    assert recognised == dataclasses.replace(ARCHS["convnext_tiny"], num_classes=0, last_norm=False)


def test_a_classifier_without_its_last_norm_is_no_backbone() -> None:
    shapes = expected_shapes(DIGITS, "torch")
    del shapes["norm.weight"], shapes["norm.bias"]

    assert distance(DIGITS.fitted_to(shapes), shapes, "torch") == 2


def test_half_a_last_norm_is_missed() -> None:
    shapes = without_head(DIGITS, "torch")
    del shapes["norm.bias"]

    assert distance(DIGITS.fitted_to(shapes), shapes, "torch") == 1


def test_what_a_backbone_answers_is_said() -> None:
    headless = dataclasses.replace(DIGITS, num_classes=0)

    assert DIGITS.answer == "10 classes"
    assert headless.answer == "no head: features of 160"
    assert dataclasses.replace(headless, last_norm=False).answer == "no head, no last norm: features of 160"


def test_only_the_frameworks_asked_for_are_considered() -> None:
    with pytest.raises(CheckpointError) as caught:
        recognise_arch(expected_shapes(DIGITS, "paddle"), ("torch",))

    assert str(caught.value) == (
        "the tensors fit no architecture known here; closest is convnext_digits, 13 names or shapes apart: "
        "--arch convnext_digits lists them"
    )


def test_a_missing_a_surplus_and_an_odd_tensor_are_counted() -> None:
    shapes = expected_shapes(DIGITS, "torch") | {"norm.scale": (3,), "norm.bias": (161,)}
    del shapes["norm.weight"]

    assert distance(DIGITS, shapes, "torch") == 1 + 1 + 1


def test_half_a_head_counts_as_a_head_that_is_there() -> None:
    shapes = expected_shapes(DIGITS, "torch")
    del shapes["head.bias"]

    assert recognise_arch(shapes)[0].num_classes == 10


def test_tensors_of_nothing_known_are_told_with_the_closest() -> None:
    shapes = expected_shapes(ARCHS["convnext_tiny"], "torch")
    shapes |= {f"stages.3.2.{name}": (3,) for name in ("gamma", "dwconv.bias", "norm.bias", "pwconv2.bias")}

    with pytest.raises(CheckpointError) as caught:
        recognise_arch(shapes, BOTH)

    assert str(caught.value) == (
        "the tensors fit no architecture known here; closest is convnext_tiny, 4 names or shapes apart: "
        "--arch convnext_tiny lists them"
    )


def test_tensors_of_two_architectures_are_told_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHS, "twin", dataclasses.replace(DIGITS, name="twin", eps=1e-5))

    with pytest.raises(CheckpointError) as caught:
        recognise_arch(expected_shapes(DIGITS, "torch"), BOTH)

    assert str(caught.value) == "the tensors fit convnext_digits, twin; choose one with --arch"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "x.pth", WEIGHTS, framework="torch")
    return tmp_path / "x.pth"


def test_a_source_is_recognised_unless_it_is_given(written: Path) -> None:
    recognised, given = read_source(written), read_source(written, arch="convnext_digits")

    assert (recognised.spec, recognised.framework, recognised.recognised) == (DIGITS, "torch", True)
    assert (given.spec, given.framework, given.recognised) == (DIGITS, "torch", False)


def test_an_unrecognised_source_is_told_with_its_path(tmp_path: Path) -> None:
    weights = {name: array for name, array in WEIGHTS.items() if name != "norm.bias"}
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    with pytest.raises(CheckpointError) as caught:
        read_source(tmp_path / "x.pth")

    assert str(caught.value) == (
        f"{tmp_path}/x.pth: the tensors fit no architecture known here; closest is convnext_digits, "
        "1 name or shape apart: --arch convnext_digits lists them"
    )


def test_a_damaged_second_name_of_a_tensor_is_told_with_the_path_once(tmp_path: Path) -> None:
    weights = distinct_weights(dataclasses.replace(DIGITS, num_classes=0).params(), dtype="float32")
    weights |= {f"norms.3.{name}": weights[f"norm.{name}"].copy() for name in ("weight", "bias")}
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")
    content = bytearray((tmp_path / "x.pth").read_bytes())
    content[content.rfind(weights["norms.3.weight"].tobytes()) + 5] ^= 1
    (tmp_path / "x.pth").write_bytes(content)

    with pytest.raises(CheckpointError) as caught:
        open_source(tmp_path / "x.pth")

    assert str(caught.value).count(str(tmp_path)) == 1
    assert str(caught.value).endswith(" fails its checksum: the file is damaged; fetch it again")


def test_a_wrong_given_architecture_is_kept_for_the_comparison(written: Path) -> None:
    source = read_source(written, arch="convnext_atto")

    assert source.spec == dataclasses.replace(ARCHS["convnext_atto"], num_classes=10)


def test_an_unknown_given_architecture_is_told_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownArch) as caught:
        read_source(tmp_path / "no.pth", arch="convnext_digit")

    assert str(caught.value).startswith("unknown architecture 'convnext_digit'; did you mean convnext_digits,")


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("arch", ["", "convnext_digits"])
def test_the_layout_of_a_safetensors_file_is_read_off_its_tensors(arch: str, framework: str, tmp_path: Path) -> None:
    weights = WEIGHTS if framework == "torch" else convert_state_dict(DIGITS, WEIGHTS)
    write_checkpoint(tmp_path / "x.safetensors", weights, framework="torch")  # a note that may be wrong

    assert read_source(tmp_path / "x.safetensors", arch=arch).framework == framework


def test_a_pdparams_in_pytorchs_layout_is_refused(tmp_path: Path) -> None:
    write_pdparams(tmp_path / "x.pdparams", WEIGHTS)

    with pytest.raises(CheckpointError) as caught:
        read_source(tmp_path / "x.pdparams")

    assert str(caught.value).startswith(
        f"{tmp_path}/x.pdparams: every Linear is transposed: the layout of stages.0.0.pwconv1.weight, (80, 20), "
        "is PyTorch's, (out, in), in a Paddle file; as what it is it can be saved by: python -c 'import paddle, torch; "
    )


def test_the_tensors_of_a_source_are_official_whatever_its_keys(tmp_path: Path) -> None:
    prefixed = {f"module.{name}": array for name, array in WEIGHTS.items()}
    write_checkpoint(tmp_path / "x.pth", prefixed, framework="torch")

    source = read_source(tmp_path / "x.pth")

    assert list(source.tensors) == list(WEIGHTS)
    assert all(np.array_equal(source.tensors[name], WEIGHTS[name]) for name in WEIGHTS)


def test_as_many_names_are_apart_as_the_architecture_lists(tmp_path: Path) -> None:
    """Whoever follows the message's advice sees as many problems as it has told."""
    weights = {name: np.zeros(shape, "float32") for name, shape in expected_shapes(DIGITS, "torch").items()}
    for name in ("stages.0.0.gamma", "stages.1.0.gamma"):
        weights[name] = weights[name].reshape(2, -1)
    write_checkpoint(tmp_path / "x.safetensors", weights, framework="torch")

    with pytest.raises(CheckpointError, match="closest is convnext_digits, 2 names or shapes apart: --arch convnext_"):
        Job.read("", tmp_path / "x.safetensors")
    with pytest.raises(CheckpointMismatch, match="does not fit convnext_digits: 2 problems"):
        Job.read("convnext_digits", tmp_path / "x.safetensors").check("paddle")
