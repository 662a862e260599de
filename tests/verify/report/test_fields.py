"""What a run is of, for programs: numbers as numbers, and of the stated form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from results import some_result, some_rows
from run_facts import cpu_machine, facts_of_run, full_facts, gpu_machine

from verify.report import as_json
from verify.report.document import SCHEMA
from verify.report.fields import fact_fields
from verify.store.facts import Notes, RunFacts, Speed
from verify.store.shard import Shard

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def checkpoints_alone() -> RunFacts:
    facts = facts_of_run()
    return replace(
        facts,
        identity=replace(facts.identity, data=None),
        machines=(replace(cpu_machine(), setups={}),),
        notes=replace(facts.notes, data=None),
    )


def merged() -> RunFacts:
    facts = facts_of_run()
    notes = Notes(data=facts.notes.data, merged=(Shard(1, 2), Shard(2, 2)))
    return replace(facts, machines=(cpu_machine(2), gpu_machine()), notes=notes)


FACTS = {
    "plain": facts_of_run(),
    "full": full_facts(),
    "checkpoints alone": checkpoints_alone(),
    "merged": merged(),
    "all in the store already": replace(
        facts_of_run(), notes=replace(facts_of_run().notes, speed=Speed(images=0, before=6, seconds=0.0))
    ),
}


CPU = {"device": "cpu", "threads": 3, "gpu": None, "tf32": None, "engine": "eager"}
FILES = [{"name": f"{name}.safetensors", "sha256": f"5{name}" * 32} for name in "ab"]
FULL = {
    "arch": {
        "name": "convnext_tiny",
        "classes": 1000,
        "features": 768,
        "last_norm": True,
        "channels": 3,
        "recognised": True,
        "variant": "X's: tanh GELU",
    },
    "table": {
        "file": "net.table.toml",
        "sha256": "7d" * 32,
        "proof": "max rel 1.2e-12 on 224 x 256",
        "said_by": "timm's for net",
    },
    "models": {"torch": "timm:net", "paddle": "net_paddle.py:build"},
    "source": {
        "name": "x.safetensors.index.json",
        "container": "safetensors",
        "key_format": "official",
        "sha256": "1f" * 32,
        "wrapper": "model_ema",
        "prefix": "module.",
        "shards": FILES,
    },
    "target": {
        "name": "convnext_tiny.pdparams",
        "container": "paddle pickle",
        "key_format": "official",
        "sha256": "2e" * 32,
        "wrapper": "",
        "prefix": "",
        "shards": [],
    },
    "protocol": {
        "size": 288,
        "resize": 329,
        "interpolation": "bicubic",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "crop": 288,
    },
    "recipe": {
        "name": "convnext_tiny.fb_in1k",
        "how": "recognised",
        "overridden": {"size": 224, "resize": 256},
    },
    "versions": {
        "paddleferry": "0.1.0",
        "numpy": "2.4.6",
        "pillow": "13.0.0",
        "torch": "2.14.0",
        "paddle": "3.3.1",
    },
    "data": {
        "name": "val",
        "layout": "val_list.txt",
        "images": 7,
        "classes": 3,
        "fewest": 2,
        "most": 3,
        "fingerprint": "3d" * 32,
        "ignored": 2,
        "unlisted": 1,
        "class_map_sha256": "6c" * 32,
    },
    "batch_size": 2,
    "shard": {"number": 2, "count": 3},
    "merged": [],
    "machines": [
        {
            "device": "cpu",
            "frameworks": {
                "torch": {**CPU, "variables": {}},
                "paddle": {**CPU, "variables": {"MKL_DEBUG_CPU_TYPE": "5"}},
            },
        }
    ],
    "system": "Linux x86_64",
    "another_run": {"kept_as": "run.0123abcd.sqlite", "differs": ["protocol", "device"]},
    "data_changed": True,
    "speed": {"images": 5, "before": 2, "seconds": 2.5, "images_per_second": 2.0},
}


def document_of(facts: RunFacts) -> Any:
    return json.loads(as_json(some_result(some_rows(4), facts=facts)))


@pytest.mark.parametrize("kind", FACTS)
def test_the_facts_have_the_stated_form(kind: str) -> None:
    VALIDATOR.validate(document_of(FACTS[kind]))


@pytest.mark.parametrize("name", fact_fields(full_facts()))
def test_a_sentence_in_the_place_of_a_field_is_not_of_the_form(name: str) -> None:
    document = document_of(full_facts())
    document["facts"][name] = "a sentence" if name != "system" else ["a list"]

    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("name", fact_fields(full_facts()))
def test_a_field_is_never_left_out(name: str) -> None:
    document = document_of(full_facts())
    del document["facts"][name]

    assert not VALIDATOR.is_valid(document)


def test_a_full_run_in_fields() -> None:
    assert document_of(full_facts())["facts"] == FULL


def test_the_checkpoints_alone_have_no_data() -> None:
    facts = document_of(checkpoints_alone())["facts"]

    assert {name for name, value in facts.items() if value is None} == {
        "table",
        "data",
        "batch_size",
        "shard",
        "another_run",
        "speed",
    }


def test_merged_shards_are_of_every_machine() -> None:
    facts = document_of(merged())["facts"]

    assert (facts["shard"], facts["merged"]) == (None, [{"number": 1, "count": 2}, {"number": 2, "count": 2}])
    assert [machine["device"] for machine in facts["machines"]] == ["cpu", "gpu:0,gpu:1"]
    assert facts["recipe"] == {"name": None, "how": None, "overridden": {}}
