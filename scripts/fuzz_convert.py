"""Damages small checkpoints at random, a million times and over six containers, and converts each.

    python scripts/fuzz_convert.py                                    a million: some ten minutes on two cores
    python scripts/fuzz_convert.py --count 5000 --container pdparams

Every mutation has a number, and the same number makes the same file. Reading runs in processes of its own, so that a
crash or a hang is seen and told with its number. What must hold: no crash, no hang over 2 s of processor time, no error
but the project's own, no tensor of another shape or dtype, and in a torch zip, which has checksums, no other value
either, unless the checksum was set right after the damage.
"""

from __future__ import annotations

import argparse
import itertools
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from fuzz import CONTAINERS, Victim, only_fuzzed_architectures, victims  # noqa: E402 - after the path above

HANG = 2.0  # seconds of processor time, which a busy machine does not stretch
BLOCKED = 30.0  # seconds without an answer
STATE = struct.Struct("<q3Qd")  # number in work, refused, same, other values, slowest in seconds
NOT_BEGUN = -1

FAULT_AT = 5
FAULTS: dict[str, Callable[[], object]] = {
    "hang": lambda: max(itertools.count()),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "error": lambda: struct.unpack("<Q", b""),
}


@dataclass
class Tally:
    """What became of the mutations of one container."""

    refused: int = 0
    same: int = 0
    other: int = 0
    silent: int = 0
    crashes: int = 0
    hangs: int = 0
    slowest: float = 0.0
    findings: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.refused + self.same + self.other + self.silent + self.crashes + self.hangs

    def add_state(self, state: tuple[int, int, int, int, float], findings: Sequence[str]) -> None:
        _, refused, same, other, slowest = state
        self.refused += refused
        self.same += same
        self.other += other
        self.slowest = max(self.slowest, slowest)
        self.silent += sum(": silent" in line for line in findings)
        self.crashes += sum(": silent" not in line for line in findings)
        self.findings += findings


