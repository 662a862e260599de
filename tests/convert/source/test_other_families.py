"""Networks that have no table here, as their own libraries build them, are named by their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import timm
import torch
import torchvision
import transformers

from convert import ARCHS
from convert.cli import main
from convert.params import Shape
from convert.source.other_families import name_family
from convert.state_dict import expected_shapes


def shapes_of(model: torch.nn.Module) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


TORCHVISION = {
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "resnet152": "ResNet-152",
    "wide_resnet50_2": "Wide ResNet-50-2",
    "densenet121": "DenseNet-121",
    "vgg11": "VGG-11",
    "vgg16_bn": "VGG-16",
    "alexnet": "AlexNet",
    "efficientnet_b0": "EfficientNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_small": "MobileNetV3",
    "squeezenet1_1": "SqueezeNet",
    "shufflenet_v2_x1_0": "ShuffleNetV2",
    "swin_t": "Swin transformer",
    "swin_v2_t": "Swin transformer",
    "vit_b_16": "vision transformer",
}
TIMM = {
    "vit_tiny_patch16_224": "vision transformer (ViT-Ti/16)",
    "vit_small_patch14_dinov2": "vision transformer (ViT-S/14)",
    "swin_tiny_patch4_window7_224": "Swin transformer (Swin-T)",
    "efficientnet_b0": "EfficientNet or MobileNet",
    "regnety_004": "RegNet",
    "resnet50d": "ResNet-50 with a deep stem",
    "resnext50d_32x4d": "ResNeXt-50 32x4d with a deep stem",
    "resnext26ts": "ResNeXt-TS or another ByobNet",
    "seresnext50_32x4d": "SE-ResNeXt-50 32x4d",
    "caformer_s18": "MetaFormer",
    "hrnet_w18_small": "HRNet",
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_network_of_torchvision_is_named(name: str) -> None:
    with torch.device("meta"):
        model = torchvision.models.get_model(name)

    assert name_family(shapes_of(model)) == f"{TORCHVISION[name]} of torchvision"


@pytest.mark.parametrize("name", TIMM)
def test_a_network_of_timm_is_named_whatever_stands_before_its_keys(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)

    prefixed = {f"module.model.{key}": shape for key, shape in shapes_of(model).items()}
    assert name_family(prefixed) == f"{TIMM[name]} of timm"


def test_networks_of_transformers_are_named() -> None:
    with torch.device("meta"):
        resnet = transformers.ResNetModel(transformers.ResNetConfig())
        swin = transformers.SwinModel(transformers.SwinConfig())
        bert = transformers.BertModel(transformers.BertConfig(num_hidden_layers=1))

    assert name_family(shapes_of(resnet)) == "ResNet of transformers"
    assert name_family(shapes_of(swin)) == "Swin transformer of transformers"
    assert name_family(shapes_of(bert)) == "BERT or a kin of it of transformers"


def test_paddles_batch_norms_tell_its_networks() -> None:
    shapes: Mapping[str, Shape] = {"layer1.0.conv1.weight": (64, 64, 3, 3), "layer1.0.bn1._mean": (64,)}

    assert name_family(shapes) == "ResNet of 1 blocks of paddle.vision"


@pytest.mark.parametrize("arch", ARCHS)
def test_no_known_network_is_another_network(arch: str) -> None:
    assert name_family(expected_shapes(ARCHS[arch], "torch")) == ""


@pytest.mark.parametrize("shapes", [{}, {"layer1.0.conv1.weight": ()}, {"classifier.6.weight": (3,)}, {"a" * 300: ()}])
def test_odd_shapes_do_no_harm(shapes: Mapping[str, Shape]) -> None:
    name_family({**shapes, "layer1.0.conv2.weight": (0, 0, 1, 1), "layer1.0.conv3.weight": ()})


def test_the_message_names_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_dict = torchvision.models.resnet50().state_dict()
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state_dict.items()}}, tmp_path / "x.pth")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]) == 1

    message = "is a ResNet-50 of torchvision, which has no table here; `convert --list` prints what can be converted"
    assert capsys.readouterr().err == f"convert: {tmp_path}/x.pth: {message}\nconvert: nothing was written\n"


RELATIVES = ["resnext50d_32x4d", "seresnext50_32x4d", "resnext26ts"]


@pytest.mark.parametrize("name", RELATIVES)
def test_a_relative_of_resnext_is_refused_by_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(timm.create_model(name).state_dict(), tmp_path / "x.pth")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]) == 1

    message = f"is a {TIMM[name]} of timm, which has no table here; `convert --list` prints what can be converted"
    assert capsys.readouterr().err == f"convert: {tmp_path}/x.pth: {message}\nconvert: nothing was written\n"
