"""A pair and whatever is planted in it, through the gates of `verify` in their order, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from convert.arrays import Array
from convert.errors import FerryError
from verify import sample
from verify.accuracy.evaluate import RunPlan, evaluate
from verify.accuracy.scores import summarise
from verify.datasets import Dataset, read_dataset
from verify.gate import Gate, gate
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
from verify.store.run_store import RunStore
from verify.workers.compute import Compute
from verify.workers.worker import Worker

Workers = Mapping[str, Worker]

DATA_SET = "data set"  # no gate of a report: what is refused there is an error, and no framework is loaded
MODELS = "verify.selftest.paddle_models:build_faulty"


@dataclass(frozen=True, kw_only=True)
class Plants:
    """What is wrong in a case; nothing, unless given.

    Attributes:
        tensors: makes the target's tensors of the right ones.
        model: NAME@UNIT of a fault in Paddle's model, see verify/selftest/paddle_models.py.
        folder: makes the folder of images, in a folder that it gets; None for the bundled one.
        listed: makes the data set that is run of the one that was listed.
        decode: in place of `decode_item`.
        workers: in place of the frameworks' own.
        store: changes what the run left.
    """

    tensors: Callable[[Mapping[str, Array]], Tensors] | None = None
    model: str = ""
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
        yield gate(DATA_SET, False, "refused", "a known set", problems=(str(error).replace(str(root), root.name),))
        return
    pair = good.pair(bench.scratch / "x.pdparams", plants.tensors)
    yield from _checkpoints(pair, good, plants, bench)
    if dataset is not None:
        yield preprocessing_gate(good.protocol, decode=plants.decode)
        yield from _accuracy(dataset, good, plants, bench)


def _checkpoints(pair: Pair, good: KnownGood, plants: Plants, bench: Bench) -> Iterator[Gate]:
    if problems := tensor_problems(pair):
        yield mismatch_gate(problems)
        return
    builder = f"{MODELS}:{plants.model}" if plants.model else ""
    jobs = {
        "torch": pair.load_job("torch", digest=True),
        "paddle": pair.load_job("paddle", digest=True, builder=builder),
    }
    loaded = {name: bench.workers[name].load(job) for name, job in jobs.items()}
    yield structure_gate(pair, file_digests(pair), {name: model.digests for name, model in loaded.items()}, "")
    inputs = parity_inputs(pair.spec, good.protocol)
    yield from parity_gates(pair, bench.workers, inputs, builders={"paddle": builder})


def _accuracy(dataset: Dataset, good: KnownGood, plants: Plants, bench: Bench) -> Iterator[Gate]:
    changed = plants.listed(dataset) if plants.listed else dataset
    workers = plants.workers(bench.workers) if plants.workers else bench.workers
    plan = RunPlan(protocol=good.protocol, decoders=1, compute=bench.compute)
    with closing(RunStore(None)) as store:
        evaluate(changed, plan, workers, store)
        if plants.store:
            plants.store(store)
        rows = store.rows()
    paired = summarise(rows)
    yield paired_gate(paired, coverage=coverage_problems(rows, listing(changed.items)))
    if good.recipe:
        yield published_gate(paired, good.recipe, good.protocol)
