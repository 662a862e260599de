"""Where the models part: every unit's output in both, on the way from the image and each fed PyTorch's own input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from convert.errors import counted
from convert.frameworks import FRAMEWORKS
from verify.gate import NOTE, Gate, Measure
from verify.gates import LAYERS
from verify.gates.compare import Comparison, compare, size_of
from verify.gates.parity import ParityInputs
from verify.layers.cause import Observed, explain_unit
from verify.layers.taps import taps
from verify.limits import UNIT_MAX_REL
from verify.pair import Pair
from verify.reference.families import tensors_of, units_of
from verify.workers.batches import SharedBatch
from verify.workers.messages import TensorsJob, TraceJob
from verify.workers.worker import Worker


@dataclass(frozen=True)
class UnitDifference:
    """How far one unit differs in one dtype, at most over all batches.

    Attributes:
        name: of the module in both models; "features" is what the head's first Linear gets, or the answer
            of a model without one, "head" the logits.
        dtype: "float64" or "float32".
        cumulative: both models ran from the image.
        alone: Paddle's unit was fed PyTorch's own input to it, so that this is the unit's own error.
    """

    name: str
    dtype: str
    cumulative: Comparison
    alone: Comparison

    @property
    def departs(self) -> bool:
        """Whether the unit's own error is above its dtype's limit; True for NaN."""
        return not self.alone.max_rel <= UNIT_MAX_REL[self.dtype]


@dataclass(frozen=True)
class UnitReport:
    """The differences of every unit in float64, then in float32, each in the order in which PyTorch ran them.

    Attributes:
        units: the differences of each.
        hint: what the first unit that departs in float64 does otherwise; empty if none does.
        note: what could not be compared, for people; empty if everything could.
    """

    units: tuple[UnitDifference, ...]
    hint: str = ""
    note: str = ""

    @property
    def first(self) -> UnitDifference | None:
        """The first unit that departs in float64, or in float32 if none does there; None if none does at all."""
        return next((unit for unit in self.units if unit.departs), None)


def run_layers(
    pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs, *, builders: Mapping[str, str] | None = None
) -> UnitReport:
    """Runs both models unit by unit in float64, then in float32, and leaves the float32 models loaded.

    A worker holds what one forward pass holds, and the parent two units' outputs at a time, whatever the model's depth.

    Args:
        pair: the checkpoints.
        workers: both frameworks'.
        inputs: the same for both.
        builders: "module:function" by framework, in place of the model packages' own; for planted faults.
    """
    units: list[UnitDifference] = []
    hint = ""
    with SharedBatch(inputs.nbytes) as shared:
        for dtype in UNIT_MAX_REL:
            for framework in FRAMEWORKS:
                builder = (builders or {}).get(framework, "")
                workers[framework].load(pair.load_job(framework, dtype=dtype, builder=builder))
            differences, first = _compare_units(pair, workers, inputs, shared, dtype)
            units += differences
            if dtype == "float64" and first:
                hint = _hint(pair, workers, first)
    return UnitReport(tuple(units), hint)


def layers_gate(report: UnitReport) -> Gate:
    """Holds when every unit's own error is within its dtype's limit."""
    departing = [unit for unit in report.units if unit.departs]
    names = {unit.name for unit in report.units}
    largest = {dtype: _largest(report, dtype) for dtype in UNIT_MAX_REL}
    measured = ", ".join(f"max rel {value:.1e} in {dtype}" for dtype, value in largest.items())
    if departing:
        count = len({unit.name for unit in departing})
        where = "" if departing[0].dtype == "float64" else f", in {departing[0].dtype} alone"
        measured = f"{count} of {counted(len(names), 'unit')} depart, the first is {departing[0].name}{where}"
    return Gate(
        LAYERS.name,
        measured,
        LAYERS.limit,
        measures=(
            Measure("units", len(names)),
            *(Measure(f"max rel in {dtype}", value, UNIT_MAX_REL[dtype]) for dtype, value in largest.items()),
        ),
        problems=(*_hint_lines(report), *map(_problem, departing)),
        details=(
            ("first", report.first.name if report.first else ""),
            ("hint", report.hint),
            *([(NOTE, report.note)] if report.note else []),
        ),
    )


def unit_rows(report: UnitReport) -> list[list[str]]:
    """The table for people: its head, then a row for each unit; the last cell marks the units that depart."""
    rows = [["unit", *(f"{dtype} {kind}" for dtype in UNIT_MAX_REL for kind in ("cumulative", "alone")), ""]]
    for name in dict.fromkeys(unit.name for unit in report.units):
        both = {unit.dtype: unit for unit in report.units if unit.name == name}
        cells = [_cell(both.get(dtype)) for dtype in UNIT_MAX_REL]
        departs = [unit for unit in both.values() if unit.departs]
        rows.append([name, *(cell for pair in cells for cell in pair), _mark(departs, report.first)])
    return rows


def _mark(departs: Sequence[UnitDifference], first: UnitDifference | None) -> str:
    if not departs:
        return ""
    where = "" if departs[0].dtype == "float64" else f" in {departs[0].dtype}"
    return f"first to depart{where}" if departs[0] is first else f"departs{where}"


def _hint_lines(report: UnitReport) -> list[str]:
    if not report.first or not report.hint:
        return []
    name = report.first.name
    return [report.hint if report.hint.startswith(name) else f"{name}: {report.hint}"]


def _cell(unit: UnitDifference | None) -> list[str]:
    if unit is None:  # the models went apart before it
        return ["", ""]
    return [f"{unit.cumulative.max_rel:.1e}", f"{unit.alone.max_rel:.1e}"]


def _problem(unit: UnitDifference) -> str:
    at = f" at {unit.alone.worst}" if unit.alone.worst else ""
    return f"{unit.dtype}  {unit.name}: max rel {unit.alone.max_rel:.1e}{at}"


def _largest(report: UnitReport, dtype: str) -> float:
    values = [unit.alone.max_rel for unit in report.units if unit.dtype == dtype]
    return max(values, key=size_of, default=math.nan)


def _hint(pair: Pair, workers: Mapping[str, Worker], seen: Observed) -> str:
    held = workers["paddle"].tensors(TensorsJob(tensors_of(pair.spec, seen.name)))
    return explain_unit(pair.spec, seen, source=pair.exact, target=held)


def _compare_units(
    pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs, shared: SharedBatch, dtype: str
) -> tuple[list[UnitDifference], Observed | None]:
    """The differences, and the first unit whose own error is above the limit."""
    worst: dict[tuple[str, bool], Comparison] = {}
    first: tuple[int, Observed] | None = None
    for batch in inputs.batches:
        job = TraceJob(shared.put(batch.astype(dtype)), taps(pair.spec), answer=units_of(pair.spec)[-1].name)
        for alone in (False, True):
            for place, seen in enumerate(_walk(workers, job, batch, alone=alone)):
                comparison, key = _compared(seen), (seen.name, alone)
                worst[key] = max(worst.get(key, comparison), comparison, key=lambda compared: size_of(compared.max_rel))
                departs = alone and not comparison.max_rel <= UNIT_MAX_REL[dtype]
                if departs and (first is None or place < first[0]):
                    first = (place, seen)
    names = dict.fromkeys(name for name, _ in worst)
    units = [UnitDifference(name, dtype, worst[name, False], worst[name, True]) for name in names]
    return units, first[1] if first else None


def _walk(workers: Mapping[str, Worker], job: TraceJob, batch: np.ndarray, *, alone: bool) -> Iterator[Observed]:
    """Runs both models one unit at a time: PyTorch's first, then Paddle's, for the two never compute at the same time.

    Ends with the model's answer, or with the first unit that is not the same in both.
    """
    torch, paddle = (workers[framework].stream(job) for framework in FRAMEWORKS)
    with closing(torch), closing(paddle):
        given, expected, actual = batch, next(torch), next(paddle)
        while True:
            assert expected.array is not None
            assert actual.array is not None
            yield Observed(expected.name, given, expected.array, actual.array, actual.name)
            if expected.name == job.answer or expected.name != actual.name:
                return
            given = expected.array
            expected, actual = torch.send(None), paddle.send(given if alone else None)


def _compared(seen: Observed) -> Comparison:
    if seen.ran != seen.name or seen.expected.shape != seen.actual.shape:
        return Comparison(math.inf, math.inf, ())
    return compare(seen.expected, seen.actual)
