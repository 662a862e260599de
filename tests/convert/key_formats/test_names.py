"""Key formats as data: every one and its inverse, for every architecture, and what is never guessed."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import same_bits
from library_keys import SMALL, stored

from convert.archs import ARCHS
from convert.checkpoints import write_checkpoint
from convert.errors import CheckpointError, FerryError, WrongChoice
from convert.job import Job, Options
from convert.key_formats import name_officially, names_for
from convert.key_formats.families import KEY_FORMATS
from convert.key_formats.rules import Reshape
from convert.targets import fellows
from verify.selftest.weights import distinct_weights

# What a library lacks, by what is odd about an architecture: mostly a place for a tensor, of which the first is named.
ISOTROPIC = "place for stem.weight"
OVERLAP = "place for downsample_layers.0.2.weight"
HEAD_FIRST, HIDDEN = "place for norm_pre.weight", "place for pre_logits.weight"
RESPONSE = "place for stages.0.0.grn.gamma"
SHIFT = "norm without a shift"
EPS, EVERY_EPS = "eps but 1e-06 in its inner norms", "eps but 1e-06"
GELU = "GELU but the exact one"
NO_PLACE = {
    "official": (),
    "timm": (ISOTROPIC,),
    "torchvision": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, RESPONSE, SHIFT, GELU),
    "transformers": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, SHIFT, GELU, EPS),
    "mmpretrain": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, SHIFT, GELU),
    "paddleclas": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, SHIFT, GELU, EVERY_EPS),
    "openclip": (ISOTROPIC, HIDDEN, "head.weight"),
}


def oddity(arch: str) -> str:
    """What is odd in an architecture, by its name alone, so that the spec is not its own judge."""
    odd = {"isotropic": ISOTROPIC, "_ols": OVERLAP, "_hnf": HEAD_FIRST, "_mlp": HIDDEN, "v2_": RESPONSE}
    odd |= {"_rms": SHIFT, "xxlarge": EPS, "test_": GELU}
    return next((name for part, name in odd.items() if part in arch), "")


CONVNEXTS = [arch for arch in ARCHS if "convnext" in arch]  # test_resnext.py and test_replknet.py have the others
CASES = [(arch, name) for arch in CONVNEXTS for name in NO_PLACE if name != "openclip"]
PLACED = [(arch, name) for arch, name in CASES if oddity(arch) not in NO_PLACE[name]]
REFUSED = [(arch, name) for arch, name in CASES if oddity(arch) in NO_PLACE[name]]


def test_the_cases_are_those_that_were_counted_by_hand() -> None:
    # 34 ConvNeXts: 3 isotropic, 5 with overlapping stems, 1 head_norm_first, 1 with a hidden layer, 9 of V2,
    # 2 with a norm without a shift that are none of these, 1 of another eps, 2 with a tanh GELU.
    assert len(PLACED) == 34 + 31 + 11 + 19 + 20 + 20
    assert len(REFUSED) == 6 * 34 - len(PLACED)


@pytest.mark.parametrize(("arch", "name"), [(arch, name) for arch, name in PLACED if name != "paddleclas"])
def test_naming_and_naming_officially_are_inverse(arch: str, name: str) -> None:
    params = ARCHS[arch].params()
    # One number a tensor, spread over its shape without taking memory.
    weights = {p.torch_name: np.broadcast_to(np.float32(i), p.shape) for i, p in enumerate(params)}

    named = name_officially(stored(ARCHS[arch], name, weights))

    assert list(named.tensors) == [param.torch_name for param in params]
    assert [array.shape for array in named.tensors.values()] == [param.shape for param in params]
    assert [array.flat[0] for array in named.tensors.values()] == list(range(len(params)))


@pytest.mark.parametrize(("arch", "name"), REFUSED)
def test_a_format_without_a_place_says_for_what(arch: str, name: str) -> None:
    with pytest.raises(FerryError) as caught:
        names_for(ARCHS[arch], name)

    lacks = oddity(arch).removesuffix(" in its inner norms" if name == "paddleclas" else "")
    fitting = " or ".join(other for other in fellows(name) if (arch, other) in PLACED)
    assert str(caught.value) == f"{name} has no {arch}: it has no {lacks}; choose --to {fitting}"


def test_a_format_that_nobody_knows_is_refused() -> None:
    with pytest.raises(FerryError) as caught:
        names_for(ARCHS["convnext_tiny"], "padleclas")

    assert str(caught.value) == (
        "padleclas has no convnext_tiny: it has no place for downsample_layers.0.0.weight; "
        "choose --to official or timm or torchvision or transformers or mmpretrain"
    )


@pytest.mark.parametrize("suffix", [".pdparams", ".pth", ".safetensors"])
def test_a_format_that_nobody_knows_is_not_the_official_one(suffix: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", distinct_weights(ARCHS["convnext_digits"].params()), framework="torch")
    job = Job.read("", tmp_path / "x.pth", Options(to="padleclas", dtype="float32"))

    with pytest.raises(FerryError):
        job.write(tmp_path / f"y{suffix}")

    assert not (tmp_path / f"y{suffix}").exists()


def test_torchvision_takes_images_of_three_channels_only() -> None:
    with pytest.raises(FerryError) as caught:
        names_for(dataclasses.replace(ARCHS["convnext_tiny"], in_chans=1), "torchvision")

    assert str(caught.value) == (
        "torchvision has no convnext_tiny: it has no image but one of 3 channels; "
        "choose --to official or timm or transformers or mmpretrain"
    )


@pytest.mark.parametrize("kind", ["plain", "version 2"])
def test_a_transformers_model_without_classifier_and_prefix_is_a_backbone(kind: str) -> None:
    weights = distinct_weights(SMALL[kind].params())
    theirs = stored(SMALL[kind], "transformers", weights)
    bare = {key.partition(".")[2]: array for key, array in theirs.items() if not key.startswith("classifier.")}

    named = name_officially(bare)

    assert (named.key_format.name, named.prefix) == ("transformers", "")
    assert same_bits(named.tensors, {name: array for name, array in weights.items() if not name.startswith("head.")})


FITTING_NONE_BUT_TIMM = ("overlapping stem", "hidden layer in the head", "head norm first", "norm without shift")
EXACT = [
    *((kind, "official") for kind in SMALL),
    *((kind, "timm") for kind in SMALL if kind != "isotropic"),
    *(
        (kind, name)
        for name in ("torchvision", "transformers", "mmpretrain")
        for kind in SMALL
        if kind not in (*FITTING_NONE_BUT_TIMM, "isotropic") and (kind, name) != ("version 2", "torchvision")
    ),
]


@pytest.mark.parametrize(("kind", "name"), EXACT)
def test_every_bit_comes_back_from(kind: str, name: str) -> None:
    weights = distinct_weights(SMALL[kind].params())

    named = name_officially(stored(SMALL[kind], name, weights))

    assert same_bits(named.tensors, weights)
    assert all(np.shares_memory(named.tensors[key], weights[key]) for key in weights)


def test_the_format_of_an_isotropic_file_is_called_so() -> None:
    tensors = stored(SMALL["isotropic"], "official", distinct_weights(SMALL["isotropic"].params()))

    assert name_officially(tensors).key_format.name == "official isotropic"


WEIGHTS = distinct_weights(SMALL["plain"].params())
WORDS = ("module.", "model.", "_orig_mod.", "timm_model.", "backbone.", "net.", "encoder.q.", "0.")
CHAINS = [*WORDS, *map("".join, itertools.permutations(WORDS[:4], 2)), "module.module.", "module.model.backbone."]


@pytest.mark.parametrize("prefix", CHAINS)
@pytest.mark.parametrize("name", ["official", "timm", "torchvision", "transformers", "mmpretrain"])
def test_a_prefix_before_every_key_is_taken_off(prefix: str, name: str) -> None:
    theirs = stored(SMALL["plain"], name, WEIGHTS)

    named = name_officially({prefix + key: array for key, array in theirs.items()})

    assert (named.key_format.name, named.prefix) == (name, prefix)
    assert list(named.tensors) == list(WEIGHTS)
    assert list(named.keys.values()) == [prefix + key for key in theirs]


def test_an_mmpretrain_backbone_without_a_head_keeps_its_own_prefix() -> None:
    theirs = {key: array for key, array in stored(SMALL["plain"], "mmpretrain", WEIGHTS).items() if "head" not in key}

    named = name_officially(theirs)

    assert (named.key_format.name, named.prefix) == ("mmpretrain", "")


@pytest.mark.parametrize("form", [(16,), (1, 16)])
def test_a_response_norms_vectors_are_taken_in_any_form(form: tuple[int, ...]) -> None:
    weights = distinct_weights(SMALL["version 2"].params())
    block = {f"stages.0.0.grn.{name}": weights[f"stages.0.0.grn.{name}"].reshape(form) for name in ("gamma", "beta")}

    named = name_officially({**weights, **block})

    assert same_bits(named.tensors, weights)
    assert list(named.reshaped.values()) == [Reshape.GRN, Reshape.GRN]


def test_a_key_that_the_format_has_no_place_for_keeps_its_name() -> None:
    theirs = stored(SMALL["plain"], "timm", WEIGHTS)

    named = name_officially({**theirs, "stages.0.blocks.0.scale": np.ones(3)})

    assert list(named.tensors)[-1] == "stages.0.blocks.0.scale"


def test_an_official_name_among_another_formats_is_refused() -> None:
    theirs = stored(SMALL["plain"], "timm", WEIGHTS)

    with pytest.raises(CheckpointError) as caught:
        name_officially({**theirs, "norm.weight": np.ones(10)})

    assert str(caught.value) == ("'norm.weight' is an official name among timm keys; keep one model's keys in the file")


def test_two_formats_in_one_file_are_named() -> None:
    both = stored(SMALL["plain"], "torchvision", WEIGHTS) | stored(SMALL["plain"], "timm", WEIGHTS)

    with pytest.raises(CheckpointError) as caught:
        name_officially(both)

    assert str(caught.value) == (
        "the keys fit several key formats: timm, torchvision; keep one model's keys in the file"
    )


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (["conv1.weight", "bn1.weight", "bn1.bias", "fc.weight"], "'conv1.weight', 'bn1.weight', 'bn1.bias'"),
        (["x" * 70], "'" + "x" * 59),
        (["visual.trunk.stages.0.blocks.0.conv_dw.bias"], "'visual.trunk.stages.0.blocks.0.conv_dw.bias'"),
    ],
)
def test_keys_of_no_format_are_shown_with_the_formats_known(keys: list[str], shown: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        name_officially(dict.fromkeys(keys, np.ones(1)))

    assert str(caught.value) == (
        f"the keys ({shown}, ...) are a network's in no key format known here: "
        "official, timm, torchvision, transformers, transformers DINOv3, mmpretrain, paddleclas, openclip, "
        "official isotropic, mindvision, mindcv, official ResNeXt, paddleclas_wsl, tutorial ResNeXt, "
        "official RepLKNet, paddlevit; "
        "give the network's own state dict"
    )


def test_no_formats_marker_is_anothers() -> None:
    marks = [
        [re.sub(r"\{\w\}", "2", mark) for mark in (key_format.marker, key_format.second) if mark]
        for key_format in KEY_FORMATS
    ]

    for key_format, keys in zip(KEY_FORMATS, marks, strict=True):
        assert [row for row in KEY_FORMATS if row.prefix_before_marker(keys[0], keys) == ""] == [key_format]


@pytest.mark.parametrize("name", ["official", "timm", "torchvision", "transformers", "mmpretrain"])
@pytest.mark.parametrize("seed", [1, 2])
def test_detection_does_not_depend_on_the_order_of_keys(name: str, seed: int) -> None:
    theirs = stored(SMALL["plain"], name, WEIGHTS)
    shuffled = list(theirs)
    np.random.default_rng(seed).shuffle(shuffled)

    named = name_officially({key: theirs[key] for key in shuffled})

    assert named.key_format.name == name
    assert {key: named.tensors[key].tobytes() for key in WEIGHTS} == {k: a.tobytes() for k, a in WEIGHTS.items()}


def test_of_very_many_models_a_few_are_named() -> None:
    keys = [f"m{n}.stages.0.0.dwconv.weight" for n in range(20)]

    with pytest.raises(WrongChoice) as caught:
        name_officially(dict.fromkeys(keys, np.ones(1)))

    assert "'m5.', ...; choose with --strip-prefix m0., " in str(caught.value)
    assert str(caught.value).endswith(" or --strip-prefix m5.")
