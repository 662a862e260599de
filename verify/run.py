"""One verification from end to end: what the command line does, callable."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL

from convert import __version__
from convert.checkpoints import sha256_of
from convert.errors import FerryError
from convert.job import Job
from verify import accuracy, parity, sample
from verify.accuracy import PairedResult, paired_gate, summarise
from verify.compare import Gate, Verdict, not_run
from verify.datasets import Dataset, read_dataset
from verify.evaluate import Plan, evaluate
from verify.merge import merge
from verify.parity import parity_gates, parity_inputs
from verify.recipe import Recipe
from verify.shard import Shard
from verify.store import ImageRow, RunFacts
from verify.stores import open_run
from verify.structure import (
    Digests,
    Pair,
    file_digests,
    mismatch_gate,
    read_pair,
    structure_gate,
    tensor_problems,
)
from verify.workers import CORES, Compute, Worker, start_workers


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to verify and how.

    Attributes:
        src: PyTorch's checkpoint.
        dst: Paddle's.
        arch: the architecture's name; "" to recognise it.
        weights: which state dict of the source, where it holds several.
        data: folder of the validation set; None leaves the accuracy gate out.
        labelled: False compares predictions only.
        recipe: how images are prepared.
        report: folder that gets the reports and the run store, or None.
        batch_size: images a forward pass.
        shard: which part of the data set.
        workers: processes that decode images.
        compute: where the models run.
    """

    src: Path
    dst: Path
    arch: str = ""
    weights: str = ""
    data: Path | None = None
    labelled: bool = True
    recipe: Recipe = field(default_factory=Recipe)
    report: Path | None = None
    batch_size: int = 32
    shard: Shard = field(default_factory=Shard)
    workers: int = CORES
    compute: Compute = field(default_factory=Compute)

    def plan(self) -> Plan:
        """How the data set is run."""
        return Plan(
            recipe=self.recipe,
            batch_size=self.batch_size,
            shard=self.shard,
            decoders=self.workers,
            compute=self.compute,
        )


