"""Damages small validation sets at random, 500 of them in parquet and in tar, and reads each.

    python scripts/fuzz_sets.py                          500: two minutes on two cores
    python scripts/fuzz_sets.py --count 2000 --kind tar

Every set has a number, and the same number makes the same file. Each is read in a process of its own, whose time and
memory, and those of the process that it starts for pyarrow, are measured. What must hold: no error but the project's
own, on one line that names the file; no end of the process; no other image than another reader of the same file finds,
and where pages have checksums none but the right ones; at most 20 s, and 100 MB beyond what the process had.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from damaged_sets import BASES, Base, bases, damage, outcome  # noqa: E402 - after the path above

SECONDS = 20.0  # of wall time; the slowest takes 1, on a busy machine 3
MEGABYTES = 100
FINE = ("refused", "same", "other values")


@dataclass(frozen=True)
class Read:
    """What became of a damaged set.

    Attributes:
        number: of the damage.
        kind: "parquet" or "tar".
        outcome: as `damaged_sets.outcome` has it; "traceback: ...", "ended by ..." or "memory: ...".
        seconds: that it took.
    """

    number: int
    kind: str
    outcome: str
    seconds: float


def read_damaged(number: int, *, base: Base, folder: Path, most: int) -> Read:
    """Damages a base and reads it, in a process that may take so many kilobytes."""
    content = damage(base, number)
    reading, writing = os.pipe()
    begin = time.monotonic()
    if not (child := os.fork()):
        _read(base, content, folder / str(number), writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - begin
    if not answer:
        return Read(number, base.kind, f"ended by {signal.Signals(os.WTERMSIG(status)).name}", seconds)
    text, *peaks = json.loads(answer)
    if max(peaks) > most:
        text = f"memory: {max(peaks) >> 10:,} MB"
    return Read(number, base.kind, text, seconds)


def _read(base: Base, content: bytes, folder: Path, pipe: int) -> None:
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    before = _peak(resource.RUSAGE_SELF)
    try:
        text = outcome(base, content, folder)
    except BaseException as error:  # noqa: BLE001  (any kind but the project's own is what is looked for)
        text = f"traceback: {error!r}"
    peaks = [_peak(who) - before for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    os.write(pipe, json.dumps([" ".join(text.split())[:300], *peaks]).encode())
    os._exit(0)


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss


def fuzz(kinds: Sequence[str], count: int, seed: int, jobs: int) -> list[Read]:
    """What became of so many damaged sets, shared out evenly among the kinds."""
    reads: list[Read] = []
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as name,
        ProcessPoolExecutor(jobs) as pool,
        tqdm(total=count, unit=" sets", disable=None) as bar,
    ):
        folder = Path(name)
        made = [base for kind in kinds for base in bases(kind, folder)]
        share = -(-count // len(made))
        for place, base in enumerate(made):
            task = partial(read_damaged, base=base, folder=folder, most=MEGABYTES << 10)
            first = seed * count + place * share
            for read in pool.map(task, range(first, first + min(share, count - place * share))):
                reads.append(read)
                bar.update()
    return reads


def report(reads: Sequence[Read]) -> str:
    """A line a kind, and under it whatever should not have been."""
    heads = ("sets", *FINE, "wrong", "slowest s")
    lines = ["  ".join([f"{'kind':<10}", *heads])]
    for kind in sorted({read.kind for read in reads}):
        own = [read for read in reads if read.kind == kind]
        tally = Counter(read.outcome if read.outcome in FINE else "wrong" for read in own)
        cells = [str(len(own)), *(str(tally[head]) for head in heads[1:-1]), f"{max(r.seconds for r in own):.1f}"]
        lines.append(
            "  ".join([f"{kind:<10}", *(f"{cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True))])
        )
    lines += [f"{read.kind} {read.number}: {read.outcome}" for read in reads if read.outcome not in FINE]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Reads the damaged sets; returns 1 if one did what none may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, metavar="N", help="damaged sets over all kinds")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other damage")
    parser.add_argument("--kind", choices=BASES, help="this one only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes at a time")
    args = parser.parse_args(argv)
    begin = time.monotonic()
    reads = fuzz([args.kind] if args.kind else list(BASES), args.count, args.seed, args.jobs)
    print(report(reads))
    print(f"{len(reads):,} damaged sets in {time.monotonic() - begin:.0f} s")
    return int(any(read.outcome not in FINE for read in reads))


if __name__ == "__main__":
    sys.exit(main())
