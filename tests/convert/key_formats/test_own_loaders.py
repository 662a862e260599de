"""What is written in a library's keys, given to that library's own loader: every tensor taken, and its logits ours."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from checkpoint_files import as_array, same_bits
from library_keys import stored
from oracles import IMAGE, ORACLE, torch_output
from safetensors.torch import load_model
from timm.models import load_checkpoint
from torchvision.models import Weights, WeightsEnum
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ConvNextV2Config,
    ConvNextV2ForImageClassification,
)
from twins import max_rel, random_image

from convert import ARCHS, read_checkpoint
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.targets import TARGETS, Envelope, target_named
from verify.selftest.weights import distinct_weights

ONE, TWO = ARCHS["convnext_digits"], ARCHS["convnextv2_atto"]
SUFFIXES = (".pth", ".safetensors")


def weights_of(spec: ArchSpec) -> dict[str, Array]:
    return distinct_weights(spec.params(), dtype="float32")


def sizes(spec: ArchSpec) -> tuple[list[int], list[int]]:
    depths, dims = zip(*spec.stages, strict=True)
    return list(depths), list(dims)


def by_timm(spec: ArchSpec, file: Path) -> Any:
    """By timm's load_checkpoint, strict as it is by itself."""
    depths, dims = sizes(spec)
    arch = spec.name if spec is TWO else "convnext_tiny"
    model = timm.create_model(arch, pretrained=False, num_classes=spec.num_classes, depths=depths, dims=dims)
    missing, unexpected = load_checkpoint(model, str(file))
    assert (missing, unexpected) == ([], [])
    return model


def by_create_model(spec: ArchSpec, file: Path) -> Any:
    """By the option of timm's create_model that its scripts have."""
    depths, dims = sizes(spec)
    arch = spec.name if spec is TWO else "convnext_tiny"
    return timm.create_model(arch, num_classes=spec.num_classes, depths=depths, dims=dims, checkpoint_path=str(file))


def by_torchvision(spec: ArchSpec, file: Path) -> Any:
    """By the loader of torchvision's weights, from an address, into a model of its own; it reads no safetensors."""
    depths, dims = sizes(spec)
    blocks = [CNBlockConfig(*stage) for stage in zip(dims, [*dims[1:], None], depths, strict=True)]
    model = ConvNeXt(blocks, num_classes=spec.num_classes)
    if file.suffix == ".safetensors":
        assert load_model(model, file, strict=True) == (set(), [])
        return model

    own: Any = WeightsEnum("Own", {"DEFAULT": Weights(url=file.as_uri(), transforms=torch.nn.Identity, meta={})})
    state_dict = own.DEFAULT.get_state_dict(progress=False, model_dir=str(file.parent / "hub"))
    missing, unexpected = model.load_state_dict(state_dict, strict=True)
    assert (missing, unexpected) == ([], [])
    return model


def by_transformers(spec: ArchSpec, file: Path) -> Any:
    """By from_pretrained, from a folder that holds the file under the name that it looks for."""
    folder = file.parent / "pretrained"
    folder.mkdir()
    shutil.copy(file, folder / ("pytorch_model.bin" if file.suffix == ".pth" else f"model{file.suffix}"))
    depths, dims = sizes(spec)
    config, model_class = (
        (ConvNextV2Config, ConvNextV2ForImageClassification)
        if spec is TWO
        else (ConvNextConfig, ConvNextForImageClassification)
    )
    config(depths=depths, hidden_sizes=dims, num_labels=spec.num_classes, layer_norm_eps=spec.eps).save_pretrained(
        folder
    )
    model, info = model_class.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    return model


LOADERS: dict[str, tuple[str, tuple[ArchSpec, ...], Callable[[ArchSpec, Path], Any]]] = {
    "timm's load_checkpoint": ("timm", (ONE, TWO), by_timm),
    "timm's create_model": ("timm", (ONE, TWO), by_create_model),
    "torchvision's weights": ("torchvision", (ONE,), by_torchvision),
    "transformers' from_pretrained": ("transformers", (ONE, TWO), by_transformers),
}
CASES = [
    pytest.param(name, spec, suffix, id=f"{name}, {spec.name}{suffix}")
    for name, (_, specs, _) in LOADERS.items()
    for spec in specs
    for suffix in SUFFIXES
]


def converted(spec: ArchSpec, target: Path, to: str) -> Path:
    write_checkpoint(target.parent / "x.pt", weights_of(spec), framework="torch")
    assert main(["--src", f"{target.parent}/x.pt", "--dst", str(target), "--to", to]) == 0
    return target


