"""A ConvNeXt that is in no table: read off its tensors, with timm's constructor as the judge; and never a guess."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import timm
from oracles import IMAGE, ORACLE, judge, paddle_output, torch_output
from twins import TINY, max_rel, random_image

from convert.archs import ARCHS, get_spec
from convert.archs.own_convnext import ASSUMED, read_off
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.errors import CheckpointError, FerryError
from convert.key_formats import names_for
from convert.params import Shape
from convert.source.recognise import recognise_arch
from convert.state_dict import expected_shapes
from verify.selftest.weights import distinct_weights

BOTH = ("torch", "paddle")
FOUR: dict[str, Any] = {"depths": (1, 2, 1, 1), "dims": (4, 6, 8, 10), "num_classes": 5}
SIZES = "depths (1, 2, 1, 1), dims (4, 6, 8, 10)"

# What is given to timm's constructor, and how the net is described.
NETS: dict[str, tuple[dict[str, Any], str]] = {
    "depths and dims": ({}, SIZES),
    "no head": ({"num_classes": 0}, SIZES),
    "one channel": ({"in_chans": 1}, SIZES),
    "no gamma": ({"ls_init_value": None}, f"{SIZES}, no gamma"),
    "GRN": ({"ls_init_value": None, "use_grn": True}, f"{SIZES}, no gamma, GRN"),
    "GRN and gamma": ({"use_grn": True}, f"{SIZES}, GRN"),
    "another kernel": ({"kernel_sizes": 5}, f"{SIZES}, kernel 5"),
    # From 8 on timm dilates a stage, and at 2 it puts a convolution before the first: other networks.
    "another patch": ({"patch_size": 3}, f"{SIZES}, patch 3"),
    "1x1 convolutions": ({"conv_mlp": True}, SIZES),
    "an overlapping stem": ({"stem_type": "overlap"}, f"{SIZES}, overlap stem"),
    "a tiered stem": ({"stem_type": "overlap_tiered", "dims": (32, 6, 8, 10)}, "overlap_tiered stem"),
    "a stem with a GELU": ({"stem_type": "overlap_act"}, f"{SIZES}, overlap_act stem"),
    "the last norm first": ({"head_norm_first": True}, f"{SIZES}, last norm first"),
    "a hidden layer": ({"head_hidden_size": 12}, f"{SIZES}, hidden layer of 12"),
}


@pytest.mark.parametrize("net", NETS)
def test_a_net_of_ones_own_is_read_off_and_answers_as_timms(net: str) -> None:
    changes, description = NETS[net]
    values = {**FOUR, **changes}
    channels = values.get("in_chans", 3)
    image = random_image((1, channels, *IMAGE[2:]))
    judged = judge(partial(timm.models.convnext.ConvNeXt, **values), image)

    spec, framework = recognise_arch({name: array.shape for name, array in judged.named.tensors.items()}, BOTH)

    assert (spec.num_classes, spec.in_chans, framework) == (values["num_classes"], channels, "torch")
    assert spec.name.startswith("own ConvNeXt: depths (1, 2, 1, 1), dims (")
    assert spec.name.endswith(description)
    if channels == 3:
        assert max_rel(torch_output(spec, judged.named.tensors), judged.expected) <= ORACLE
        assert max_rel(paddle_output(spec, judged.named.tensors), judged.expected) <= ORACLE


@pytest.mark.parametrize(
    "arch", [arch for arch in ARCHS if "convnext" in arch and not {"rms", "isotropic"} & {*arch.split("_")}]
)
def test_what_is_read_off_a_listed_architecture_is_its_table(arch: str) -> None:
    shapes = expected_shapes(ARCHS[arch], "torch")

    spec = read_off(shapes)

    assert spec is not None
    assert expected_shapes(spec.fitted_to(shapes), "torch") == shapes


@pytest.mark.parametrize("framework", BOTH)
def test_the_frameworks_layout_is_told(framework: str) -> None:
    spec, found = recognise_arch(expected_shapes(TINY, framework), BOTH)

    assert (found, spec.assumed) == (framework, ASSUMED)
    assert dataclasses.replace(spec, name=TINY.name, assumed=()) == TINY


def test_a_listed_architecture_is_never_an_own_one() -> None:
    shapes = expected_shapes(get_spec("test_convnext"), "torch")

    assert recognise_arch(shapes) == (get_spec("test_convnext"), "torch")


def changed(**changes: Shape | None) -> dict[str, Shape]:
    """The table of a net of one's own, with tensors of other shapes, or without them; `__` stands for a dot."""
    shapes = expected_shapes(TINY, "torch") | {
        name.replace("__", "."): shape for name, shape in changes.items() if shape is not None
    }
    return {name: shape for name, shape in shapes.items() if changes.get(name.replace(".", "__"), ()) is not None}


