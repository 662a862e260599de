"""Kills a verification at random moments until it is done, and compares its rows with those of one left alone.

    python scripts/kill_verify.py                 a hundred kills, some twenty minutes
    python scripts/kill_verify.py --count 10

Runs the bundled sample. Each kill is SIGKILL to the command's own process, at a moment spread evenly over the time of
an uninterrupted run; the same command then goes on. What must hold once a run is done: every row is, to the byte, that
of the uninterrupted run. After every kill, its child processes must end by themselves and give their memory back.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("images", "predictions")
GRACE = 20.0  # seconds for a killed run's children to end


@dataclass
class Trial:
    """One report folder after another, and what was seen."""

    folder: Path
    seen: Counter[str] = field(default_factory=Counter)

    def command(self, report: Path) -> list[str]:
        sample = ROOT / "verify" / "sample"
        protocol = ["--size", "64", "--resize", "72", *("--mean", *["0.5"] * 3), *("--std", *["0.5"] * 3)]
        pair = ["--src", str(sample / "convnext_digits.pth"), "--dst", str(self.folder / "x.pdparams")]
        run = ["--data", str(sample / "images"), *protocol, "--batch-size", "4", "--report", str(report)]
        return [sys.executable, "-m", "verify", *pair, *run]

    def prepare(self) -> tuple[bytes, float]:
        """Rows and seconds of an uninterrupted run."""
        source = ROOT / "verify" / "sample" / "convnext_digits.pth"
        convert = [sys.executable, "-m", "convert", "--src", str(source), "--dst", str(self.folder / "x.pdparams")]
        subprocess.run(convert, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        start = time.monotonic()
        subprocess.run(self.command(self.folder / "whole"), check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        return rows(self.folder / "whole" / "run.sqlite"), time.monotonic() - start

    def run(self, report: Path, moment: float) -> bool:
        """Starts or goes on, kills at that moment; returns whether it was done before."""
        process = subprocess.Popen(self.command(report), cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            status = process.wait(moment)
        except subprocess.TimeoutExpired:
            family = children(process.pid)
            memories = shared_memory(family)
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.seen["killed"] += 1
            self.seen["left processes or shared memory"] += not gone(family, memories)
            return False
        if status:
            sys.exit(f"kill_verify: a run that was left alone ended with status {status}")
        return True


def rows(path: Path) -> bytes:
    """Every row of every image, as SQL that would write it."""
    with closing(sqlite3.connect(path)) as database:
        lines = [line for line in database.iterdump() if line.split('"')[1:2] in [[name] for name in TABLES]]
    return "\n".join(lines).encode()


def count(path: Path) -> int:
    """Images in a store; 0 where there is none yet."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as database:
            images: int = database.execute("SELECT count(*) FROM images").fetchone()[0]
            return images
    except sqlite3.OperationalError:
        return 0


def children(pid: int) -> set[int]:
    """Ids of the processes that a process started, and of those that they started."""
    lists = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    pids = {int(word) for words in lists for word in words}
    return pids.union(*(children(child) for child in pids)) if pids else pids


def gone(family: set[int], memories: set[Path]) -> bool:
    """Whether the processes end and their memories go, in the time of grace."""
    end = time.monotonic() + GRACE
    while time.monotonic() < end:
        if not any(map(alive, family)) and not any(path.exists() for path in memories):
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def shared_memory(family: set[int]) -> set[Path]:
    """What those processes share under a name, which could outlive them."""
    memories = set()
    for pid in family:
        with suppress(OSError):  # it ended meanwhile
            maps = Path(f"/proc/{pid}/maps").read_text().split()
            named = "/dev/shm/paddleferry-"  # noqa: S108 - only looked at
            memories |= {Path(word) for word in maps if word.startswith(named)}
    return memories


def main(argv: list[str] | None = None) -> int:
    """Runs the kills; returns 1 if a row differs or something was left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, metavar="N", help="kills")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other moments")
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)  # noqa: S311 - seeded, no secret
    with tempfile.TemporaryDirectory(prefix="kill-verify-") as folder:
        trial = Trial(Path(folder))
        expected, seconds = trial.prepare()
        with tqdm(total=args.count, unit=" kills", disable=None) as bar:
            while trial.seen["killed"] < args.count:
                report = Path(folder) / f"run-{trial.seen['runs']}"
                while not trial.run(report, rng.uniform(0, seconds) if trial.seen["killed"] < args.count else 600):
                    trial.seen["killed with part of the rows kept"] += count(report / "run.sqlite") > 0
                    bar.update(trial.seen["killed"] - bar.n)
                trial.seen["runs"] += 1
                trial.seen["runs with OTHER rows"] += rows(report / "run.sqlite") != expected
    print(f"{expected.count(b'INSERT')} rows, {seconds:.1f} s uninterrupted")
    names = ("killed", "killed with part of the rows kept", "runs", "runs with OTHER rows")
    for name in (*names, "left processes or shared memory"):
        print(f"{name:<36}{trial.seen[name]:>6,}")
    return int(bool(trial.seen["runs with OTHER rows"] or trial.seen["left processes or shared memory"]))


if __name__ == "__main__":
    sys.exit(main())
