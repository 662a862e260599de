"""ResNeXt from file to file under every library's keys, and what becomes of its batch norms' counters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import same_bits
from twins import BLOG, RESNEXT

from convert.archs.spec import ArchSpec
from convert.checkpoints import read_checkpoint, write_checkpoint
from convert.errors import FerryError
from convert.job import Job, Options
from convert.key_formats import names_for
from convert.params import COUNTER, LeftOut
from verify.selftest.weights import distinct_weights

# PaddleClas' keys of one tensor of each kind, by hand; of 3.3.1's paddle.vision they are the official ones.
KEYS = {
    "paddleclas": {
        "conv1.weight": "conv._conv.weight",
        "bn1.running_var": "conv._batch_norm._variance",
        "layer3.2.conv2.weight": "bb_2_2.conv1._conv.weight",
        "layer3.2.bn3.running_mean": "bb_2_2.conv2._batch_norm._mean",
        "layer2.0.downsample.0.weight": "bb_1_0.short._conv.weight",
        "layer2.0.downsample.1.bias": "bb_1_0.short._batch_norm.bias",
        "fc.weight": "out.weight",
    },
    "paddleclas_wsl": {
        "conv1.weight": "_conv_stem._conv.weight",
        "bn1.running_var": "_conv_stem._bn._variance",
        "layer3.2.conv2.weight": "_conv3_2._conv1._conv.weight",
        "layer3.2.bn3.running_mean": "_conv3_2._conv2._bn._mean",
        "layer2.0.downsample.0.weight": "_conv2_0._short._conv.weight",
        "layer2.0.downsample.1.bias": "_conv2_0._short._bn.bias",
        "fc.weight": "_out.weight",
    },
}


def torch_file(path: Path, spec: ArchSpec) -> dict[str, np.ndarray]:
    """What a training has saved: the counters too, at 7."""
    weights = distinct_weights(spec.params(), dtype="float32")
    rows = {row.torch_name: row for row in spec.rows()}
    tensors = {
        name: np.full(row.shape, 7, np.int64) if isinstance(row, LeftOut) else weights[name]
        for name, row in rows.items()
    }
    write_checkpoint(path, tensors, framework="torch")
    return tensors


@pytest.mark.parametrize("to", KEYS)
def test_a_key_is_paddleclas_own(to: str) -> None:
    names = names_for(RESNEXT, to)

    assert {name: names[name][0] for name in KEYS[to]} == KEYS[to]


@pytest.mark.parametrize(
    ("spec", "to"), [(RESNEXT, "official"), (RESNEXT, "paddleclas"), (RESNEXT, "paddleclas_wsl"), (BLOG, "official")]
)
def test_what_comes_back_is_what_went_but_for_the_counters(spec: ArchSpec, to: str, tmp_path: Path) -> None:
    tensors = torch_file(tmp_path / "x.pth", spec)

    Job.read(spec, tmp_path / "x.pth", Options(to=to)).write(tmp_path / "x.pdparams")
    job = Job.read(spec, tmp_path / "x.pdparams")
    job.write(tmp_path / "y.pth")

    back = read_checkpoint(tmp_path / "y.pth").tensors
    assert list(back) == list(tensors)
    counters = {name for name in tensors if name.endswith(COUNTER)}
    assert len(read_checkpoint(tmp_path / "x.pdparams").tensors) == len(tensors) - len(counters)
    assert {(back[name].item(), back[name].dtype.name) for name in counters} == {(0, "int64")}
    assert same_bits(*({n: t for n, t in side.items() if n not in counters} for side in (back, tensors)))
    assert job.operations("torch") == {"copy": len(tensors) - len(counters) - 1, "make": len(counters), "transpose": 1}


@pytest.mark.parametrize("to", ["transformers", "mmpretrain"])
def test_a_library_without_the_family_is_refused(to: str) -> None:
    with pytest.raises(FerryError) as caught:
        names_for(RESNEXT, to)

    assert str(caught.value) == (
        f"{to} has no resnext_twin: it has no place for conv1.weight; choose --to official or timm or torchvision"
    )
