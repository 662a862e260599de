"""What a run is of, gathered: from its checkpoints, its frameworks, and its data set."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import PIL

from convert.arrays import Array
from convert.digest import sha256_of
from convert.errors import shown
from convert.source.read import Source
from convert.tables.table import Proof
from convert.version import __version__
from verify.accuracy.evaluate import RunPlan
from verify.datasets import Dataset
from verify.gates import kept_gates
from verify.options import Options
from verify.pair import Pair
from verify.pairing.builder_text import VERSIONS
from verify.pairing.stranger import NO_STRANGERS, Strangers
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
from verify.store.table_facts import TableFacts
from verify.workers.compute import Compute
from verify.workers.worker import Worker


def facts_of(options: Options, pair: Pair, chosen: ChosenRecipe, strangers: Strangers = NO_STRANGERS) -> RunFacts:
    """What is known before the workers are started."""
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
        models={framework: definition.facts for framework, definition in strangers.definitions.items()},
        table=_table(strangers),
    )
    notes = Notes(how=chosen.how, system=f"{platform.system()} {platform.machine()}")
    machine = Machine(device=options.compute.device)
    return RunFacts(identity=identity, machines=(machine,), notes=notes)


def add_workers(facts: RunFacts, compute: Compute, workers: Mapping[str, Worker]) -> RunFacts:
    """Those facts, and the frameworks' versions and what they compute with; waits until both are loaded."""
    frameworks = {name: worker.version for name, worker in workers.items()}
    libraries = {name: version for built in facts.identity.models for name, version in _libraries(workers[built])}
    versions = {**facts.identity.versions, **frameworks, **libraries}
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


def _libraries(worker: Worker) -> Iterable[tuple[str, str]]:
    """The packages that a model which is not ours came from, and their versions."""
    versions: Mapping[str, str] = worker.ask(VERSIONS)
    return versions.items()


def _table(strangers: Strangers) -> TableFacts | None:
    if strangers.table is None or strangers.path is None:
        return None
    proof, asked = strangers.table.proof, strangers.asked
    return TableFacts(
        file=strangers.path.name,
        sha256=strangers.sha256,
        proof=_proof(proof) if proof else "",
        said_by=asked.said_by if asked else "",
    )


def _proof(proof: Proof) -> str:
    height, width = proof.size
    versions = ", ".join(f"{shown(name)} {shown(version)}" for name, version in proof.versions)
    eps = ", every eps rounded to float32" if proof.eps_as_float32 else ""
    return f"max rel {proof.max_rel:.1e} on {height} x {width}{eps}, {versions}, {proof.date}"


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
