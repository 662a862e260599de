"""What a run is of, in the words of a report."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_facts import cpu_machine, facts_of_run, full_facts, gpu_machine

from verify.recipes.choose import How
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import get_recipe
from verify.store.facts import DataPlace, LabelCounts, Notes, Speed
from verify.store.shard import Shard
from verify.store.words import (
    DATA_CHANGED,
    data_words,
    fact_words,
    how_words,
    label_words,
    machine_words,
    protocol_words,
    published_words,
    speed_words,
)

OFFICIAL = get_recipe("convnext_base.fb_in1k_384")
TIMM = get_recipe("convnext_base.fb_in22k_ft_in1k_384")


def test_a_full_run_has_every_fact_in_its_order() -> None:
    digests = {name: name * 32 for name in ("1f", "2e", "3d", "5a", "5b", "6c", "7d")}

    assert fact_words(full_facts()) == {
        "arch": "convnext_tiny (X's: tanh GELU), 1000 classes, 3 input channels, recognised",
        "table": f"net.table.toml sha256 {digests['7d']}, proven: max rel 1.2e-12 on 224 x 256, "
        "protocol timm's for net",
        "models": "torch by timm:net, paddle by net_paddle.py:build",
        "source": f"x.safetensors.index.json sha256 {digests['1f']}, a.safetensors sha256 {digests['5a']}, "
        f"b.safetensors sha256 {digests['5b']}, state dict 'model_ema', prefix 'module.'",
        "target": f"convnext_tiny.pdparams sha256 {digests['2e']}",
        "protocol": "bicubic, short edge 329, crop 288, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225), "
        "not the published protocol: size 288 instead of 224, short edge 329 instead of 256",
        "published": "top-1 82.1, top-5 95.9, README of facebookresearch/ConvNeXt",
        "versions": "paddleferry 0.1.0, numpy 2.4.6, pillow 13.0.0, torch 2.14.0, paddle 3.3.1",
        "data classes": "3 with 2 to 3 images each",
        "data fingerprint": digests["3d"],
        "images": "7",
        "class map": f"sha256 {digests['6c']}",
        "batch size": "2",
        "device": "cpu: torch 3 threads, paddle 3 threads, MKL_DEBUG_CPU_TYPE=5",
        "data": "val: 7 images, val_list.txt, 2 files ignored, 1 image not listed",
        "recipe": "convnext_tiny.fb_in1k, recognised from the file's name",
        "system": "Linux x86_64",
        "shard": "2/3",
        "another run": "kept as run.0123abcd.sqlite; other protocol, device",
        "data changed": DATA_CHANGED,
        "speed": "2.5 s for both frameworks, 2.0 images/s; 2 images by an earlier run",
    }


def test_the_checkpoints_alone_have_no_fact_of_a_data_set() -> None:
    facts = facts_of_run()
    facts = replace(facts, identity=replace(facts.identity, data=None), notes=replace(facts.notes, data=None))

    assert list(fact_words(facts)) == ["arch", "source", "target", "protocol", "versions", "device", "recipe", "system"]


def test_merged_shards_name_every_machine_and_themselves() -> None:
    facts = replace(
        facts_of_run(), machines=(cpu_machine(8), cpu_machine(2)), notes=Notes(merged=(Shard(1, 2), Shard(2, 2)))
    )
    words = fact_words(facts)

    assert words["merged"] == "2 shards: 1/2, 2/2"
    assert words["device"] == "; ".join(
        f"cpu: torch {count} threads, paddle {count} threads, MKL_DEBUG_CPU_TYPE=5" for count in (2, 8)
    )


def test_a_gpu_is_named_with_what_decides_its_last_bits() -> None:
    assert machine_words(gpu_machine()) == (
        "gpu:0,gpu:1: torch NVIDIA H100, TF32 off, cuDNN deterministic, "
        "paddle NVIDIA H100, TF32 off, cuDNN deterministic"
    )


def test_a_machine_where_nothing_was_loaded_is_its_device() -> None:
    assert machine_words(replace(cpu_machine(), setups={})) == "cpu"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("named", f"{TIMM.name}, named by --recipe"),
        ("recognised", f"{TIMM.name}, recognised from the file's name"),
        ("own values", "none: values without --recipe are a protocol of their own"),
        ("neither", "none named, none recognised from the file's name"),
        ("given", "given"),
    ],
)
def test_how_a_recipe_was_chosen_is_said(how: How, words: str) -> None:
    assert how_words(how, TIMM if how in ("named", "recognised") else None) == words


def test_a_published_number_has_the_decimals_of_its_source() -> None:
    assert published_words(TIMM) == f"top-1 86.826, top-5 98.244, {TIMM.source}"
    assert published_words(OFFICIAL) == f"top-1 85.1, {OFFICIAL.source}"


def test_a_protocol_that_is_the_published_one_stands_alone() -> None:
    assert protocol_words(TIMM.protocol, TIMM) == str(TIMM.protocol)
    assert protocol_words(Protocol(size=288), None) == str(Protocol(size=288))


@pytest.mark.parametrize(
    ("fewest", "most", "words"),
    [
        (50, 50, "1,000 with 50 images each"),
        (1, 1, "1,000 with 1 image each"),
        (1, 1300, "1,000 with 1 to 1,300 images each"),
    ],
)
def test_the_spread_over_the_labels_is_said(fewest: int, most: int, words: str) -> None:
    assert label_words(LabelCounts(classes=1000, fewest=fewest, most=most)) == words


def test_a_data_set_from_which_nothing_was_left_out_is_short() -> None:
    place = DataPlace(name="val", layout="class folders", ignored=0, unlisted=0)

    assert data_words(place, 50_000) == "val: 50,000 images, class folders"


@pytest.mark.parametrize(
    ("speed", "words"),
    [
        (Speed(images=100, before=0, seconds=4.0), "4.0 s for both frameworks, 25.0 images/s"),
        (
            Speed(images=100, before=1234, seconds=4.0),
            "4.0 s for both frameworks, 25.0 images/s; 1,234 images by an earlier run",
        ),
        (Speed(images=0, before=1234, seconds=0.0), "all 1,234 images were in the run store already"),
    ],
)
def test_the_speed_is_that_of_the_images_that_were_run_now(speed: Speed, words: str) -> None:
    assert speed_words(speed) == words
