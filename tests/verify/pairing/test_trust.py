"""A table is somebody's file: nothing that it names is imported, run or loaded because it says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from table_pairs import TablePair, table_of, write_pair

from convert.errors import FerryError
from convert.tables import ModelName, Table, format_table
from verify.cli import main
from verify.pairing.stranger import Strangers
from verify.pairing.trust import LIBRARIES, stated_model

MARK = "it_ran"
CODE = f"open({MARK!r}, 'w').close()\n\n\ndef build(**_):\n    open({MARK!r}, 'w').close()\n"

HOSTILE_TORCH = {
    "a module's callable": ModelName("planted:build"),
    "a callable of Python's own": ModelName("os:system", (("command", f"touch {MARK}"),)),
    "a file": ModelName("planted.py:build"),
    "a file of another folder": ModelName("../planted.py:build"),
    "a library of Paddle's": ModelName("paddle.vision:resnet18"),
    "a module of timm": ModelName("timm.models:resnet18"),
    "a folder of timm": ModelName("timm:local-dir:/tmp"),
    "the Hub": ModelName("timm:hf-hub:someone/net"),
    "the Hub, in another way": ModelName("timm:hf_hub:someone/net"),
    "an address": ModelName("timm:https://example.org/net"),
    "a name that is a path": ModelName("timm:../../net"),
    "a dunder": ModelName("torchvision:__loader__"),
    "a setup": ModelName("timm:resnet18", (), "planted:build"),
    "a setup of a file": ModelName("torchvision:resnet18", (), "planted.py:build"),
    "published weights": ModelName("timm:resnet18", (("pretrained", True),)),
    "a checkpoint": ModelName("timm:resnet18", (("checkpoint_path", "x.pth"),)),
    "a config": ModelName("timm:resnet18", (("pretrained_cfg", "x"),)),
    "an overlay": ModelName("timm:resnet18", (("pretrained_cfg_overlay", "x"),)),
    "a folder of a cache": ModelName("timm:resnet18", (("cache_dir", "x"),)),
    "torchvision's weights": ModelName("torchvision:resnet18", (("weights", "DEFAULT"),)),
    "a trunk's weights": ModelName("torchvision:fcn_resnet50", (("weights_backbone", "DEFAULT"),)),
    "text for a number": ModelName("timm:resnet18", (("num_classes", "__import__('os')"),)),
    "text among numbers": ModelName("timm:resnet18", (("img_size", (224, "x")),)),
    "an unknown argument": ModelName("timm:resnet18", (("act_layer", "relu"),)),
}
HOSTILE_PADDLE = {
    "a module's callable": ModelName("planted:build"),
    "a file": ModelName("planted.py:build"),
    "a library of PyTorch's": ModelName("timm:resnet18"),
    "another module of Paddle": ModelName("paddle.hub:load"),
    "a module below": ModelName("paddle.vision:../hub"),
    "published weights": ModelName("paddle.vision:resnet18", (("pretrained", True),)),
    "a setup": ModelName("paddle.vision:resnet18", (), "planted:build"),
}
CASES = [("torch", kind) for kind in HOSTILE_TORCH] + [("paddle", kind) for kind in HOSTILE_PADDLE]


def hostile(framework: str, kind: str, folder: Path) -> Table:
    good = {"torch": ModelName("torchvision:resnet18"), "paddle": ModelName("paddle.vision:resnet18")}
    models = {**good, framework: (HOSTILE_TORCH if framework == "torch" else HOSTILE_PADDLE)[kind]}
    table = table_of(folder)
    return Table(table.name, models["torch"], models["paddle"], table.rows, table.paddle_left_out, proof=table.proof)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TablePair:
    (tmp_path / "planted.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return write_pair(tmp_path)


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(("framework", "kind"), CASES)
def test_what_a_table_names_is_refused_before_anything_is_imported(framework: str, kind: str, tmp_path: Path) -> None:
    table = hostile(framework, kind, tmp_path)
    before = set(sys.modules)

    with pytest.raises(FerryError) as caught:
        stated_model(table, framework)

    text = str(caught.value)
    model = {"torch": table.torch, "paddle": table.paddle}[framework]
    assert f"the table's [{framework}] has the" in text
    assert f"name it yourself: --{framework} " in text
    assert all(f"--{framework}-arg" in text and name in text for name, _ in model.arguments)
    assert ("-setup" in text) == bool(model.setup)
    assert not {name for name in set(sys.modules) - before if name.startswith(("timm", "torch", "paddle", "planted"))}
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize(("framework", "kind"), CASES[::5])
def test_the_command_refuses_it_and_runs_nothing(
    framework: str, kind: str, tmp_path: Path, pair: TablePair, capsys: pytest.CaptureFixture[str]
) -> None:
    table = hostile(framework, kind, tmp_path)
    try:
        text = format_table(table)
    except FerryError:
        pytest.skip("no file can say it")
    pair.table.write_text(text, encoding="utf-8")

    status = main(["--table", str(pair.table), "--src", str(pair.src), "--dst", str(pair.dst)])

    assert status == 1
    assert "a table is only data" in capsys.readouterr().err
    assert not (tmp_path / MARK).exists()


def test_the_selftest_refuses_it_too(pair: TablePair, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--selftest", "--table", str(pair.table)])

    assert status == 1
    assert "a table is only data" in capsys.readouterr().err


def test_a_model_on_the_command_line_stands_in_place_of_the_table_s(pair: TablePair) -> None:
    models = {"torch": ModelName("mine:build"), "paddle": ModelName("mine_paddle:build")}

    strangers = Strangers.read(pair.table, models)

    assert {name: definition.model for name, definition in strangers.definitions.items()} == models


HARMLESS = {
    "timm": ModelName("timm:resnet50.a1_in1k", (("num_classes", 10), ("global_pool", "avg"), ("drop_path_rate", 0.1))),
    "torchvision": ModelName("torchvision:vit_b_16", (("image_size", 224),)),
    "paddle.vision": ModelName("paddle.vision:mobilenet_v1", (("scale", 0.5), ("with_pool", True))),
}


@pytest.mark.parametrize("library", HARMLESS)
def test_a_library_s_own_model_is_followed(library: str, tmp_path: Path) -> None:
    framework = next(framework for framework, known in LIBRARIES.items() if library in known)
    table = table_of(tmp_path)
    models = {"torch": table.torch, "paddle": table.paddle, framework: HARMLESS[library]}
    table = Table(table.name, models["torch"], models["paddle"], table.rows)

    assert stated_model(table, framework) == HARMLESS[library]
