"""Times `convert` against `cp` and against the usual script, each as a whole process, in turn.

    python scripts/bench_convert.py                      convnext_tiny, five rounds
    python scripts/bench_convert.py --arch convnext_xlarge --rounds 7

The checkpoint is made here from seeded random weights. Wall time and peak memory are the operating system's own
account of each finished process. Quote medians and ratios: machines are noisy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

# Made by another process: a child's peak starts at what its parent holds, so this one must stay small.
MAKE = """\
import sys, numpy, torch
from convert import get_spec
rng = numpy.random.default_rng(0)
weights = {p.torch_name: rng.standard_normal(p.shape, numpy.float32) for p in get_spec(sys.argv[1]).params()}
torch.save({"model": {name: torch.from_numpy(array) for name, array in weights.items()}}, sys.argv[2])
"""

# What is pasted into pull requests that port a model.
USUAL = """\
import sys, torch, paddle
linear = ("pwconv1.weight", "pwconv2.weight", "head.weight")
source = torch.load(sys.argv[1], map_location="cpu")["model"]
target = {k: paddle.to_tensor(v.numpy().T if k.endswith(linear) else v.numpy()) for k, v in source.items()}
paddle.save(target, sys.argv[2])
"""


@dataclass(frozen=True)
class Run:
    """One finished process: wall seconds, and peak resident memory in bytes, mapped files included."""

    wall: float
    peak: int


def main() -> int:
    """Prints a row for each contender: medians, ranges, ratio to cp."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="convnext_tiny")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paddleferry-bench-") as folder:
        source = Path(folder) / "source.pth"
        subprocess.run([sys.executable, "-c", MAKE, args.arch, str(source)], check=True)
        print(f"{args.arch}: {source.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores, {args.rounds} rounds")
        _report(_measure(_contenders(args.arch, source), args.rounds))
    return 0


def _contenders(arch: str, source: Path) -> dict[str, list[str]]:
    target = source.with_name("target.pdparams")
    convert = ["-m", "convert", "--arch", arch, "--src", str(source), "--dst", str(target), "--force"]
    return {
        "convert": [sys.executable, *convert],
        "cp": ["cp", str(source), str(source.with_name("copy.pth"))],
        "usual script": [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            USUAL,
            str(source),
            str(source.with_name("usual.pdparams")),
        ],
        "convert --help": [sys.executable, "-m", "convert", "--help"],
    }


def _measure(contenders: dict[str, list[str]], rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in tqdm(range(rounds + 1), unit="round", disable=None):
        for name, command in contenders.items():
            measured = _run(command)
            if number:  # the first round warms the page cache
                runs[name].append(measured)
    return runs


def _run(command: list[str]) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}")
    return Run(wall, usage.ru_maxrss * 1024)


def _report(runs: dict[str, list[Run]]) -> None:
    baseline = statistics.median(run.wall for run in runs["cp"])
    print(f"{'':<16}{'median s':>10}{'min':>8}{'max':>8}{'x cp':>8}{'peak MB':>10}")
    for name, measured in runs.items():
        walls = [run.wall for run in measured]
        median, peak = statistics.median(walls), statistics.median(run.peak for run in measured)
        print(
            f"{name:<16}{median:>10.3f}{min(walls):>8.3f}{max(walls):>8.3f}{median / baseline:>8.2f}{peak / 1e6:>10.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
