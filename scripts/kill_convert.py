"""Kills a converting process at random moments, and looks at what stands where its target should be.

    python scripts/kill_convert.py                 a thousand kills, some minutes
    python scripts/kill_convert.py --count 40

Two checkpoints are converted to one target in turn with `--force`, so that it is always there and always replaced. The
moments are spread evenly over the time of a conversion; a process that was done before its moment does not count. What
must hold after each: the target is the old file or the complete new one. What a killed process left beside it must be
gone after the next whole conversion.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# A forked process must find no thread running, and kills should fall on the conversion, not on imports.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - after the path above

import convert.job  # noqa: E402 - after the path above
import convert.summary  # noqa: E402, F401 - after the path above, loaded before the fork
from convert import get_spec, write_checkpoint  # noqa: E402 - after the path above
from convert.cli import main as convert_main  # noqa: E402 - after the path above

ARCH = "convnext_atto"  # 15 MB: long enough in the writing for most kills to fall there
WHOLE_EVERY = 10  # kills at least between two conversions that are left alone
KILLED, DONE = "killed", "done before its moment"
OLD, NEW, DAMAGED = "found the old file", "found the complete new file", "found DAMAGED"


@dataclass
class Trial:
    """Two sources, the target they are converted to, and what was seen of it."""

    folder: Path
    arch: str
    seen: Counter[str] = field(default_factory=Counter)
    turn: int = 0
    expected: list[bytes] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def target(self) -> Path:
        return self.folder / "x.pdparams"

    def prepare(self) -> None:
        """Makes the sources, what each becomes, and the time that it takes."""
        times = []
        for seed in range(2):
            rng = np.random.default_rng(seed)
            params = get_spec(self.arch).params()
            weights = {p.torch_name: rng.standard_normal(p.shape, np.float32) for p in params}
            write_checkpoint(self.source(seed), weights, framework="torch")
        for seed in (0, 1, 0, 1, 0, 1):
            begin = time.perf_counter()
            self.convert(seed)
            times.append(time.perf_counter() - begin)
            self.expected = [*self.expected[:1], self.target.read_bytes()] if seed else [self.target.read_bytes()]
        self.turn, self.seconds = 1, statistics.median(times)

    def source(self, turn: int) -> Path:
        return self.folder / f"{turn}.pth"

    def start(self, turn: int) -> int:
        """A process that converts a source; returns its id."""
        child = os.fork()
        if child:
            return child
        with contextlib.redirect_stdout(Path(os.devnull).open("w")):
            status = convert_main(["--src", str(self.source(turn)), "--dst", str(self.target), "--force"])
        os._exit(status)

    def convert(self, turn: int) -> None:
        _, status = os.waitpid(self.start(turn), 0)
        if status:
            raise SystemExit(f"kill_convert: a conversion that was left alone failed: {status}")

    def kill(self, delay: float) -> None:
        """Converts the other source and kills that after `delay` seconds."""
        turn = 1 - self.turn
        child = self.start(turn)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        content = self.target.read_bytes()
        outcome = {self.expected[self.turn]: OLD, self.expected[turn]: NEW}.get(content, DAMAGED)
        if outcome == NEW:
            self.turn = turn
        killed = os.WIFSIGNALED(status)
        self.seen[outcome if killed else DONE] += 1
        self.seen[DAMAGED] += not killed and outcome == DAMAGED
        self.seen[KILLED] += killed
        self.seen["left a temporary file"] += bool(self.leftovers())

    def clean(self) -> None:
        """A conversion that is left alone, after which nothing may stand beside the target."""
        self.seen["leftovers before a whole conversion"] += len(self.leftovers())
        self.turn = 1 - self.turn
        self.convert(self.turn)
        self.seen["leftovers after it"] += len(self.leftovers())
        self.seen[DAMAGED] += self.target.read_bytes() != self.expected[self.turn]

    def leftovers(self) -> list[str]:
        return sorted({path.name for path in self.folder.iterdir()} - {"0.pth", "1.pth", self.target.name})


def trial(folder: Path, count: int, seed: int, arch: str) -> Trial:
    """So many kills in that folder."""
    run, rng = Trial(folder, arch), random.Random(seed)  # noqa: S311 - seeded, no secret
    run.prepare()
    since = 0
    with tqdm(total=count, unit=" kills", disable=None) as bar:
        while run.seen[KILLED] < count:
            run.kill(rng.uniform(0, run.seconds))
            bar.update(run.seen[KILLED] - bar.n)
            since += 1
            if run.leftovers() and since >= WHOLE_EVERY:
                run.clean()
                since = 0
    run.clean()
    return run


def report(run: Trial) -> str:
    leftovers = ("left a temporary file", "leftovers before a whole conversion", "leftovers after it")
    rows = (KILLED, OLD, NEW, DAMAGED, DONE, *leftovers)
    lines = [f"{name:<36} {run.seen[name]:>6,}" for name in rows]
    return "\n".join([f"{run.arch}, a conversion takes {run.seconds * 1000:.0f} ms", *lines])


def main(argv: list[str] | None = None) -> int:
    """Runs the kills; returns 1 if a target was damaged or a leftover stayed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="kills")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other moments")
    parser.add_argument("--arch", default=ARCH, metavar="NAME", help=f"of the checkpoints; {ARCH} unless given")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        run = trial(Path(folder), args.count, args.seed, args.arch)
    print(report(run))
    return int(bool(run.seen[DAMAGED] or run.seen["leftovers after it"]))


if __name__ == "__main__":
    sys.exit(main())
