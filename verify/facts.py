"""What a run is of, gathered: from its checkpoints, its frameworks, and its data set."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import PIL

from convert.arrays import Array
from convert.digest import sha256_of
from convert.source.read import Source
from convert.version import __version__
from verify.accuracy.evaluate import RunPlan
from verify.datasets import Dataset
from verify.gates import kept_gates
from verify.options import Options
from verify.pair import Pair
from verify.recipes.choose import ChosenRecipe
from verify.store.coverage import listing
from verify.store.facts import (
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
)
from verify.workers.compute import Compute
from verify.workers.worker import Worker


def facts_of(options: Options, pair: Pair, chosen: ChosenRecipe) -> RunFacts:
    """What is known before a framework is loaded."""
    spec = pair.spec
    arch = Architecture(
        name=spec.name,
        classes=spec.num_classes,
        features=spec.features,
        last_norm=spec.last_norm,
        channels=spec.in_chans,
        recognised=pair.source.recognised,
        variant=spec.variant,
    )
    identity = Identity(
        arch=arch,
        source=_file(pair.source),
        target=_file(pair.target),
        protocol=chosen.protocol,
        recipe=chosen.recipe,
        versions={"paddleferry": __version__, "numpy": np.__version__, "pillow": PIL.__version__},
    )
    notes = Notes(how=chosen.how, system=f"{platform.system()} {platform.machine()}")
    machine = Machine(device=options.compute.device)
    return RunFacts(identity=identity, machines=(machine,), notes=notes)


def add_workers(facts: RunFacts, compute: Compute, workers: Mapping[str, Worker]) -> RunFacts:
    """Those facts, and the frameworks' versions and what they compute with; waits until both are loaded."""
    frameworks = {name: worker.version for name, worker in workers.items()}
    versions = {**facts.identity.versions, **frameworks}
    setups = {name: worker.setup for name, worker in workers.items()}
    return replace(
        facts,
        identity=replace(facts.identity, versions=versions),
        machines=(Machine(device=compute.device, setups=setups),),
    )


def add_data(facts: RunFacts, dataset: Dataset, options: Options, plan: RunPlan) -> RunFacts:
    """Those facts, and what is run over."""
    data = DataFacts(
        images=len(dataset.items),
        labels=_labels(dataset),
        fingerprint=dataset.fingerprint(),
        class_map_sha256=sha256_of(options.class_map) if options.class_map else "",
        batch_size=plan.batch_size,
    )
    place = DataPlace(
        name=dataset.root.name,
        layout=dataset.layout,
        ignored=dataset.ignored,
        unlisted=dataset.unlisted,
    )
    return replace(
        facts,
        identity=replace(facts.identity, data=data),
        notes=replace(facts.notes, data=place, shard=plan.shard),
        settings=Settings(
            classes=tuple(dataset.classes),
            gates=kept_gates(layers=options.layers, gradients=options.gradients),
            listed=listing(plan.items(dataset)),
            all_listed=listing(dataset.items),
            files=dataset.state(),
        ),
    )


def _file(source: Source[Array]) -> CheckpointFile:
    checkpoint = source.checkpoint
    first, *shards = checkpoint.files  # as they were read, not as they may stand now
    return CheckpointFile(
        name=first.path.name,
        container=checkpoint.container,
        key_format=source.named.key_format.name,
        sha256=first.sha256(),
        wrapper=checkpoint.wrapper,
        prefix=source.named.prefix,
        shards=tuple(HashedFile(name=file.path.name, sha256=file.sha256()) for file in shards),
    )


def _labels(dataset: Dataset) -> LabelCounts | None:
    counts = dataset.class_counts().values()
    if not counts:
        return None
    return LabelCounts(classes=len(counts), fewest=min(counts), most=max(counts))