class Worker:
    """A process that works through a range of numbers, started again behind the one that ended it."""

    def __init__(self, container: str, folder: Path, first: int, last: int, *, fault: str) -> None:
        self.container, self.folder, self.last, self.fault = container, folder, last, fault
        self.tally, self.over = Tally(), False
        self._start(first)

    def _start(self, first: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").write_bytes(STATE.pack(NOT_BEGUN, 0, 0, 0, 0.0))
        (self.folder / "findings").write_text("")
        command = [sys.executable, __file__, "--work", self.container, str(self.folder), str(first), str(self.last)]
        self.child = subprocess.Popen([*command, *(["--fault", self.fault] if self.fault else [])])
        self.seen, self.since = NOT_BEGUN, time.monotonic()

    def running(self) -> bool:
        """Whether work is left; ends a process that hangs, and goes on behind whatever ended one."""
        status, number = self.child.poll(), self._state()[0]
        if number != self.seen:
            self.seen, self.since = number, time.monotonic()
        hung = status is None and number != NOT_BEGUN and time.monotonic() - self.since > BLOCKED
        if status is None and not hung:
            return True
        hung = hung or status == -signal.SIGPROF
        if number == NOT_BEGUN:
            raise SystemExit(f"fuzz_convert: a process could not begin, exit status {status}")
        self.child.kill()
        self.child.wait()
        self.tally.add_state(self._state(), (self.folder / "findings").read_text().splitlines())
        self.over = status == 0 or number + 1 >= self.last
        if status == 0:
            return False
        self.tally.hangs += hung
        self.tally.crashes += not hung
        self.tally.findings.append(f"{number}: {'hang' if hung else f'crash, exit status {status}'}")
        if not self.over:
            self._start(number + 1)
        return not self.over

    def _state(self) -> tuple[int, int, int, int, float]:
        state: tuple[int, int, int, int, float] = STATE.unpack((self.folder / "state").read_bytes())
        return state

    @property
    def done(self) -> int:
        return self.tally.total + (0 if self.over else sum(self._state()[1:4]))


def work(container: str, folder: Path, first: int, last: int, fault: str) -> None:
    """What a worker's process does; it leaves its state in a file as it goes."""
    only_fuzzed_architectures()
    targets: list[Victim] = victims(container, folder)
    targets[0].convert(0)  # whatever is loaded late is loaded now
    warnings.simplefilter("error")
    counts, slowest = {"refused": 0, "same": 0, "other values": 0}, 0.0
    with (folder / "state").open("r+b") as file, (folder / "findings").open("a") as findings:
        state = mmap.mmap(file.fileno(), STATE.size)
        for number in range(first, last):
            state[:] = STATE.pack(number, *counts.values(), slowest)
            signal.setitimer(signal.ITIMER_PROF, HANG)  # its signal ends the process
            begin = time.process_time()
            try:
                FAULTS.get(fault if number == FAULT_AT else "", lambda: None)()
                outcome = targets[number % len(targets)].convert(number)
            except Exception as error:  # noqa: BLE001  (any kind but the project's own is what is looked for)
                outcome = f"{type(error).__name__}: {error}"
            slowest = max(slowest, time.process_time() - begin)
            if outcome in counts:
                counts[outcome] += 1
            else:
                findings.write(f"{number}: {' '.join(outcome.split())[:300]}\n")
                findings.flush()
        state[:] = STATE.pack(last, *counts.values(), slowest)


def fuzz(containers: Sequence[str], count: int, seed: int, jobs: int, *, fault: str = "") -> dict[str, Tally]:
    """Container to what became of its mutations, numbered from `seed * count` on."""
    memory = Path("/dev/shm")  # noqa: S108 - memory, where there is such a folder
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))
    tallies = {container: Tally() for container in containers}
    workers: list[Worker] = []
    try:
        with tqdm(total=count * len(containers), unit=" files", disable=None) as bar:
            for container in containers:
                edges = [seed * count + count * i // jobs for i in range(jobs + 1)]
                ranges = [(first, last) for first, last in itertools.pairwise(edges) if first < last]
                workers = [
                    Worker(container, folder / f"{container}-{first}", first, last, fault=fault)
                    for first, last in ranges
                ]
                before, running = bar.n, workers
                while running:
                    time.sleep(0.05)
                    running = [worker for worker in running if worker.running()]
                    bar.update(before + sum(worker.done for worker in workers) - bar.n)
                for worker in workers:
                    merge(tallies[container], worker.tally)
    finally:
        for worker in workers:
            worker.child.kill()
            worker.child.wait()
        shutil.rmtree(folder)
    return tallies


def merge(total: Tally, part: Tally) -> None:
    for name in ("refused", "same", "other", "silent", "crashes", "hangs", "findings"):
        setattr(total, name, getattr(total, name) + getattr(part, name))
    total.slowest = max(total.slowest, part.slowest)


def report(tallies: Mapping[str, Tally]) -> str:
    """A line a container, and under it whatever should not have been."""
    heads = ("mutations", "refused", "accepted, same", "other values", "silent", "crashes", "hangs", "slowest ms")
    lines = ["  ".join([f"{'container':<20}", *heads])]
    for container, tally in tallies.items():
        row = (tally.total, tally.refused, tally.same, tally.other, tally.silent, tally.crashes, tally.hangs)
        cells = [f"{number:>{len(head)},}" for number, head in zip(row, heads, strict=False)]
        lines.append("  ".join([f"{container:<20}", *cells, f"{tally.slowest * 1000:>{len(heads[-1])}.0f}"]))
    lines += [f"{container} {line}" for container, tally in tallies.items() for line in tally.findings[:10]]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Runs the mutations; returns 1 if one did what none may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, metavar="N", help="mutations over all containers")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other mutations")
    parser.add_argument("--container", choices=CONTAINERS, help="this one only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes at a time")
    parser.add_argument(
        "--fault", choices=FAULTS, default="", help=f"plant a fault at number {FAULT_AT}, to see it told"
    )
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.work:
        work(args.work[0], Path(args.work[1]), int(args.work[2]), int(args.work[3]), args.fault)
        return 0
    containers = [args.container] if args.container else list(CONTAINERS)
    begin = time.monotonic()
    tallies = fuzz(containers, max(1, args.count // len(containers)), args.seed, args.jobs, fault=args.fault)
    print(report(tallies))
    total = sum(tally.total for tally in tallies.values())
    print(f"{total:,} mutations in {time.monotonic() - begin:.0f} s")
    return int(any(tally.findings for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
