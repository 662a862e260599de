"""Key formats as data: every one and its inverse, for every architecture, and what is never guessed."""

from __future__ import annotations

import dataclasses
import itertools
import re

import numpy as np
import pytest
from checkpoint_files import same_bits
from library_keys import SMALL, stored

from convert.archs import ARCHS
from convert.archs.convnext import Stem
from convert.archs.spec import Norm
from convert.arrays import Array
from convert.errors import CheckpointError, FerryError, WrongChoice
from convert.key_formats import name_officially, names_for
from convert.key_formats.families import KEY_FORMATS
from convert.key_formats.naming import TARGETS
from convert.key_formats.rules import Reshape
from convert.source.recognise import distance
from convert.state_dict import expected_shapes
from verify.selftest.weights import distinct_weights

# What a library lacks, by what is odd about an architecture: mostly a place for a tensor, of which the first is named.
ISOTROPIC = "place for stem.weight"
OVERLAP = "place for downsample_layers.0.2.weight"
HEAD_FIRST, HIDDEN = "place for norm_pre.weight", "place for pre_logits.weight"
RESPONSE = "place for stages.0.0.grn.gamma"
SHIFT = "norm without a shift"
EPS = "eps but 1e-06 in its inner norms"
NO_PLACE = {
    "official": (),
    "timm": (ISOTROPIC,),
    "torchvision": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, RESPONSE, SHIFT),
    "transformers": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, SHIFT, EPS),
    "mmpretrain": (ISOTROPIC, OVERLAP, HEAD_FIRST, HIDDEN, SHIFT),
    "openclip": (ISOTROPIC, HIDDEN, "head.weight"),
}


def oddity(arch: str) -> str:
    """What is odd in an architecture, by its name alone, so that the spec is not its own judge."""
    odd = {"isotropic": ISOTROPIC, "_ols": OVERLAP, "_hnf": HEAD_FIRST, "_mlp": HIDDEN, "v2_": RESPONSE}
    odd |= {"_rms": SHIFT, "xxlarge": EPS}
    return next((name for part, name in odd.items() if part in arch), "")


CASES = [(arch, name) for arch in ARCHS for name in NO_PLACE if name != "openclip"]
PLACED = [(arch, name) for arch, name in CASES if oddity(arch) not in NO_PLACE[name]]
REFUSED = [(arch, name) for arch, name in CASES if oddity(arch) in NO_PLACE[name]]


def test_the_cases_are_those_that_were_counted_by_hand() -> None:
    # 32 architectures: 3 isotropic, 5 with overlapping stems, 1 head_norm_first, 1 with a hidden layer, 9 of V2,
    # 2 with a norm without a shift that are none of these, 1 of another eps.
    assert len(PLACED) == 32 + 29 + 11 + 19 + 20
    assert len(REFUSED) == 5 * 32 - len(PLACED)


@pytest.mark.parametrize(("arch", "name"), PLACED)
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

    fitting = " or ".join(other for other in TARGETS if (arch, other) in PLACED)
    assert str(caught.value) == f"{name} has no {arch}: it has no {oddity(arch)}; choose --to {fitting}"


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
        f"the keys ({shown}, ...) are a ConvNeXt's in no key format known here: "
        "official, timm, torchvision, transformers, mmpretrain, openclip, official isotropic; "
        "give a ConvNeXt's own state dict"
    )


def test_no_formats_marker_is_anothers() -> None:
    keys = [re.sub(r"\{\w\}", "2", key_format.marker) for key_format in KEY_FORMATS]

    markers = [[key_format.marker for key_format in KEY_FORMATS if key_format.recognises(key)] for key in keys]
    assert markers == [[key_format.marker] for key_format in KEY_FORMATS]


@pytest.mark.parametrize("name", ["official", "timm", "torchvision", "transformers", "mmpretrain"])
@pytest.mark.parametrize("seed", [1, 2])
def test_detection_does_not_depend_on_the_order_of_keys(name: str, seed: int) -> None:
    theirs = stored(SMALL["plain"], name, WEIGHTS)
    shuffled = list(theirs)
    np.random.default_rng(seed).shuffle(shuffled)

    named = name_officially({key: theirs[key] for key in shuffled})

    assert named.key_format.name == name
    assert {key: named.tensors[key].tobytes() for key in WEIGHTS} == {k: a.tobytes() for k, a in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("kind", "name", "counts"),
    [
        ("plain", "timm", {}),  # its blocks' Linear layers are stored as such
        ("1x1 convolutions", "timm", {Reshape.CONV1X1: 12}),
        ("version 2", "timm", {Reshape.GRN: 12}),
        ("plain", "torchvision", {Reshape.SCALE: 6}),
        ("version 2", "transformers", {}),
        ("version 2", "mmpretrain", {Reshape.GRN: 12}),
        ("plain", "official", {}),
    ],
)
def test_reshapes_are_counted(kind: str, name: str, counts: dict[Reshape, int]) -> None:
    named = name_officially(stored(SMALL[kind], name, distinct_weights(SMALL[kind].params())))

    reshapes = list(named.reshaped.values())
    assert {reshape: reshapes.count(reshape) for reshape in set(reshapes)} == counts


def test_a_shape_that_the_reshape_does_not_fit_is_left_for_the_comparison() -> None:
    theirs: dict[str, Array] = stored(SMALL["1x1 convolutions"], "timm", WEIGHTS)
    theirs["stages.0.blocks.0.mlp.fc1.weight"] = np.ones((16, 4, 3, 3))

    assert name_officially(theirs).tensors["stages.0.0.pwconv1.weight"].shape == (16, 4, 3, 3)


def test_no_table_is_anothers_in_either_layout() -> None:
    tables = [tuple(sorted(expected_shapes(spec, f).items())) for spec in ARCHS.values() for f in ("torch", "paddle")]

    assert len(set(tables)) == 2 * len(ARCHS)


@pytest.mark.parametrize("classes", [1, 10, 1000])
@pytest.mark.parametrize("arch", ARCHS)
def test_no_tensors_fit_both_frameworks_layouts(arch: str, classes: int) -> None:
    spec = dataclasses.replace(ARCHS[arch], num_classes=classes)

    assert distance(spec, expected_shapes(spec, "torch"), "paddle") >= 4 * spec.blocks


def test_the_words_of_stems_and_norms_are_timms() -> None:
    assert [stem.value for stem in Stem] == ["patch", "overlap", "overlap_tiered", "overlap_act"]
    assert [norm.value for norm in Norm] == ["layernorm", "rmsnorm", "simplenorm"]


def test_a_bare_model_beside_another_is_told_as_one() -> None:
    theirs = stored(SMALL["plain"], "timm", WEIGHTS)

    with pytest.raises(WrongChoice) as caught:
        name_officially({**theirs, **{f"ema.{key}": array for key, array in theirs.items()}})

    assert str(caught.value) == (
        "holds several models, one without a prefix (to take it, save it alone) and behind 'ema.'; "
        "choose with --strip-prefix ema."
    )


def test_of_very_many_models_a_few_are_named() -> None:
    keys = [f"m{n}.stages.0.0.dwconv.weight" for n in range(20)]

    with pytest.raises(WrongChoice) as caught:
        name_officially(dict.fromkeys(keys, np.ones(1)))

    assert "'m5.', ...; choose with --strip-prefix m0., " in str(caught.value)
    assert str(caught.value).endswith(" or --strip-prefix m5.")