NO_NETS = {
    "a block is missing": changed(stages__2__1__dwconv__weight=None),
    "a stage is missing": {k: v for k, v in changed().items() if not k.startswith("stages.1.")},
    "a bias is missing": changed(stages__2__1__norm__bias=None),
    "a kernel of another size in one block": changed(stages__2__1__dwconv__weight=(8, 1, 5, 5)),
    "a kernel that is not square": changed(stages__2__1__dwconv__weight=(8, 1, 7, 5)),
    "kernels of an even size": {k: (*v[:2], 6, 6) if "dwconv.weight" in k else v for k, v in changed().items()},
    "a stem that is not square": changed(downsample_layers__0__0__weight=(4, 3, 4, 2)),
    "a stem of another rank": changed(downsample_layers__0__0__weight=(4,)),
    "no stem": changed(downsample_layers__0__0__weight=None),
    "another expansion": changed(stages__2__1__pwconv1__weight=(16, 8)),
    "gamma in some blocks": changed(stages__2__1__gamma=None),
    "norms without a shift": {k: v for k, v in changed().items() if "norm.bias" not in k},
    "a tensor more": changed(extra=(3,)),
}


@pytest.mark.parametrize("case", NO_NETS)
def test_what_is_no_net_is_refused_with_the_closest(case: str) -> None:
    with pytest.raises(CheckpointError, match="the tensors fit no architecture known here; closest is "):
        recognise_arch(NO_NETS[case], BOTH)


def test_the_closest_may_be_a_net_of_ones_own_and_what_parts_them_is_named() -> None:
    with pytest.raises(CheckpointError) as caught:
        recognise_arch(NO_NETS["a bias is missing"], BOTH)

    assert str(caught.value) == (
        "the tensors fit no architecture known here; closest is an own ConvNeXt: depths (1, 1, 3, 1), "
        "dims (4, 6, 8, 10), 1 name or shape apart, one of them stages.2.1.norm.bias"
    )


def test_the_summary_prints_the_net_and_what_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "x.pth", distinct_weights(TINY.params(), dtype="float32"), framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]) == 0

    lines = capsys.readouterr().out.split("\n")
    assert lines[1].startswith(
        "own ConvNeXt: depths (1, 1, 3, 1), dims (4, 6, 8, 10) (recognised from the tensors), 10 classes, "
    )
    assert lines[2] == f"assumed, for no tensor tells: {', '.join(ASSUMED)}"


def test_a_net_of_ones_own_under_a_listed_name_is_refused_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "x.pth", distinct_weights(TINY.params(), dtype="float32"), framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams", "--arch", "convnext_digits"]) == 1

    assert (
        "its tensors are those of an own ConvNeXt: depths (1, 1, 3, 1), dims (4, 6, 8, 10); leave --arch out\n"
    ) in capsys.readouterr().err


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("arch", ARCHS)
def test_no_known_net_without_its_last_block_of_a_stage_is_read(arch: str, framework: str) -> None:
    whole = expected_shapes(ARCHS[arch], framework)
    depths = [depth for depth, _ in ARCHS[arch].stages]
    ends = [ARCHS[arch].block_names[count - 1] for count in accumulate(depths)]
    for block in ends:
        left = {name: shape for name, shape in whole.items() if not name.startswith(f"{block}.")}

        with pytest.raises(CheckpointError):
            recognise_arch(left, BOTH)


