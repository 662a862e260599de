"""A `config.json` beside a checkpoint: what no tensor tells is read in it, and a contradiction is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from oracles import torch_output
from twins import TINY, random_image, randomised

from convert.archs import ArchSpec, get_spec
from convert.archs.own_convnext import ASSUMED
from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.errors import CheckpointError
from convert.source.config import heed_config
from convert.source.read import read_source
from verify.pair import read_pair
from verify.selftest.weights import distinct_weights

ATTO = get_spec("convnext_atto")
ADVICE = "correct config.json where it is wrong; if it is another model's, move it away"
IMAGE = (1, 3, 64, 96)

TRANSFORMERS = {
    "model_type": "convnext",
    "depths": [2, 2, 6, 2],
    "hidden_sizes": [40, 80, 160, 320],
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
}
TIMM = {
    "architecture": "convnext_atto.d2_in1k",
    "global_pool": "avg",
    "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
}


def write(folder: Path, document: object) -> Path:
    """A config.json, and the path of a checkpoint beside it, named as the libraries name theirs."""
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return folder / "model.safetensors"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            TRANSFORMERS,
            "config.json beside it, of transformers: hidden_act gelu, layer_norm_eps 1e-12, image_size 224; the last "
            "norm here has eps 1e-06",
        ),
        (
            TIMM,
            "config.json beside it, of timm: input_size [3, 224, 224], mean [0.485, 0.456, 0.406], "
            "std [0.229, 0.224, 0.225]",
        ),
        (
            {"model_type": "mask2former", "backbone_config": {**TRANSFORMERS, "image_size": None}},
            "config.json beside it, of "
            "transformers: hidden_act gelu, layer_norm_eps 1e-12; the last norm here has eps 1e-06",
        ),
        (
            {"architecture": "convnext_atto"},
            "config.json beside it, of timm: nothing that the tensors do not tell",
        ),
        ({"model_type": "resnet"}, "config.json beside it is no ConvNeXt's of transformers or timm, and was not used"),
        ({"learning_rate": 1e-3}, "config.json beside it is no ConvNeXt's of transformers or timm, and was not used"),
        ([1], "config.json beside it cannot be read, and was not used"),
        ("{", "config.json beside it cannot be read, and was not used"),
        ("", "config.json beside it cannot be read, and was not used"),
        (f'{{"a": "{"x" * (1 << 20)}"}}', "config.json beside it cannot be read, and was not used"),
    ],
)
def test_what_is_beside_a_known_architecture_is_said(document: object, said: str, tmp_path: Path) -> None:
    assert heed_config(write(tmp_path, document), ATTO) == (ATTO, said)


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    assert heed_config(tmp_path / "model.safetensors", ATTO) == (ATTO, "")


@pytest.mark.parametrize("norm", ["layernorm", "layernorm2d", "layernorm2dfp32"])
def test_timms_names_of_the_same_norm_are_no_contradiction(norm: str, tmp_path: Path) -> None:
    path = write(tmp_path, {**TIMM, "model_args": {"norm_layer": norm, "output_stride": 32}})

    assert heed_config(path, ATTO)[0] == ATTO


def test_a_pipe_of_that_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")

    assert heed_config(tmp_path / "x.pth", ATTO) == (ATTO, "config.json beside it cannot be read, and was not used")


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "another activation": (
        {**TRANSFORMERS, "hidden_act": "relu"},
        "hidden_act is relu, and convnext_atto has the exact GELU",
    ),
    "GELU's other form": (
        {**TRANSFORMERS, "hidden_act": "gelu_new"},
        "hidden_act is gelu_new, and convnext_atto has the exact GELU",
    ),
    "an activation that is no text": (
        {**TRANSFORMERS, "hidden_act": ["gelu"]},
        "hidden_act is ['gelu'], and convnext_atto has the exact GELU",
    ),
    "a large eps": (
        {**TRANSFORMERS, "layer_norm_eps": 1e-3},
        "layer_norm_eps is 0.001, and the last norm of convnext_atto has 1e-06",
    ),
    "an eps that is none": (
        {**TRANSFORMERS, "layer_norm_eps": "1e-6"},
        "layer_norm_eps is 1e-6, and the last norm of convnext_atto has 1e-06",
    ),
    "DINOv3's eps": (
        {"model_type": "dinov3_convnext", "layer_norm_eps": 1e-5},
        "layer_norm_eps is 1e-05, and convnext_atto has 1e-06",
    ),
    "timm's activation": (
        {**TIMM, "model_args": {"act_layer": "silu"}},
        "act_layer is silu, and convnext_atto has the exact GELU",
    ),
    "timm's eps": ({**TIMM, "model_args": {"norm_eps": 1e-5}}, "norm_eps is 1e-05, and convnext_atto has 1e-06"),
    "timm's dilation": (
        {**TIMM, "model_args": {"output_stride": 16}},
        "output_stride is 16, and no model here has that",
    ),
    "timm's norm": (
        {**TIMM, "model_args": {"norm_layer": "rmsnorm"}},
        "norm_layer is rmsnorm, and convnext_atto has layernorm",
    ),
    "timm's pooling": ({**TIMM, "global_pool": "max"}, "global_pool is max, and no model here has that"),
    "a backbone's": (
        {"model_type": "upernet", "backbone_config": {**TRANSFORMERS, "hidden_act": "relu"}},
        "hidden_act is relu, and convnext_atto has the exact GELU",
    ),
    "two": (
        {**TRANSFORMERS, "hidden_act": "relu", "layer_norm_eps": 1},
        "hidden_act is relu, and convnext_atto has the exact GELU; "
        "layer_norm_eps is 1, and the last norm of convnext_atto has 1e-06",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_a_known_architecture_contradicts_is_named(case: str, tmp_path: Path) -> None:
    document, named = CONTRADICTIONS[case]

    with pytest.raises(CheckpointError) as caught:
        heed_config(write(tmp_path, document), ATTO)

    assert str(caught.value) == f"config.json beside it contradicts the model: {named}; {ADVICE}"


ANOTHERS = [
    (TRANSFORMERS | {"depths": [3, 3, 9, 3]}, "depths is [3, 3, 9, 3], and the tensors have [2, 2, 6, 2]"),
    (TRANSFORMERS | {"hidden_sizes": [1]}, "hidden_sizes is [1], and the tensors have [40, 80, 160, 320]"),
    (
        TIMM | {"architecture": "convnext_nano"},
        "architecture is convnext_nano, and the tensors are those of convnext_atto",
    ),
]


@pytest.mark.parametrize(("document", "how"), ANOTHERS)
def test_another_models_is_refused_beside_the_librarys_own_file(
    document: Mapping[str, Any], how: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError) as caught:
        heed_config(write(tmp_path, document), ATTO)

    assert str(caught.value) == f"config.json beside it is another model's: {how}; {ADVICE}"


@pytest.mark.parametrize(("document", "how"), ANOTHERS)
def test_another_models_is_passed_over_beside_another_file_and_that_is_said(
    document: Mapping[str, Any], how: str, tmp_path: Path
) -> None:
    path = write(tmp_path, {**document, "hidden_act": "relu"}).with_name("atto.safetensors")

    assert heed_config(path, ATTO) == (ATTO, f"config.json beside it is another model's, and was not used: {how}")


def transformers_net(**values: Any) -> Any:
    config = transformers.ConvNextConfig(hidden_sizes=[4, 6, 8, 10], depths=[1, 1, 3, 1], num_labels=5, **values)
    return transformers.ConvNextForImageClassification(config)


def saved(model: Any, folder: Path, *, answer: Callable[[Any], Any]) -> Array:
    """Gives a library's model weights of order 1, saves it as the library does, and returns its answer in float64."""
    weights = randomised({name: tuple(t.shape) for name, t in model.state_dict().items()}, dtype="float32")
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    model.save_pretrained(folder)
    with torch.no_grad():
        expected: Array = answer(model.double().eval()(torch.from_numpy(random_image(IMAGE)))).numpy()
    return expected


