"""One verification from end to end: what the command line does, callable."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL
from tqdm import tqdm

from convert import __version__
from convert.checkpoints import sha256_of
from convert.errors import FerryError
from convert.job import Job
from verify import accuracy, parity, sample
from verify.accuracy import PairedResult, paired_gate, summarise
from verify.compare import Gate, Verdict, not_run
from verify.datasets import Dataset, Item, read_dataset
from verify.findings import LayersFinding, PublishedFinding, WhyFinding
from verify.parity import parity_gates, parity_inputs
from verify.preprocess import Decoded, decode
from verify.recipe import Recipe
from verify.store import FRAMEWORKS, ImageRow, RunStore
from verify.structure import (
    Digests,
    Pair,
    file_digests,
    mismatch_gate,
    read_pair,
    structure_gate,
    tensor_problems,
)
from verify.workers import Compute, SharedBatch, Worker, start_workers

STORE_NAME = "run.sqlite"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to verify and how.

    Attributes:
        arch: the architecture's name.
        src: PyTorch's checkpoint.
        dst: Paddle's.
        weights: which state dict of the source, where it holds several.
        data: folder of the validation set; None leaves the accuracy gate out.
        labelled: False compares predictions only.
        recipe: how images are prepared.
        report: folder that gets the reports and the run store, or None.
        batch_size: images a forward pass.
        workers: threads that decode images.
        compute: where the models run.
    """

    arch: str
    src: Path
    dst: Path
    weights: str = ""
    data: Path | None = None
    labelled: bool = True
    recipe: Recipe = field(default_factory=Recipe)
    report: Path | None = None
    batch_size: int = 32
    workers: int = 2
    compute: Compute = field(default_factory=Compute)


@dataclass(frozen=True)
class Result:
    """What a verification found.

    Attributes:
        facts: what was verified: architecture, files and their SHA-256, protocol, versions.
        gates: in the order in which they ran.
        paired: the accuracy run; None if there was none.
        rows: its images, in the data set's order.
        classes: name of each label; empty where the data set names none.
        published: the score that the checkpoint was published with; None where none is known.
        layers: the comparison layer by layer; None if it did not run.
        why: the search for what explains a missed score; None if it did not run.
        command: what repeats the run, as a shell takes it.
    """

    facts: Mapping[str, str]
    gates: tuple[Gate, ...]
    paired: PairedResult | None = None
    rows: Sequence[ImageRow] = ()
    classes: Sequence[str] = ()
    published: PublishedFinding | None = None
    layers: LayersFinding | None = None
    why: WhyFinding | None = None
    command: str = ""

    @property
    def ok(self) -> bool:
        """Whether a gate passed and none failed. A gate that did not run is neither."""
        verdicts = {found.verdict for found in self.gates}
        return Verdict.PASSED in verdicts and Verdict.FAILED not in verdicts


def verify(options: Options) -> Result:
    """Runs the gates in order: structure, float64 oracle, float32 logits, paired accuracy.

    Everything about the input that can be wrong is looked at before a framework is loaded.

    Raises:
        FerryError: a file, folder or device is no good; a gate that fails raises nothing.
    """
    pair = read_pair(options.arch, options.src, options.dst, weights=options.weights)
    dataset = _dataset(options, pair)
    if problems := tensor_problems(pair):
        return Result(_facts(options, pair, ()), (mismatch_gate(problems), *_forward_not_run()))
    files = file_digests(pair)
    with start_workers(options.compute) as workers:
        gates = (
            _structure(pair, files, workers),
            *parity_gates(pair, workers, parity_inputs(pair.spec, options.recipe)),
        )
        facts = _facts(options, pair, [worker.version for worker in workers.values()])
        if dataset is None:
            return Result(facts, (*gates, not_run(accuracy.NAME, "no --data", accuracy.LIMIT)))
        facts |= _dataset_facts(dataset)
        rows, seconds = _paired(options, dataset, workers, facts)
    paired = summarise(rows)
    facts["speed"] = f"{seconds:.1f} s for both frameworks, {paired.images / seconds:.1f} images/s"
    return Result(facts, (*gates, paired_gate(paired)), paired, rows, dataset.classes)


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