LOST = {
    "every layer scale": (r"stages\.\d\.\d\.gamma", "convnext_tiny", "stages.0.0.gamma"),
    "the last block of the first stage": (r"stages\.0\.2\.", "convnext_tiny", "stages.0.2.dwconv.bias"),
    "the last block of the second stage": (r"stages\.1\.2\.", "convnext_tiny", "stages.1.2.dwconv.bias"),
    "the last block of the third stage": (r"stages\.2\.8\.", "convnext_tiny", "stages.2.8.dwconv.bias"),
    "the last block of the last stage": (r"stages\.3\.2\.", "convnext_tiny", "stages.3.2.dwconv.bias"),
    "two blocks": (r"stages\.2\.[78]\.", "convnext_tiny", "stages.2.7.dwconv.bias"),
    "all blocks but each stage's first": (r"stages\.\d\.[1-9]", "convnext_tiny", "stages.0.1.dwconv.bias"),
    "a block and the head": (r"stages\.2\.8\.|head\.", "convnext_tiny", "stages.2.8.dwconv.bias"),
    "the last stage, the last norm and the head": (
        r"(stages|downsample_layers)\.3\.|norm\.|head\.",
        "convnext_tiny",
        "downsample_layers.3.0.bias",
    ),
}


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("case", LOST)
def test_a_known_net_that_lost_whole_blocks_is_no_net_of_ones_own(case: str, framework: str) -> None:
    pattern, name, first = LOST[case]
    whole = expected_shapes(get_spec("convnext_tiny"), framework)
    left = {key: shape for key, shape in whole.items() if not re.match(pattern, key)}
    with pytest.raises(CheckpointError) as caught:
        recognise_arch(left, BOTH)

    message = str(caught.value)
    assert message.startswith(f"the tensors are those of {name} without ")
    assert f"tensors, first {first}, so the file may be a part of one; " in message
    assert message.endswith("choose --arch own")
    spec, found = recognise_arch(left, BOTH, own=True)
    assert (spec.name.partition(":")[0], found) == ("own ConvNeXt", framework)


def test_the_users_word_makes_a_shallow_net_of_a_known_one_s_widths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = get_spec("convnext_digits").resized([(1, 20), (1, 40), (2, 80), (1, 160)])
    write_checkpoint(tmp_path / "x.pth", distinct_weights(spec.params(), dtype="float32"), framework="torch")
    command = ["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]

    assert main(command) == 1
    assert "the tensors are those of convnext_digits without 9 tensors, first stages.2.2." in capsys.readouterr().err
    assert not (tmp_path / "x.pdparams").exists()
    assert main([*command, "--arch", "own"]) == 0
    assert "own ConvNeXt: depths (1, 1, 2, 1), dims (20, 40, 80, 160)" in capsys.readouterr().out


OF_NO_LIBRARY = {
    "kernel 5": (dataclasses.replace(TINY, kernel=5), ("torchvision", "transformers", "mmpretrain", "paddleclas")),
    "patch 2": (dataclasses.replace(TINY, patch=2), ("torchvision", "paddleclas")),
}


@pytest.mark.parametrize("case", OF_NO_LIBRARY)
def test_a_library_that_cannot_build_the_net_is_not_written_for(case: str) -> None:
    spec, libraries = OF_NO_LIBRARY[case]
    for library in libraries:
        with pytest.raises(FerryError, match=r"it has no (depthwise kernel|patch stem) but one of "):
            names_for(spec, library)
    assert names_for(spec, "timm")