@pytest.mark.parametrize(("name", "spec", "suffix"), CASES)
def test_a_target_is_taken_by(name: str, spec: ArchSpec, suffix: str, tmp_path: Path) -> None:
    library, _, load = LOADERS[name]

    model = load(spec, converted(spec, tmp_path / f"y{suffix}", library)).double().eval()

    with torch.no_grad():
        answer = model(torch.from_numpy(random_image(IMAGE)))
    logits = getattr(answer, "logits", answer).numpy()  # transformers wraps it
    expected = torch_output(spec, weights_of(spec))
    assert expected.std() > 0.1
    assert max_rel(logits, expected) <= ORACLE


def test_each_library_that_is_installed_and_written_for_has_its_loader() -> None:
    # The authors' and PaddleClas' networks and mmengine are no packages here; their stand-ins are tested elsewhere.
    others = {"official", "mmpretrain", "paddleclas", "paddleclas_wsl"}

    assert {library for library, _, _ in LOADERS.values()} == {target.name for target in TARGETS} - others


# What a .pth holds by torch.load, beside the state dict, which is None here.
ENVELOPES: dict[str, Any] = {
    "official": {"model": None},
    "timm": None,
    "torchvision": None,
    "transformers": None,
    "mmpretrain": {"meta": {}, "state_dict": None},
}


@pytest.mark.parametrize("to", ENVELOPES)
def test_the_envelope_is_the_librarys(to: str, tmp_path: Path) -> None:
    content = torch.load(converted(ONE, tmp_path / "y.pth", to), weights_only=True)

    envelope = target_named(to).envelope
    state_dict = content[envelope.key] if envelope.key else content
    assert (content | {envelope.key: None} if envelope.key else None) == ENVELOPES[to]
    assert same_bits({key: as_array(tensor) for key, tensor in state_dict.items()}, stored(ONE, to, weights_of(ONE)))


@pytest.mark.parametrize("to", ENVELOPES)
def test_an_envelope_is_written_as_torch_save_writes_it(to: str, tmp_path: Path) -> None:
    content = torch.load(converted(ONE, tmp_path / "y.pth", to), weights_only=True)
    torch.save(content, tmp_path / "again.pth")

    ours, theirs = read_checkpoint(tmp_path / "y.pth"), read_checkpoint(tmp_path / "again.pth")
    assert ours.wrapper == theirs.wrapper == target_named(to).envelope.key
    assert same_bits(ours.tensors, theirs.tensors)


@pytest.mark.parametrize("to", ENVELOPES)
def test_the_envelope_comes_back_and_is_named(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = converted(ONE, tmp_path / "y.pth", to)
    capsys.readouterr()

    assert main(["--src", str(target), "--dst", f"{tmp_path}/z.pdparams", "--json"]) == 0

    source = json.loads(capsys.readouterr().out)["source"]
    assert (source["wrapper"], source["key_format"]) == (target_named(to).envelope.key, to)


def mmengine_weights(file: Path) -> Any:
    """What mmengine's `_load_checkpoint_to_model` takes for the weights, in its own order of questions."""
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    assert isinstance(checkpoint, dict)
    assert checkpoint["meta"].get("dataset_meta") is None  # of mmpretrain, which looks for the classes' names there
    return checkpoint.get("state_dict", checkpoint)


@pytest.mark.parametrize("spec", [ONE, TWO], ids=lambda spec: spec.name)
def test_mmengine_finds_the_weights(spec: ArchSpec, tmp_path: Path) -> None:
    weights = mmengine_weights(converted(spec, tmp_path / "y.pth", "mmpretrain"))

    expected = {name: array.shape for name, array in stored(spec, "mmpretrain", weights_of(spec)).items()}
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == expected
    module = torch.nn.Module()
    module.head = torch.nn.Module()
    module.head.fc = torch.nn.Linear(spec.stages[-1][1], spec.num_classes)
    module.load_state_dict({key: tensor for key, tensor in weights.items() if key.startswith("head.")}, strict=True)
    assert torch.equal(module.head.fc.weight, torch.from_numpy(weights_of(spec)["head.weight"]))


# The test of the test: an envelope of the wrong library, and what a loader makes of it.
def test_mmengine_takes_the_authors_envelope_for_the_weights(tmp_path: Path) -> None:
    content = torch.load(converted(ONE, tmp_path / "y.pth", "official"), weights_only=True)

    assert list(content.get("state_dict", content)) == ["model"]


@pytest.mark.parametrize("library", ["torchvision", "transformers"])
def test_a_loader_sees_the_authors_envelope(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = next(load for of, _, load in LOADERS.values() if of == library)
    wrong = tuple(dataclasses.replace(target, envelope=Envelope("model")) for target in TARGETS)
    monkeypatch.setattr("convert.targets.TARGETS", wrong)

    file = converted(ONE, tmp_path / "y.pth", library)

    with pytest.raises((RuntimeError, AssertionError, AttributeError)):
        load(ONE, file)
