"""Files as other people's training code writes them, made anew by its own writers or after them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.utils import CheckpointSaver, ModelEmaV2

from convert.archs import ArchSpec
from convert.cli import main
from convert.errors import CheckpointError, WrongChoice
from convert.inspect.inspection import inspect_file
from convert.source.read import Selection, Source, read_source

StateDict = dict[str, torch.Tensor]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A model of timm after one step, and its optimizer."""
    model = timm.create_model("test_convnext", num_classes=10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.rand(2, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def is_read_as(source: Source[Any], model: torch.nn.Module) -> bool:
    """Whether the tensors are the model's, bit for bit."""
    theirs = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return all(
        np.array_equal(source.checkpoint.tensors[key], theirs[key.removeprefix(source.named.prefix)])
        for key in source.named.keys.values()
    ) and len(theirs) == len(source.named.keys)


def lightning(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What Lightning 2.6's trainer writes of a module that has the model as `model`."""
    progress = {"total": {"ready": 1, "completed": 1}, "current": {"ready": 1, "completed": 1}}
    return {
        "epoch": 1,
        "global_step": 2,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_loop.batch_progress": {**progress, "is_last_batch": True}}},
        "callbacks": {
            "EarlyStopping{'monitor': 'val_loss', 'mode': 'min'}": {"best_score": torch.tensor(torch.inf)},
            "ModelCheckpoint{'monitor': 'val_loss'}": {"best_k_models": {"/a/b.ckpt": torch.tensor(0.3)}},
        },
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"last_epoch": 1, "_last_lr": [0.1]}],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 0.1, "args": argparse.Namespace(width=2)},
    }


def test_lightnings_checkpoint_is_read(
    trained: tuple[torch.nn.Module, torch.optim.Optimizer], tmp_path: Path, capsys: Captured
) -> None:
    torch.save(lightning(*trained), tmp_path / "last.ckpt")

    source = read_source(tmp_path / "last.ckpt")

    assert (source.checkpoint.wrapper, source.named.prefix) == ("state_dict", "model.")
    assert is_read_as(source, trained[0])
    assert main(["--src", f"{tmp_path}/last.ckpt", "--dst", f"{tmp_path}/x.pdparams"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("under 'state_dict', timm keys, prefix 'model.' taken off")


@pytest.mark.parametrize("chosen", ["model.", "ema_model.module."])
def test_the_average_in_lightnings_state_dict_is_chosen_by_its_prefix(
    chosen: str, trained: tuple[torch.nn.Module, torch.optim.Optimizer], tmp_path: Path
) -> None:
    content = lightning(*trained)
    average = {f"ema_model.module.{name}": tensor for name, tensor in trained[0].state_dict().items()}
    content["state_dict"] |= {**average, "ema_model.n_averaged": torch.tensor(3), "val_acc.tp": torch.tensor(3)}
    torch.save(content, tmp_path / "x.ckpt")

    with pytest.raises(WrongChoice, match=r"choose with --strip-prefix model\. or --strip-prefix ema_model\.module\.$"):
        read_source(tmp_path / "x.ckpt")
    source = read_source(tmp_path / "x.ckpt", selection=Selection(strip_prefix=chosen))

    assert source.named.prefix == chosen
    assert is_read_as(source, trained[0])


@pytest.mark.parametrize("name", ["checkpoint-0.pth.tar", "last.pth.tar", "model_best.pth.tar", "recovery-0-3.pth.tar"])
def test_of_timms_savers_two_state_dicts_one_is_chosen(
    name: str, trained: tuple[torch.nn.Module, torch.optim.Optimizer], tmp_path: Path
) -> None:
    model, optimizer = trained
    average = ModelEmaV2(model, decay=0.5)
    with torch.no_grad():
        average.module.head.fc.bias += 1
    saver = CheckpointSaver(
        model=model,
        optimizer=optimizer,
        args=argparse.Namespace(model="test_convnext", lr=0.1),
        model_ema=average,
        checkpoint_dir=str(tmp_path),
        recovery_dir=str(tmp_path),
    )
    saver.save_checkpoint(0, metric=70.0)
    saver.save_recovery(0, batch_idx=3)

    with pytest.raises(WrongChoice, match=r"choose one with --weights state_dict or --weights state_dict_ema$"):
        read_source(tmp_path / name)
    for chosen, expected in (("state_dict", model), ("state_dict_ema", average.module)):
        assert is_read_as(read_source(tmp_path / name, selection=Selection(chosen)), expected)


def test_a_downsampling_in_the_first_stage_is_named_by_convert_and_inspect(tmp_path: Path) -> None:
    model = timm.create_model("test_convnext", num_classes=10, patch_size=2)
    for path, before in ((tmp_path / "x.pth", ""), (tmp_path / "y.pth", "module.")):
        torch.save({before + name: tensor for name, tensor in model.state_dict().items()}, path)
        reason = (
            f"{before}stages.0.downsample.0.weight is a downsampling in the first stage, as timm builds it with "
            "patch_size=2, and no model here has one"
        )

        with pytest.raises(CheckpointError) as caught:
            read_source(path)

        assert str(caught.value) == f"{path}: {reason}; give a checkpoint of patch_size=4"
        assert inspect_file(path).places[0].recognised.reason == reason


@pytest.mark.parametrize("before", ["visual.", "module.visual.", ""])
def test_clips_hidden_layer_on_a_known_trunk_is_an_own_network(before: str, tmp_path: Path) -> None:
    trunk = timm.create_model("convnext_atto", num_classes=0).state_dict()
    head = {"fc1.weight": (640, 320), "fc1.bias": (640,), "fc2.weight": (7, 640)}
    tensors: StateDict = {f"{before}trunk.{name}": tensor for name, tensor in trunk.items()}
    tensors |= {f"{before}head.mlp.{name}": torch.rand(shape) for name, shape in head.items()}
    torch.save(tensors, tmp_path / "x.pth")

    source = read_source(tmp_path / "x.pth")

    spec: ArchSpec = source.spec
    assert spec.name == "own ConvNeXt: depths (2, 2, 6, 2), dims (40, 80, 160, 320), hidden layer of 640"
    assert spec.num_classes == 7
    assert np.array_equal(source.tensors["head.weight"], tensors[f"{before}head.mlp.fc2.weight"].numpy())
    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]) == 0
