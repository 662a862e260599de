"""Facts of a made-up run over a data set, for results, run stores and merges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe
from verify.store.coverage import listing
from verify.store.facts import (
    AnotherRun,
    Architecture,
    CheckpointFile,
    DataFacts,
    DataPlace,
    HashedFile,
    Identity,
    LabelCounts,
    Machine,
    Notes,
    RunFacts,
    Settings,
    Setup,
    Speed,
)
from verify.store.rows import ImageRow
from verify.store.shard import Shard
from verify.store.table_facts import TableFacts

RECIPE = Recipe(
    name="convnext_tiny.fb_in1k",
    arch="convnext_tiny",
    num_classes=1000,
    protocol=Protocol(),
    top1=82.1,
    top5=95.9,
    decimals=1,
    source="README of facebookresearch/ConvNeXt",
)
ARCH = Architecture(name="convnext_tiny", classes=1000, features=768, last_norm=True, channels=3, recognised=False)
SOURCE = CheckpointFile(
    name="convnext_tiny.pth",
    container="torch zip",
    key_format="official",
    sha256="1f" * 32,
)
TARGET = CheckpointFile(
    name="convnext_tiny.pdparams",
    container="paddle pickle",
    key_format="official",
    sha256="2e" * 32,
)
VERSIONS = {"paddleferry": "0.1.0", "numpy": "2.4.6", "pillow": "13.0.0", "torch": "2.14.0", "paddle": "3.3.1"}


def cpu_machine(threads: int = 2) -> Machine:
    """A machine where both frameworks compute with so many threads."""
    setup = Setup(device="cpu", threads=threads, gpu="", tf32=None)
    paddle = replace(setup, variables={"MKL_DEBUG_CPU_TYPE": "5"})
    return Machine(device="cpu", setups={"torch": setup, "paddle": paddle})


def gpu_machine() -> Machine:
    """A machine where each framework has a GPU of its own."""
    setups = {
        framework: Setup(device=f"gpu:{number}", threads=None, gpu="NVIDIA H100", tf32=False)
        for number, framework in enumerate(("torch", "paddle"))
    }
    return Machine(device="gpu:0,gpu:1", setups=setups)


def facts_of_run(images: int = 6, *, shard: Shard | None = None, **identity: Any) -> RunFacts:
    """Facts of a run over images "0.png" and so on, of three labels in turn; of the whole set unless given.

    Args:
        images: of the data set.
        shard: of the data set.
        identity: fields of the identity that differ.
    """
    rows = [ImageRow(f"{number}.png", number % 3, None, 0.0, {}) for number in range(images)]
    shard = shard or Shard()
    first, last = (images * edge // shard.count for edge in (shard.number - 1, shard.number))
    fields = {
        "arch": ARCH,
        "source": SOURCE,
        "target": TARGET,
        "protocol": Protocol(),
        "recipe": None,
        "versions": VERSIONS,
        "data": data_facts(images),
        **identity,
    }
    return RunFacts(
        identity=Identity(**fields),
        machines=(cpu_machine(),),
        notes=Notes(
            data=DataPlace(name="val", layout="class folders", ignored=0, unlisted=0),
            how="recognised" if fields["recipe"] else "neither",
            system="Linux x86_64",
            shard=shard,
        ),
        settings=Settings(listed=listing(rows[first:last]), all_listed=listing(rows)),
    )


def data_facts(images: int) -> DataFacts:
    """Facts of a data set of so many images, of three labels in turn."""
    labels = LabelCounts(classes=min(images, 3), fewest=images // 3 or 1, most=-(-images // 3))
    return DataFacts(images=images, labels=labels, fingerprint="3d" * 32, class_map_sha256="", batch_size=2)


def full_facts() -> RunFacts:
    """Facts of which no field has its default, but for the merged shards, which no single run has."""
    facts = facts_of_run(7, shard=Shard(2, 3), recipe=RECIPE, protocol=replace(Protocol(), size=288, resize=329))
    shards = (HashedFile(name="a.safetensors", sha256="5a" * 32), HashedFile(name="b.safetensors", sha256="5b" * 32))
    source = replace(
        SOURCE,
        name="x.safetensors.index.json",
        container="safetensors",
        wrapper="model_ema",
        prefix="module.",
        shards=shards,
    )
    data = replace(data_facts(7), class_map_sha256="6c" * 32)
    table = TableFacts(
        file="net.table.toml", sha256="7d" * 32, proof="max rel 1.2e-12 on 224 x 256", said_by="timm's for net"
    )
    models = {"torch": "timm:net", "paddle": "net_paddle.py:build"}
    another = AnotherRun(kept_as="run.0123abcd.sqlite", differs=("protocol", "device"))
    return replace(
        facts,
        identity=replace(
            facts.identity,
            arch=replace(ARCH, recognised=True, variant="X's: tanh GELU"),
            source=source,
            data=data,
            models=models,
            table=table,
        ),
        machines=(cpu_machine(3),),
        notes=replace(
            facts.notes,
            data=DataPlace(name="val", layout="val_list.txt", ignored=2, unlisted=1),
            another_run=another,
            data_changed=True,
            speed=Speed(images=5, before=2, seconds=2.5),
        ),
        settings=replace(
            facts.settings, classes=("tench", "goldfish \udcff"), gates=("structure", "layers"), files="5c" * 32
        ),
    )
