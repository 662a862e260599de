"""Plants seeded faults in pairs of every architecture, and runs as many pairs untouched.

    python scripts/fuzz_verify.py                          500 faults: some minutes on two cores
    python scripts/fuzz_verify.py --count 40 --seed 7

Every case has a number, and the same number and seed make the same case: architecture, kind of fault, place, weights.
What must hold: every fault is seen by a gate, and every pair without one passes all gates. The architectures are those
of the table, each with its own stem, norms, response norm and head, but with few blocks of few channels, so that a case
takes a part of a second; the smallest ones also come as they are.

A fault that changes nothing cannot be planted: all weights are distinct, of order 1 and not float16's (so that tensors
exchanged, transposed, rounded or zeroed are other tensors), the places of a kind are those of the architecture that
have what it changes, and a changed state dict that equals the right one raises.
Faults of float32 alone round every block's output: rounded in one place only, to half, a small network's logits can
move by less than eight times float32's own error, and the float32 gate lets that pass by its definition.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from convert.archs import ARCHS, ArchSpec  # noqa: E402 - after the path above
from verify.gate import Verdict  # noqa: E402 - after the path above
from verify.selftest.bench import Bench, Plants, run_gates  # noqa: E402 - after the path above
from verify.selftest.known_good import random_pair  # noqa: E402 - after the path above
from verify.selftest.model_kinds import MODEL_KINDS, ModelKind  # noqa: E402 - after the path above
from verify.selftest.reading import Reading, factor, reading  # noqa: E402 - after the path above
from verify.selftest.tensor_kinds import TENSOR_KINDS, TensorKind  # noqa: E402 - after the path above
from verify.workers.compute import Compute  # noqa: E402 - after the path above
from verify.workers.worker import start_workers  # noqa: E402 - after the path above

AS_THEY_ARE = ("convnext_digits", "convnext_zepto_rms", "convnextv2_atto")
WHOLE = 0.1  # of the cases of these architectures
SQUARE = 0.5  # of the cases have a square head
DEPTHS = (1, 1, 2, 3)  # of the stages, in any order; of one stage alone, the last
RUN_FAULTS = (
    "images in another order",
    "a batch shifted by one",
    "an image replaced",
    "classes in another order",
    "logits off by 2e-4",
    "not a number in the run",
)
CLASSES = 10  # of the bundled images, for faults in the run over them

Kind = TensorKind | ModelKind | str


@dataclass(frozen=True)
class Case:
    """A pair, and what is wrong with it.

    Attributes:
        number: of the case.
        spec: its architecture.
        kind: of the fault; "" for none.
        place: where it is.
        plants: the fault itself.
        images: whether it takes a run over images to see it.
    """

    number: int
    spec: ArchSpec
    kind: str
    place: str
    plants: Plants
    images: bool = False

    def __str__(self) -> str:
        return f"case {self.number}: {self.kind or 'untouched'} at {self.place or 'the model'} of {self.spec.name}"


@dataclass(frozen=True)
class Outcome:
    """What became of a case: the gate that saw it first, if one did."""

    case: Case
    gate: str = ""
    reading: Reading | None = None

    @property
    def wrong(self) -> bool:
        """A fault that nobody saw, or an alarm without one."""
        return bool(self.case.kind) != bool(self.gate)


def reduced(spec: ArchSpec, rng: np.random.Generator) -> ArchSpec:
    """The architecture with few blocks of few channels; at times with a square head."""
    if spec.name in AS_THEY_ARE and rng.random() < WHOLE:
        return spec
    classes, stages = int(rng.integers(5, 14)), len(spec.stages)
    dims = np.cumsum(rng.integers(2, 6, stages)) + 2
    depths = rng.permutation(DEPTHS[-stages:])
    small = spec.resized([(int(depth), int(dim)) for depth, dim in zip(depths, dims, strict=True)])
    square = next(param.shape[1] for param in small.params() if param.torch_name == small.head_key)
    return replace(small, num_classes=square if rng.random() < SQUARE else classes)


def cases(count: int, seed: int) -> Iterator[Case]:
    """So many faults: every architecture and every kind in turn, each kind at a random place that fits."""
    names = list(ARCHS)
    kinds: list[Kind] = [*TENSOR_KINDS, *MODEL_KINDS, *RUN_FAULTS]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        spec = reduced(ARCHS[names[number % len(names)]], rng)
        start = int(rng.integers(len(kinds)))
        for kind in (*kinds[start:], *kinds[:start]):  # the first that fits from there on
            if case := _planted(number, spec, kind, rng):
                yield case
                break


def _planted(number: int, spec: ArchSpec, kind: Kind, rng: np.random.Generator) -> Case | None:
    if isinstance(kind, str):
        spec = replace(spec, num_classes=CLASSES)
        return Case(number, spec, kind, "", Plants(model=kind), images=True)
    places = list(kind.places(spec))
    if not places:
        return None
    place = places[int(rng.integers(len(places)))]
    if isinstance(kind, ModelKind):
        assert isinstance(place, str)
        return Case(number, spec, kind.name, place, Plants(model=f"{kind.name}@{place}"))
    assert isinstance(place, tuple)
    edit = partial(kind.plant, place=place, rng=rng)
    return Case(number, spec, kind.name, " and ".join(place), Plants(tensors=edit))


def untouched(count: int, seed: int) -> Iterator[Case]:
    """Cases of so many right pairs, of other weights than the cases' own; every other one is run over the images."""
    names = list(ARCHS)
    for number in range(count):
        rng = np.random.default_rng([seed, number, 1])
        spec = replace(reduced(ARCHS[names[number % len(names)]], rng), num_classes=CLASSES)
        yield Case(number, spec, "", "", Plants(), images=number // len(names) % 8 == 0)


def outcome(case: Case, seed: int, bench: Bench) -> Outcome:
    """The case through the gates, until one fails."""
    weights = int(np.random.default_rng([seed, case.number, bool(case.kind)]).integers(1 << 31))
    good = random_pair(case.spec, bench.scratch / "x.pth", seed=weights)
    for gate in run_gates(good, case.plants, bench, images=case.images):
        if gate.verdict is Verdict.FAILED:
            return Outcome(case, gate.name, reading(gate))
    return Outcome(case)


def fuzz(count: int, seed: int) -> tuple[list[Outcome], list[Outcome]]:
    """Outcomes of so many faults, and of as many untouched pairs."""
    compute = Compute(threads=1)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, start_workers(compute) as workers:
        bench = Bench(workers=workers, compute=compute, scratch=Path(folder))
        with tqdm(total=2 * count, unit="case", disable=None) as bar:

            def run(planned: Iterator[Case]) -> list[Outcome]:
                outcomes = []
                for case in islice(planned, count):
                    outcomes.append(outcome(case, seed, bench))
                    bar.update()
                return outcomes

            return run(cases(count, seed)), run(untouched(count, seed))


def report(faults: Sequence[Outcome], right: Sequence[Outcome]) -> str:
    """A line a kind, and under them whatever should not have been."""
    head = f"{'fault':<36}{'planted':>8}{'seen':>6}  {'by which gates':<44}smallest excess over the limit"
    lines = [head]
    for kind in sorted({fault.case.kind for fault in faults}):
        planted = [fault for fault in faults if fault.case.kind == kind]
        gates = [fault.gate for fault in planted if fault.gate]
        tally = ", ".join(f"{gate} {gates.count(gate)}" for gate in sorted(set(gates)))
        readings = [fault.reading for fault in planted if fault.reading]
        times = [reading.times for reading in readings if reading.times is not None]
        finite = [value for value in times if math.isfinite(value)]
        excess = factor(min(finite)) if finite else ""
        lines.append(f"{kind:<36}{len(planted):>8}{len(gates):>6}  {tally:<44}{excess}".rstrip())
    hits = sum(not fault.wrong for fault in faults)
    alarms = sum(pair.wrong for pair in right)
    archs = {outcome.case.spec.name for outcome in (*faults, *right)}
    lines += ["", f"{hits} of {len(faults)} faults seen, {alarms} false alarms over {len(right)} untouched pairs"]
    lines[-1] += f", {len(archs)} architectures"
    for outcome in (*faults, *right):
        if outcome.wrong:
            reason = f"{outcome.gate}: {outcome.reading}" if outcome.gate else "nobody saw it"
            lines.append(f"{outcome.case}: {reason}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Runs the cases; returns 1 if a fault was missed or a right pair failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, metavar="N", help="faults, and as many untouched pairs")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other cases")
    args = parser.parse_args(argv)
    begin = time.monotonic()
    faults, right = fuzz(args.count, args.seed)
    print(report(faults, right))
    print(f"{time.monotonic() - begin:.0f} s")
    return int(any(outcome.wrong for outcome in (*faults, *right)))


if __name__ == "__main__":
    sys.exit(main())