@dataclass(frozen=True)
class Result:
    """What a verification found.

    Attributes:
        facts: what was verified: architecture, files and their SHA-256, protocol, versions.
        gates: in the order in which they ran.
        paired: the accuracy run; None if there was none.
        rows: its images, in the data set's order.
    """

    facts: Mapping[str, str]
    gates: tuple[Gate, ...]
    paired: PairedResult | None = None
    rows: Sequence[ImageRow] = ()

    @property
    def ok(self) -> bool:
        """Whether a gate passed and none failed. A gate that did not run is neither."""
        verdicts = {found.verdict for found in self.gates}
        return Verdict.PASSED in verdicts and Verdict.FAILED not in verdicts


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C in the accuracy run. What was done is in the store.

    Attributes:
        done: images in the store.
        total: of the run.
        kept: whether the same command goes on from there.
    """

    def __init__(self, done: int, total: int, kept: bool) -> None:
        self.done, self.total, self.kept = done, total, kept
        after = f"interrupted after {done:,} of {total:,} images; no verdict"
        super().__init__(f"{after}. The same command goes on from there" if kept else after)


def verify(options: Options) -> Result:
    """Runs the gates in order: structure, float64 oracle, float32 logits, paired accuracy.

    Everything about the input that can be wrong is looked at before a framework is loaded.

    Raises:
        FerryError: a file, folder or device is no good; a gate that fails raises nothing.
        RunInterrupted: Ctrl-C in the accuracy run.
    """
    pair = read_pair(options.arch, options.src, options.dst, weights=options.weights)
    dataset = _dataset(options, pair)
    if problems := tensor_problems(pair):
        return Result(_facts(options, pair).all, (mismatch_gate(problems), *_forward_not_run()))
    files = file_digests(pair)
    with start_workers(options.compute) as workers:
        gates = (
            _structure(pair, files, workers),
            *parity_gates(pair, workers, parity_inputs(pair.spec, options.recipe)),
        )
        facts = _facts(options, pair, workers)
        if dataset is None:
            return Result(facts.all, (*gates, not_run(accuracy.NAME, "no --data", accuracy.LIMIT)))
        facts, rows = _evaluated(options, dataset, workers, _with_data(facts, dataset, options), gates)
    return _concluded(facts, gates, rows)


def merge_runs(paths: Sequence[Path]) -> Result:
    """The result of shards, the same as that of one run over the whole data set.

    Raises:
        StoreError: the files are not all the shards of one run.
    """
    merged = merge(paths)
    return _concluded(merged.facts, merged.gates, merged.rows)


def _concluded(facts: RunFacts, gates: Sequence[Gate], rows: Sequence[ImageRow]) -> Result:
    paired = summarise(rows)
    return Result(facts.all, (*gates, paired_gate(paired)), paired, rows)


def _dataset(options: Options, pair: Pair) -> Dataset | None:
    if options.data is None:
        return None
    if pair.spec.in_chans != 3:
        raise FerryError(f"--data: images have 3 channels, the model takes {pair.spec.in_chans}")
    return read_dataset(options.data, pair.spec.num_classes, labelled=options.labelled)


def _forward_not_run() -> tuple[Gate, ...]:
    limits = {
        parity.FLOAT64_NAME: parity.FLOAT64_LIMIT,
        parity.FLOAT32_NAME: parity.FLOAT32_LIMIT,
        accuracy.NAME: accuracy.LIMIT,
    }
    return tuple(not_run(name, "the tensors do not fit the models", limit) for name, limit in limits.items())


def _structure(pair: Pair, files: Digests, workers: Mapping[str, Worker]) -> Gate:
    loaded = {name: worker.load(pair.load_job(name, digest=True)) for name, worker in workers.items()}
    readers = ", ".join(f"{name} by {found.reader}" for name, found in loaded.items())
    return structure_gate(pair, files, {name: found.digests for name, found in loaded.items()}, readers)


def _evaluated(
    options: Options, dataset: Dataset, workers: Mapping[str, Worker], facts: RunFacts, gates: Sequence[Gate]
) -> tuple[RunFacts, list[ImageRow]]:
    plan = options.plan()
    with closing(open_run(options.report, options.shard, facts)) as store:
        store.put_gates(gates)
        try:
            speed = evaluate(dataset, plan, workers, store)
        except KeyboardInterrupt as error:
            total = sum(map(len, plan.batches(len(dataset.items))))
            raise RunInterrupted(len(store.numbers()), total, store.path is not None) from error
        return store.run().with_notes(speed=str(speed)), store.rows()


def _facts(options: Options, pair: Pair, workers: Mapping[str, Worker] | None = None) -> RunFacts:
    """Without workers, of a pair whose tensors do not fit: no framework was loaded."""
    spec, started = pair.spec, (workers or {}).values()
    versions = [f"paddleferry {__version__}", *(worker.version for worker in started)]
    recognised = ", recognised" if pair.source.recognised else ""
    identity = {
        "arch": f"{spec.name}, {spec.num_classes} classes, {spec.in_chans} input channels{recognised}",
        "source": f"{options.src.name} sha256 {sha256_of(options.src)}",
        "target": f"{options.dst.name} sha256 {sha256_of(options.dst)}",
        "protocol": str(options.recipe),
        "versions": ", ".join([*versions, f"numpy {np.__version__}", f"pillow {PIL.__version__}"]),
    }
    settings = ", ".join(f"{worker.framework} {worker.settings}" for worker in started)
    machine = {"device": f"{options.compute.device}: {settings}" if settings else options.compute.device}
    return RunFacts(identity, machine, {"system": f"{platform.system()} {platform.machine()}"})


def _with_data(facts: RunFacts, dataset: Dataset, options: Options) -> RunFacts:
    found = dataset.facts()
    folder = {"data": found.pop("data")}  # its name may be another on every machine
    identity = {
        **facts.identity,
        **found,
        "images": str(len(dataset.items)),
        "batch size": str(options.batch_size),
    }
    shard = {"shard": str(options.shard)} if options.shard.count > 1 else {}
    return RunFacts(identity, facts.machine, {**folder, **facts.notes, **shard})


def convert_sample(folder: Path) -> Path:
    """Converts the bundled sample into a file in that folder."""
    target = folder / sample.CHECKPOINT.with_suffix(".pdparams").name
    Job.read(sample.ARCH, sample.CHECKPOINT).write(target)
    return target
