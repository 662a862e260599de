"""What is no state dict of a ConvNeXt is named for what it is; where a command is advised, that command is run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
import pytest
import torch
import torch.distributed.checkpoint as dcp
from checkpoint_files import as_tensors, same_bits
from safetensors.torch import save_file
from twins import carried
from wrapped_files import DIGITS, OPTIMIZER, WEIGHTS, model, write_shards

import models_torch
from convert import read_checkpoint, write_pdparams
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.source.read import read_source

pytestmark = pytest.mark.long

IMAGE = torch.ones(1, 3, 64, 64)


def network() -> torch.nn.Module:
    return models_torch.build_with(DIGITS, WEIGHTS)


def refusal(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The message without the path that it begins with, the line after it left out."""
    status = main(["--src", str(path), "--dst", str(path.parent / "out.pdparams"), *options])
    assert status == 1
    message = capsys.readouterr().err.splitlines()[0]
    assert message.startswith(f"convert: {path}: ")
    return message.removeprefix(f"convert: {path}: ")


def run_advice(message: str) -> None:
    """Runs the command that a message ends with."""
    _, _, command = message.partition(": python ")
    subprocess.run([sys.executable, *shlex.split(command)], check=True, capture_output=True, timeout=120)


# Programs and modules


def traced(path: Path) -> None:
    torch.jit.save(torch.jit.trace(network(), IMAGE), path)


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(network(), (IMAGE,)), path)


def whole_module(path: Path) -> None:
    torch.save(network(), path)


def module_in_a_dict(path: Path) -> None:
    torch.save({"model": network(), "epoch": 3, "best": torch.tensor(0.5), "optimizer": OPTIMIZER}, path)


PROGRAMS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "TorchScript": (traced, "x.pt", "a TorchScript program, not a state dict; its author can run: "),
    "torch.export": (exported, "x.pt2", "an exported program of torch.export, not a state dict; its author can run: "),
    "a module": (
        whole_module,
        "it's a model.pth",
        "holds a models_torch.convnext.ConvNeXt, which was not run, not a state dict; its author can run: ",
    ),
    "a module in a dict": (
        module_in_a_dict,
        "x.pth",
        "holds under 'model' a models_torch.convnext.ConvNeXt, which was not run, not a state dict; "
        "its author can run: ",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", PROGRAMS)
def test_what_its_author_is_told_to_run_saves_the_state_dict_of(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save, name, message = PROGRAMS[kind]
    save(tmp_path / name)
    monkeypatch.setenv("PYTHONPATH", str(Path(models_torch.__file__).parents[1]))

    said = refusal(tmp_path / name, capsys)
    run_advice(said)

    assert said.startswith(message)
    saved = (tmp_path / name).with_name(f"{Path(name).stem}_state_dict.pth")
    assert same_bits({key: read_source(saved).tensors[key] for key in WEIGHTS}, WEIGHTS)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_distributed_checkpoint_becomes_one_file_by_what_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dcp.save({"model": model()}, checkpoint_id=tmp_path / "ck")

    said = refusal(tmp_path / "ck", capsys)
    of_a_part = refusal(tmp_path / "ck" / "__0_0.distcp", capsys)
    run_advice(said)

    assert said.startswith("is a distributed checkpoint; make one file of it: python -m ")
    assert of_a_part == f"is a part of {said.removeprefix('is ')}"
    assert same_bits(read_checkpoint(tmp_path / "ck.pth").tensors, WEIGHTS)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("inference.pdmodel", b"\n\x9d\x01\x08\x00", "an exported program"),
        ("inference.json", b'{"base_code":{"magic":"pir","trainable":true}}', "an exported program"),
        ("inference.pdiparams", bytes(16) + b"\x04\x00\x00\x00\x08\x05", "the parameters of an exported program"),
    ],
)
def test_a_program_of_paddle_is_named(
    name: str, content: bytes, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)

    assert refusal(tmp_path / name, capsys) == (
        f"is {what} of paddle.jit.save, without the layers' names; "
        "its author can run: paddle.save(layer.state_dict(), 'x.pdparams')"
    )


# Optimizers


def moments(optimizer: Any) -> dict[str, Any]:
    layer = paddle.nn.Linear(3, 4)
    stepped = optimizer(parameters=layer.parameters())
    layer(paddle.ones([1, 3])).sum().backward()
    stepped.step()
    return dict(stepped.state_dict())


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Momentum", "RMSProp", "Adamax"])
def test_the_state_of_paddles_optimizer_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optimizer = getattr(paddle.optimizer, name)
    rate = {"learning_rate": 0.1} if name == "RMSProp" else {}
    paddle.save(moments(lambda **given: optimizer(**rate, **given)), f"{tmp_path}/x.pdopt")

    assert refusal(tmp_path / "x.pdopt", capsys) == (
        "holds an optimizer's state, and no weights; give the file with the model's"
    )


