"""Every name of `convert --list` on the file that it stands for, made with timm's own constructors and filter.

Of each the tensors' names and shapes, of those under 100 MB the values too; scripts/convert_published.py has
all 58 GB.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from published import FCMAE, ISOTROPIC, difference, filtered_by_timm, is_of_authors, shapes_in, spec_of, timms_shapes
from server import serving
from twins import randomised

from convert.archs import get_spec
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.checkpoints import read_checkpoint, write_checkpoint
from convert.cli import main
from convert.job import Job
from convert.key_formats import name_officially
from convert.params import is_counter
from convert.source.pretrained import PRETRAINED, ROWS, Pretrained
from convert.source.recognise import recognise_arch
from convert.state_dict import convert_state_dict

pytestmark = pytest.mark.long

MAX_BYTES = 100_000_000


@pytest.mark.parametrize("name", [row.name for row in ROWS if is_of_authors(row) and ISOTROPIC not in row.name])
def test_timms_own_filter_makes_its_model_of_an_authors_file(name: str) -> None:
    row = PRETRAINED[name]
    expected = timms_shapes(row.arch, row.num_classes)
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes_in(row).items()}

    filtered = {key: tuple(tensor.shape) for key, tensor in filtered_by_timm(tensors, row).items()}

    lacking = {"head.norm.weight", "head.norm.bias"} if name in FCMAE else set()
    assert filtered == {key: shape for key, shape in expected.items() if key not in lacking}


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_published_file_is_recognised_as_what_it_is(name: str) -> None:
    row = PRETRAINED[name]
    # One value a tensor, spread over its shape without taking memory.
    tensors = {key: np.broadcast_to(np.float32(1), shape) for key, shape in shapes_in(row).items()}

    named = name_officially(tensors)
    shapes = {key: array.shape for key, array in named.tensors.items() if not is_counter(key, array.shape)}

    assert recognise_arch(shapes) == (spec_of(row), "torch")
    assert get_spec(row.arch).fitted_to(shapes) == spec_of(row)
    assert shapes == {param.torch_name: param.shape for param in spec_of(row).params()}


def size(row: Pretrained) -> int:
    return sum(4 * param.size for param in spec_of(row).params())


SMALL = {(row.arch, row.num_classes, is_of_authors(row)): row.name for row in ROWS if size(row) < MAX_BYTES}


def made(row: Pretrained) -> dict[str, Array]:
    """The published file's tensors, with a value of its own each."""
    return randomised(shapes_in(row), dtype="float32")


def same(target: Mapping[str, Array], named: Mapping[str, Array], spec: ArchSpec) -> bool:
    return all(np.array_equal(target[p.paddle_name], p.layout.to_paddle(named[p.torch_name])) for p in spec.params())


@pytest.mark.parametrize("name", SMALL.values())
def test_a_published_file_converts_with_every_value_in_its_place(name: str, tmp_path: Path) -> None:
    row = PRETRAINED[name]
    tensors = made(row)
    write_checkpoint(tmp_path / "x.pth", tensors, framework="torch")

    target = Job.read(row.arch, tmp_path / "x.pth").converted("paddle")

    assert len(target) == len(spec_of(row).params())
    assert same(target, name_officially(tensors).tensors, spec_of(row))


@pytest.mark.parametrize("name", ["convnextv2_atto.fcmae", "convnext_zepto_rms.ra4_e3600_r224_in1k"])
def test_a_published_name_converts_by_way_of_its_address(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = PRETRAINED[name]
    file = tmp_path / "x.pth"
    tensors = made(row)
    write_checkpoint(file, tensors, framework="torch")
    monkeypatch.setenv("PADDLEFERRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(content=file.read_bytes()) as server:
        monkeypatch.setitem(PRETRAINED, name, dataclasses.replace(row, url=f"{server.url}/{file.name}"))

        assert main(["--src", name, "--dst", f"{tmp_path}/x.pdparams"]) == 0

    assert f"\n{row.arch}, {spec_of(row).answer}, " in capsys.readouterr().out
    assert same(read_checkpoint(tmp_path / "x.pdparams").tensors, name_officially(tensors).tensors, spec_of(row))


def test_all_eight_masked_autoencoders_are_among_the_names() -> None:
    assert len(FCMAE) == 8
    assert {spec_of(PRETRAINED[name]).answer.partition(":")[0] for name in FCMAE} == {"no head, no last norm"}


def test_the_script_sees_a_tensor_in_anothers_place() -> None:
    spec = spec_of(PRETRAINED["convnext_atto.d2_in1k"])
    named = randomised({param.torch_name: param.shape for param in spec.params()}, dtype="float32")
    written = convert_state_dict(spec, named)
    swapped = {**written, "stages.2.0.gamma": written["stages.2.1.gamma"]}

    assert difference(written, named, spec) == ""
    assert difference(swapped, named, spec) == "stages.2.0.gamma has other values"
    assert difference({**written, "x": written["head.bias"]}, named, spec) == "129 tensors, and 128 are expected"
