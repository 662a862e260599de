"""A pair and whatever is planted in it, through the gates of `verify` in their order, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from convert.arrays import Array
from convert.errors import FerryError
from verify import sample
from verify.accuracy.evaluate import RunPlan, evaluate
from verify.accuracy.scores import PairedResult, summarise
from verify.datasets import Dataset, read_dataset
from verify.gate import Gate
from verify.gates import FLOAT32, FLOAT64, GATES, PAIRED, PREPROCESSING, PUBLISHED, STRUCTURE
from verify.gates.paired import paired_gate
from verify.gates.parity import parity_gates, parity_inputs
from verify.gates.preprocessing import Decode, preprocessing_gate
from verify.gates.published import published_gate
from verify.gates.structure import file_digests, mismatch_gate, structure_gate, tensor_problems
from verify.images.decode import decode_item
from verify.pair import Pair
from verify.selftest.known_good import KnownGood
from verify.selftest.tensor_kinds import Tensors
from verify.store.coverage import coverage_problems, listing
from verify.store.rows import ImageRow
from verify.store.run_store import RunStore
from verify.workers.compute import Compute
from verify.workers.worker import Worker

Workers = Mapping[str, Worker]
Step = Callable[[], Gate]

DATA_SET = "data set"  # no gate of a report: what is refused there is an error, and no framework is loaded
MODELS = "verify.selftest.paddle_models:build_faulty"


@dataclass(frozen=True, kw_only=True)
class Plants:
    """What is wrong in a case; nothing, unless given.

    Attributes:
        tensors: makes the target's tensors of the right ones.
        model: NAME@UNIT of a fault in Paddle's model, see verify/selftest/paddle_models.py.
        builder: of a Paddle model with a fault that is not ours.
        folder: makes the folder of images, in a folder that it gets; None for the bundled one.
        listed: makes the data set that is run of the one that was listed.
        decode: in place of `decode_item`.
        workers: in place of the frameworks' own.
        store: changes what the run left.
    """

    tensors: Callable[[Mapping[str, Array]], Tensors] | None = None
    model: str = ""
    builder: str = ""
    folder: Callable[[Path], Path] | None = None
    listed: Callable[[Dataset], Dataset] | None = None
    decode: Decode = decode_item
    workers: Callable[[Workers], Workers] | None = None
    store: Callable[[RunStore], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What cases are run on, one after the other.

    Attributes:
        workers: both frameworks', started.
        compute: where they run.
        scratch: an empty folder.
    """

    workers: Workers
    compute: Compute
    scratch: Path


def run_gates(good: KnownGood, plants: Plants, bench: Bench, *, images: bool = True) -> Iterator[Gate]:
    """Every gate in its order; what is not asked for is not run.

    Args:
        good: the pair.
        plants: what is wrong with it.
        bench: what it runs on.
        images: whether the gates on images are run after those on the checkpoints.
    """
    root = plants.folder(bench.scratch) if plants.folder else sample.IMAGES
    try:
        dataset = read_dataset(root, good.spec.num_classes) if images else None
    except FerryError as error:
        yield Gate(DATA_SET, "refused", "a known set", problems=(str(error).replace(str(root), root.name),))
        return
    case = Case(good.pair(bench.scratch / "x.pdparams", plants.tensors), good, plants, bench)
    if problems := tensor_problems(case.pair):
        yield mismatch_gate(problems)
        return
    steps = case.checkpoint_steps() | (case.image_steps(dataset) if dataset else {})
    for row in GATES:
        if step := steps.get(row.name):
            yield step()


@dataclass(frozen=True)
class Case:
    """A pair with its plants, and what two of its gates share."""

    pair: Pair
    good: KnownGood
    plants: Plants
    bench: Bench

    def checkpoint_steps(self) -> dict[str, Step]:
        """The gates on the checkpoints, by name."""
        return {STRUCTURE.name: self._structure, FLOAT64.name: self._float64, FLOAT32.name: self._float32}

    def image_steps(self, dataset: Dataset) -> dict[str, Step]:
        """The gates on images, by name."""
        accuracy = Accuracy(dataset, self)
        steps = {PREPROCESSING.name: self._preprocessing, PAIRED.name: accuracy.paired_gate}
        return steps | ({PUBLISHED.name: accuracy.published_gate} if self.good.recipe else {})

    @property
    def _builder(self) -> str:
        return f"{MODELS}:{self.plants.model}" if self.plants.model else self.plants.builder

    def _structure(self) -> Gate:
        jobs = {
            "torch": self.pair.load_job("torch", digest=True),
            "paddle": self.pair.load_job("paddle", digest=True, builder=self._builder),
        }
        loaded = {name: self.bench.workers[name].load(job) for name, job in jobs.items()}
        models = {name: model.digests for name, model in loaded.items()}
        return structure_gate(self.pair, file_digests(self.pair), models, "")

    @cached_property
    def _parity(self) -> tuple[Gate, Gate]:
        inputs = parity_inputs(self.pair.spec, self.good.protocol)
        return parity_gates(self.pair, self.bench.workers, inputs, builders={"paddle": self._builder})

    def _float64(self) -> Gate:
        return self._parity[0]

    def _float32(self) -> Gate:
        return self._parity[1]

    def _preprocessing(self) -> Gate:
        return preprocessing_gate(self.good.protocol, decode=self.plants.decode)


@dataclass(frozen=True)
class Accuracy:
    """The run over a data set, and the gates on what it left."""

    dataset: Dataset
    case: Case

    def paired_gate(self) -> Gate:
        """The gate on both frameworks' scores."""
        return paired_gate(self._scores, coverage=coverage_problems(self._rows, listing(self._changed.items)))

    def published_gate(self) -> Gate:
        """The gate on the published score."""
        return published_gate(self._scores, self.case.good.recipe, self.case.good.protocol)

    @cached_property
    def _changed(self) -> Dataset:
        listed = self.case.plants.listed
        return listed(self.dataset) if listed else self.dataset

    @cached_property
    def _rows(self) -> list[ImageRow]:
        plants, bench = self.case.plants, self.case.bench
        workers = plants.workers(bench.workers) if plants.workers else bench.workers
        plan = RunPlan(protocol=self.case.good.protocol, decoders=1, compute=bench.compute)
        with closing(RunStore(None)) as store:
            evaluate(self._changed, plan, workers, store)
            if plants.store:
                plants.store(store)
            return store.rows()

    @cached_property
    def _scores(self) -> PairedResult:
        return summarise(self._rows)