@pytest.mark.parametrize(
    ("content", "under"),
    [
        (OPTIMIZER, ""),
        ({"optimizer": OPTIMIZER, "epoch": 1}, " under 'optimizer'"),
        ({"optimizer": OPTIMIZER, "loss": torch.tensor(0.1), "epoch": 1}, " under 'optimizer'"),
        ({"optimizers": [OPTIMIZER, OPTIMIZER]}, " under 'optimizers.0'"),
    ],
)
def test_the_state_of_torchs_optimizer_is_named(
    content: Any, under: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "x.pth")

    assert refusal(tmp_path / "x.pth", capsys) == (
        f"holds an optimizer's state{under}, and no weights; give the file with the model's"
    )


# The other layout


@pytest.mark.parametrize("given", [[], ["--arch", "convnext_digits"]])
def test_a_paddle_file_in_pytorchs_layout_converts_once_it_is_saved_as_told(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pdparams(tmp_path / "x.pdparams", WEIGHTS)

    said = refusal(tmp_path / "x.pdparams", capsys, *given)
    run_advice(said)

    assert said.startswith(
        "every Linear is transposed: the layout of stages.0.0.pwconv1.weight, (80, 20), is PyTorch's, (out, in), "
        "in a Paddle file; as what it is it can be saved by: python -c "
    )
    assert same_bits(read_source(tmp_path / "x_as_it_is.pth").tensors, WEIGHTS)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pytorch_file_in_paddles_layout_converts_once_it_is_saved_as_told(
    wrapped: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = carried(DIGITS.params(), WEIGHTS)
    torch.save({"a b": as_tensors(target)} if wrapped else as_tensors(target), tmp_path / "x.pth")

    said = refusal(tmp_path / "x.pth", capsys)
    run_advice(said)

    assert "(20, 80), is Paddle's, (in, out), in a PyTorch file; " in said
    assert same_bits(read_source(tmp_path / "x_as_it_is.pdparams").tensors, target)


def test_a_verification_names_a_transposed_target_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from verify.cli import main as verify

    write_checkpoint(tmp_path / "x.pth", WEIGHTS, framework="torch")
    write_pdparams(tmp_path / "x.pdparams", WEIGHTS)

    assert verify(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]) == 1
    assert capsys.readouterr().err.startswith(f"verify: {tmp_path}/x.pdparams: every Linear is transposed: ")


# Parts


@pytest.mark.parametrize("given", [[], ["--arch", "convnext_digits"]])
@pytest.mark.parametrize("part", [1, 2])
def test_a_part_is_answered_with_its_index(
    part: int, given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write_shards(tmp_path, model())
    shard = tmp_path / f"pytorch_model-0000{part}-of-00002.bin"

    assert refusal(shard, capsys, *given) == f"is part {part} of 2 of a checkpoint; give {index}"
    index.unlink()
    assert refusal(shard, capsys, *given) == (
        f"is part {part} of 2 of a checkpoint; put pytorch_model.bin.index.json and the other parts beside it, "
        "and give that"
    )


def test_a_whole_checkpoint_may_be_called_a_part(tmp_path: Path) -> None:
    save_file(model(), tmp_path / "model-00001-of-00002.safetensors")

    assert read_source(tmp_path / "model-00001-of-00002.safetensors").spec == DIGITS


def test_a_part_of_another_name_is_told_by_its_tensors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half = {name: tensor for name, tensor in model().items() if not name.startswith(("stages.2", "stages.3", "head"))}
    torch.save(half, tmp_path / "x.pth")

    assert re.fullmatch(
        r"holds \d+ of the 72 tensors of convnext_digits, and nothing else: a part of a checkpoint; "
        "give the whole one, or the index of its parts",
        refusal(tmp_path / "x.pth", capsys),
    )


def test_a_tensor_or_two_that_are_missing_are_no_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({name: tensor for name, tensor in model().items() if name != "norm.bias"}, tmp_path / "x.pth")

    assert "--arch convnext_digits lists them" in refusal(tmp_path / "x.pth", capsys)


def test_the_json_summary_has_the_path_and_the_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"ema": {"module": {f"module.{key}": value for key, value in model().items()}}}, tmp_path / "x.pth")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams", "--json"]) == 0

    source = json.loads(capsys.readouterr().out)["source"]
    assert (source["wrapper"], source["prefix"]) == ("ema.module", "module.")
