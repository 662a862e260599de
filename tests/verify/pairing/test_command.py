"""The `pair` command: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
import torch
from pair_models import FAULTS, PADDLE, TORCH

from convert.cli import main as convert
from convert.tables import read_table
from verify.pairing.cli import main, make_parser


def written(folder: Path, *, paddle_text: str = PADDLE) -> list[str]:
    """The command's words for two definitions in files."""
    for name, text in (("net.py", TORCH), ("net_paddle.py", paddle_text)):
        (folder / name).write_text(text)
    models = ["--torch", f"{folder / 'net.py'}:build", "--paddle", f"{folder / 'net_paddle.py'}:build"]
    return [*models, "--size", "24", "--threads", "1", "--table", str(folder / "net.table.toml"), "--name", "net"]


def module_of(path: Path) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102 - the test's own text
    return names


def test_a_proven_table_carries_weights_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = written(tmp_path)
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "by what flows into each layer: max rel" in said
    assert ": proven\n" in said
    assert "2 tensors left out, first aux.weight: no forward pass in evaluation mode calls its layer" in said
    table = read_table(tmp_path / "net.table.toml")
    assert table.proof is not None
    assert table.proof.max_rel <= 1e-9
    net = module_of(tmp_path / "net.py")["build"]()  # type: ignore[operator]  # a module is a dict of objects
    torch.manual_seed(1)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    source, target = str(tmp_path / "x.pth"), str(tmp_path / "x.pdparams")
    assert convert(["--table", str(tmp_path / "net.table.toml"), "--src", source, "--dst", target]) == 0
    theirs = module_of(tmp_path / "net_paddle.py")["build"]()  # type: ignore[operator]  # a module is a dict of objects
    missing, unexpected = theirs.set_state_dict(paddle.load(target))
    assert (missing, unexpected) == ([], [])
    image = np.random.default_rng(0).standard_normal((1, 3, 24, 40), np.float32)
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(image)).numpy()
    theirs.eval()
    np.testing.assert_allclose(theirs(paddle.to_tensor(image)).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    words = written(tmp_path)
    assert main(words) == 0
    first = (tmp_path / "net.table.toml").read_bytes()
    assert main([*words, "--force"]) == 0
    assert (tmp_path / "net.table.toml").read_bytes() == first


def test_what_is_not_proven_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong, said = FAULTS["an eps of a batch norm"]
    assert main(written(tmp_path, paddle_text=PADDLE.replace(right, wrong))) == 1
    output = capsys.readouterr()
    assert said in output.out
    assert "with that both answer alike" in output.out
    assert "no mapping is proven" in output.err
    assert not (tmp_path / "net.table.toml").exists()


def test_an_existing_table_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = written(tmp_path)
    (tmp_path / "net.table.toml").write_text("mine")
    assert main(words) == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "net.table.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--torch", "timm:no_such_model"], "no_such_model"),
        (["--torch", "torchvision:no_such_model"], "Unknown model no_such_model"),
        (["--paddle", "paddle.vision:no_such_model"], "has no paddle.vision.models.no_such_model"),
        (["--paddle", "timm:resnet18"], "is a model of PyTorch; --paddle takes paddle.vision:NAME"),
        (["--torch", "paddle.vision:resnet18"], "is a model of Paddle; --torch takes timm:NAME"),
        (["--torch", "no_such_package.net:build"], "No module named 'no_such_package'"),
        (["--python", "paddle=/no/such/python"], "--python: /no/such/python cannot be run"),
        (["--torch-arg", "depth=3"], "unexpected keyword argument 'depth'"),
    ],
)
def test_a_model_that_cannot_be_had(
    changed: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*written(tmp_path), *changed]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert error.endswith("nothing was written\n")


@pytest.mark.parametrize(
    "words",
    [
        ["--torch", "resnet18"],
        ["--rule", "no equals sign"],
        ["--leave-out", "name"],
        ["--torch-arg", "nothing"],
        ["--python", "tensorflow=python"],
    ],
)
def test_wrong_usage(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*written(tmp_path), *words])
    assert caught.value.code == 2


def test_another_interpreter_runs_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*written(tmp_path), "--python", f"torch={sys.executable},paddle={sys.executable}"]) == 0
    assert ": proven" in capsys.readouterr().out


def test_keyword_arguments_reach_both(tmp_path: Path) -> None:
    assert main([*written(tmp_path), "--torch-arg", "num_classes=9", "--paddle-arg", "num_classes=9"]) == 0
    shapes = {row.torch_name: row.shape for row in read_table(tmp_path / "net.table.toml").rows}
    assert shapes["head.bias"] == (9,)


def test_the_manual_explains_every_option() -> None:
    manual = (Path(__file__).resolve().parents[3] / "verify" / "pairing" / "README.md").read_text(encoding="utf-8")
    table = manual.partition("| option of `pair` |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `--")]
    explained = [option for cell in rows for option in re.findall(r"--[a-z-]+", cell)]
    own = {option for action in make_parser()._actions for option in action.option_strings if option.startswith("--")}
    assert sorted(explained) == sorted(own - {"--help", "--version"})
