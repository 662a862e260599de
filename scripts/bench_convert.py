"""Times `convert` against `cp` and against the usual script, each as a whole process, in turn.

    python scripts/bench_convert.py                      convnext_tiny, five rounds
    python scripts/bench_convert.py --arch convnext_xlarge --rounds 7

The checkpoint is made here from seeded random weights. Wall time is the operating system's own account of each
finished process. `convert` waits until its file is on the disk and `cp` does not, so that wait is shown apart. Memory
is the peak of anonymous pages, sampled; pages of mapped files, which the system takes back at will, do not count.
Quote medians and ratios: machines are noisy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

# Made by another process: this one stays small and its memory out of the way.
MAKE = """\
import sys, numpy, torch
from convert import get_spec
rng = numpy.random.default_rng(0)
weights = {p.torch_name: rng.standard_normal(p.shape, numpy.float32) for p in get_spec(sys.argv[1]).params()}
torch.save({"model": {name: torch.from_numpy(array) for name, array in weights.items()}}, sys.argv[2])
print(4 * max(array.size for array in weights.values()))
"""

# What is pasted into pull requests that port a model.
USUAL = """\
import sys, torch, paddle
linear = ("pwconv1.weight", "pwconv2.weight", "head.weight")
source = torch.load(sys.argv[1], map_location="cpu")["model"]
target = {k: paddle.to_tensor(v.numpy().T if k.endswith(linear) else v.numpy()) for k, v in source.items()}
paddle.save(target, sys.argv[2])
"""

# The command itself, with a watch on the calls that wait for the disk.
OURS = """\
import os, sys, time
fsync, waited = os.fsync, []
def watched(descriptor):
    start = time.perf_counter()
    fsync(descriptor)
    waited.append(time.perf_counter() - start)
os.fsync = watched
from convert.cli import main
status = main(sys.argv[1:])
print(sum(waited), file=sys.stderr)
sys.exit(status)
"""


@dataclass(frozen=True)
class Run:
    """One finished process: wall seconds, seconds waiting for the disk in it, peak of anonymous memory in bytes."""

    wall: float
    disk: float
    peak: int


def main() -> int:
    """Prints a row for each contender: medians, ranges, ratio to cp."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="convnext_tiny", help="architecture of the checkpoint")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that warms the page cache")
    parser.add_argument("--folder", help="where to make the files (default: the system's temporary folder)")
    parser.add_argument("--without-usual", action="store_true", help="leave the usual script out: it is slow")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paddleferry-bench-", dir=args.folder) as folder:
        source = Path(folder) / "source.pth"
        made = subprocess.run([sys.executable, "-c", MAKE, args.arch, str(source)], check=True, capture_output=True)
        largest = int(made.stdout)
        print(f"{args.arch}: {source.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores, {args.rounds} rounds")
        contenders = _contenders(args.arch, source, usual=not args.without_usual)
        outputs = [source.with_name(name) for name in ("target.pdparams", "usual.pdparams", "copy.pth")]
        _report(measure_in_turn(contenders, args.rounds, outputs))
        print(f"bar for memory: 2 x the largest tensor + 100 MB = {(2 * largest + 100_000_000) / 1e6:,.0f} MB")
    return 0


def _contenders(arch: str, source: Path, *, usual: bool) -> dict[str, list[str]]:
    target, other = (str(source.with_name(name)) for name in ("target.pdparams", "usual.pdparams"))
    convert = ["--arch", arch, "--src", str(source), "--dst", target]
    contenders = {
        "convert": [sys.executable, "-c", OURS, *convert],
        "convert --json": [sys.executable, "-c", OURS, *convert, "--json"],
        "cp": ["cp", str(source), str(source.with_name("copy.pth"))],
        "convert --help": [sys.executable, "-m", "convert", "--help"],
    }
    if usual:
        contenders["usual script"] = [sys.executable, "-W", "ignore", "-c", USUAL, str(source), other]
    return contenders


def measure_in_turn(contenders: dict[str, list[str]], rounds: int, outputs: list[Path]) -> dict[str, list[Run]]:
    """Runs every command once a round, the outputs of each removed before; the first round does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in tqdm(range(rounds + 1), unit="round", disable=None):
        for name, command in contenders.items():
            for output in outputs:  # each writes a new file, as one does
                output.unlink(missing_ok=True)
            os.sync()  # no contender pays for another's dirty pages
            measured = _run(command)
            if number:
                runs[name].append(measured)
    return runs


def _run(command: list[str]) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak: list[int] = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak))
    watcher.start()
    errors = process.communicate()[1].decode()
    wall = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}: {errors}")
    disk = float(errors.split()[-1]) if OURS in command else 0.0
    return Run(wall, disk, peak[0])


def _watch(pid: int, peak: list[int]) -> None:
    """Samples a process's anonymous memory until it ends; Linux alone tells it."""
    try:
        while True:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    peak[0] = max(peak[0], int(line.split()[1]) * 1024)
            time.sleep(0.005)
    except OSError:
        return


def _report(runs: dict[str, list[Run]]) -> None:
    baseline = statistics.median(run.wall for run in runs["cp"])
    print(f"{'':<16}{'median s':>10}{'min':>8}{'max':>8}{'disk s':>8}{'less disk':>11}{'x cp':>8}{'peak MB':>9}")
    for name, measured in runs.items():
        walls = [run.wall for run in measured]
        disk = statistics.median(run.disk for run in measured)
        less = statistics.median(run.wall - run.disk for run in measured)
        peak = max(run.peak for run in measured)
        print(
            f"{name:<16}{statistics.median(walls):>10.3f}{min(walls):>8.3f}{max(walls):>8.3f}{disk:>8.3f}"
            f"{less:>11.3f}{less / baseline:>8.2f}{peak / 1e6:>9.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
