"""RepLKNet's names in the authors' code, mmpretrain and PaddleViT, there and back, merged and not."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from checkpoint_files import as_tensors, same_bits
from twins import REPLKNET, REPLKNET_MERGED, REPLKNET_XL

from convert.archs import ARCHS
from convert.archs.replknet import RepLKNetSpec
from convert.arrays import Array
from convert.errors import FerryError
from convert.job import Job, Options
from convert.key_formats import name_officially, names_for
from convert.source.read import read_source
from verify.selftest.weights import distinct_weights

SPECS = {"unmerged": REPLKNET, "merged": REPLKNET_MERGED, "xl": REPLKNET_XL}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny networks are recognised, as the listed ones are."""
    for spec in (REPLKNET, REPLKNET_XL):
        monkeypatch.setitem(ARCHS, spec.name, spec)


def written(path: Path, spec: RepLKNetSpec) -> dict[str, Array]:
    weights = distinct_weights(spec.params(), dtype="float32")
    counters = {name: torch.tensor(0) for name in spec.left_out()}
    torch.save({"model": {**as_tensors(weights), **counters}}, path)
    return weights


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(("to", "suffix"), [("mmpretrain", ".pth"), ("paddlevit", ".pdparams"), ("", ".pdparams")])
def test_every_bit_comes_back(kind: str, to: str, suffix: str, tmp_path: Path) -> None:
    weights = written(tmp_path / "x.pth", SPECS[kind])

    Job.read("", tmp_path / "x.pth", Options(to=to)).write(tmp_path / f"y{suffix}")
    source = read_source(tmp_path / f"y{suffix}")
    Job.read("", tmp_path / f"y{suffix}", Options(to="official")).write(tmp_path / "z.pth")

    assert source.named.key_format.name == (to or "official RepLKNet")
    assert same_bits(read_source(tmp_path / "z.pth").tensors, weights)


# Official name in PyTorch to mmpretrain's and to PaddleViT's.
KEYS = {
    "stem.1.conv.weight": ("backbone.stem.1.conv.weight", "stem.1.conv.weight"),
    "stem.1.bn.running_mean": ("backbone.stem.1.bn.running_mean", "stem.1.norm._mean"),
    "stages.2.blocks.0.prelkb_bn.running_var": (
        "backbone.stages.2.blocks.0.prelkb_bn.running_var",
        "stages.2.blocks.0.pre_large_kernel_bn._variance",
    ),
    "stages.2.blocks.0.pw1.bn.weight": (
        "backbone.stages.2.blocks.0.pw1.bn.weight",
        "stages.2.blocks.0.pw_conv_1.norm.weight",
    ),
    "stages.2.blocks.0.large_kernel.lkb_origin.conv.weight": (
        "backbone.stages.2.blocks.0.large_kernel.lkb_origin.conv.weight",
        "stages.2.blocks.0.large_kernel.large_kernel_origin.conv.weight",
    ),
    "stages.2.blocks.0.large_kernel.small_conv.bn.bias": (
        "backbone.stages.2.blocks.0.large_kernel.small_conv.bn.bias",
        "stages.2.blocks.0.large_kernel.small_kernel_conv.norm.bias",
    ),
    "stages.2.blocks.1.preffn_bn.bias": (
        "backbone.stages.2.blocks.1.preffn_bn.bias",
        "stages.2.blocks.1.pre_ffn_bn.bias",
    ),
    "transitions.1.1.bn.bias": ("backbone.transitions.1.1.bn.bias", "transitions.1.1.norm.bias"),
    "norm.weight": ("backbone.stages.3.norm.weight", "norm.weight"),
    "head.bias": ("head.fc.bias", "head.bias"),
}


def test_the_keys_are_theirs() -> None:
    theirs = [names_for(REPLKNET, "mmpretrain"), names_for(REPLKNET, "paddlevit")]

    assert {name: tuple(names[name][0] for names in theirs) for name in KEYS} == KEYS
    bias = f"{'stages.2.blocks.0.large_kernel.'}lkb_reparam.bias"
    assert names_for(REPLKNET_MERGED, "paddlevit")[bias][0] == bias.replace("lkb_reparam", "large_kernel_reparam")


def test_an_mmpretrain_backbone_saved_alone_is_read() -> None:
    weights = distinct_weights(REPLKNET.params())
    names = names_for(REPLKNET, "mmpretrain")
    keys = {name: key.removeprefix("backbone.") for name, (key, _) in names.items() if name in weights}

    named = name_officially({key: weights[name] for name, key in keys.items() if not name.startswith("head")})

    assert (named.key_format.name, named.prefix) == ("mmpretrain", "")
    assert named.tensors.keys() == {name for name in weights if not name.startswith("head")}


def test_a_file_of_megengine_is_named(tmp_path: Path) -> None:
    weights = distinct_weights(REPLKNET.params(), dtype="float32")
    norms = {
        name: array[None, :, None, None] for name, array in weights.items() if array.ndim == 1 and name != "head.bias"
    }
    with (tmp_path / "x.pkl").open("wb") as file:
        pickle.dump({"state_dict": {**weights, **norms}}, file)

    with pytest.raises(FerryError, match="is a checkpoint of MegEngine, whose batch norms are"):
        Job.read("", tmp_path / "x.pkl")


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "model.module."])
def test_a_prefix_before_the_official_keys_is_taken_off(prefix: str) -> None:
    weights = distinct_weights(REPLKNET.params())

    named = name_officially({prefix + name: array for name, array in weights.items()})

    assert (named.key_format.name, named.prefix) == ("official RepLKNet", prefix)
    assert named.tensors.keys() == weights.keys()


@pytest.mark.parametrize("arch", ["replknet_31b", "replknet_31l", "replknet_xl"])
@pytest.mark.parametrize("to", ["timm", "torchvision", "transformers", "paddleclas"])
def test_a_library_without_it_is_refused_with_those_that_have_it(arch: str, to: str) -> None:
    with pytest.raises(FerryError) as caught:
        names_for(ARCHS[arch], to)

    fitting = "official or paddlevit" if to == "paddleclas" else "official or mmpretrain"
    lacks = "it has no place for stem.0.conv.weight"
    assert str(caught.value) == f"{to} has no {arch}: {lacks}; choose --to {fitting}"