def _paired(
    options: Options, dataset: Dataset, workers: Mapping[str, Worker], facts: Mapping[str, str]
) -> tuple[list[ImageRow], float]:
    store = RunStore(options.report / STORE_NAME if options.report else None)
    try:
        store.put_run(facts)
        side, start = options.recipe.size, time.monotonic()
        with SharedBatch(min(options.batch_size, len(dataset.items)) * 3 * side * side * 4) as shared:
            for numbers, items, decoded in _batches(dataset.items, options):
                _run_batch(store, shared, workers, numbers, items, decoded)
        return store.rows(), time.monotonic() - start
    finally:
        store.close()


def _run_batch(
    store: RunStore,
    shared: SharedBatch,
    workers: Mapping[str, Worker],
    numbers: Sequence[int],
    items: Sequence[Item],
    decoded: Sequence[Decoded],
) -> None:
    for number, item, image in zip(numbers, items, decoded, strict=True):
        store.put_image(number, item.name, item.label, (image.width, image.height, image.mode, image.error or None))
    read = [(number, image.pixels) for number, image in zip(numbers, decoded, strict=True) if image.pixels is not None]
    if read:
        job = shared.put(np.stack([pixels for _, pixels in read]))
        logits = {framework: workers[framework].forward(job) for framework in FRAMEWORKS}
        store.put_logits([number for number, _ in read], logits)


def _batches(items: Sequence[Item], options: Options) -> Iterator[tuple[range, Sequence[Item], list[Decoded]]]:
    """Decodes ahead by one batch while the models compute, whatever the size of the set."""
    ahead: deque[Future[Decoded]] = deque()
    size = options.batch_size
    with (
        ThreadPoolExecutor(options.workers) as pool,  # Pillow lets go of the interpreter's lock while it decodes
        tqdm(total=len(items), unit="image", desc="verify", disable=None) as bar,
    ):
        upcoming = iter(items)
        for start in range(0, len(items), size):
            while len(ahead) < 2 * size and (item := next(upcoming, None)) is not None:
                ahead.append(pool.submit(decode, item.path, options.recipe))
            count = min(size, len(items) - start)
            yield (
                range(start, start + count),
                items[start : start + count],
                [ahead.popleft().result() for _ in range(count)],
            )
            bar.update(count)


def _facts(options: Options, pair: Pair, versions: Sequence[str]) -> dict[str, str]:
    spec = pair.spec
    return {
        "arch": f"{spec.name}, {spec.num_classes} classes, {spec.in_chans} input channels",
        "source": f"{options.src.name} sha256 {sha256_of(options.src)}",
        "target": f"{options.dst.name} sha256 {sha256_of(options.dst)}",
        "protocol": str(options.recipe),
        "device": f"{options.compute.device}, {options.compute.threads} threads, batch size {options.batch_size}",
        "versions": ", ".join(
            [f"paddleferry {__version__}", *versions, f"numpy {np.__version__}", f"pillow {PIL.__version__}"]
        ),
    }


def _dataset_facts(dataset: Dataset) -> dict[str, str]:
    ignored = f", {dataset.ignored} files ignored" if dataset.ignored else ""
    return {
        "data": f"{dataset.root.name}: {len(dataset.items):,} images, {dataset.layout}{ignored}",
        "data fingerprint": dataset.fingerprint(),
    }


def convert_sample(folder: Path) -> Path:
    """Converts the bundled sample into a file in that folder."""
    target = folder / sample.CHECKPOINT.with_suffix(".pdparams").name
    Job.read(sample.ARCH, sample.CHECKPOINT).write(target)
    return target