@pytest.mark.parametrize(
    ("activation", "name"), [("gelu", ""), ("gelu_new", ", tanh GELU"), ("gelu_pytorch_tanh", ", tanh GELU")]
)
def test_a_network_of_transformers_is_read_as_its_config_says(activation: str, name: str, tmp_path: Path) -> None:
    net = transformers_net(hidden_act=activation, layer_norm_eps=1e-6)
    expected = saved(net, tmp_path, answer=lambda output: output.logits)

    source = read_source(tmp_path / "model.safetensors")

    assert source.spec.name == f"own ConvNeXt: depths (1, 1, 3, 1), dims (4, 6, 8, 10){name}"
    assert "exact GELU" not in source.spec.assumed
    assert abs(torch_output(source.spec, source.tensors) - expected).max() <= 1e-9 * abs(expected).max()


def test_strangers_case_38_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = transformers.ConvNextConfig(
        hidden_sizes=[40, 80, 160, 320], depths=[2, 2, 6, 2], num_labels=10, hidden_act="relu"
    )
    transformers.ConvNextForImageClassification(config).save_pretrained(tmp_path)
    capsys.readouterr()

    status = main(["--src", f"{tmp_path}/model.safetensors", "--dst", f"{tmp_path}/x.pdparams"])

    assert (status, (tmp_path / "x.pdparams").exists()) == (1, False)
    assert capsys.readouterr().err == (
        f"convert: {tmp_path}/model.safetensors: config.json beside it contradicts the model: hidden_act is relu, and "
        f"convnext_atto has the exact GELU; {ADVICE}\nconvert: nothing was written\n"
    )


