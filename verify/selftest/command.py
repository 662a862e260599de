"""`verify --selftest`: every planted fault through the gates, and what became of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from convert.console import aligned
from convert.regular import scratch_folder
from convert.visible import joined
from verify.gate import Gate, Verdict
from verify.selftest.bench import Bench, Plants, run_gates
from verify.selftest.faults import FAULTS, RESNEXT, SAMPLE, V2, Fault
from verify.selftest.known_good import RESNEXT_TWIN, V2_TWIN, KnownGood, random_pair, sample_pair
from verify.selftest.reading import Reading, reading
from verify.workers.compute import Compute
from verify.workers.worker import start_workers

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Untouched:
    """A known good pair with nothing planted.

    Attributes:
        name: of the pair.
        gates: every one of them.
    """

    name: str
    gates: tuple[Gate, ...]

    @property
    def ok(self) -> bool:
        return bool(self.gates) and all(gate.verdict is Verdict.PASSED for gate in self.gates)


@dataclass(frozen=True)
class Sighting:
    """What became of a fault.

    Attributes:
        fault: the row of the table.
        gate: name of the gate that saw it first; "" for none.
        reading: what that gate measured.
    """

    fault: Fault
    gate: str = ""
    reading: Reading | None = None


@dataclass(frozen=True)
class Selftest:
    """What the verifier sees of the planted faults.

    Attributes:
        untouched: the known good pairs.
        sightings: a fault each.
        seconds: of wall time.
    """

    untouched: tuple[Untouched, ...]
    sightings: tuple[Sighting, ...]
    seconds: float

    @property
    def missed(self) -> tuple[str, ...]:
        """Names of the faults that no gate saw."""
        return tuple(sighting.fault.name for sighting in self.sightings if not sighting.gate)

    @property
    def ok(self) -> bool:
        """Whether every pair passes untouched and every fault is seen; a test of nothing is none."""
        return bool(self.sightings) and all(pair.ok for pair in self.untouched) and not self.missed


def selftest(compute: Compute, faults: Sequence[Fault] = FAULTS) -> Selftest:
    """Plants the faults one by one; each runs only until a gate fails.

    Args:
        compute: where the models run.
        faults: to be planted.
    """
    start = time.monotonic()
    with scratch_folder() as folder, start_workers(compute) as workers:
        bench = Bench(workers=workers, compute=compute, scratch=folder)
        pairs = {
            SAMPLE: sample_pair(),
            V2: random_pair(V2_TWIN, folder / "v2.pth"),
            RESNEXT: random_pair(RESNEXT_TWIN, folder / "resnext.pth"),
        }
        untouched, sightings = plant_all(pairs, faults, bench)
    return Selftest(untouched, sightings, time.monotonic() - start)


def plant_all(
    pairs: Mapping[str, KnownGood], faults: Sequence[Fault], bench: Bench, *, images: bool = True
) -> tuple[tuple[Untouched, ...], tuple[Sighting, ...]]:
    """Runs every pair untouched, then with one fault after the other.

    Args:
        pairs: what the faults are planted in, by the name that a fault has for it.
        faults: to be planted.
        bench: what it runs on.
        images: whether the gates on images are run too.
    """
    with tqdm(total=len(pairs) + len(faults), unit="fault", desc="selftest", disable=None) as bar:
        untouched, sightings = [], []
        for pair in pairs.values():
            untouched.append(Untouched(pair.name, tuple(run_gates(pair, Plants(), bench, images=images))))
            bar.update()
        for fault in faults:
            sightings.append(_sighting(fault, pairs, bench, images=images))
            bar.update()
    return tuple(untouched), tuple(sightings)


def _sighting(fault: Fault, pairs: Mapping[str, KnownGood], bench: Bench, *, images: bool) -> Sighting:
    for gate in run_gates(pairs[fault.pair], fault.plants, bench, images=images):
        if gate.verdict is Verdict.FAILED:
            return Sighting(fault, gate.name, reading(gate))
    return Sighting(fault)


def as_text(result: Selftest) -> str:
    """The table for a terminal, a line a fault, and the verdict."""
    head = ("fault", "planted in", "seen first by", "measured against its limit")
    rows = [head, *((f"nothing: {pair.name}", "", *_passed(pair)) for pair in result.untouched)]
    rows += [_cells(sighting) for sighting in result.sightings]
    return joined([*aligned(rows), "", *headline_lines(result)])


def headline(result: Selftest) -> str:
    """The verdict in one line, and a line for each fault that was missed."""
    return joined(headline_lines(result))


def headline_lines(result: Selftest) -> list[str]:
    """The lines of `headline`."""
    seen = len(result.sightings) - len(result.missed)
    passed = sum(pair.ok for pair in result.untouched)
    text = f"{seen} of {len(result.sightings)} faults seen, {passed} of {len(result.untouched)} untouched pairs pass"
    lines = [f"{'SELFTEST PASSED' if result.ok else 'SELFTEST FAILED'}: {text}, in {result.seconds:.0f} s"]
    return [*lines, *(f"  nobody saw: {name}" for name in result.missed)]


def as_json(result: Selftest) -> str:
    """The result for programs, as JSON. What is not a number is null, as is the factor over a limit of nothing."""
    untouched = [
        {
            "pair": pair.name,
            "ok": pair.ok,
            "gates": {gate.name: {"verdict": gate.verdict.value, "measured": gate.outcome} for gate in pair.gates},
        }
        for pair in result.untouched
    ]
    document = {"schema_version": SCHEMA_VERSION, "ok": result.ok, "seconds": round(result.seconds, 1)}
    faults = [_document(sighting) for sighting in result.sightings]
    return json.dumps({**document, "untouched": untouched, "missed": result.missed, "faults": faults}, indent=2)


def readme_table(faults: Sequence[Fault] = FAULTS) -> str:
    """The faults and their gates in Markdown."""
    rows = [("fault", "planted in", "first seen by"), ("---", "---", "---")]
    rows += [(fault.name, fault.where, fault.gate) for fault in faults]
    return joined(f"| {' | '.join(row)} |" for row in rows)


def _passed(pair: Untouched) -> tuple[str, str]:
    failed = [gate for gate in pair.gates if gate.verdict is not Verdict.PASSED]
    if failed or not pair.gates:
        return (failed[0].name, f"FAILED: {failed[0].outcome}") if failed else ("nobody", "FAILED: no gate ran")
    return "nobody", f"all {len(pair.gates)} gates passed"


def _cells(sighting: Sighting) -> tuple[str, str, str, str]:
    fault = sighting.fault
    if sighting.reading is None:
        return fault.name, fault.where, "NOBODY", f"should be seen by {fault.gate}"
    return fault.name, fault.where, sighting.gate, sighting.reading.shown


def _document(sighting: Sighting) -> dict[str, str | float | None]:
    measured = sighting.reading
    times = measured.times if measured and measured.times is not None and math.isfinite(measured.times) else None
    return {
        "fault": sighting.fault.name,
        "planted_in": sighting.fault.where,
        "expected_gate": sighting.fault.gate,
        "gate": sighting.gate or None,
        "measured": measured.text if measured else None,
        "times_the_limit": times,
    }
