"""The gate on layers for models that are not ours: paired by their tensors, they may run in any order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array
from convert.errors import counted
from convert.frameworks import FRAMEWORKS, PADDLE, TORCH
from verify.gates.compare import Comparison, size_of
from verify.gates.layers import UnitDifference, UnitReport
from verify.gates.parity import ParityInputs
from verify.layers.tensor_faults import tensor_faults
from verify.limits import UNIT_MAX_REL
from verify.pair import Pair
from verify.pairing.alike import liken
from verify.pairing.builder_text import NAMES, SETTINGS
from verify.pairing.units import UnitPair, pair_units
from verify.workers.batches import SharedBatch
from verify.workers.messages import AnswerPart, Tap, TensorsJob, TraceJob
from verify.workers.worker import Worker

ANSWER = "the answer"
KEPT_BYTES = 4 << 30  # of PyTorch's outputs that no layer of Paddle's has met yet; a resnet152's are 1 GB in all

Parts = Generator[AnswerPart, Array | None, None]


@dataclass(frozen=True)
class Met:
    """A layer's outputs in both models."""

    name: str
    comparison: Comparison


def run_paired_layers(
    pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs, *, builders: Mapping[str, str] | None = None
) -> UnitReport:
    """Runs both models layer by layer in float64, then in float32, and leaves the float32 models loaded.

    PyTorch's model waits while Paddle's runs, and what it gave is kept until Paddle's counterpart has run. Where a
    layer is compared alone, Paddle's goes on with PyTorch's output of each layer before it.

    Args:
        pair: the checkpoints.
        workers: both frameworks'.
        inputs: the same for both.
        builders: "module:function:text" by framework, in place of the pair's own; for planted faults.
    """
    differences: list[UnitDifference] = []
    hint, note = "", ""
    with SharedBatch(inputs.nbytes) as shared:
        for dtype in UNIT_MAX_REL:
            for framework in FRAMEWORKS:
                builder = (builders or {}).get(framework, "")
                workers[framework].load(pair.load_job(framework, dtype=dtype, builder=builder))
            names = {framework: worker.ask(NAMES) for framework, worker in workers.items()}
            units, others = pair_units(pair.spec, names)
            note = _note(others)
            found = list(_compare_units(units, workers, inputs, shared, dtype))
            differences += found
            first = next((unit.name for unit in found if unit.departs), "")
            if dtype == "float64" and first:
                hint = _hint(pair, workers, next((unit for unit in units if unit.torch == first), None))
    return UnitReport(tuple(differences), hint, note)


def _note(others: list[str]) -> str:
    if not others:
        return ""
    return f"not compared by themselves: {counted(len(others), 'layer')}, first {others[0] or 'the model itself'}"


def _compare_units(
    units: list[UnitPair], workers: Mapping[str, Worker], inputs: ParityInputs, shared: SharedBatch, dtype: str
) -> Iterator[UnitDifference]:
    """The differences, in the order in which PyTorch's layers ran."""
    worst: dict[tuple[str, bool], Comparison] = {}
    order: dict[str, None] = {}
    for batch in inputs.batches:
        ref = shared.put(batch.astype(dtype))
        jobs = {
            TORCH: TraceJob(ref, tuple(Tap(unit.torch, unit.torch) for unit in units), ANSWER),
            PADDLE: TraceJob(ref, tuple(Tap(unit.torch, unit.paddle) for unit in units), ANSWER),
        }
        for alone in (False, True):
            for met in _walk(workers, jobs, order, alone=alone, limit=UNIT_MAX_REL[dtype]):
                key = (met.name, alone)
                before = worst.get(key, met.comparison)
                worst[key] = max(before, met.comparison, key=lambda compared: size_of(compared.max_rel))
    for name in order:
        if (name, False) in worst and (name, True) in worst:
            yield UnitDifference(name, dtype, worst[name, False], worst[name, True])


def _walk(
    workers: Mapping[str, Worker], jobs: Mapping[str, TraceJob], order: dict[str, None], *, alone: bool, limit: float
) -> Iterator[Met]:
    torch, paddle = (workers[framework].stream(jobs[framework]) for framework in FRAMEWORKS)
    kept = _Kept(torch, order)
    with closing(torch), closing(paddle):
        part = next(paddle, None)
        while part is not None:
            assert part.array is not None
            expected, replacement = kept.take(part.name), None
            if expected is not None:
                likeness = liken(expected, part.array, limit)
                replacement = likeness.replacement
                yield Met(part.name, likeness.comparison)
            try:
                part = paddle.send(np.ascontiguousarray(replacement) if alone and replacement is not None else None)
            except StopIteration:
                return


class _Kept:
    """What PyTorch's layers gave, until it is asked for.

    Args:
        stream: of PyTorch's model.
        order: where each layer's name goes when it has run first.
    """

    def __init__(self, stream: Parts, order: dict[str, None]) -> None:
        self.stream = stream
        self.order = order
        self.waiting: defaultdict[str, list[Array]] = defaultdict(list)
        self.nbytes = 0

    def take(self, name: str) -> Array | None:
        """The output of the layer's next call; None where there is none, or too much to be kept until then."""
        while not self.waiting[name]:
            part = next(self.stream, None)
            if part is None:
                return None
            self.order.setdefault(part.name)
            assert part.array is not None
            if part.name == name or self.nbytes + part.array.nbytes <= KEPT_BYTES:
                self.waiting[part.name].append(part.array)
                self.nbytes += part.array.nbytes
        array = self.waiting[name].pop(0)
        self.nbytes -= array.nbytes
        return array


def _hint(pair: Pair, workers: Mapping[str, Worker], unit: UnitPair | None) -> str:
    """What the first layer that departs does otherwise, by its tensors and its settings."""
    if unit is None:
        return "every layer that could be compared is right: compare what runs after the last of them"
    held = workers[PADDLE].tensors(TensorsJob(unit.tensors))
    owners = {param.torch_name: param.torch_name.rpartition(".")[0] for param in pair.spec.params()}
    if faults := tensor_faults(pair.expected, held, units=owners):
        return "; ".join(faults)
    paths = {TORCH: unit.torch, PADDLE: unit.paddle}
    settings = {framework: workers[framework].ask(SETTINGS, framework, path) for framework, path in paths.items()}
    lines = [
        f"{name} is {value} in PyTorch and {settings[PADDLE][name]} in Paddle"
        for name, value in settings[TORCH].items()
        if name in settings[PADDLE] and value != settings[PADDLE][name]
    ]
    right = "its tensors and its settings are PyTorch's: compare what runs before it"
    return f"{unit.torch}, {unit.paddle} in Paddle: {'; '.join(lines) or right}"