@pytest.mark.parametrize("arch", ["", "own"])
def test_an_own_network_with_another_activation_is_refused(arch: str, tmp_path: Path) -> None:
    transformers_net(hidden_act="relu").save_pretrained(tmp_path)

    with pytest.raises(CheckpointError, match=r": hidden_act is relu, and own ConvNeXt: .* has the exact GELU; "):
        read_source(tmp_path / "model.safetensors", arch=arch)


def test_beside_tensors_of_another_architecture_than_asked_for_it_is_not_read(tmp_path: Path) -> None:
    transformers_net(hidden_act="relu").save_pretrained(tmp_path)

    source = read_source(tmp_path / "model.safetensors", arch="convnext_atto")

    assert (source.spec.name, source.told) == ("convnext_atto", "")


def own(folder: Path, document: object) -> tuple[ArchSpec, Path]:
    write_checkpoint(folder / "x.pth", distinct_weights(TINY.params(), dtype="float32"), framework="torch")
    write(folder, document)
    return TINY, folder / "x.pth"


def test_timms_values_are_those_of_an_own_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = own(
        tmp_path, {"architecture": "test_convnext", "model_args": {"act_layer": "gelu_tanh", "norm_eps": 1e-5}}
    )

    assert main(["--src", str(path), "--dst", f"{tmp_path}/x.pdparams"]) == 0

    out = capsys.readouterr().out
    assert "dims (4, 6, 8, 10), tanh GELU, eps 1e-05 (recognised from the tensors)" in out
    assert "config.json beside it, of timm: act_layer gelu_tanh, norm_eps 1e-05\n" in out
    assert f"assumed, for no tensor tells: {', '.join(ASSUMED[2:])}\n" in out


def test_a_target_away_from_the_config_is_verified_as_the_source_says(tmp_path: Path) -> None:
    _, path = own(
        tmp_path, {"architecture": "test_convnext", "model_args": {"act_layer": "gelu_tanh", "norm_eps": 1e-5}}
    )
    (tmp_path / "away").mkdir()
    assert main(["--src", str(path), "--dst", f"{tmp_path}/away/x.pdparams", "--num-classes", "7"]) == 0

    pair = read_pair("", path, tmp_path / "away/x.pdparams")

    assert (pair.spec.gelu_tanh, pair.spec.eps, pair.spec.num_classes) == (True, 1e-5, 7)
    assert pair.head_change is not None


def test_what_timm_saves_for_the_hub_is_read(tmp_path: Path) -> None:
    model = timm.create_model("convnext_atto", num_classes=5, act_layer="gelu_tanh")
    timm.models.save_for_hf(model, tmp_path, model_args={"act_layer": "gelu_tanh"}, safe_serialization=True)

    with pytest.raises(CheckpointError, match=r": act_layer is gelu_tanh, and convnext_atto has the exact GELU; "):
        read_source(tmp_path / "model.safetensors")
