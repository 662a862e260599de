"""PaddleClas' names of architectures, which --arch takes as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert import ARCHS, get_spec
from convert.archs.aliases import ALIASES
from convert.checkpoints import write_checkpoint
from convert.cli import main
from verify.selftest.weights import distinct_weights


def test_its_names_stand_for_ours() -> None:
    assert {name: get_spec(name).name for name in ALIASES} == dict(ALIASES)
    assert get_spec("ConvNeXt_base_384") is ARCHS["convnext_base"]


def test_its_depths_and_widths_are_those_of_the_names() -> None:
    # By hand, of the functions of these names in PaddleClas.
    sizes = {
        "ConvNeXt_small": ((3, 3, 27, 3), (96, 192, 384, 768)),
        "ConvNeXt_large_384": ((3, 3, 27, 3), (192, 384, 768, 1536)),
        "ConvNeXtV2_nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
        "ConvNeXtV2_huge": ((3, 3, 27, 3), (352, 704, 1408, 2816)),
    }

    assert {name: tuple(zip(*get_spec(name).stages, strict=True)) for name in sizes} == sizes


def test_an_alias_names_the_architecture_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = distinct_weights(get_spec("convnextv2_atto").params(), dtype="float32")
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    paths = ["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/y.pdparams"]

    assert main(["--arch", "ConvNeXtV2_atto", *paths]) == 0

    assert "\nconvnextv2_atto, 1000 classes" in capsys.readouterr().out
